"""make demo shows the whole product, goes on with its data, runs once at a time and leaves no process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from sandbox import home as module
from sandbox.process import family

ROOT = Path(__file__).resolve().parents[2]
BANK = "secret/prod/ledger/bank-sftp"
MAKE = ["make", "--no-print-directory", "-C", str(ROOT)]


def _environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a person's terminal: nothing of the sandbox that this test itself may run in."""
    ours = re.compile(r"KEYBOOK_|VAULT_|DATABASE_URL$|REDIS_URL$|MAKE|RESET$|PORT$")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return {**kept, "KEYBOOK_HOME": str(home), **more}


@contextlib.contextmanager
def _shown(home: Path, target: str = "demo", **more: str):
    """Yield a running `make demo` and what it printed up to its last line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # The terminal's Ctrl-C goes to a whole process group, so the demo gets one of its own.
    with subprocess.Popen(
        [*MAKE, target],
        env=_environment(home, PORT=port, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        said = ""
        try:
            for line in process.stdout:
                said += line
                if line.startswith("Ctrl-C"):
                    break
            yield process, port, said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=60)[0]
            if "Stopped" not in said:
                print(said)


def _keybook(home: Path, *argv: str) -> subprocess.CompletedProcess:
    command = [str(ROOT / "bin" / "keybook"), *argv]
    return subprocess.run(command, env=_environment(home), capture_output=True, text=True, check=False)


def _reads(home: Path) -> dict[str, int]:
    """Return who read the bank's log-in how often, {} as long as nobody knows that secret."""
    done = _keybook(home, "who_read", BANK, "--json")
    return {one["principal"]: one["count"] for one in json.loads(done.stdout)["readers"]} if not done.returncode else {}


@pytest.fixture
def home():
    # Not tmp_path: its name is long, and a person's KEYBOOK_HOME is not below a 0700 folder of pytest's.
    place = Path(tempfile.mkdtemp(prefix="kb-demo-"))
    yield place
    forget = "import sys; from sandbox.home import Home; Home(sys.argv[1]).reset()"
    for kind in ("demo", "up"):
        subprocess.run([sys.executable, "-c", forget, kind], env=_environment(place), cwd=ROOT, check=True)
    shutil.rmtree(place)


def test_the_demo_shows_the_product_goes_on_with_its_data_and_leaves_no_process(home, until, gone):
    with _shown(home) as (process, port, said):
        for part in ("Valkey", "PostgreSQL", "OpenBao", "Schema", "Story", "Worker", "Beat", "Health", "Web"):
            assert re.search(rf"^  {part} +\d+\.\d\d s", said, re.MULTILINE), said
        link = re.search(rf"^Open  http://127\.0\.0\.1:{port}/enter/#(\S+)$", said, re.MULTILINE)
        assert link, said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/enter/", timeout=10) as page:
            assert page.status == 200
        before = until(lambda: _reads(home), "an answer to who_read")
        assert {"payments/ledger", "alice", "root"} <= set(before)
        assert stat.S_IMODE((home / "env").stat().st_mode) == 0o600

        second = subprocess.run([*MAKE, "demo"], env=_environment(home), capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"Keybook runs already from {home}" in second.stderr
        other = _environment(home.with_name(f"{home.name}-2"), PORT=port)
        busy = subprocess.run([str(ROOT / "bin" / "demo")], env=other, capture_output=True, text=True, check=False)
        assert (busy.returncode, busy.stdout) == (2, "")
        assert f"Port {port} of 127.0.0.1 can't be had" in busy.stderr

        pids = family(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    gone(pids)
    assert not (home / "env").exists()
    assert "neither make demo nor make up runs here" in _keybook(home, "who_read", BANK).stderr

    with _shown(home) as (process, _, _):
        after = until(lambda: _reads(home), "an answer to who_read")
        assert all(after.get(principal, 0) >= count for principal, count in before.items())
        pids = family(process.pid)
        supervisor = next(pid for pid in pids if b"sandbox.demo" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(supervisor, signal.SIGKILL)
        process.wait(60)
        gone(pids)

    with _shown(home, RESET="1"):
        fresh = until(lambda: _reads(home), "an answer to who_read")
        assert fresh["root"] == 1


def test_up_runs_the_product_without_a_story(home):
    with _shown(home, "up") as (_, port, said):
        assert "OpenBao" not in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in/", timeout=10) as page:
            assert page.status == 200
        assert _keybook(home, "showmigrations", "--plan").returncode == 0


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(home, port):
    command = [str(ROOT / "bin" / "demo")]
    done = subprocess.run(command, env=_environment(home, PORT=port), capture_output=True, text=True, check=False)
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
