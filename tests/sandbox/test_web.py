"""bin/sandbox --web adds web, worker and beat; they are parts like the others."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WATCH = """
import json, os, subprocess, sys, time, urllib.request
from sandbox import control
from sandbox.bao_http import Bao

def readers():
    done = subprocess.run([sys.executable, "manage.py", "who_read", "secret/watched", "--json"], capture_output=True)
    return [] if done.returncode else json.loads(done.stdout)["readers"]

with urllib.request.urlopen(os.environ["KEYBOOK_URL"] + "/sign-in/") as page:
    print(page.status)
bao = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
bao.must("POST", "secret/data/watched", {"data": {"key": "value"}})
control.ask("kill", "worker-ingest")
bao.must("GET", "secret/data/watched")
control.ask("start", "worker-ingest")
bao.must("GET", "secret/data/watched")
for _ in range(40):
    if (found := [one["count"] for one in readers()]) == [2]:
        break
    time.sleep(0.2)
print(found)
"""


@pytest.fixture(scope="module")
def staffed(running):
    """A sandbox with all of our processes, started where a variable leads to somebody's cluster."""
    with running("--vault", "--web", "--workers", env={"KUBECONFIG": "/nowhere"}) as found:
        yield found


@pytest.fixture
def told(staffed, root):
    """Return a function that runs a program among its parts, as a COMMAND."""

    def run(program: str) -> subprocess.CompletedProcess:
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, capture_output=True, text=True, env=staffed.environment, cwd=root, check=False)

    return run


def test_pages_are_served_and_reads_are_ingested_although_the_worker_was_killed(told):
    done = told(WATCH)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["200", "[2]"]


TELL = """
import json
from pathlib import Path
from sandbox import control

log = Path(control.state()["worker-operations"]["log"])
opened = [not log.with_name("executor.wrapped").exists()]
control.ask("kill", "worker-operations")
control.ask("start", "worker-operations")
opened.append(not log.with_name("executor.wrapped").exists() and "CRITICAL" not in log.read_text())

found = {"opened": opened}
for name, part in control.state().items():
    words = Path(f"/proc/{part['pid']}/environ").read_bytes().decode().rstrip(chr(0)).split(chr(0))
    found[name] = dict(word.partition("=")[::2] for word in words)
print(json.dumps(found))
"""
OURS = {
    "web": "keybook_web",
    "receiver": "keybook_receiver",
    "worker-ingest": "keybook_ingest",
    "worker-operations": "keybook_operations",
    "worker-notices": "keybook_notices",
    "beat": "keybook_beat",
    "health": "keybook_health",
}


def test_each_process_has_a_role_of_its_own_and_knows_nothing_of_others_business(told):
    done = told(TELL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name, role in OURS.items():
        assert f"user={role}" in found[name]["DATABASE_URL"]
        assert not [one for one in found[name] if one.startswith(("VAULT_", "BAO_")) or one == "KUBECONFIG"], name
    assert {name for name in OURS if "KEYBOOK_SECRET_KEY" in found[name]} == {"web"}
    assert {name for name in OURS if "REDIS_URL" in found[name]} == {
        "worker-ingest", "worker-operations", "worker-notices", "beat", "health",
    }  # fmt: skip
    assert {name for name in found if "KEYBOOK_EXECUTOR" in found[name]} == {"worker-operations"}
    assert found["opened"] == [True, True], "a worker was not handed its secret id, or could not open it"


def test_no_process_of_ours_survives_the_supervisors_death(staffed, gone):
    pids = staffed.all_pids()
    assert {"receiver", "web", *OURS} <= set(staffed.pids)
    staffed.process.kill()  # the last test of this file: nothing is left for others
    gone(pids)
