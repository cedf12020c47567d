"""A list of events with a row for each new day and for each stretch without data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from audit.queries import EventRow
from dashboard import zone
from dashboard.holes import Hole
from dashboard.words import day, utc


@dataclass(frozen=True, slots=True)
class Item:
    """One row: exactly one of an event, a day's name, or a hole's sentence."""

    event: EventRow | None = None
    day: str = ""
    hole: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list begins: before this key, newest first."""

    time: datetime
    id: int

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Read `2026-11-18T02:46:58.102345+00:00~17`; anything else is the newest page."""
        moment, _, number = text.partition("~")
        try:
            read, key = datetime.fromisoformat(moment), int(number)
            # In UTC, because PostgreSQL refuses an offset of 16 hours and more.
            return cls(read.astimezone(UTC), key) if read.tzinfo and 0 < key < 2**63 else None
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        """Return the form that `read` takes."""
        return f"{utc(self.time).isoformat()}~{self.id}"


def items(rows: Sequence[EventRow], holes: Sequence[Hole], newest: datetime, oldest: datetime) -> list[Item]:
    """Return the rows, newest first, with day rows, and with the holes that begin within [oldest, newest)."""
    return list(_with_days(rows, [hole for hole in holes if oldest <= hole.start < newest]))


def _with_days(rows: Sequence[EventRow], holes: Sequence[Hole]) -> Iterator[Item]:
    """Merge events and holes by time, newest first, and name each new day before its first event.

    Where the clock was changed, the day is named again with the new offset: no two rows can be taken for one hour.
    """
    several = len({zone.offset(row.time) for row in rows}) > 1
    keyed = [(row.time, 0, Item(event=row)) for row in rows]
    keyed += [(hole.start, 1, Item(hole=hole.sentence)) for hole in holes]
    shown = None
    for moment, _, item in sorted(keyed, key=lambda k: k[:2], reverse=True):
        here = (zone.local(moment).date(), zone.offset(moment))
        if item.event and here != shown:
            shown = here
            yield Item(day=f"{day(moment)} {here[1]}" if several else day(moment))
        yield item
