"""bin/sandbox --web adds web, worker and beat; they are parts like the others."""

from __future__ import annotations

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
