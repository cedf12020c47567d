"""The operations worker's PostgreSQL role may ask the record everything that a change is proved by."""

from __future__ import annotations

import json

from psycopg.conninfo import make_conninfo

from tests.audit.our_lines import OPERATION, WRITE, WROTE, lines, work

ASK = """
import django
django.setup()
import json
from datetime import UTC, datetime
from config.witness import AuditLog
log, key, then = AuditLog(), ("demo", "", "secret", "prod/ledger/key"), datetime(2026, 1, 1, tzinfo=UTC)
calls = log.calls("C-215")
print(json.dumps([
    len(calls), len(log.calls_since(0)), [one.version for one in log.written(*key, then)], log.versions(*key),
    len(log.reads(*key, 3, then)), len(log.leases(role="database/creds/app")), len(log.ends("demo", ["x"])),
    log.token_use("demo", calls[0].accessors, then).answered, log.reach("demo", then).troubles,
]))
"""


def test_it_may_ask_every_question(roles, tmp_path):
    somebody = ("a person's token", ["admin"], {"username": "mallory"}, "userpass-mallory")
    other = work(3, caller=somebody, path="secret/data/prod/ledger/key", answer=WRITE | {"version": 9})
    again = work(4, caller=OPERATION, path="secret/data/prod/ledger/key", answer=WRITE | {"version": 10})
    log = tmp_path / "audit.log"
    log.write_bytes(lines([WROTE, other, again]))
    database = roles.database
    database.manage("ingest_file", str(log), "--vault", "demo", KEYBOOK_LOG_ROOTS=str(tmp_path))
    url = make_conninfo(database.environment["DATABASE_URL"], user="keybook_operations")
    told = database.run("-c", ASK, DATABASE_URL=url).stdout
    assert json.loads(told) == [2, 2, [8, 9, 10], 10, 1, 0, 0, 2, []]
