"""One thing that was looked at, and what to do when it is not well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `mend` says what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
