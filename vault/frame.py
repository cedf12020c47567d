"""A frame: a run of a log's bytes that is of one class."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from vault.strict_json import Pairs

LIMIT = 4 * 1024 * 1024


class Kind(StrEnum):
    """What a run of bytes is: `LINE` one audit entry, `FRAMING` no content, the others go to quarantine."""

    LINE = "line"
    FRAMING = "framing"
    BAD = "bad"
    TORN_HEAD = "torn_head"
    TORN_TAIL = "torn_tail"


QUARANTINE = frozenset((Kind.BAD, Kind.TORN_HEAD, Kind.TORN_TAIL))
CONTINUED = "continued"
DUPLICATE_KEYS = "duplicate keys"
GLUED = "torn, glued to the next line"


class Grammar(NamedTuple):
    """What an entry of a log is: how one may begin, and whether a parsed document is one."""

    beginning: re.Pattern[bytes]
    is_entry: Callable[[Pairs], bool]


class Frame(NamedTuple):
    """A run of bytes of one class.

    `offset` and `length` are physical; a line joined from fragments stands at its first fragment and is as long as
    their contents together. `body` is a line's JSON document or the quarantined bytes; framing has none. `flags` may
    hold `DUPLICATE_KEYS`, and `CONTINUED` for the further pieces of an over-long line.
    """

    kind: Kind
    offset: int
    length: int
    body: bytes = b""
    reason: str = ""
    flags: tuple[str, ...] = ()

    def moved(self, by: int) -> Frame:
        """The same frame, further on."""
        return self._replace(offset=self.offset + by)


def too_long(piece: bytes, offset: int, limit: int) -> Frame:
    """An over-long line, or a piece of one."""
    return Frame(Kind.BAD, offset, len(piece), piece, f"longer than {limit} bytes")
