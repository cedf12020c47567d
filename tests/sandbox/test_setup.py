"""bin/setup and bin/browser say in one sentence what this machine lacks, and do nothing twice."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(tmp_path):
    """Return a function that runs a script of bin/ on a machine whose commands may be replaced by others."""
    project, commands = tmp_path / "project", tmp_path / "commands"
    shutil.copytree(ROOT / "bin", project / "bin")
    shutil.copytree(ROOT / "requirements", project / "requirements")
    commands.mkdir()

    def run(script: str, path: str = "", env: dict[str, str] | None = None, **replaced: str):
        for name, body in replaced.items():
            (commands / name).write_text(f"#!/bin/sh\n{body}\n")
            (commands / name).chmod(0o755)
        clean = {"PATH": f"{commands}:{path or os.defpath}", "HOME": str(tmp_path), **(env or {})}
        return subprocess.run([project / "bin" / script], env=clean, capture_output=True, text=True, check=False)

    run.project = project
    run.commands = commands
    return run


@pytest.mark.parametrize(
    ("replaced", "word"),
    [
        ({"getconf": "echo glibc 2.27"}, "glibc 2.27, and the embedded servers need 2.28 or newer"),
        ({"getconf": "exit 1"}, "no glibc"),
        ({"uname": "test $1 = -m && echo x86_64 || echo FreeBSD"}, "not on FreeBSD"),
        ({"uname": "test $1 = -m && echo riscv64 || echo Linux"}, "not for riscv64"),
    ],
)
def test_a_machine_that_cannot_run_keybook_is_told_so_in_one_sentence(machine, replaced, word):
    done = machine("setup", **replaced)
    assert done.returncode == 2
    assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (machine.project / ".venv").exists()


def test_a_python_that_is_too_old_or_lacks_venv_is_named(machine):
    done = machine("setup", env={"KEYBOOK_PYTHON": "old"}, old="exit 1")
    assert (done.returncode, "Python 3.11 to 3.14" in done.stderr) == (2, True)
    done = machine("setup", env={"KEYBOOK_PYTHON": "bare"}, bare='case "$2" in *ensurepip*) exit 1 ;; esac')
    assert done.returncode == 2
    assert done.stderr.startswith("bin/setup: bare has no venv: install it (on Debian: apt-get install python3-venv)")


def test_what_is_set_up_is_not_set_up_again(machine):
    python = machine.project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    digest = hashlib.sha256((machine.project / "requirements" / "dev.txt").read_bytes()).hexdigest()
    (machine.project / ".venv" / "keybook-setup").write_text(f"{digest} {machine.project}\n")
    done = machine("setup", python3="exit 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_browser_that_is_named_and_runs_is_taken(machine):
    done = machine("browser", env={"KEYBOOK_CHROMIUM": "some-browser"}, **{"some-browser": "echo 1.0"})
    assert (done.returncode, done.stdout) == (0, f"{machine.commands / 'some-browser'}\n")


def test_a_headless_shell_is_taken_before_a_whole_browser_and_a_whole_one_where_there_is_no_other(machine):
    both = {"chromium": "echo 1.0", "chromium-headless-shell": "echo 1.0", "id": "echo 1000"}
    assert machine("browser", **both).stdout == f"{machine.commands / 'chromium-headless-shell'}\n"
    whole = machine("browser", **{**both, "chromium-headless-shell": "exit 1"})
    assert (whole.returncode, whole.stdout, whole.stderr) == (0, f"{machine.commands / 'chromium'}\n", "")


def test_root_on_debian_is_given_a_headless_shell_and_keeps_the_whole_browser_when_that_fails(machine):
    at_hand = {"chromium": "echo 1.0", "chromium-headless-shell": "exit 1", "id": "echo 0"}
    asked = machine.commands / "asked"
    done = machine("browser", **at_hand, **{"apt-get": f"echo $* >>{asked}; exit 1"})
    assert (done.returncode, done.stdout) == (0, f"{machine.commands / 'chromium'}\n")
    if Path("/etc/debian_version").exists():
        tried = [line.split()[-2:] for line in asked.read_text().splitlines()]
        assert tried == [["chromium-headless-shell", "fonts-dejavu-core"]]


def test_without_a_browser_it_says_what_will_not_run_and_ci_fails(machine):
    nothing = {"chromium": "exit 1", "chromium-browser": "exit 1", "google-chrome": "exit 1", "id": "echo 1000"}
    nothing |= {"google-chrome-stable": "exit 1", "chrome": "exit 1", "chromium-headless-shell": "exit 1"}
    done = machine("browser", **nothing)
    assert (done.returncode, done.stdout) == (0, "")
    assert "the tests marked 'browser' will not run: install chromium" in done.stderr
    assert machine("browser", env={"CI": "true"}, **nothing).returncode == 1
