"""Which part of a stretch of time may be read from the counts of closed windows, and which only from the events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit.rollups import WIDTHS

Stretch = tuple[datetime, datetime]
BEGIN = datetime(2015, 1, 1, tzinfo=UTC)  # no line that is accepted is older
END = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """A stretch cut in two kinds, each oldest first: `counted` lies in closed windows, `raw` has to be counted."""

    counted: list[Stretch] = field(default_factory=list)
    raw: list[Stretch] = field(default_factory=list)


def parts_of(width: str, since: datetime, until: datetime) -> Parts:
    """Cut [since, until) by what is closed at this width.

    A window without an event is never closed; before the newest closed one it is known to be empty. A late event
    marks its window dirty, and dirty windows are read from the events.
    """
    unit = WIDTHS[width]
    low, high = _up(since, unit), _down(until, unit)
    if low >= high:
        return Parts(raw=[(since, until)])
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT start, dirty FROM audit_closed WHERE width = %s AND (
               dirty AND start >= %s AND start < %s OR start = (SELECT max(start) FROM audit_closed WHERE width = %s))
               ORDER BY start""",
            [width, low, high, width],
        )
        rows = cursor.fetchall()
    reached = max((start for start, _ in rows), default=low - unit) + unit
    dirty = [start for start, is_dirty in rows if is_dirty]
    return _cut(since, until, low, min(high, reached), [start for start in dirty if low <= start < high], unit)


def union(parts: Parts, closed: str, raw: str, before: list[Any]) -> tuple[str, list[Any]]:
    """Put the closed windows and the events of a stretch together; each select takes `before`, begin and end."""
    selects = [closed] * len(parts.counted) + [raw] * len(parts.raw)
    values = [value for span in (*parts.counted, *parts.raw) for value in (*before, *span)]
    return " UNION ALL ".join(selects), values


def days_of(column: str, columns: str) -> str:
    """Return the select of these columns of the closed days of one secret or principal, between two days.

    Its values are the key, the first day and the day after the last. Rows are compared with the pair because only the
    index of the column and the day can answer that: for a much used key PostgreSQL would take the index of the days
    alone, and read everybody's.
    """
    return f"""SELECT {columns} FROM audit_rollup_day, (SELECT %s::int AS key, %s::timestamptz AS low,
               %s::timestamptz AS high) k WHERE {column} = key
               AND ({column}, day) >= (key, low) AND ({column}, day) < (key, high)"""  # noqa: S608 - our own names


def _cut(
    since: datetime, until: datetime, low: datetime, high: datetime, dirty: list[datetime], unit: timedelta
) -> Parts:
    """Return the closed part [low, high) without its dirty windows, and everything else."""
    parts = Parts()
    at = since
    if low < high:
        for start in [*(d for d in dirty if d < high), high]:
            begin = max(at, low)
            if begin < start:
                _add(parts.raw, at, begin)
                _add(parts.counted, begin, start)
                at = start
            if start < high:
                _add(parts.raw, at, start + unit)
                at = start + unit
    _add(parts.raw, at, until)
    return parts


def _add(stretches: list[Stretch], start: datetime, end: datetime) -> None:
    """Add [start, end) unless it is empty, joined to the one before it where they touch."""
    if start >= end:
        return
    if stretches and stretches[-1][1] == start:
        stretches[-1] = (stretches[-1][0], end)
    else:
        stretches.append((start, end))


def _down(moment: datetime, unit: timedelta) -> datetime:
    origin = datetime(2000, 1, 1, tzinfo=UTC)
    return origin + (moment - origin) // unit * unit


def _up(moment: datetime, unit: timedelta) -> datetime:
    below = _down(moment, unit)
    return below if below == moment else below + unit
