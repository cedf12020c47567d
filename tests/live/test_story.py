"""The demo's company works on a real OpenBao, and Keybook answers exactly what the company itself counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.live

# Runs in a sandbox of its own, so that no other test's calls are in its audit log.
CHECK = """
import io, json, os, subprocess, sys
import django
from django.core.management import call_command
from sandbox.bao_http import Bao
from sandbox.company import all_secrets, api_path

def ask(*words):
    said = io.StringIO()
    call_command(*words, "--json", stdout=said)
    return json.loads(said.getvalue())

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
tell = [sys.executable, "-m", "sandbox.story", "--once", "--json"]
story = subprocess.run(tell, capture_output=True, text=True, check=True)
log = (os.environ["KEYBOOK_AUDIT_LOG"], "--vault", "demo")
found = {"truth": json.loads(story.stdout), "report": ask("ingest_file", *log), "again": ask("ingest_file", *log)}
found["answers"] = {secret: ask("who_read", secret)["readers"] for secret in found["truth"]["reads"]}
import hashlib
from pathlib import Path
from django.db import connection
from sandbox import history
log_file, week = Path(os.environ["KEYBOOK_AUDIT_LOG"]), Path(os.environ["KEYBOOK_AUDIT_LOG"]).with_name("week.zst")
calls, begin, end = history.make(log_file, week)
digest = hashlib.sha256(week.read_bytes()).digest()
history.make(log_file, week)
found["same"] = hashlib.sha256(week.read_bytes()).digest() == digest
found["history"] = ask("ingest_file", str(week), "--vault", "demo", "--device", history.DEVICE)
def rows(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
OF = '''FROM audit_event e JOIN audit_device d ON d.id = e.device JOIN audit_address a ON a.id = e.address
        LEFT JOIN audit_principal p ON p.id = e.principal LEFT JOIN audit_secret s ON s.id = e.secret'''
WEEK = f"{OF} WHERE d.name = 'history (simulated)'"
times = {name: (first.isoformat(), last.isoformat())
         for name, first, last in rows(f"SELECT d.name, min(e.time), max(e.time) {OF} GROUP BY 1")}
first, last = times[history.DEVICE]
found["made"] = {"calls": calls, "begin": begin.isoformat(), "end": end.isoformat(), "first": first, "last": last}
found["real_first"] = times["file"][0]
found["devices"] = dict(rows(f"SELECT d.name, count(*) {OF} GROUP BY 1"))
def names(device, what):
    return [row[0] for row in rows(f"SELECT DISTINCT {what} {OF} WHERE d.name = '{device}' AND {what} <> ''")]
found["names"] = {device: [names(device, what) for what in ("p.name", "s.name")] for device in times}
found["week_addresses"] = [row[0] for row in rows(f"SELECT DISTINCT a.address {WEEK}")]
found["week_denied"] = rows(f"SELECT count(*) {WEEK} AND e.outcome = 2")[0][0]
root = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
kept = [root.must("GET", api_path(name)).data for name in all_secrets()]
values = [value for data in kept for value in data.get("data", data).values()]
found["values"] = len(values)
found["printed"] = [value for value in values if value in story.stdout + story.stderr]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def told():
    command = [str(ROOT / "bin" / "sandbox"), "--vault", "--servers-only", sys.executable, "-c", CHECK]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_secret_has_exactly_its_readers(told):
    found = {
        secret: {one["principal"]: one["count"] for one in readers if one["count"]}
        for secret, readers in told["answers"].items()
    }
    assert found == told["truth"]["reads"]
    assert len(found) == 43  # 40 secrets and three database roles


def test_every_refusal_is_counted_at_its_secret(told):
    found = {
        secret: {one["principal"]: one["denied"] for one in readers if one["denied"]}
        for secret, readers in told["answers"].items()
    }
    assert {secret: refused for secret, refused in found.items() if refused} == told["truth"]["denied"]


def test_pods_are_seen_at_their_own_addresses(told):
    ledger = next(
        one for one in told["answers"]["secret/prod/ledger/bank-sftp"] if one["principal"] == "payments/ledger"
    )
    assert sorted(ledger["addresses"]) == ["10.42.1.11", "10.42.1.12", "10.42.1.13", "198.51.100.23"]


def test_a_stolen_token_s_reads_are_the_only_ones_from_elsewhere(told):
    found = {
        secret: [one["principal"] for one in readers if "198.51.100.23" in one["addresses"]]
        for secret, readers in told["answers"].items()
    }
    assert {secret: who for secret, who in found.items() if who} == {
        "secret/prod/ledger/audit-seal": ["payments/ledger"],
        "secret/prod/ledger/bank-sftp": ["payments/ledger"],
        "secret/prod/ledger/signing": ["payments/ledger"],
        "secret/prod/payout/psp-key": ["payments/ledger"],
    }


def test_the_company_is_of_the_size_of_the_smallest_real_one(told):
    kv = [secret for secret in told["truth"]["reads"] if not secret.startswith("database/")]
    services = {who for readers in told["truth"]["reads"].values() for who in readers if "/" in who and ":" not in who}
    assert (len(kv), len(services)) == (40, 15)
    assert {who.split("/")[0] for who in services} == {"payments", "storefront", "analytics"}


def test_every_byte_of_the_log_is_accounted_for_and_the_second_import_adds_nothing(told):
    report, again = told["report"], told["again"]
    assert sum(report["accounted"].values()) == report["bytes"]
    assert (report["quarantined"], report["gaps"]) == (0, 0)
    assert again["events"] == 0


def test_the_week_before_is_simulated_and_says_so(told):
    made, report = told["made"], told["history"]
    assert report["events"] == made["calls"] > 3_000
    assert (report["quarantined"], report["gaps"], report["duplicates"]) == (0, 0, 0)
    assert told["devices"]["history (simulated)"] == made["calls"]
    assert made["first"] >= made["begin"] and made["last"] < made["end"] < told["real_first"]


def test_the_week_before_has_the_same_people_secrets_and_refusals_and_no_others(told):
    for now, week in zip(told["names"]["file"], told["names"]["history (simulated)"], strict=True):
        assert week and set(week) <= set(now)
    principals, secrets = told["names"]["history (simulated)"]
    assert len(secrets) == 43  # one that does not exist, and not the lease of today
    assert {"payments/ledger", "alice", "nightly-backup"} <= set(principals)
    assert "root" not in principals and told["week_addresses"] and "198.51.100.23" not in told["week_addresses"]
    assert 0 < told["week_denied"] < told["made"]["calls"] / 20


def test_the_same_seed_tells_the_same_history(told):
    assert told["same"]


def test_no_value_is_printed(told):
    assert told["values"] > 20
    assert told["printed"] == []
