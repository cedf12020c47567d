"""The round times of a time line's axis, by the reader's clock: at their true places when clocks are changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dashboard import zone

MOST = 8
_STEPS = [
    *(timedelta(seconds=s) for s in (1, 5, 10, 30)),
    *(timedelta(minutes=m) for m in (1, 5, 10, 20, 30)),
    *(timedelta(hours=h) for h in (1, 2, 4, 6, 12)),
    *(timedelta(days=d) for d in (1, 2, 5, 10, 30, 90, 365)),
]
_DAY = timedelta(days=1)


def ticks(begin: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield at most about eight round times of [begin, end] with their words; midnight is named by its date.

    A time that the clock shows twice is yielded twice; the first tick after a change says the new offset.
    """
    step = next((s for s in _STEPS if (end - begin) / s <= MOST), _STEPS[-1])
    before = zone.offset(begin)
    for moment in _round(begin, end, step):
        changed = zone.offset(moment) != before
        before = zone.offset(moment)
        words = _words(zone.local(moment), step)
        yield moment, f"{words} {before}" if changed and step < _DAY else words


def _round(begin: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    """Yield the moments at which the reader's clock is round, oldest first."""
    first = zone.local(begin).replace(tzinfo=None, fold=0)
    origin = datetime(first.year, 1, 1)  # noqa: DTZ001 - what the clock shows; its zone is given below
    clock = origin + step * ((first - origin) // step)
    last = zone.local(end).replace(tzinfo=None, fold=0) + step
    found = set()
    while clock <= last:
        found |= set(_moments(clock))
        clock += step
    yield from sorted(moment for moment in found if begin <= moment <= end)


def _moments(clock: datetime) -> Iterator[datetime]:
    """Yield the moments at which the reader's clock shows a time: one, two on the day it is set back, or none."""
    for fold in (0, 1):
        moment = zone.at(clock.replace(fold=fold)).astimezone(UTC)
        if zone.local(moment).replace(tzinfo=None, fold=0) == clock:
            yield moment


def _words(here: datetime, step: timedelta) -> str:
    """Return `02:00`, `02:00:30`, or `18 Nov` where the tick is a midnight."""
    if here.hour == here.minute == here.second == 0:
        return f"{here.day} {here:%b}" + (f" {here.year}" if step >= timedelta(days=90) else "")
    return f"{here:%H:%M}" if step >= timedelta(minutes=1) else f"{here:%H:%M:%S}"
