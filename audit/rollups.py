"""Counts of closed hours and days, computed once from the events and inserted; never upserted batch by batch.

A window is closed when it lies far enough in the past. An event that arrives later marks its window dirty, and the
next `close` computes that window anew. Reading is: closed windows, and the raw events of what is not closed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

# By kind: hours by secret, hours in total, days by secret and principal, days by principal and address.
WIDTHS = {"h": timedelta(hours=1), "t": timedelta(hours=1), "d": timedelta(days=1), "a": timedelta(days=1)}
_UNITS = {"h": "hour", "t": "hour", "d": "day", "a": "day"}
_SETTLE = timedelta(minutes=10)
_AT_ONCE = 96

_COMPUTE = {
    "h": """
        INSERT INTO audit_rollup_hour (hour, secret, outcome, disclosed, events)
        SELECT %(start)s, secret, outcome, disclosed, count(*) FROM audit_event
        WHERE time >= %(start)s AND time < %(end)s AND flags & 4 = 0
        GROUP BY secret, outcome, disclosed
    """,
    "d": """
        INSERT INTO audit_rollup_day (day, secret, principal, outcome, disclosed, events, first, last)
        SELECT %(start)s, secret, principal, outcome, disclosed, count(*), min(time), max(time) FROM audit_event
        WHERE time >= %(start)s AND time < %(end)s AND secret > 0 AND flags & 4 = 0
        GROUP BY secret, principal, outcome, disclosed
    """,
    "t": """
        INSERT INTO audit_rollup_total (hour, vault, device, operation, outcome, disclosed, events)
        SELECT %(start)s, vault, device, operation, outcome, disclosed, count(*) FROM audit_event
        WHERE time >= %(start)s AND time < %(end)s AND flags & 4 = 0
        GROUP BY vault, device, operation, outcome, disclosed
    """,
    "a": """
        INSERT INTO audit_rollup_address (day, principal, address, outcome, events, reads, first, last)
        SELECT %(start)s, principal, address, outcome, count(*), count(*) FILTER (WHERE disclosed > 0),
               min(time), max(time) FROM audit_event
        WHERE time >= %(start)s AND time < %(end)s AND flags & 4 = 0
        GROUP BY principal, address, outcome
    """,
}
_FORGET = {
    "h": "DELETE FROM audit_rollup_hour WHERE hour = %(start)s",
    "d": "DELETE FROM audit_rollup_day WHERE day = %(start)s",
    "t": "DELETE FROM audit_rollup_total WHERE hour = %(start)s",
    "a": "DELETE FROM audit_rollup_address WHERE day = %(start)s",
}


def close(now: datetime | None = None) -> int:
    """Compute every finished or dirty window that is due; returns how many were computed."""
    limit = (now or datetime.now(UTC)) - _SETTLE
    done = 0
    for width in WIDTHS:
        while due := _due(width, limit):
            for start in due:
                _compute(width, start)
            done += len(due)
    return done


def closed_until(width: str) -> datetime | None:
    """Return the end of the newest closed window of this width, None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(start) FROM audit_closed WHERE width = %s", [width])
        start = cursor.fetchone()[0]
    return start + WIDTHS[width] if start else None


def mark_dirty(cursor: Any, micros: list[int]) -> None:
    """Mark the windows of these event times, as far as closing has come: their counts are to be computed anew."""
    if not micros:
        return
    cursor.execute(
        """INSERT INTO audit_closed (width, start, dirty)
           SELECT DISTINCT k.width,
                  date_trunc(k.unit, to_timestamp(t / 1e6) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', true
           FROM unnest(%s::bigint[]) t, unnest(%s::"char"[], %s::text[]) AS k(width, unit)
           WHERE date_trunc(k.unit, to_timestamp(t / 1e6) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
                 <= (SELECT max(c.start) FROM audit_closed c WHERE c.width = k.width)
           ON CONFLICT (width, start) DO UPDATE SET dirty = true WHERE NOT audit_closed.dirty""",
        [micros, list(_UNITS), list(_UNITS.values())],
    )


def _due(width: str, limit: datetime) -> list[datetime]:
    """Windows with events that are finished and not yet computed, and dirty ones; oldest first, a handful at a time."""
    unit = _UNITS[width]
    with connection.cursor() as cursor:
        cursor.execute("SELECT start FROM audit_closed WHERE width = %s AND dirty LIMIT %s", [width, _AT_ONCE])
        dirty = [row[0] for row in cursor.fetchall()]
        if dirty:
            return dirty
        cursor.execute(
            f"""
            WITH RECURSIVE have AS (
                (SELECT date_trunc('{unit}', min(time) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS start
                 FROM audit_event WHERE time < %(limit)s AND time >= coalesce(
                     (SELECT max(start) + interval '1 {unit}' FROM audit_closed WHERE width = %(width)s), '-infinity'))
                UNION ALL
                SELECT (SELECT date_trunc('{unit}', min(time) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
                        FROM audit_event WHERE time >= have.start + interval '1 {unit}' AND time < %(limit)s)
                FROM have WHERE have.start IS NOT NULL
            )
            SELECT start FROM have WHERE start IS NOT NULL AND start + interval '1 {unit}' <= %(limit)s
            AND NOT EXISTS (SELECT FROM audit_closed c WHERE c.width = %(width)s AND c.start = have.start)
            ORDER BY start LIMIT {_AT_ONCE}
            """,  # noqa: S608 - the unit is one of two words
            {"limit": limit, "width": width},
        )
        return [row[0] for row in cursor.fetchall()]


def _compute(width: str, start: datetime) -> None:
    """Compute one window in one transaction under the stream's lock, so that no event slips in between."""
    given: dict[str, Any] = {"start": start, "end": start + WIDTHS[width], "width": width}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [0x6B62_0002])
        cursor.execute(_FORGET[width], given)
        cursor.execute(_COMPUTE[width], given)
        cursor.execute(
            """INSERT INTO audit_closed (width, start, dirty) VALUES (%(width)s, %(start)s, false)
               ON CONFLICT (width, start) DO UPDATE SET dirty = false""",
            given,
        )
