"""Who read one secret: counted from closed days and the events beside them, so that a busy secret is no slow one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit.answers import Reader
from audit.closed import BEGIN, END, days_of, parts_of, union
from audit.event import ALIVE
from audit.grades import grade
from audit.principal import Kind
from vault.reads import Outcome

_DAYS = days_of("secret", "principal, outcome, disclosed, events AS n, first, last")
_EVENTS = f"""SELECT principal, outcome, disclosed, 1 AS n, time AS first, time AS last FROM audit_event
              WHERE secret = %s AND time >= %s AND time < %s AND {ALIVE}"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class Uses:
    """Addresses and versions by principal; `capped` when only the newest calls were looked at."""

    of: dict[int, tuple[list[str], list[int]]] = field(default_factory=dict)
    capped: bool = False


def readers_of(secret_id: int, since: datetime | None, until: datetime | None) -> list[Reader]:
    """Return who read a secret or was denied in [since, until), most reads first, without addresses and versions.

    Kubelets and the parts of a cluster's control plane come last: a thousand of them read what their pods mount.
    """
    counted, values = union(parts_of("d", since or BEGIN, until or END), _DAYS, _EVENTS, [secret_id])
    reads, denied = "disclosed > 0", f"outcome = {Outcome.DENIED.value}"
    sql = f"""
        SELECT x.principal, p.name, p.kind, p.entity_id, reads, denied,
               (extract(epoch FROM x.first) * 1000000)::bigint, (extract(epoch FROM x.last) * 1000000)::bigint FROM (
            SELECT principal, coalesce(sum(n) FILTER (WHERE {reads}), 0) AS reads,
                   coalesce(sum(n) FILTER (WHERE {denied}), 0) AS denied,
                   min(first) FILTER (WHERE {reads}) AS first, max(last) FILTER (WHERE {reads}) AS last
            FROM ({counted}) c GROUP BY 1) x
        JOIN audit_principal p ON p.id = x.principal
        WHERE reads > 0 OR denied > 0
        ORDER BY p.kind IN ('{Kind.NODE}', '{Kind.SYSTEM}'), reads DESC, denied DESC, p.name, p.id
    """  # noqa: S608 - only our own text is put together
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [_reader(row) for row in cursor]  # one by one: fewer objects at a time, for which Python halts less


def _reader(row: tuple[Any, ...]) -> Reader:
    who, name, kind, entity_id, count, denied, first, last = row
    return Reader(
        principal_id=who, principal=name, kind=kind, entity_id=entity_id, pod=None, grade=grade(kind),
        count=int(count), denied=int(denied), first=_moment(first), last=_moment(last),
    )  # fmt: skip


def uses_of(
    secret_id: int,
    since: datetime | None,
    until: datetime | None,
    principals: Sequence[int],
    newest: int | None = None,
) -> Uses:
    """Return from where these principals called for a secret, and which versions were disclosed to them.

    With `newest`, only so many of the secret's newest calls are looked at: no closed count knows the addresses.
    """
    sql = f"""
        WITH e AS MATERIALIZED (
            SELECT principal, address, version, disclosed FROM audit_event
            WHERE secret = %s AND time >= %s AND time < %s AND {ALIVE} ORDER BY time DESC LIMIT %s)
        SELECT principal, ARRAY(SELECT address FROM audit_address WHERE id = ANY(ids)), versions,
               (SELECT count(*) FROM e)
        FROM (SELECT principal, array_agg(DISTINCT address) AS ids,
                     array_agg(DISTINCT version) FILTER (WHERE version > 0 AND disclosed > 0) AS versions
              FROM e WHERE principal = ANY(%s) GROUP BY 1) x
    """  # noqa: S608 - only our own text is put together
    rows = _rows(sql, [secret_id, since or BEGIN, until or END, newest, list(principals)])
    cut = newest is not None and (len(rows) < len(principals) or any(row[3] >= newest for row in rows))
    return Uses({row[0]: (sorted(row[1]), sorted(row[2] or [])) for row in rows}, cut)


def with_uses(readers: Sequence[Reader], uses: Uses) -> list[Reader]:
    """Return the readers with their addresses and versions."""
    nothing: tuple[list[str], list[int]] = ([], [])
    told = [(reader, uses.of.get(reader.principal_id, nothing)) for reader in readers]
    return [replace(reader, addresses=addresses, versions=versions) for reader, (addresses, versions) in told]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(micros: int | None) -> datetime | None:
    """Return the time of microseconds since 1970: quicker to read than times, of which there may be thousands."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
