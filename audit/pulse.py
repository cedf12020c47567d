"""The few counts of the first page: what was denied, what people read, where the root token was used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from audit.closed import parts_of
from audit.event_filter import ALIVE
from audit.principal import Kind


@dataclass(frozen=True, slots=True)
class Used:
    """What principals of a kind did in a stretch of time."""

    principals: int
    events: int
    reads: int
    denied: int


def used_by(kinds: list[Kind], since: datetime, until: datetime) -> dict[str, Used]:
    """Return what the principals of these kinds did in [since, until); a kind that did nothing is not named."""
    parts = parts_of("a", since, until)
    closed = """SELECT principal, events AS n, reads, CASE WHEN outcome = 2 THEN events ELSE 0 END AS denied
                FROM audit_rollup_address WHERE principal = ANY(%s) AND day >= %s AND day < %s"""
    raw = f"""SELECT principal, count(*) AS n, count(*) FILTER (WHERE disclosed > 0),
                     count(*) FILTER (WHERE outcome = 2)
              FROM audit_event WHERE principal = ANY(%s) AND time >= %s AND time < %s AND {ALIVE} GROUP BY 1"""  # noqa: S608
    selects = [closed] * len(parts.counted) + [raw] * len(parts.raw)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, kind FROM audit_principal WHERE kind = ANY(%s)", [[k.value for k in kinds]])
        kind_of = dict(cursor.fetchall())
        values = [value for span in (*parts.counted, *parts.raw) for value in (list(kind_of), *span)]
        cursor.execute(
            f"SELECT principal, sum(n), sum(reads), sum(denied) FROM ({' UNION ALL '.join(selects)}) x GROUP BY 1",  # noqa: S608
            values,
        )
        rows = cursor.fetchall()
    found: dict[str, Used] = {}
    for principal, events, reads, denied in rows:
        before = found.get(kind_of[principal], Used(0, 0, 0, 0))
        found[kind_of[principal]] = Used(
            before.principals + 1, before.events + int(events), before.reads + int(reads), before.denied + int(denied)
        )
    return found
