"""What of the record somebody sees: events of secrets in their scope, and beside them, redacted, logins and denials.

docs/decisions/0010 has the definition. What is hidden is taken away where the events are read, before a filter, a count
or a sort looks at them: so no question can ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit.closed import parts_of, union
from audit.event import ALIVE, OPERATIONS, SUPERSEDED
from audit.reach import Sql, secret_in
from vault.reads import Outcome

HIDDEN = -1  # the operation of an event of which only time, outcome, vault, who and from where are shown
_LISTED = 500  # ids that the planner weighs; more are only looked up
_WRITES = f"({OPERATIONS.index('create')}, {OPERATIONS.index('update')})"
# A login is a write to auth/<mount>/login[/<name>], as `vault.reads.is_login` has it, of a mount that once answered.
_LOGIN = f"""operation IN {_WRITES} AND path IN (
    SELECT a.id FROM audit_path a JOIN audit_mount m ON m.vault_id = a.vault_id AND m.namespace = a.namespace
    WHERE starts_with(a.path, 'auth/') AND strpos(a.path, '/login') > 0 AND starts_with(m.path, 'auth/')
    AND (a.path = m.path || 'login' OR starts_with(a.path, m.path || 'login/')))"""  # noqa: S608 - our own text
_BESIDE = f"""(SELECT id, time, '00000000-0000-0000-0000-000000000000'::uuid AS request_id, principal, 0 AS token,
    0 AS path, 0 AS secret, address, 0 AS version, -1 AS duration, 0 AS block, vault, 0::smallint AS device,
    {HIDDEN}::smallint AS operation, outcome, 0::smallint AS disclosed, (flags & {SUPERSEDED})::smallint AS flags,
    0::smallint AS line FROM audit_event WHERE (outcome = {Outcome.DENIED.value} OR {_LOGIN})"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Leg:
    """One source of a SELECT: a relation with the name and columns of `audit_event`, and a condition on its rows."""

    relation: Sql = ("audit_event", [])
    condition: Sql = ("", [])
    beside: bool = False  # its rows are redacted


@dataclass(frozen=True, slots=True)
class View:
    """The events that somebody sees in one stretch of time: those in scope and, redacted, those beside it."""

    legs: tuple[Leg, ...] = (Leg(),)

    @property
    def whole(self) -> bool:
        """Whether nothing is hidden."""
        return self.legs == (Leg(),)

    def select(self, columns: str, where: Sql, tail: Sql = ("", []), beside: Sql | None = None) -> Sql:
        """Return `SELECT columns FROM the events WHERE where tail`; of redacted rows `beside` is asked, if given.

        `tail` (ORDER BY, LIMIT, GROUP BY) holds of each leg: whoever gives one puts the legs together again.
        """
        selects, values = [], list[Any]()
        for leg in self.legs:
            asked, given = beside if beside is not None and leg.beside else where
            selects.append(f"SELECT {columns} FROM {leg.relation[0]} WHERE {asked}{leg.condition[0]}{tail[0]}")  # noqa: S608 - our own text
            values += [*leg.relation[1], *given, *leg.condition[1], *tail[1]]
        if len(selects) > 1 and tail[0]:
            selects = [f"({select})" for select in selects]
        return " UNION ALL ".join(selects), values


WHOLE = View()


def view(scope: Scope, since: datetime, until: datetime) -> View:
    """Return what somebody sees in [since, until): principals with an event in scope there bring theirs beside it."""
    if scope.everything:
        return WHOLE
    covered = among(scope)
    return _limited(covered, principals_in(scope, since, until, covered=covered))


def view_of(scope: Scope, some: Sequence[int], since: datetime, until: datetime) -> View:
    """Return the same where only the events of these principals are asked for."""
    if scope.everything:
        return WHOLE
    covered = among(scope)
    return _limited(covered, principals_in(scope, since, until, some, covered=covered))


def inside(scope: Scope) -> View:
    """Return the events in scope alone: what a stream shows, since nothing without a window lies beside it."""
    return View((Leg(condition=among(scope)),))


def _limited(covered: Sql, principals: list[int]) -> View:
    inner, values = covered
    legs = [Leg(condition=(inner, values))]
    if principals:
        who, own = _listed("principal", principals)
        relation = f"{_BESIDE} AND NOT (true{inner}) AND {who}) audit_event"
        legs.append(Leg((relation, [*values, *own]), beside=True))
    return View(tuple(legs))


def among(scope: Scope, column: str = "secret") -> Sql:
    """Return ` AND ...`, true where the column of an event or a rollup holds a secret in scope; nothing for all."""
    if scope.everything:
        return "", []
    covered, values = secret_in(scope)
    ids = [row[0] for row in _rows(f"SELECT id FROM audit_secret WHERE true{covered}", values)]  # noqa: S608 - our own text
    sql, own = _listed(column, ids)
    return f" AND {column} > 0 AND {sql}", own


def _listed(column: str, ids: list[int]) -> Sql:
    """Return the condition that a column holds one of the ids.

    Many are kept from becoming a join, so that the newest hundred are found by walking back in time, and from being
    weighed one by one for each day by the planner. Asked of a table, they would be looked up anew for each day.
    """
    if len(ids) <= _LISTED:
        return f"{column} = ANY(%s)", [ids]
    return f"({column} IN (SELECT unnest(%s::int[]))) IS TRUE", [ids]


def principals_in(
    scope: Scope, since: datetime, until: datetime, some: Sequence[int] | None = None, *, covered: Sql | None = None
) -> list[int]:
    """Return the principals (of these, if given) that have an event in scope in [since, until)."""
    inner, values = covered or among(scope)
    if some is not None:
        inner, values = f" AND principal = ANY(%s::int[]){inner}", [list(some), *values]
    closed = f"SELECT principal FROM audit_rollup_day WHERE secret > 0{inner} AND day >= %s AND day < %s"  # noqa: S608
    raw = f"SELECT principal FROM audit_event WHERE {ALIVE}{inner} AND secret > 0 AND time >= %s AND time < %s"  # noqa: S608
    counted, all_values = union(parts_of("d", since, until), closed, raw, values)
    rows = _rows(f"SELECT DISTINCT principal FROM ({counted}) x ORDER BY 1", all_values)  # noqa: S608
    return [row[0] for row in rows]


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
