"""A second OpenBao, started and connected with the README's own words, is on the page within minutes."""

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
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from sandbox.bao_http import Bao

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.live
FIVE_MINUTES = 300


def blocks() -> list[str]:
    """Return the commands of the README's section, block by block."""
    section = (ROOT / "README.md").read_text().split("## Connect your own vault\n")[1].split("\n## ")[0]
    found = re.findall(r"(?m)(?:^    .*\n)+", section)
    return [textwrap.dedent(block) for block in found]


def free_port() -> str:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return str(door.getsockname()[1])


class Terminals:
    """A newcomer's terminals; the README's folder and port become this test's own, and nothing else of its words."""

    def __init__(self, home: Path):
        self.home, self.folder, self.port = home, home / "second", free_port()
        ours = re.compile(r"KEYBOOK_|VAULT_|BAO_|DATABASE_URL$|REDIS_URL$|MAKE|RESET$|PORT$")
        kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
        self.environment = {**kept, "KEYBOOK_HOME": str(home / "keybook"), "PORT": free_port()}
        self.started: list[subprocess.Popen] = []

    def words(self, text: str) -> str:
        return text.replace("/tmp/second", str(self.folder)).replace("8300", self.port)

    def type(self, text: str) -> str:
        """Run a block to its end."""
        command = ["bash", "-e", "-c", self.words(text)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask_until_answered(self, question: str) -> str:
        """Ask again until the read is known: the worker reads the log every second."""
        until = time.monotonic() + FIVE_MINUTES
        while True:
            command = ["bash", "-c", self.words(question)]
            done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
            known = done.returncode == 0 and not re.search(r"^0 principals", done.stdout, re.MULTILINE)
            if known or time.monotonic() > until:
                return done.stdout + done.stderr

    def leave_running(self, text: str, last: str) -> str:
        """Start a block whose last command goes on, and wait for the line that says that it is up."""
        process = subprocess.Popen(
            ["bash", "-e", "-c", self.words(text)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        self.started.append(process)
        said = ""
        for line in process.stdout:
            said += line
            if last in line:
                return said
        raise AssertionError(said)

    def close(self):
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)


@pytest.fixture(scope="module")
def told():
    """What each block of the README's section printed, and how long it took from the first to the answer."""
    home = Path(tempfile.mkdtemp(prefix="kb-second-"))
    terminals = Terminals(home)
    try:
        run, server, connect, ask = blocks()
        began = time.monotonic()
        said = {"up": terminals.leave_running(run, "Ctrl-C stops")}
        said["server"] = terminals.leave_running(server, "Development mode should NOT be used")
        said["connect"] = terminals.type(connect)
        exports, question = connect.splitlines()[0], ask.splitlines()[-1]
        terminals.type("\n".join([exports, *ask.splitlines()[:-1]]))
        said["ask"] = terminals.ask_until_answered(question)
        said["seconds"] = time.monotonic() - began
        said["doctor"] = subprocess.run(
            ["bin/keybook", "doctor"], cwd=ROOT, env=terminals.environment, capture_output=True, text=True, check=False
        ).stdout
        said["again"] = terminals.type(connect)
        with urllib.request.urlopen(f"http://127.0.0.1:{terminals.environment['PORT']}/sign-in/", timeout=10) as page:
            said["page"] = page.status
        root = Bao(f"http://127.0.0.1:{terminals.port}", "root")
        said["token"] = (terminals.folder / "keybook.token").read_text().strip()
        said["policies"] = Bao(root.url, said["token"]).must("GET", "auth/token/lookup-self").data["policies"]
        said["refused"] = Bao(root.url, said["token"]).call("GET", "secret/data/prod/hello").status
        yield said
    finally:
        terminals.close()
        forget = "import sys; from sandbox.home import Home; Home(sys.argv[1]).reset()"
        subprocess.run([sys.executable, "-c", forget, "up"], env=terminals.environment, cwd=ROOT, check=True)
        shutil.rmtree(home)


def test_the_section_has_the_four_blocks_that_are_run_here():
    assert [block.splitlines()[0].split()[0] for block in blocks()] == ["mkdir", "printf", "export", ".venv/bin/bao"]


def test_lines_arrive_and_our_own_call_is_among_them(told):
    assert re.search(
        r"ok +lines arrive: the first of \d{4}-.* UTC, \d+ lines so far; our own call is among them", told["connect"]
    )
    assert "missing" not in told["connect"] and "MEND" not in told["connect"]


def test_the_read_is_answered_within_five_minutes(told):
    assert re.search(r"^root +root +- +not a pod +1 ", told["ask"], re.MULTILINE), told["ask"]
    assert told["seconds"] < FIVE_MINUTES


def test_the_token_of_the_printed_policy_reads_no_secret(told):
    assert told["policies"] == ["keybook"] and told["refused"] == 403


def test_connecting_again_changes_nothing_and_lines_still_arrive(told):
    assert "our own call is among them" in told["again"]


def test_doctor_finds_the_vault_well_without_a_token_of_its_own(told):
    assert re.search(r"ok +vault second: rights: at the last look, .* every right was there", told["doctor"]), told[
        "doctor"
    ]
    assert re.search(r"ok +source second/file", told["doctor"])


def test_no_token_is_printed(told):
    assert told["page"] == 200
    assert told["token"] and not any(told["token"] in text for text in (told["connect"], told["ask"], told["doctor"]))
