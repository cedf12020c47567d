"""The questions about principals: who there is, what one read, and from which addresses it called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit.answers import ReadSecret, UnknownName
from audit.closed import BEGIN, END, days_of, parts_of, union
from audit.event_filter import ALIVE
from vault.reads import Outcome

RECENT = timedelta(days=7)
SEEN_WITHIN = timedelta(days=30)
_DAYS = days_of("principal", "secret, outcome, disclosed, events AS n, first, last")
_EVENTS = f"""SELECT secret, outcome, disclosed, count(*) AS n, min(time) AS first, max(time) AS last FROM audit_event
              WHERE principal = %s AND time >= %s AND time < %s AND secret > 0 AND {ALIVE} GROUP BY 1, 2, 3"""  # noqa: S608 - only our own text is put together


@dataclass(frozen=True, slots=True)
class Caller:
    """One principal: its key is `id`; two clusters' service accounts of one name are two."""

    id: int
    name: str
    kind: str
    vault: str
    vault_id: int
    namespace: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class CallerRow:
    """A principal as a list shows it: when it last called (within 30 days), and how many secrets it lately read."""

    id: int
    name: str
    kind: str
    vault: str
    last: datetime | None
    secrets: int


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A principal's dealings with one secret in a stretch of time; `ever` is its first read of it, whenever."""

    secret_id: int
    secret: str
    engine: str
    count: int
    denied: int
    first: datetime | None
    last: datetime | None
    ever: datetime | None


@dataclass(frozen=True, slots=True)
class AddressUse:
    """All calls of a principal from one address."""

    address: str
    events: int
    reads: int
    denied: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class TokenUse:
    """The token of one event, as its device wrote it: only HMACs."""

    hmac: str
    accessor: str
    first: datetime


def callers(prefix: str = "", kinds: Sequence[str] = (), after: str = "", limit: int = 100) -> list[CallerRow]:
    """Return principals whose name begins with `prefix`, in the order of name and key, after the place `after`.

    A place is the name and the key of the last row, parted by `~`.
    """
    name, _, key = after.rpartition("~")
    now = datetime.now(UTC)
    sql = f"""
        WITH p AS MATERIALIZED (
            SELECT id, name, kind, vault_id FROM audit_principal WHERE starts_with(name, %s)
            AND (%s::text[] IS NULL OR kind = ANY(%s)) AND (name, id) > (%s, %s) ORDER BY name, id LIMIT %s)
        SELECT p.id, p.name, p.kind, v.name, last.time,
               (SELECT count(*) FROM audit_pair r WHERE r.principal = p.id AND r.last >= %s)
        FROM p JOIN audit_vault v ON v.id = p.vault_id LEFT JOIN LATERAL (
            SELECT time FROM audit_event WHERE principal = p.id AND time >= %s AND time < %s AND {ALIVE}
            ORDER BY time DESC LIMIT 1) last ON true
        ORDER BY p.name, p.id
    """  # noqa: S608 - only our own text is put together
    wanted = list(kinds) or None
    place = (name, int(key) if key.isascii() and key.isdecimal() and len(key) < 10 else 0)
    values = [prefix, wanted, wanted, *place, limit, now - RECENT, now - SEEN_WITHIN, now + timedelta(days=1)]
    return [CallerRow(*row) for row in _rows(sql, values)]


def kinds() -> list[tuple[str, int]]:
    """Return how many principals there are of each kind."""
    rows = _rows("SELECT kind, count(*) FROM audit_principal GROUP BY 1 ORDER BY 2 DESC, 1", [])
    return [(kind, int(count)) for kind, count in rows]


def caller(principal_id: int) -> Caller:
    """Return one principal; raises `UnknownName`."""
    rows = _rows(
        """SELECT p.id, p.name, p.kind, v.name, v.id, p.namespace, p.entity_id
           FROM audit_principal p JOIN audit_vault v ON v.id = p.vault_id WHERE p.id = %s""",
        [principal_id],
    )
    if not rows:
        raise UnknownName(f"There is no principal number {principal_id}.")
    return Caller(*rows[0])


def secrets_of(principal_id: int, since: datetime, until: datetime) -> list[SecretUse]:
    """Return the secrets that a principal read or was denied in [since, until), most reads first."""
    used, values = _used([principal_id], since, until)
    sql = f"""
        SELECT x.secret, s.name, s.engine, reads, denied, x.first, x.last, r.first FROM ({used}) x
        JOIN audit_secret s ON s.id = x.secret LEFT JOIN audit_pair r ON r.principal = %s AND r.secret = x.secret
        WHERE reads > 0 OR denied > 0 ORDER BY reads DESC, denied DESC, s.name
    """  # noqa: S608 - only our own text is put together
    rows = _rows(sql, [*values, principal_id])
    return [SecretUse(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6], row[7]) for row in rows]


def uses_of(principals: Sequence[int], since: datetime | None, until: datetime | None) -> list[ReadSecret]:
    """Return every secret that these principals together read or were denied in [since, until), most reads first."""
    used, values = _used(principals, since or BEGIN, until or END)
    sql = f"""
        SELECT x.secret, s.name, v.name, reads, denied, x.first, x.last_read FROM ({used}) x
        JOIN audit_secret s ON s.id = x.secret JOIN audit_vault v ON v.id = s.vault_id
        WHERE reads > 0 OR denied > 0 ORDER BY reads DESC, denied DESC, s.name, s.id
    """  # noqa: S608 - only our own text is put together
    return [ReadSecret(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6]) for row in _rows(sql, values)]


def _used(principals: Sequence[int], since: datetime, until: datetime) -> tuple[str, list[Any]]:
    """Return the select, with its values, of what principals did with each secret, from closed days and events."""
    parts = parts_of("d", since, until)
    selects, values = [], []
    for principal in principals:
        some, own = union(parts, _DAYS, _EVENTS, [principal])
        selects.append(some)
        values += own
    reads, denied = "disclosed > 0", f"outcome = {Outcome.DENIED.value}"
    return (
        f"""SELECT secret, coalesce(sum(n) FILTER (WHERE {reads}), 0) AS reads,
                   coalesce(sum(n) FILTER (WHERE {denied}), 0) AS denied,
                   min(first) FILTER (WHERE {reads}) AS first, max(last) FILTER (WHERE {reads}) AS last_read,
                   max(last) FILTER (WHERE {reads} OR {denied}) AS last
            FROM ({" UNION ALL ".join(selects)}) c GROUP BY 1""",  # noqa: S608 - only our own text is put together
        values,
    )


def addresses_of(principal_id: int, now: datetime, limit: int = 20_000) -> list[AddressUse]:
    """Return the addresses that a principal ever called from, the newest first use first, at most `limit`."""
    counted, values = union(
        parts_of("a", BEGIN, now),
        "SELECT address, events AS n, reads, CASE WHEN outcome = 2 THEN events ELSE 0 END AS denied, first, last"
        " FROM audit_rollup_address WHERE principal = %s AND day >= %s AND day < %s",
        "SELECT address, count(*) AS n, count(*) FILTER (WHERE disclosed > 0) AS reads,"  # noqa: S608
        " count(*) FILTER (WHERE outcome = 2) AS denied, min(time) AS first, max(time) AS last FROM audit_event"
        f" WHERE principal = %s AND time >= %s AND time < %s AND {ALIVE} GROUP BY 1",
        [principal_id],
    )
    sql = f"""
        SELECT a.address, x.n, x.reads, x.denied, x.first, x.last FROM (
            SELECT address, sum(n) AS n, sum(reads) AS reads, sum(denied) AS denied, min(first) AS first,
                   max(last) AS last FROM ({counted}) c GROUP BY 1) x
        JOIN audit_address a ON a.id = x.address ORDER BY x.first DESC LIMIT %s
    """  # noqa: S608 - only our own text is put together
    rows = _rows(sql, [*values, limit])
    return [AddressUse(row[0], int(row[1]), int(row[2]), int(row[3]), row[4], row[5]) for row in rows]


def token_of(event_id: int) -> TokenUse | None:
    """Return the token that an event was called with, where the log shows one."""
    rows = _rows(
        """SELECT encode(t.hmac, 'hex'), t.accessor, t.first_time FROM audit_event e
           JOIN audit_token t ON t.id = e.token WHERE e.id = %s""",
        [event_id],
    )
    return TokenUse(*rows[0]) if rows else None


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
