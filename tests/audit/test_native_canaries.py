"""Values that a policy wrote into an API server's log stand in no table, log, message or answer of Keybook's."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from django.conf import settings
from django.core.management import call_command

from accounts.scope import EVERYTHING
from audit import health, queries
from audit.ingest import connect
from tests.audit.test_canaries import found_in, found_in_tables
from tests.cluster import planted
from tests.cluster.records import record

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CANARIES = [*planted.CANARIES, planted.TEXT[:12], planted.TYPED[:14]]


def alarms(past):
    return dict(past.rows("SELECT kind, count FROM audit_alarm"))


def test_no_value_of_a_policy_that_logs_too_much_is_kept(past, tmp_path, capsys, caplog, monkeypatch):
    file = tmp_path / "kube-audit.log"
    file.write_bytes(planted.log())
    in_the_clear = {canary for canary in planted.CANARIES if canary.encode() in file.read_bytes()}
    assert in_the_clear >= {planted.TYPED, planted.PACKED, planted.JWT, planted.KEY, str(planted.NUMBER)}
    monkeypatch.setattr(settings.KEYBOOK, "log_roots", str(tmp_path))
    live = ["--path", str(file), "--vault", "prod", "--device", "live", "--once"]
    for words in (
        ["ingest_file", str(file), "--vault", "prod"], ["follow", *live], ["doctor"],
        ["who_read", "kubernetes/prod/shop/db", "--json"], ["who_read", "kubernetes/prod/shop/*"],
        ["what_read", "mira"], ["what_read", "nobody"],
    ):  # fmt: skip
        with contextlib.suppress(SystemExit):
            call_command(*words)
    said = capsys.readouterr()
    assert past.events() > 50
    ids = [row[0] for row in past.rows("SELECT id FROM audit_event")]
    lines = [line.text for id in ids for line in queries.lines_of(id, scope=EVERYTHING)]
    shown = "".join(lines) + str(health.quarantine(LONG_AGO, 1_000, scope=EVERYTHING))
    with connect() as wire:
        assert found_in_tables(wire, CANARIES) == []
    assert found_in("what is shown", (shown + said.out + said.err + caplog.text).encode(), CANARIES) == []
    assert alarms(past)["secret value"] >= 8
    assert alarms(past)["plain token"] >= 2


def test_a_policy_that_logs_values_raises_a_critical_finding_and_a_good_one_none(past, tmp_path):
    file = tmp_path / "kube-audit.log"
    file.write_bytes(record() + b"\n")
    past.take(file, vault="good")
    assert alarms(past) == {}
    file.write_bytes(planted.records()[0] + b"\n")
    past.take(file, vault="bad")
    assert alarms(past) == {"secret value": 1}
    (alarm,) = health.alarms(LONG_AGO, scope=EVERYTHING)
    assert alarm.detail.startswith("secret value in the lines of this device; it was masked before it was stored. The")
    assert "set level Metadata" in alarm.detail
