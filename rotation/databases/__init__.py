"""SEAM: a kind of database that can be asked which logins it has. One module is one kind.

A witness reads role names, whether they can log in and until when, and how many sessions are open; it logs in as itself
and never as one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Protocol

from kit import seam
from rotation.logins import Logins


class Database(Protocol):
    """What a module of this folder has."""

    SCHEMES: tuple[str, ...]
    """How the addresses that it can ask begin, without `://`."""

    def look(self, address: str) -> Logins:
        """Return the logins that are there now; raises `rotation.logins.Away`."""
        ...


@cache
def kinds() -> Mapping[str, ModuleType]:
    """Return the kinds of databases; raises `kit.seam.HalfDone` when one lacks a part."""
    return seam.complete(__name__, Database)


def kind_of(address: str) -> ModuleType | None:
    """Return what can ask an address, None for an address that no module of ours can."""
    scheme = address.partition("://")[0].lower()
    return next((one for one in kinds().values() if scheme in one.SCHEMES), None)
