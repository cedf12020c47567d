"""The coverage bar of one device: what its record holds of a stretch of time, and its holes, never too small to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.coverage import DeviceRecord, joined
from dashboard.words import counted, duration

WIDTH = 150  # px
LEAST = 6.0  # px: a hole is never drawn narrower, however short
LIVE = timedelta(minutes=1)  # a followed device that was read within a minute has no hole at its end


@dataclass(frozen=True, slots=True)
class Piece:
    """A hole in pixels from the left."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The holes of one device, and the same in words."""

    holes: list[Piece]
    words: str

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.holes


def coverage_bar(device: DeviceRecord, since: datetime, until: datetime) -> Bar:
    """Return the bar of [since, until)."""
    holes = joined(_holes(device, since, until))
    total = sum(((end - start).total_seconds() for start, end in holes), 0.0)
    words = f"{counted(len(holes), 'hole')}, {duration(total)} in all" if holes else "nothing is missing"
    return Bar([_piece(start, end, since, until) for start, end in holes], words)


def _holes(device: DeviceRecord, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield what no file covers, and the gaps that are known."""
    at = since
    for start, end in joined(device.covered):
        if start - at > LIVE:
            yield at, min(start, until)
        at = max(at, end)
    if until - at > LIVE:
        yield at, until
    for gap in device.gaps:
        start = max(gap.start or since, since)
        end = min(gap.end or start, until)
        if start < until and (gap.start is None or gap.start >= since or gap.end):
            yield start, end


def _piece(start: datetime, end: datetime, since: datetime, until: datetime) -> Piece:
    span = (until - since).total_seconds()
    width = max(WIDTH * (end - start).total_seconds() / span, LEAST)
    x = WIDTH * (start - since).total_seconds() / span
    return Piece(round(min(x, WIDTH - width), 2), round(min(width, WIDTH), 2))
