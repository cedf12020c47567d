"""Daily partitions of the event tables: made ahead, never a default one that swallows rows, detached to forget."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import psycopg
from psycopg import sql

PARTITIONED = ("audit_event", "audit_sighting", "audit_told", "audit_block")
UNIQUE = {
    # One event per request id and day: the exact backstop of dedupe. An amendment repeats its event's request id.
    "audit_event": "CREATE UNIQUE INDEX ON {leaf} (vault, request_id) WHERE flags < 8192",
    "audit_sighting": "CREATE UNIQUE INDEX ON {leaf} (event_id, device, flags)",
    "audit_told": "CREATE UNIQUE INDEX ON {leaf} (event_id, seq)",
    "audit_block": "CREATE UNIQUE INDEX ON {leaf} (id)",
}
COUNTED = {
    "audit_rollup_hour": "hour",
    "audit_rollup_total": "hour",
    "audit_rollup_day": "day",
    "audit_rollup_address": "day",
    "audit_closed": "start",
}
LOCK = 0x6B62_0001


def leaf_name(table: str, day: date) -> str:
    """Return the partition's name, such as `audit_event_20261121`."""
    return f"{table}_{day:%Y%m%d}"


def ensure(connection: psycopg.Connection[tuple[object, ...]], days: Iterable[date]) -> list[date]:
    """Make the partitions of these days where they are missing; returns the days that were new."""
    new = [day for day in sorted(set(days)) if not _exists(connection, leaf_name("audit_event", day))]
    for day in new:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            if not _exists(connection, leaf_name("audit_event", day)):
                _create(connection, day)
    return new


def ensure_ahead(connection: psycopg.Connection[tuple[object, ...]], today: date, days: int = 7) -> list[date]:
    """Make today's partitions and those of the `days` to come."""
    return ensure(connection, (today + timedelta(n) for n in range(days + 1)))


def days_kept(connection: psycopg.Connection[tuple[object, ...]]) -> list[date]:
    """Return the days that have partitions, oldest first."""
    rows = connection.execute(
        "SELECT substring(relname from '[0-9]{8}$')::date FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = 'audit_event'::regclass ORDER BY 1"
    )
    return [row[0] for row in rows if isinstance(row[0], date)]


def forget_before(connection: psycopg.Connection[tuple[object, ...]], day: date) -> list[date]:
    """Detach and drop every day older than `day`, then its counts; returns the days that are gone."""
    old = [kept for kept in days_kept(connection) if kept < day]
    for kept in old:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            for table in PARTITIONED:
                leaf = sql.Identifier(leaf_name(table, kept))
                connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(sql.Identifier(table), leaf))
            _remember(connection, kept)
            for table in PARTITIONED:
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(leaf_name(table, kept))))
    _forget_counts(connection, day)
    return old


def _remember(connection: psycopg.Connection[tuple[object, ...]], day: date) -> None:
    """Keep which numbers of the stream a day held, so that a collector who had not read them yet can be told."""
    statement = sql.SQL(
        """INSERT INTO audit_forgotten (day, first, last, items) SELECT {}, min(n), max(n), count(*)
           FROM (SELECT id AS n FROM {} UNION ALL SELECT seq FROM {} UNION ALL SELECT seq FROM {}) x
           HAVING count(*) > 0"""
    )
    leaves = [sql.Identifier(leaf_name(table, day)) for table in ("audit_event", "audit_sighting", "audit_told")]
    connection.execute(statement.format(sql.Literal(day), *leaves))


def _forget_counts(connection: psycopg.Connection[tuple[object, ...]], day: date) -> None:
    """Delete what was counted of older days: no answer tells of a read whose event can't be shown."""
    for table, column in COUNTED.items():
        statement = sql.SQL("DELETE FROM {} WHERE {} < {}")
        moment = sql.Literal(f"{day} 00:00:00+00")
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(column), moment))


def _exists(connection: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    """Ask the table itself: `to_regclass` answers from a cache that does not yet know what another just made."""
    row = connection.execute("SELECT EXISTS (SELECT FROM pg_class WHERE relname = %s)", [name]).fetchone()
    return bool(row and row[0])


def _create(connection: psycopg.Connection[tuple[object, ...]], day: date) -> None:
    """Make one day's leaves apart and attach them: attaching takes a lighter lock than creating in place."""
    for table in PARTITIONED:
        parent, leaf = sql.Identifier(table), sql.Identifier(leaf_name(table, day))
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING CONSTRAINTS)").format(
                leaf, parent
            )
        )
        connection.execute(sql.SQL(UNIQUE[table]).format(leaf=leaf))
        connection.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                parent, leaf, sql.Literal(f"{day} 00:00:00+00"), sql.Literal(f"{day + timedelta(1)} 00:00:00+00")
            )
        )
        _hand_over(connection, table, leaf_name(table, day))


def _hand_over(connection: psycopg.Connection[tuple[object, ...]], table: str, leaf: str) -> None:
    """Give a leaf to its parent's owner, who is to drop it one day, also when a command of another role made it."""
    row = connection.execute(
        """SELECT pg_get_userbyid(relowner), pg_get_userbyid(relowner) = current_user
           FROM pg_class WHERE oid = %s::regclass""",
        [table],
    ).fetchone()
    if row and not row[1]:
        owner = sql.Identifier(str(row[0]))
        connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(leaf), owner))
