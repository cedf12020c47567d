"""The time zone of the person who reads: pages print and read times in it; links, copies and files stay in UTC.

Django's own current zone is left at UTC, so that what a template prints by itself is what its head says: `+00:00`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo

from accounts.time_zone import UTC_NAME, find

_reading: ContextVar[tuple[str, tzinfo]] = ContextVar("reading", default=(UTC_NAME, UTC))


@contextmanager
def reading_in(name: str) -> Iterator[None]:
    """Print and read times in this zone; in UTC if no zone is called so (any more)."""
    found = find(name)
    token = _reading.set((name, found) if found else (UTC_NAME, UTC))
    try:
        yield
    finally:
        _reading.reset(token)


def name() -> str:
    """Return the name of the zone, `UTC` or `Europe/Berlin`."""
    return _reading.get()[0]


def is_utc() -> bool:
    """Whether times are printed in UTC."""
    return name() == UTC_NAME


def local(moment: datetime) -> datetime:
    """Return the moment in the zone."""
    return moment.astimezone(_reading.get()[1])


def at(clock: datetime) -> datetime:
    """Return the moment at which the zone's clock shows a time without an offset; its `fold` chooses between two."""
    return clock.replace(tzinfo=_reading.get()[1])


def offset(moment: datetime) -> str:
    """Return the zone's offset at that moment: `+01:00`."""
    return local(moment).isoformat(timespec="seconds")[19:]


def after(moment: datetime) -> str:
    """Return what stands after a time that no column's head explains: nothing in UTC, else a space and the offset."""
    return "" if is_utc() else f" {offset(moment)}"


def head(moments: Iterable[datetime]) -> str:
    """Return what a column's head says of these times: their offset, or the zone's name where they have several."""
    offsets = {offset(moment) for moment in moments}
    return offsets.pop() if len(offsets) == 1 else "+00:00" if is_utc() else name()


def field(moment: datetime) -> str:
    """Return a time as a field shows it, the shortest that is exact; with the offset where the clock shows it twice."""
    here = local(moment)
    text = here.replace(tzinfo=None).isoformat(" ", "milliseconds").removesuffix(".000")
    text = text.removesuffix(":00") if text.count(":") == 2 else text
    twice = here.replace(fold=1 - here.fold).utcoffset() != here.utcoffset()
    return f"{text}{offset(moment)}" if twice else text
