"""A real OpenBao posts to the real receiver: both of its devices are one record, and it never hangs with us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.live

# Runs in a sandbox of its own, whose supervisor lets PostgreSQL be frozen and the receiver be stopped.
CHECK = """
import json, os, signal, time, urllib.request
from pathlib import Path
import psycopg
from sandbox.bao_http import Bao
from sandbox.control import ask, state

bao = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
wire = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
found = {}

def reads(count=10):
    took = []
    for _ in range(count):
        began = time.monotonic()
        bao.must("GET", "secret/data/live")
        took.append(round(time.monotonic() - began, 4))
    return took

def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition.__doc__
        time.sleep(0.05)

def is_up():
    "the receiver takes lines again"
    try:
        with urllib.request.urlopen(f"http://{os.environ['KEYBOOK_RECEIVER']}/health/live", timeout=5) as answer:
            return json.load(answer)["spool"] == "up"
    except OSError:
        return False

def serving():
    pid = state()["receiver"]["pid"]
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

SEEN = '''SELECT count(*) FROM audit_event e JOIN audit_path p ON p.id = e.path WHERE p.path = 'secret/data/live' AND
          e.disclosed = 1 AND EXISTS (SELECT FROM audit_sighting s WHERE s.event_id = e.id AND s.device <> e.device)'''
TWICE = "SELECT count(*) - count(DISTINCT request_id) FROM audit_event WHERE flags & 8192 = 0"

bao.must("POST", "secret/data/live", {"data": {"password": "not-real"}})
found["plain"] = reads()
def united():
    "both devices have shown what the http device was in time for"
    return wire.execute(SEEN).fetchone()[0] >= 5
until(united)
found["united"] = wire.execute("SELECT name FROM audit_device ORDER BY name").fetchall()
for verb, back in (("stop", "cont"), ("kill", "start")):
    ask(verb, "postgres")
    found[verb] = reads()
    ask(back, "postgres")
    until(is_up)
os.kill(serving(), signal.SIGSTOP)
found["frozen receiver"] = reads(3)
until(is_up)
ask("kill", "receiver")
found["no receiver"] = reads(3)
ask("start", "receiver")
until(is_up)
wire = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
def ingested():
    "what was sent before is ingested"
    return wire.execute("SELECT count(*) FROM audit_spool").fetchone()[0] == 0
until(ingested)
before = wire.execute(SEEN).fetchone()[0]
found["after"] = reads()
def again():
    "both devices show the same again"
    return wire.execute(SEEN).fetchone()[0] >= before + 5
until(again)
ids = {json.loads(line)["request"]["id"] for line in Path(os.environ["KEYBOOK_AUDIT_LOG"]).read_bytes().splitlines()}
def whole():
    "every request of the file device is an event"
    return not ids - {str(row[0]) for row in wire.execute("SELECT request_id FROM audit_event")}
until(whole)
found["twice"] = wire.execute(TWICE).fetchone()[0]
found["spool"] = wire.execute("SELECT count(*) FROM audit_spool").fetchone()[0]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def told():
    command = [str(ROOT / "bin" / "sandbox"), "--vault", sys.executable, "-c", CHECK]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_both_devices_show_is_one_event_with_two_witnesses(told):
    assert told["united"] == [["file"], ["http"]]
    assert told["twice"] == 0


def test_the_vault_goes_on_while_postgresql_is_frozen_or_gone(told):
    for outage in ("stop", "kill"):
        assert max(told[outage]) < 3, told[outage]  # two entries a call, a quarter of a second each; a busy machine


def test_the_vault_goes_on_when_the_receiver_freezes_or_is_gone(told):
    assert max(told["frozen receiver"]) < 30  # until the watchdog has replaced it
    assert max(told["no receiver"]) < 3


def test_both_devices_are_united_again_afterwards(told):
    assert len(told["after"]) == 10
    assert told["spool"] == 0
