"""A running `make demo` or `make up` for tests, in a home of its own that is forgotten afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAKE = ["make", "--no-print-directory", "-C", str(ROOT)]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a person's terminal: nothing of the sandbox that this test itself may run in."""
    ours = re.compile(r"KEYBOOK_|VAULT_|DATABASE_URL$|REDIS_URL$|MAKE|RESET$|PORT$")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return {**kept, "KEYBOOK_HOME": str(home), **more}


@contextlib.contextmanager
def shown(home: Path, target: str = "demo", **more: str):
    """Yield a running `make demo` and what it printed up to its last line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # The terminal's Ctrl-C goes to a whole process group, so the demo gets one of its own.
    with subprocess.Popen(
        [*MAKE, target],
        env=environment(home, PORT=port, **more),
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


@contextlib.contextmanager
def own_home():
    """Yield a folder for KEYBOOK_HOME; what demo and up keep elsewhere goes with it."""
    # Not tmp_path: its name is long, and a person's KEYBOOK_HOME is not below a 0700 folder of pytest's.
    place = Path(tempfile.mkdtemp(prefix="kb-demo-"))
    try:
        yield place
    finally:
        forget = "import sys; from sandbox.home import Home; Home(sys.argv[1]).reset()"
        for kind in ("demo", "up"):
            subprocess.run([sys.executable, "-c", forget, kind], env=environment(place), cwd=ROOT, check=True)
        shutil.rmtree(place)
