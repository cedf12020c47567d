"""SEAM: what can be rotated, revoked or restarted. One module is one target; its file name is its kind everywhere.

A target turns what was asked into steps, by the inventory alone: it asks neither a vault nor a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, Protocol

from kit import seam
from rotation.estate import Estate
from rotation.planning import Drawn, Wish


class Target(Protocol):
    """What a module of this folder has."""

    TITLE: str
    """What it does, as a person says it: "Rotate a KV secret"."""

    FAMILY: str
    """rotate, revoke, restart or govern: break-glass is for revocations and the restarts that heal them."""

    Args: type[Any]
    """A frozen msgspec Struct that forbids unknown fields: what may be asked."""

    def draw(self, args: Any, wish: Wish, estate: Estate) -> Drawn:
        """Return the plan's body; raises `rotation.planning.Refused` with what, why and the mend."""
        ...

    def risk(self, args: Any) -> str:
        """Return routine, high or highest."""
        ...


@cache
def kinds() -> Mapping[str, ModuleType]:
    """Return the targets by kind; raises `kit.seam.HalfDone` when one lacks a part."""
    return seam.complete(__name__, Target)


def names() -> Sequence[str]:
    """Return the kinds in order."""
    return tuple(kinds())
