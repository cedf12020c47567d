"""A list of events with a row for each new day and for each stretch without data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.queries import EventRow, Gap
from dashboard.words import day, duration, until_clock, utc, visible


@dataclass(frozen=True, slots=True)
class Item:
    """One row: exactly one of an event, a day's name, or a gap's sentence."""

    event: EventRow | None = None
    day: str = ""
    gap: str = ""


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
            place = cls(datetime.fromisoformat(moment), int(number))
        except ValueError:
            return None
        return place if place.time.tzinfo and 0 < place.id < 2**63 else None

    def __str__(self) -> str:
        """Return the form that `read` takes."""
        return f"{utc(self.time).isoformat()}~{self.id}"


def items(
    rows: Sequence[EventRow], gaps: Sequence[Gap], newest: datetime, oldest: datetime, now: datetime
) -> list[Item]:
    """Return the rows, newest first, with day rows, and with the gaps that end within [oldest, newest]."""
    return list(_with_days(rows, [g for g in gaps if g.end and oldest <= g.end <= newest], now))


def _with_days(rows: Sequence[EventRow], gaps: Sequence[Gap], now: datetime) -> Iterator[Item]:
    """Merge events and gaps by time, newest first, and name each new day before its first row."""
    keyed = [(row.time, 1, Item(event=row)) for row in rows]
    keyed += [(gap.end, 0, Item(gap=gap_sentence(gap, now))) for gap in gaps if gap.end]
    shown = None
    for moment, _, item in sorted(keyed, key=lambda k: k[:2], reverse=True):
        if item.event and utc(moment).date() != shown:
            shown = utc(moment).date()
            yield Item(day=day(moment))
        yield item


def gap_sentence(gap: Gap, now: datetime) -> str:
    """Return `No audit data from file 02:33:40 to 02:40:55 (7 min 15 s). ...`: device, both ends, length."""
    device = visible(gap.device)
    if gap.start is None or gap.end is None or gap.start == gap.end:
        return f"{device}: {visible(gap.detail)}"
    ends = f"{until_clock(gap.start, now)} to {until_clock(gap.end, now)}"
    length = duration((gap.end - gap.start).total_seconds())
    return f"No audit data from {device}, {ends} ({length}). Reads may be missing here."
