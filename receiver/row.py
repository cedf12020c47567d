"""One row of the spool, as the receiver writes it."""

from __future__ import annotations

from typing import NamedTuple

NO_KEY = bytes(16)


class Row(NamedTuple):
    """With a `reason` it is for quarantine, and `line` is a preview without any value."""

    key: bytes
    micros: int
    sha256: bytes
    length: int
    line: bytes
    findings: str = ""
    reason: str = ""
