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
root = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
kept = [root.must("GET", api_path(name)).data for name in all_secrets()]
values = [value for data in kept for value in data.get("data", data).values()]
found["values"] = len(values)
found["printed"] = [value for value in values if value in story.stdout + story.stderr]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def told():
    command = [str(ROOT / "bin" / "sandbox"), "--vault", sys.executable, "-c", CHECK]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_secret_has_exactly_its_readers(told):
    found = {
        secret: {one["principal"]: one["count"] for one in readers if one["count"]}
        for secret, readers in told["answers"].items()
    }
    assert found == told["truth"]["reads"]
    assert len(found) > 10


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
    assert sorted(ledger["addresses"]) == ["10.42.1.11", "10.42.1.12", "10.42.1.13"]


def test_every_byte_of_the_log_is_accounted_for_and_the_second_import_adds_nothing(told):
    report, again = told["report"], told["again"]
    assert sum(report["accounted"].values()) == report["bytes"]
    assert (report["quarantined"], report["gaps"]) == (0, 0)
    assert again["events"] == 0


def test_no_value_is_printed(told):
    assert told["values"] > 20
    assert told["printed"] == []
