"""Writes thousands of rows at once: by COPY into a table of this session's own, and from there in one statement.

Through Django's models the same rows cost five times the CPU, which a cluster of 10,000 pods makes felt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model
from psycopg import Cursor, sql


def put(
    model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, key: Sequence[str] = (),
    update: Sequence[str] = (),
) -> None:  # fmt: skip
    """Insert rows of these columns, over those of the same key: `update` columns are written, without any nothing is.

    A key may be among the rows once. Part of the caller's transaction.
    """
    found = list(rows)
    if not found:
        return
    table = model._meta.db_table
    with connection.cursor() as wrapped:
        cursor: Cursor[Any] = wrapped.cursor
        own = _staged(cursor, table)
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(own, names)) as copy:
            for row in found:
                copy.write_row(row)
        written = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(sql.Identifier(table), names, names, own)
        cursor.execute(sql.SQL(" ").join([written, _conflict(key, update)]))
        cursor.execute(sql.SQL("DELETE FROM {}").format(own))


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
