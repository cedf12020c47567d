"""Compares the audit devices of one vault: an entry that one shows and another does not is that one's gap."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

_SETTLED_AFTER = 60  # seconds; devices are read in turns, so the newest minute is not judged
_KIN = 0.1  # devices that share less than this part of a stretch are different nodes, not brothers

# Lines that some device of the vault has shown in [low, high], with the sides that device D has shown.
_SEEN = """
    SELECT e.id, e.time, e.request_id, e.path,
           e.flags & 3 | coalesce(s.anyone, 0) AS anyone,
           (CASE WHEN e.device = %(device)s THEN e.flags & 3 ELSE 0 END) | coalesce(s.own, 0) AS own
    FROM audit_event e
    LEFT JOIN (
        SELECT event_id, bit_or(flags) AS anyone, bit_or(CASE WHEN device = %(device)s THEN flags ELSE 0 END) AS own
        FROM audit_sighting WHERE time BETWEEN %(low)s AND %(high)s GROUP BY event_id
    ) s ON s.event_id = e.id
    WHERE e.vault = %(vault)s AND e.flags < 8192 AND e.time BETWEEN %(low)s AND %(high)s
"""


def reconcile(vault_id: int, since: datetime | None = None) -> int:
    """Record what a vault's devices did not show since then; returns how many gaps of them stand in all.

    A start-up probe (`sys/audit/test`) is written to one device only and is no gap. What a later import brings is
    taken back from the gaps.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM audit_device WHERE vault_id = %s ORDER BY id", [vault_id])
        ids = [row[0] for row in cursor.fetchall()]
        if len(ids) > 1:
            for each in ids:
                _reconcile_one(cursor, vault_id, each, since)
        cursor.execute("SELECT count(*) FROM audit_gap WHERE device_id = ANY(%s)", [ids])
        return int(cursor.fetchone()[0])


def _reconcile_one(cursor: Any, vault_id: int, device_id: int, since: datetime | None) -> None:
    for low, high in _stretches(cursor, device_id):
        low = max(low, since) if since else low  # noqa: PLW2901 - the part that is new
        if low > high:
            continue
        given = {"vault": vault_id, "device": device_id, "low": low, "high": high}
        cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE own > 0) FROM ({_SEEN}) x WHERE anyone > 0", given)  # noqa: S608
        total, own = cursor.fetchone()
        if own < _KIN * total:
            continue
        cursor.execute(
            f"""
            INSERT INTO audit_gap (device_id, kind, key, start, "end", bytes, detail)
            SELECT %(device)s, 'missed', x.request_id || ' ' || side.name, x.time, x.time, 0,
                   'the ' || side.name || ' entry of ' || x.request_id || ' stands in another device of this vault only'
            FROM ({_SEEN}) x JOIN audit_path p ON p.id = x.path,
                 (VALUES (1, 'request'), (2, 'response')) AS side(bit, name)
            WHERE x.anyone & side.bit > 0 AND x.own & side.bit = 0 AND p.path <> 'sys/audit/test'
            ON CONFLICT (device_id, kind, key) DO NOTHING
            """,  # noqa: S608 - only our own text is put together
            given,
        )
        cursor.execute(
            f"""
            DELETE FROM audit_gap g USING ({_SEEN}) x, (VALUES (1, 'request'), (2, 'response')) AS side(bit, name)
            WHERE g.device_id = %(device)s AND g.kind = 'missed' AND g.key = x.request_id || ' ' || side.name
            AND x.own & side.bit > 0
            """,  # noqa: S608
            given,
        )


def _stretches(cursor: Any, device_id: int) -> list[tuple[datetime, datetime]]:
    """The stretches of time that this device's files cover, joined where they touch; the newest minute is left out."""
    cursor.execute(
        f"""SELECT first_time, least(last_time, now() - interval '{_SETTLED_AFTER} seconds') FROM audit_generation
            WHERE device_id = %s AND first_time IS NOT NULL ORDER BY first_time""",  # noqa: S608
        [device_id],
    )
    joined: list[tuple[datetime, datetime]] = []
    for low, high in cursor.fetchall():
        if high < low:
            continue
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
