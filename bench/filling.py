"""Fills the store with millions of events of a month, made by PostgreSQL itself: for questions, not for ingestion.

The population is that of `bench.people`: 2,000 callers with some 200 secrets each out of 20,000, cubically skewed; of
the calls 72 % read a value, 8 % take a credential, 10 % log in, 2 % are denied. The newest day has line blocks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from audit import blocks, partitions, rollups
from bench.corpus import Traffic
from bench.people import IDENTITIES, PURSE, SECRETS

DAYS = 30
_BLOCK_EVENTS = 500
Connection = psycopg.Connection[tuple[Any, ...]]

_NAMES = """
INSERT INTO audit_vault (name) VALUES ('bench');
INSERT INTO audit_device (vault_id, name, last_time, seen_at) SELECT id, 'file', now(), now() FROM audit_vault;
INSERT INTO audit_generation (device_id, fingerprint, fork, path, inode, position, tail, skipping, turn, border,
    first_time, last_time, lines, events, bytes_event, bytes_duplicate, bytes_quarantine, bytes_framing)
    SELECT id, 'bench', 0, '/var/log/openbao/audit.log', 0, 0, '', false, 1, '', now() - interval '{days} days', now(),
    2 * {events}, {events}, 3400 * {events}::bigint, 0, 0, 2 * {events} FROM audit_device;
INSERT INTO audit_source (device_id, kind, settings, live_id, live_inode, drained_at, trouble)
    SELECT d.id, 'file', '{{"path": "/var/log/openbao/audit.log"}}', g.id, 0, now(), ''
    FROM audit_device d JOIN audit_generation g ON g.device_id = d.id;
INSERT INTO audit_mount (vault_id, namespace, path, accessor, type, kv_version) VALUES
    (1, '', 'secret/', 'kv_95d17722', 'kv', 2), (1, '', 'database/', 'database_300fbeaa', 'database', 0),
    (1, '', 'auth/kubernetes/', 'auth_kubernetes_6a1b', 'kubernetes', 0);
INSERT INTO audit_principal (vault_id, kind, name, namespace, entity_id)
    SELECT 1, CASE WHEN n % 10 = 9 THEN 'approle' ELSE 'service_account' END,
    (ARRAY['payments','ledger','search','catalogue','identity','shipping','billing','risk','mail','web'])[1 + n % 10]
    || '/service-' || n, '', md5('entity ' || n)::uuid::text FROM generate_series(0, {callers} - 1) n;
INSERT INTO audit_secret (vault_id, namespace, mount, mount_accessor, path, engine, name)
    SELECT 1, '', 'secret/', 'kv_95d17722', p, 'KV v2', 'secret/' || p FROM (SELECT 'prod/' ||
    (ARRAY['payments','ledger','search','catalogue','identity','shipping','billing','risk','mail','web'])[1 + n % 10]
    || '/app-' || n / 40 || '/credential-' || n AS p FROM generate_series(0, {secrets} - 1) n) s;
INSERT INTO audit_path (vault_id, namespace, path)
    SELECT 1, '', 'secret/data/' || path FROM audit_secret ORDER BY id;
INSERT INTO audit_path (vault_id, namespace, path) VALUES (1, '', 'auth/kubernetes/login');
INSERT INTO audit_address (address)
    SELECT '10.' || n / 65536 || '.' || n / 256 % 256 || '.' || n % 256 FROM generate_series(0, 2 * {callers} - 1) n;
"""

# Caller and secret are drawn with a cube's skew; the secret is the caller's own n-th, so pairs repeat.
_EVENTS = """
INSERT INTO audit_event (id, time, request_id, principal, token, path, secret, address, version, duration, block,
    vault, device, operation, outcome, disclosed, flags, line)
SELECT %(first)s + n, %(day)s::timestamptz + n * (interval '1 day' / %(count)s), gen_random_uuid(),
    1 + who, {token}, CASE WHEN kind < 0.8 OR kind >= 0.9 THEN 1 + what WHEN kind < 0.9 THEN {secrets} + 1 END,
    CASE WHEN kind < 0.8 OR kind >= 0.9 THEN 1 + what ELSE 0 END, 1 + 2 * who + n %% 2,
    CASE WHEN kind < 0.8 THEN 1 + what %% 7 ELSE 0 END, 400 + (n %% 97) * 31, 0, 1, 1,
    CASE WHEN kind >= 0.8 AND kind < 0.9 THEN 3 ELSE 2 END,
    CASE WHEN kind >= 0.98 THEN 2 WHEN kind >= 0.97 THEN 4 WHEN kind >= 0.965 THEN 3 ELSE 1 END,
    CASE WHEN kind < 0.72 THEN 1 WHEN kind < 0.8 THEN 2 ELSE 0 END, 3, 0
FROM (SELECT n, who, kind, floor({secrets} * power(abs(hashint4(who * {purse} + slot)) / 2147483648.0, 3))::int AS what
      FROM (SELECT n, floor({callers} * power(random(), 3))::int AS who, random() AS kind,
            floor({purse} * power(random(), 3))::int AS slot FROM generate_series(0, %(count)s - 1) n) a) b
"""
_PAIRS = """
INSERT INTO audit_pair (principal, secret, first, last)
SELECT principal, secret, min(time), max(time) FROM audit_event WHERE disclosed > 0 AND secret > 0 GROUP BY 1, 2
"""


def fill(connection: Connection, events: int, now: datetime | None = None, *, tokens: bool = False) -> None:
    """Fill an empty migrated database with `events` of the 30 days before `now`, names, pairs and closed windows.

    With `tokens` each caller's calls are those of the token that has the caller's number; the rows of tokens are the
    caller's to make.
    """
    now = now or datetime.now(UTC)
    sizes: dict[str, Any] = {
        "callers": IDENTITIES, "secrets": SECRETS, "purse": PURSE, "days": DAYS, "events": events,
        "token": "1 + who" if tokens else "0",
    }  # fmt: skip
    connection.execute(_NAMES.format(**sizes).encode())
    begin, share = now - timedelta(days=DAYS), events // DAYS
    partitions.ensure(connection, (begin.date() + timedelta(days=n) for n in range(DAYS + 8)))
    statement = _EVENTS.format(**sizes)
    for number in range(DAYS):
        given = {"first": 1 + number * share, "day": begin + timedelta(days=number), "count": share}
        connection.execute(statement.encode(), given)
    connection.execute("SELECT setval('audit_event_seq', %s)", [events + 1])
    _keep_lines(connection, now - timedelta(days=1), share)
    connection.execute(_PAIRS)
    rollups.close(now)
    connection.execute("VACUUM (ANALYZE)")


def _keep_lines(connection: Connection, since: datetime, share: int) -> None:
    """Give the newest day's events blocks of 1,000 lines, all with the same masked lines."""
    lines = [line.rstrip(b"\n") for line in Traffic(1, "file").lines(0, 10**12, _BLOCK_EVENTS)]
    body = blocks.pack(lines)
    places = blocks.pack_places(
        [1] * len(lines), list(range(len(lines))), list(map(len, lines)), bytes(32 * len(lines))
    )
    connection.execute(
        """INSERT INTO audit_block (id, time, device, lines, bytes, places, body)
           SELECT 1 + b, min(time), 1, %s, %s, %s, %s
           FROM (SELECT time, (row_number() OVER (ORDER BY id) - 1) / %s AS b FROM audit_event WHERE time >= %s) e
           GROUP BY b""",
        [len(lines), sum(map(len, lines)), places, body, _BLOCK_EVENTS, since],
    )
    connection.execute(
        """UPDATE audit_event e SET block = 1 + n / %s, line = 2 * (n %% %s)
           FROM (SELECT id, time, row_number() OVER (ORDER BY id) - 1 AS n FROM audit_event WHERE time >= %s) o
           WHERE e.id = o.id AND e.time = o.time AND e.time >= %s""",
        [_BLOCK_EVENTS, _BLOCK_EVENTS, since, since],
    )
    connection.execute("SELECT setval('audit_block_seq', %s)", [share // _BLOCK_EVENTS + 2])
