"""bin/sandbox --web adds web, worker and beat; they are parts like the others."""

from __future__ import annotations

import json

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


def test_pages_are_served_and_reads_are_ingested_although_the_worker_was_killed(sandbox, root):
    done = sandbox("--vault", "--web", "python", "-c", WATCH, cwd=root)
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


def test_each_process_has_a_role_of_its_own_and_knows_nothing_of_others_business(sandbox, root):
    done = sandbox("--vault", "--web", "python", "-c", TELL, cwd=root, env={"KUBECONFIG": "/nowhere"})
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


def test_no_process_of_ours_survives_the_supervisors_death(running, gone):
    with running("--workers") as yard:
        pids = yard.all_pids()
        assert {"receiver", "worker-ingest", "beat"} <= set(yard.pids)
        yard.process.kill()
        gone(pids)
