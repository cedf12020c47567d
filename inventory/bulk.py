"""Writes thousands of rows at once: by COPY into a table of this session's own, and from there in one statement.

Through Django's models the same rows cost five times the CPU, which a cluster of 10,000 pods makes felt. Where the
types allow it the rows go in PostgreSQL's binary form, which costs a fifth of the text form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model
from psycopg import Cursor, sql

_BINARY = {
    "bigint": "int8", "integer": "int4", "smallint": "int2", "varchar": "text", "text": "text", "bytea": "bytea",
    "boolean": "bool", "timestamp with time zone": "timestamptz", "jsonb": "jsonb",
}  # fmt: skip


def put(
    model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, key: Sequence[str] = (),
    update: Sequence[str] = (), giving: Sequence[str] = (),
) -> list[tuple[Any, ...]]:  # fmt: skip
    """Insert rows of these columns, over those of the same key: `update` columns are written, without any nothing is.

    A key may be among the rows once; JSON comes as psycopg's `Jsonb`. Returns the columns `giving` of each row that was
    written, in no order. Part of the caller's transaction; raises what psycopg raises, and `OverflowError` for a number
    that its column can't hold.
    """
    found = list(rows)
    if not found:
        return []
    table = model._meta.db_table
    with connection.cursor() as wrapped:
        cursor: Cursor[Any] = wrapped.cursor
        own = _staged(cursor, table)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        _copy(cursor, sql.SQL("COPY {} ({}) FROM STDIN").format(own, names), _plain(model, tuple(columns)), found)
        written = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(sql.Identifier(table), names, names, own)
        cursor.execute(sql.SQL(" ").join([written, _conflict(key, update), _returning(giving)]))
        given = cursor.fetchall() if giving else []
        cursor.execute(sql.SQL("DELETE FROM {}").format(own))
    return given


def _copy(cursor: Cursor[Any], copied: sql.Composed, types: Sequence[str], rows: list[Sequence[Any]]) -> None:
    form = sql.SQL("(FORMAT BINARY)") if types else sql.SQL("")
    with cursor.copy(sql.SQL(" ").join([copied, form])) as copy:
        if types:
            copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@cache
def _plain(model: type[Model], columns: tuple[str, ...]) -> Sequence[str]:
    """Return the columns' types if Python's values of all of them have a binary form of their own, else none."""
    kinds = {field.column: field.db_type(connection) or "" for field in model._meta.concrete_fields}
    names = [_BINARY.get(kinds[column].split("(")[0], "") for column in columns]
    return names if all(names) else ()


def _returning(giving: Sequence[str]) -> sql.Composable:
    return sql.SQL("RETURNING {}").format(sql.SQL(", ").join(map(sql.Identifier, giving))) if giving else sql.SQL("")


def _staged(cursor: Cursor[Any], table: str) -> sql.Composable:
    """Return the session's own table of the same shape, made when it is first needed and emptied by each commit."""
    own = sql.Identifier(f"staged_{table}")
    cursor.execute("SELECT to_regclass(%s)", [f"pg_temp.staged_{table}"])
    if (cursor.fetchone() or (None,))[0] is None:
        made = "CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        cursor.execute(sql.SQL(made).format(own, sql.Identifier(table)))
        cursor.execute(sql.SQL("ALTER TABLE {} ALTER COLUMN id DROP NOT NULL").format(own))
    return own


def _conflict(key: Sequence[str], update: Sequence[str]) -> sql.Composable:
    if not key:
        return sql.SQL("")
    names = sql.SQL(", ").join(map(sql.Identifier, key))
    if not update:
        return sql.SQL("ON CONFLICT ({}) DO NOTHING").format(names)
    pairs = [sql.SQL("{} = EXCLUDED.{}").format(*[sql.Identifier(name)] * 2) for name in update]
    return sql.SQL("ON CONFLICT ({}) DO UPDATE SET {}").format(names, sql.SQL(", ").join(pairs))
