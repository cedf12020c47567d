"""The few counts of the first page: what was denied, what people read, where the root token was used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from accounts.scope import Scope
from audit import scoping
from audit.closed import parts_of, union
from audit.event import ALIVE
from audit.principal import Kind
from audit.reach import Sql


@dataclass(frozen=True, slots=True)
class Used:
    """What principals of a kind did in a stretch of time."""

    principals: int
    events: int
    reads: int
    denied: int


def used_by(kinds: list[Kind], since: datetime, until: datetime, *, scope: Scope) -> dict[str, Used]:
    """Return what the principals of these kinds did in [since, until); a kind that did nothing is not named.

    A limited view counts the events that it shows, one by one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, kind FROM audit_principal WHERE kind = ANY(%s)", [[k.value for k in kinds]])
        kind_of = dict(cursor.fetchall())
        count = _all if scope.everything else _seen
        cursor.execute(*count(list(kind_of), since, until, scope))
        rows = cursor.fetchall()
    found: dict[str, Used] = {}
    for principal, events, reads, denied in rows:
        before = found.get(kind_of[principal], Used(0, 0, 0, 0))
        found[kind_of[principal]] = Used(
            before.principals + 1, before.events + int(events), before.reads + int(reads), before.denied + int(denied)
        )
    return found


_COUNTS = "count(*) AS n, count(*) FILTER (WHERE disclosed > 0) AS reads, count(*) FILTER (WHERE outcome = 2) AS denied"
_WHERE = f"principal = ANY(%s) AND time >= %s AND time < %s AND {ALIVE}"


def _seen(principals: list[int], since: datetime, until: datetime, scope: Scope) -> Sql:
    seen = scoping.view_of(scope, principals, since, until)
    counted, values = seen.select(f"principal, {_COUNTS}", (_WHERE, [principals, since, until]), (" GROUP BY 1", []))
    return f"SELECT principal, sum(n), sum(reads), sum(denied) FROM ({counted}) x GROUP BY 1", values  # noqa: S608


def _all(principals: list[int], since: datetime, until: datetime, _: Scope) -> Sql:
    parts = parts_of("a", since, until)
    closed = """SELECT principal, events AS n, reads, CASE WHEN outcome = 2 THEN events ELSE 0 END AS denied
                FROM audit_rollup_address WHERE principal = ANY(%s) AND day >= %s AND day < %s"""
    raw = f"SELECT principal, {_COUNTS} FROM audit_event WHERE {_WHERE} GROUP BY 1"  # noqa: S608 - our own text
    counted, values = union(parts, closed, raw, [principals])
    return f"SELECT principal, sum(n), sum(reads), sum(denied) FROM ({counted}) x GROUP BY 1", values  # noqa: S608
