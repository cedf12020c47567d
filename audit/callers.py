"""The questions about principals: who there is, what one read, and from which addresses it called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit import scoping
from audit.answers import ReadSecret, UnknownName
from audit.closed import BEGIN, END, days_of, parts_of, union
from audit.event import ALIVE
from audit.reach import Sql
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
    """The token of one event, as its device wrote it: only HMACs; `first` is not told to a limited view."""

    hmac: str
    accessor: str
    first: datetime | None


def callers(
    prefix: str = "", kinds: Sequence[str] = (), after: str = "", limit: int = 100, *, scope: Scope
) -> list[CallerRow]:
    """Return principals whose name begins with `prefix`, in the order of name and key, after the place `after`.

    A place is the name and the key of the last row, parted by `~`. A limited view lists those that ever had an event in
    scope, and their last call that it shows.
    """
    name, _, key = after.rpartition("~")
    now = datetime.now(UTC)
    span = (now - SEEN_WITHIN, now + timedelta(days=1))
    known, ids = _known(scope)
    inner, covered = scoping.among(scope)
    seen = scoping.view(scope, *span)
    last, own = seen.select("time", (f"principal = p.id AND time >= %s AND time < %s AND {ALIVE}", [*span]), _NEWEST)
    sql = f"""
        WITH p AS MATERIALIZED (
            SELECT id, name, kind, vault_id FROM audit_principal WHERE starts_with(name, %s){known}
            AND (%s::text[] IS NULL OR kind = ANY(%s)) AND (name, id) > (%s, %s) ORDER BY name, id LIMIT %s)
        SELECT p.id, p.name, p.kind, v.name, last.time,
               (SELECT count(*) FROM audit_pair r WHERE r.principal = p.id AND r.last >= %s{inner})
        FROM p JOIN audit_vault v ON v.id = p.vault_id LEFT JOIN LATERAL (
            {last if seen.whole else f"SELECT max(time) AS time FROM ({last}) l"}) last ON true
        ORDER BY p.name, p.id
    """  # noqa: S608 - only our own text is put together
    wanted = list(kinds) or None
    place = (name, int(key) if key.isascii() and key.isdecimal() and len(key) < 10 else 0)
    values = [prefix, *ids, wanted, wanted, *place, limit, now - RECENT, *covered, *own]
    return [CallerRow(*row) for row in _rows(sql, values)]


_NEWEST: Sql = (" ORDER BY time DESC LIMIT 1", [])


def _known(scope: Scope) -> Sql:
    """Return ` AND ...`, true of the rows of `audit_principal` that ever had an event in scope; nothing for all."""
    if scope.everything:
        return "", []
    return " AND id IN (SELECT unnest(%s::int[]))", [scoping.principals_in(scope, BEGIN, END)]


def kinds(*, scope: Scope) -> list[tuple[str, int]]:
    """Return how many principals there are of each kind."""
    known, ids = _known(scope)
    where = f" WHERE true{known}" if known else ""
    rows = _rows(f"SELECT kind, count(*) FROM audit_principal{where} GROUP BY 1 ORDER BY 2 DESC, 1", ids)  # noqa: S608
    return [(kind, int(count)) for kind, count in rows]


def caller(principal_id: int, *, scope: Scope) -> Caller:
    """Return one principal; raises `UnknownName` where there is none, or none that ever had an event in scope."""
    rows = _rows(
        """SELECT p.id, p.name, p.kind, v.name, v.id, p.namespace, p.entity_id
           FROM audit_principal p JOIN audit_vault v ON v.id = p.vault_id WHERE p.id = %s""",
        [principal_id],
    )
    if rows and not scope.everything and not scoping.principals_in(scope, BEGIN, END, [principal_id]):
        rows = []
    if not rows:
        raise UnknownName(f"There is no principal number {principal_id}.")
    return Caller(*rows[0])


def secrets_of(principal_id: int, since: datetime, until: datetime, *, scope: Scope) -> list[SecretUse]:
    """Return the secrets in scope that a principal read or was denied in [since, until), most reads first."""
    used, values = _used([principal_id], since, until, scope)
    sql = f"""
        SELECT x.secret, s.name, s.engine, reads, denied, x.first, x.last, r.first FROM ({used}) x
        JOIN audit_secret s ON s.id = x.secret LEFT JOIN audit_pair r ON r.principal = %s AND r.secret = x.secret
        WHERE reads > 0 OR denied > 0 ORDER BY reads DESC, denied DESC, s.name
    """  # noqa: S608 - only our own text is put together
    rows = _rows(sql, [*values, principal_id])
    return [SecretUse(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6], row[7]) for row in rows]


def uses_of(
    principals: Sequence[int], since: datetime | None, until: datetime | None, scope: Scope
) -> list[ReadSecret]:
    """Return the secrets in scope that these principals together read or were denied in [since, until).

    The most read comes first.
    """
    used, values = _used(principals, since or BEGIN, until or END, scope)
    sql = f"""
        SELECT x.secret, s.name, v.name, reads, denied, x.first, x.last_read FROM ({used}) x
        JOIN audit_secret s ON s.id = x.secret JOIN audit_vault v ON v.id = s.vault_id
        WHERE reads > 0 OR denied > 0 ORDER BY reads DESC, denied DESC, s.name, s.id
    """  # noqa: S608 - only our own text is put together
    return [ReadSecret(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], row[6]) for row in _rows(sql, values)]


def _used(principals: Sequence[int], since: datetime, until: datetime, scope: Scope) -> tuple[str, list[Any]]:
    """Return the select, with its values, of what principals did with each secret, from closed days and events."""
    parts = parts_of("d", since, until)
    selects, values = [], []
    for principal in principals:
        some, own = union(parts, _DAYS, _EVENTS, [principal])
        selects.append(some)
        values += own
    reads, denied = "disclosed > 0", f"outcome = {Outcome.DENIED.value}"
    inner, covered = scoping.among(scope)
    where = f" WHERE true{inner}" if inner else ""
    return (
        f"""SELECT secret, coalesce(sum(n) FILTER (WHERE {reads}), 0) AS reads,
                   coalesce(sum(n) FILTER (WHERE {denied}), 0) AS denied,
                   min(first) FILTER (WHERE {reads}) AS first, max(last) FILTER (WHERE {reads}) AS last_read,
                   max(last) FILTER (WHERE {reads} OR {denied}) AS last
            FROM ({" UNION ALL ".join(selects)}) c{where} GROUP BY 1""",  # noqa: S608 - only our own text is put together
        [*values, *covered],
    )


def addresses_of(principal_id: int, now: datetime, limit: int = 20_000, *, scope: Scope) -> list[AddressUse]:
    """Return the addresses that a principal ever called from, the newest first use first, at most `limit`.

    A limited view counts the calls that it shows: no closed count knows which these are.
    """
    counted, values = _all_calls(principal_id, now) if scope.everything else _seen_calls(principal_id, now, scope)
    sql = f"""
        SELECT a.address, x.n, x.reads, x.denied, x.first, x.last FROM (
            SELECT address, sum(n) AS n, sum(reads) AS reads, sum(denied) AS denied, min(first) AS first,
                   max(last) AS last FROM ({counted}) c GROUP BY 1) x
        JOIN audit_address a ON a.id = x.address ORDER BY x.first DESC LIMIT %s
    """  # noqa: S608 - only our own text is put together
    rows = _rows(sql, [*values, limit])
    return [AddressUse(row[0], int(row[1]), int(row[2]), int(row[3]), row[4], row[5]) for row in rows]


_PER_ADDRESS = """address, count(*) AS n, count(*) FILTER (WHERE disclosed > 0) AS reads,
    count(*) FILTER (WHERE outcome = 2) AS denied, min(time) AS first, max(time) AS last"""


def _all_calls(principal_id: int, now: datetime) -> Sql:
    return union(
        parts_of("a", BEGIN, now),
        "SELECT address, events AS n, reads, CASE WHEN outcome = 2 THEN events ELSE 0 END AS denied, first, last"
        " FROM audit_rollup_address WHERE principal = %s AND day >= %s AND day < %s",
        f"SELECT {_PER_ADDRESS} FROM audit_event"  # noqa: S608
        f" WHERE principal = %s AND time >= %s AND time < %s AND {ALIVE} GROUP BY 1",
        [principal_id],
    )


def _seen_calls(principal_id: int, now: datetime, scope: Scope) -> Sql:
    seen = scoping.view_of(scope, [principal_id], BEGIN, now)
    where = f"principal = %s AND time >= %s AND time < %s AND {ALIVE}"
    return seen.select(_PER_ADDRESS, (where, [principal_id, BEGIN, now]), (" GROUP BY 1", []))


def token_of(event_id: int, *, scope: Scope) -> TokenUse | None:
    """Return the token that an event was called with, where the log shows one and the event is in scope."""
    seen, values = scoping.inside(scope).select("token", ("id = %s", [event_id]))
    rows = _rows(
        f"""SELECT encode(t.hmac, 'hex'), t.accessor, t.first_time FROM ({seen}) e
            JOIN audit_token t ON t.id = e.token""",  # noqa: S608 - only our own text is put together
        values,
    )
    if not rows:
        return None
    hmac, accessor, first = rows[0]
    return TokenUse(hmac, accessor, first if scope.everything else None)


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
