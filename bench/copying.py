"""The bound for ingestion: COPY BINARY of the same rows, already encoded, into a copy of the event table."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
from psycopg import sql

from audit import partitions

_LEAVES = """
    SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'audit_event'::regclass
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows, one COPY stream for each transaction that wrote them."""

    streams: list[bytes]
    events: int


def last_id(connection: psycopg.Connection) -> int:
    """Return the highest event id, 0 when there is none."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM audit_event").fetchone()
    return int(row[0]) if row else 0


def encode(connection: psycopg.Connection, after: int, until: int) -> Rows:
    """Take the events with an id in (after, until] as COPY BINARY streams, cut where ingestion cut its transactions."""
    spans = connection.execute(
        "SELECT min(id), max(id), count(*) FROM audit_event WHERE id > %s AND id <= %s GROUP BY xmin::text ORDER BY 1",
        [after, until],
    ).fetchall()
    streams = []
    for low, high, _ in spans:
        select = sql.SQL(
            "COPY (SELECT * FROM audit_event WHERE id BETWEEN {} AND {} ORDER BY id) TO STDOUT (FORMAT binary)"
        )
        with connection.cursor() as cursor, cursor.copy(select.format(sql.Literal(low), sql.Literal(high))) as copy:
            streams.append(b"".join(map(bytes, copy)))
    return Rows(streams, sum(span[2] for span in spans))


def best_of_three(connection: psycopg.Connection, parts: list[Rows]) -> list[float]:
    """Load the parts one after the other into an empty copy of the event table, thrice; returns each one's best rate.

    The copy has the same daily leaves, indexes and uniques; each stream is one transaction. Rates are events/s.
    """
    best = [0.0] * len(parts)
    for _ in range(3):
        _make_copy(connection)
        for number, part in enumerate(parts):
            best[number] = max(best[number], part.events / _load(connection, part))
    connection.execute("DROP TABLE bench_event")
    return best


def _load(connection: psycopg.Connection, part: Rows) -> float:
    began = time.perf_counter()
    for stream in part.streams:
        with connection.cursor() as cursor, cursor.copy("COPY bench_event FROM STDIN (FORMAT binary)") as copy:
            copy.write(stream)
    return time.perf_counter() - began


def _make_copy(connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE IF EXISTS bench_event")
    connection.execute("CREATE TABLE bench_event (LIKE audit_event INCLUDING ALL) PARTITION BY RANGE (time)")
    for name, bound in connection.execute(_LEAVES).fetchall():
        leaf = sql.Identifier(f"bench_{name}")
        connection.execute(sql.SQL("CREATE TABLE {} PARTITION OF bench_event {}").format(leaf, sql.SQL(bound)))
        connection.execute(sql.SQL(partitions.UNIQUE["audit_event"]).format(leaf=leaf))
    _must_be_alike(connection)


def _must_be_alike(connection: psycopg.Connection) -> None:
    """Refuse to measure against a table with fewer indexes than ours."""
    counted = "SELECT count(*) FROM pg_indexes WHERE tablename LIKE %s"
    ours = connection.execute(counted, ["audit_event\\_%"]).fetchone()
    copy = connection.execute(counted, ["bench\\_audit\\_event\\_%"]).fetchone()
    if ours != copy:
        raise RuntimeError(f"the copy of the event table has {copy} indexes on its leaves, the original {ours}")
