"""What is masked first and ingested later tells the same as the same log read from its file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from audit import actions, receivers
from audit.models import Pending, Spool
from receiver.bodies import records
from receiver.records import Desk, Mounts

LOGS = {"file": "audit.log", "http": "audit-http.log"}

EVENTS = """
    SELECT e.request_id, extract(epoch FROM e.time), p.kind, p.name, p.namespace, p.entity_id, a.namespace, a.path,
           s.name, s.mount_accessor, d.address, e.version, e.duration, e.operation, e.outcome, e.disclosed, e.flags,
           encode(t.hmac, 'hex'), w.name
    FROM audit_event e JOIN audit_principal p ON p.id = e.principal JOIN audit_path a ON a.id = e.path
    LEFT JOIN audit_secret s ON s.id = e.secret LEFT JOIN audit_address d ON d.id = e.address
    LEFT JOIN audit_token t ON t.id = e.token JOIN audit_device w ON w.id = e.device
"""
SIGHTINGS = (
    "SELECT e.request_id, s.flags, s.device, s.delta FROM audit_sighting s JOIN audit_event e ON e.id = s.event_id"
)
LEASES = "SELECT l.lease_id, s.name, p.name FROM audit_leaseissue l JOIN audit_secret s ON s.id = l.secret_id " \
         "JOIN audit_principal p ON p.id = l.principal_id"  # fmt: skip
MOUNTS = "SELECT namespace, path, accessor, type, kv_version FROM audit_mount"
WRAPS = "SELECT encode(hmac, 'hex'), s.name, disclosed FROM audit_wrap w JOIN audit_secret s ON s.id = w.secret_id"
PAIRS = "SELECT p.name, s.name, first, last FROM audit_pair x JOIN audit_principal p ON p.id = x.principal " \
        "JOIN audit_secret s ON s.id = x.secret"  # fmt: skip
ALL = {"events": EVENTS, "sightings": SIGHTINGS, "leases": LEASES, "mounts": MOUNTS, "wraps": WRAPS, "pairs": PAIRS}


def spool(source, body):
    desk = Desk(source.device.vault_id, Mounts(), 1 << 24)
    desk.take(records(body))
    now = datetime.now(UTC)
    Spool.objects.bulk_create(
        Spool(device_id=source.device_id, received_at=now, **{**row._asdict(), "key": UUID(bytes=row.key)})
        for row in desk.rows
    )


def everything(past):
    return {name: sorted(past.rows(query), key=repr) for name, query in ALL.items()}


@pytest.mark.parametrize("order", [("file", "http"), ("http", "file")], ids=" then ".join)
def test_the_spool_tells_the_same_as_the_files(past, empty_past, recorded, tmp_path, order):
    for device in order:
        (tmp_path / LOGS[device]).write_bytes(recorded(LOGS[device]))
        past.take(tmp_path / LOGS[device], device=device, vault="demo")
    wanted = everything(past)
    with empty_past() as again:
        for device in order:
            source, _ = receivers.add_receiver("demo", device)
            spool(source, recorded(LOGS[device]))
            report = actions.read_source(source)
            assert report and report.drained
            Pending.objects.update(received_at=datetime.now(UTC) - timedelta(minutes=1))  # no response will come
            actions.read_source(source)
        told = everything(again)
        for name, rows in wanted.items():
            assert told[name] == rows, name
        assert Spool.objects.count() == 0


def raw_line(kind, id, token, name):
    """An entry of a device that writes tokens in plain; a denial shows no name."""
    auth = {"client_token": token, "display_name": name, "policies": ["default"], "token_type": "service"}
    asked = {"id": id, "operation": "read", "client_token": token, "path": "secret/data/a", "mount_type": "kv",
             "mount_point": "secret/", "remote_address": "10.0.0.1"}  # fmt: skip
    entry = {"time": "2026-11-21T02:00:00Z", "type": kind, "auth": auth if name else {}, "request": asked}
    return json.dumps(entry | ({} if name else {"error": "permission denied"})).encode()


def test_tokens_that_are_masked_are_not_taken_for_one_another(past):
    source, _ = receivers.add_receiver("demo", "raw")
    ids = [str(uuid4()) for _ in range(2)]
    mallory, ann = "s.Mallory1mallory2mallory3", "s.Annann1annann2annann3ann"
    lines = [raw_line(side, ids[0], ann, "token-ann") for side in ("request", "response")]
    lines += [raw_line(side, ids[1], mallory, "") for side in ("request", "response")]
    spool(source, b"\n".join(lines))
    actions.read_source(source)
    names = dict(
        past.rows("SELECT request_id::text, p.name FROM audit_event e JOIN audit_principal p ON p.id = e.principal")
    )
    assert names == {ids[0]: "token-ann", ids[1]: "anonymous"}
    assert past.one("SELECT count FROM audit_alarm WHERE kind = 'plain token'") == 4
