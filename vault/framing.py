"""Cuts the bytes of a log into frames, so that every byte is in exactly one class: line, framing or quarantine.

Newlines are nobody's frame: the lengths of all frames and the number of newlines add up to the bytes consumed.
A bare line of an audit device is one frame. The rest is what happens on the way: text before the JSON, container
wrappers (docker's json-file, CRI), NULs after a crash, a torn line glued to the next (a disk that was full).
"""

from __future__ import annotations

from typing import NamedTuple

from vault.container_logs import Joiner
from vault.frame import CONTINUED, DUPLICATE_KEYS, GLUED, LIMIT, QUARANTINE, Frame, Grammar, Kind, too_long
from vault.salvage import VAULT, frame_line

__all__ = [
    "CONTINUED", "DUPLICATE_KEYS", "GLUED", "LIMIT", "QUARANTINE", "VAULT", "Frame", "Framed", "Grammar", "Joiner",
    "Kind", "frame_line", "frames",
]  # fmt: skip


class Framed(NamedTuple):
    """The frames of a chunk, the bytes they account for, and whether an over-long line goes on behind them."""

    frames: list[Frame]
    consumed: int
    skipping: bool


def frames(chunk: bytes, at: int, *, at_end: bool = False, limit: int = LIMIT, skipping: bool = False) -> Framed:
    """Cut a chunk that begins at the absolute offset `at`, at a line's start or inside a skipped over-long line.

    A last piece without a newline is left for the next call, unless `at_end`: then a whole document is a line and
    anything else a provisional `TORN_TAIL`. A line longer than `limit` becomes `BAD` frames piece by piece, so memory
    is bounded by the chunk; `(at + consumed, skipping)` is all that a later call needs to go on. Unfinished fragments
    of a container log are not consumed either: give the next call the bytes from there on, and more. They are given
    up `limit` bytes on, so a caller holds no more than two such lines and what it reads at once.
    """
    joiner = Joiner(limit)
    found, start = _skipped(chunk, at, limit) if skipping else ([], 0)
    if skipping and start == 0:
        return Framed(found, len(chunk), True)
    while (end := chunk.find(b"\n", start)) != -1:
        found += joiner.feed(chunk[start:end], at + start)
        start = end + 1
    tail = chunk[start:]
    if at_end:
        return Framed([*found, *joiner.tail(tail, at + start)], len(chunk), False)
    if len(tail) > limit:
        return Framed([*found, *joiner.give_up(), too_long(tail, at + start, limit)], len(chunk), True)
    return _without_unfinished(found, at, start, joiner)


def _skipped(chunk: bytes, at: int, limit: int) -> tuple[list[Frame], int]:
    """The next piece of an over-long line, and where the next line begins (0: not in this chunk)."""
    end = chunk.find(b"\n")
    piece = chunk if end == -1 else chunk[:end]
    found = [too_long(piece, at, limit)._replace(flags=(CONTINUED,))] if piece else []
    return found, end + 1


def _without_unfinished(found: list[Frame], at: int, consumed: int, joiner: Joiner) -> Framed:
    """Leave fragments whose end has not come to the next call."""
    since = joiner.resume_at
    if since is None:
        return Framed(found, consumed, False)
    return Framed([frame for frame in found if frame.offset < since], since - at, False)
