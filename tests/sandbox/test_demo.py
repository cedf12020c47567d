"""make demo shows the whole product, goes on with its data, runs once at a time and leaves no process."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from sandbox import home as module
from sandbox.process import family
from tests.sandbox.shows import MAKE, ROOT, environment, own_home, shown

BANK = "secret/prod/ledger/bank-sftp"


def _keybook(home: Path, *argv: str) -> subprocess.CompletedProcess:
    command = [str(ROOT / "bin" / "keybook"), *argv]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)


def _reads(home: Path) -> dict[str, int]:
    """Return who read the bank's log-in how often, {} as long as nobody knows that secret."""
    done = _keybook(home, "who_read", BANK, "--json")
    print(done.stderr)
    found: Counter[str] = Counter()
    for one in json.loads(done.stdout)["readers"] if not done.returncode else ():
        found[one["principal"]] += one["count"]  # one for each pod
    return found


def _orphans(home: Path) -> list[dict]:
    """Return the leases that outlive their pod."""
    done = _keybook(home, "leases", "--orphaned", "--json")
    return json.loads(done.stdout)["leases"] if not done.returncode else []


def test_the_demo_shows_the_product_goes_on_with_its_data_and_leaves_no_process(demos, until, gone):
    home = demos.home
    shown_once = demos.running()
    process, port, said = shown_once.process, shown_once.port, shown_once.said
    servers = ("Valkey", "PostgreSQL", "Kubernetes", "OpenBao")
    for part in (*servers, "Schema", "Story", "Worker", "Watcher", "Beat", "Health", "Web"):
        assert re.search(rf"^  {part} +\d+\.\d\d s", said, re.MULTILINE), said
    link = re.search(rf"^Open  http://127\.0\.0\.1:{port}/enter/#(\S+)$", said, re.MULTILINE)
    assert link, said
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/enter/", timeout=10) as page:
        assert page.status == 200
    before = until(lambda: _reads(home), "an answer to who_read", pause=0.5)
    assert {"payments/ledger", "alice", "root"} <= set(before)
    assert stat.S_IMODE((home / "env").stat().st_mode) == 0o600
    [lease] = until(lambda: _orphans(home), "the lease that outlives its pod", 150, pause=2)
    assert (lease["secret"], lease["holder"]) == ("database/creds/payments-close", "payments/month-end")

    second = subprocess.run([*MAKE, "demo"], env=environment(home), capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"Keybook runs already from {home}" in second.stderr
    other = environment(home.with_name(f"{home.name}-2"), PORT=port)
    busy = subprocess.run([str(ROOT / "bin" / "demo")], env=other, capture_output=True, text=True, check=False)
    assert (busy.returncode, busy.stdout) == (2, "")
    assert f"Port {port} of 127.0.0.1 can't be had" in busy.stderr

    pids = family(process.pid)
    demos.end()
    gone(pids)
    assert not (home / "env").exists()
    assert "neither make demo nor make up runs here" in _keybook(home, "who_read", BANK).stderr

    process = demos.running().process
    after = until(lambda: _reads(home), "an answer to who_read", pause=0.5)
    assert all(after.get(principal, 0) >= count for principal, count in before.items())
    pids = family(process.pid)
    supervisor = next(pid for pid in pids if b"sandbox.demo" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(supervisor, signal.SIGKILL)
    process.wait(60)
    gone(pids)
    demos.end()

    demos.running(RESET="1")
    fresh = until(lambda: _reads(home), "an answer to who_read", pause=0.5)
    assert fresh["root"] == 1
    demos.end()


def test_up_runs_the_product_without_a_story():
    with own_home() as home, shown(home, "up") as (_, port, said):
        assert "OpenBao" not in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in/", timeout=10) as page:
            assert page.status == 200
        assert _keybook(home, "showmigrations", "--plan").returncode == 0


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(tmp_path, port):
    command = [str(ROOT / "bin" / "demo")]
    done = subprocess.run(command, env=environment(tmp_path, PORT=port), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"make demo: PORT is '{port}': give a number from 1 to 65535.\n"


@pytest.mark.parametrize("own", [None, "", "/proc/nowhere"])
def test_without_a_home_to_write_in_the_data_lie_in_the_checkout(own, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.delenv("KEYBOOK_HOME", raising=False)
    if own is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", own)
    assert module.home_folder() == tmp_path / ".keybook"
