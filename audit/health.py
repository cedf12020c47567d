"""The state of the sources: what came today, what is in quarantine, which alarms stand, what waits in the spool."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit.closed import parts_of
from audit.event import ALIVE
from audit.reach import vaults_of


@dataclass(frozen=True, slots=True)
class Today:
    """What a device gave since midnight (UTC): lines and bytes that are kept, and events that it showed first."""

    lines: int = 0
    bytes: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Bad:
    """Bytes that are no audit line, with their place and a preview without any value."""

    vault: str
    device: str
    path: str
    position: int
    length: int
    reason: str
    preview: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """Something critical that ingestion itself saw."""

    vault: str
    device: str
    kind: str
    count: int
    first: datetime
    last: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of a device waits in the receiver's spool."""

    vault: str
    device: str
    rows: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Missed:
    """Entries that a device lacks and another device of its vault has."""

    vault: str
    device: str
    count: int
    first: datetime
    last: datetime


def today(now: datetime) -> dict[int, Today]:
    """Return what each device gave since midnight, by its key; which of them are shown is for `coverage` to say."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    kept = _rows(
        "SELECT device, sum(lines), sum(bytes) FROM audit_block WHERE time >= %s AND time < %s GROUP BY 1",
        [midnight, midnight + timedelta(days=1)],
    )
    events = _events_since(midnight, now)
    found = {device: Today(int(lines), int(size), events.get(device, 0)) for device, lines, size in kept}
    return found | {device: Today(events=count) for device, count in events.items() if device not in found}


def _events_since(midnight: datetime, now: datetime) -> dict[int, int]:
    parts = parts_of("t", midnight, now)
    selects = ["SELECT device, events AS n FROM audit_rollup_total WHERE hour >= %s AND hour < %s"] * len(parts.counted)
    raw = f"SELECT device, count(*) AS n FROM audit_event WHERE time >= %s AND time < %s AND {ALIVE} GROUP BY 1"  # noqa: S608
    selects += [raw] * len(parts.raw)
    values = [moment for span in (*parts.counted, *parts.raw) for moment in span]
    rows = _rows(f"SELECT device, sum(n) FROM ({' UNION ALL '.join(selects)}) x GROUP BY 1", values)  # noqa: S608
    return {device: int(count) for device, count in rows}


def quarantine(since: datetime, limit: int = 50, *, scope: Scope) -> list[Bad]:
    """Return the newest bytes that are no audit line; a limited view has no preview of them: it may name a secret."""
    vaults = vaults_of(scope)
    rows = _rows(
        """SELECT v.name, d.name, g.path, q.position, q.length, q.reason, CASE WHEN %s THEN q.preview ELSE '' END, q.at
           FROM audit_quarantine q
           JOIN audit_generation g ON g.id = q.generation_id JOIN audit_device d ON d.id = g.device_id
           JOIN audit_vault v ON v.id = d.vault_id WHERE q.at >= %s AND (%s::text[] IS NULL OR v.name = ANY(%s))
           ORDER BY q.id DESC LIMIT %s""",
        [scope.everything, since, vaults, vaults, limit],
    )
    return [Bad(*row) for row in rows]


def alarms(since: datetime, *, scope: Scope) -> list[AlarmRow]:
    """Return the alarms of the scope's vaults that were last raised since then, the newest first."""
    vaults = vaults_of(scope)
    rows = _rows(
        """SELECT v.name, d.name, a.kind, a.count, a.first_at, a.last_at, a.detail FROM audit_alarm a
           JOIN audit_device d ON d.id = a.device_id JOIN audit_vault v ON v.id = d.vault_id
           WHERE a.last_at >= %s AND (%s::text[] IS NULL OR v.name = ANY(%s)) ORDER BY a.last_at DESC LIMIT 50""",
        [since, vaults, vaults],
    )
    return [AlarmRow(*row) for row in rows]


def spool(*, scope: Scope) -> list[Waiting]:
    """Return what the receiver took of the scope's vaults and ingestion has not read yet."""
    vaults = vaults_of(scope)
    rows = _rows(
        """SELECT v.name, d.name, count(s.id), min(s.received_at) FROM audit_spool s
           JOIN audit_device d ON d.id = s.device_id JOIN audit_vault v ON v.id = d.vault_id
           WHERE %s::text[] IS NULL OR v.name = ANY(%s) GROUP BY 1, 2 ORDER BY 1, 2""",
        [vaults, vaults],
    )
    return [Waiting(*row) for row in rows]


def missed(since: datetime, *, scope: Scope) -> list[Missed]:
    """Return which devices of the scope's vaults lack entries that another has."""
    vaults = vaults_of(scope)
    rows = _rows(
        """SELECT v.name, d.name, count(*), min(g.start), max(g.start) FROM audit_gap g
           JOIN audit_device d ON d.id = g.device_id JOIN audit_vault v ON v.id = d.vault_id
           WHERE g.kind = 'missed' AND g.start >= %s AND (%s::text[] IS NULL OR v.name = ANY(%s))
           GROUP BY 1, 2 ORDER BY 1, 2""",
        [since, vaults, vaults],
    )
    return [Missed(*row) for row in rows]


def _rows(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
