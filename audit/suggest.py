"""What to offer while somebody types a query: fields, and the values that occur most in the time that is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from audit.event_filter import BESIDE, Filter, beginning, condition, folded
from audit.query_cursor import Typing, at, fields
from audit.query_fields import FIELDS, Sort
from audit.reach import Sql
from audit.scoping import HIDDEN

__all__ = ["NEWEST", "Suggestion", "Typing", "at", "fields", "values"]

NEWEST = 20_000  # events of the question in which values are counted
PATIENCE = 400  # milliseconds; a question that takes longer is answered from the names alone


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One value, how many of the newest events have it (None: it was not met among them), a principal's kind."""

    value: str
    count: int | None
    kind: str = ""


# Of each field: the column of an event, and the table, name and kind behind it.
_NAMED = {
    "secret": ("secret", "audit_secret", "name", "''"),
    "path": ("path", "audit_path", "namespace || path", "''"),
    "namespace": ("path", "audit_path", "rtrim(namespace, '/')", "''"),
    "principal": ("principal", "audit_principal", "name", "kind"),
    "kind": ("principal", "audit_principal", "kind", "''"),
    "address": ("address", "audit_address", "address", "''"),
    "vault": ("vault", "audit_vault", "name", "''"),
}
_COMPLETED = {"secret", "principal", "address", "vault"}  # by the beginnings of names that did not occur


def values(field: str, prefix: str, one: Filter, limit: int = 10) -> list[Suggestion]:
    """Return up to `limit` values of a field that contain a text, whatever its case: the most frequent first.

    They are counted over the newest 20,000 events of the question; names that begin so and were not met follow.
    Fields without a list of values (time, duration, request, id) have none.
    """
    known = FIELDS.get(field)
    if known is None or known.sort in (Sort.TIME, Sort.DURATION, Sort.REQUEST) or field == "id":
        return []
    found = _counted(field, prefix, one, limit)
    more = limit - len(found)
    if more > 0:
        met = {suggestion.value for suggestion in found}
        found += [Suggestion(name, None) for name in _named(field, prefix, one, limit) if name not in met][:more]
    return found


def _counted(field: str, prefix: str, one: Filter, limit: int) -> list[Suggestion]:
    """Count values among the newest events; nothing when the database can't find these in time."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PATIENCE}ms"])
            rows = _named_counts(cursor, field, prefix, one, limit) if field in _NAMED else _counts(cursor, field, one)
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return []
        raise
    if field in _NAMED:
        return [Suggestion(*row) for row in rows]
    words = [(_word(field, number), count) for number, count in rows]
    return [Suggestion(word, count) for word, count in words if word and folded(prefix) in word][:limit]


def _word(field: str, number: int) -> str:
    """Return the word of a stored number; outcomes are stored from 1 on, and no version is stored as 0."""
    choices = FIELDS[field].choices
    if not choices:
        return str(number) if number else ""
    return choices[number - 1] if field == "outcome" else choices[number]


def _counts(cursor: Any, field: str, one: Filter) -> list[tuple[Any, ...]]:
    newest, given = _newest(field, field, one)
    cursor.execute(f"SELECT one, count(*) FROM ({newest}) f GROUP BY one ORDER BY 2 DESC, 1 LIMIT 200", given)  # noqa: S608
    return list(cursor.fetchall())


def _named_counts(cursor: Any, field: str, prefix: str, one: Filter, limit: int) -> list[tuple[Any, ...]]:
    column, table, name, kind = _NAMED[field]
    newest, given = _newest(field, column, one)
    sql = f"""WITH g AS (SELECT one, count(*) AS n FROM ({newest}) f GROUP BY one)
              SELECT {name}, sum(n)::int, min({kind}) FROM g JOIN {table} d ON d.id = g.one
              WHERE strpos(lower(({name}) COLLATE "C"), %s) > 0 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s"""  # noqa: S608
    cursor.execute(sql, [*given, folded(prefix), limit])
    return list(cursor.fetchall())


def _newest(field: str, column: str, one: Filter) -> Sql:
    """Return the select of the column in the newest events; where it is hidden, an event has no value to offer."""
    known, span = condition(one), (one.since, one.until)
    tail = f" ORDER BY time DESC LIMIT {NEWEST}"
    if known.view.whole:
        return known.select(f"{column} AS one", span, tail=(tail, []))
    seen, given = known.select(f"time, operation AS asked, {column} AS one", span, tail=(tail, []))
    told = "" if field in BESIDE else f" WHERE asked <> {HIDDEN}"
    return f"SELECT one FROM (SELECT * FROM ({seen}) x{tail}) y{told}", given  # noqa: S608 - our own text


def _named(field: str, prefix: str, one: Filter, limit: int) -> list[str]:
    """Return names that begin with a text, in order; somebody who may not see every secret gets none by name alone."""
    if FIELDS[field].choices:
        return [word for word in FIELDS[field].choices if word.startswith(folded(prefix))]
    if field not in _COMPLETED or not prefix or not one.scope.everything:
        return []
    _, table, name, _ = _NAMED[field]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT {name} FROM {table} WHERE {name} LIKE %s ORDER BY 1 LIMIT %s",  # noqa: S608 - our own names
            [beginning(prefix), limit * 2],
        )
        return [row[0] for row in cursor.fetchall()]
