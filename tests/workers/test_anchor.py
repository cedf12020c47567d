"""The trail's anchor as the processes keep it: the worker writes it, with its own role and its own settings."""

from __future__ import annotations

import json
import time
from pathlib import Path

RING = """
import django
django.setup()
from config.celery import app
app.send_task("accounts.anchor_trail", queue="ingest")
"""


def test_the_worker_writes_what_people_did_to_the_anchor_and_the_whole_trail_proves_it(staffed):
    anchor = Path(staffed.environment["KEYBOOK_ANCHOR"])
    staffed.manage("create_user", "anchored", "--role", "reader")
    with staffed.connect() as wire:
        head = wire.execute("SELECT max(position) FROM accounts_trailentry").fetchone()[0]
    staffed.run("-c", RING)
    deadline = time.monotonic() + 40
    while not (anchor.exists() and f'"position": {head}' in anchor.read_text()):
        assert time.monotonic() < deadline, "the worker never wrote the head"
        time.sleep(0.05)
    told = json.loads(staffed.manage("verify_trail", "--json").stdout)
    assert told == {"entries": head, "ok": True, "first_bad": None, "anchored_until": head}
    with staffed.connect() as wire:
        wire.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_unchanged")
        wire.execute("UPDATE accounts_trailentry SET actor_name = 'nobody' WHERE position = %s", [head])
    found = staffed.manage("verify_trail", "--json", check=False)
    assert (found.returncode, json.loads(found.stdout)["first_bad"]) == (1, head)
    with staffed.connect() as wire:  # other tests use this sandbox
        wire.execute("DELETE FROM accounts_trailentry")
        wire.execute("ALTER TABLE accounts_trailentry ENABLE TRIGGER accounts_trail_unchanged")
    anchor.unlink()
