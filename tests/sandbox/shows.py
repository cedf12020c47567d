"""A running `make demo` or `make up` for tests, in a home of its own that is forgotten afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sandbox.ports import Port

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
    # Held as long as it runs: no other process of a busy machine gets the number before the demo listens there.
    holder = Port()
    port = str(holder.number)
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
            else:
                raise AssertionError(f"It ended before it said how to end it:\n{said}")
            yield process, port, said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=60)[0]
            if "Stopped" not in said:
                print(said)
            holder.give_back()


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


@dataclass
class Shown:
    """A `make demo` that runs: its process, the port of its pages, and what it printed."""

    process: subprocess.Popen
    port: str
    said: str


class Demos:
    """One demo in one home for all tests of a process: whoever asks for it starts it, if it does not run."""

    def __init__(self, home: Path) -> None:
        """Start nothing yet."""
        self.home = home
        self._stack = ExitStack()
        self._shown: Shown | None = None

    def running(self, **more: str) -> Shown:
        """Return the demo that runs; `more` is the environment that a new one gets."""
        if self._shown is None:
            self._shown = Shown(*self._stack.enter_context(shown(self.home, **more)))
        return self._shown

    def end(self) -> None:
        """End it as Ctrl-C does, if it runs, and wait until it has gone."""
        self._stack.close()
        self._shown = None


@contextlib.contextmanager
def own_demos() -> Iterator[Demos]:
    """Yield the demos of a home of their own, which is forgotten afterwards."""
    with own_home() as home:
        demos = Demos(home)
        try:
            yield demos
        finally:
            demos.end()
