"""From `make demo` on a fresh clone with an empty home to the first answered question on a page.

What a newcomer waits for: set-up (packages come from the index or its cache), every part, a week of history, the
one-time link, and the page that says who read the bank's log-in.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import requests

from bench import machine
from bench.report import Table, spread
from sandbox.company import BANK
from sandbox.ports import free_port

ROOT = Path(__file__).parents[1]
_PATIENCE = 600
_FORGET = "from sandbox.home import Home; Home('demo').reset()"  # as root PostgreSQL's data lie elsewhere


def measure(given: argparse.Namespace) -> None:
    """Start the demo in fresh clones and print the table."""
    print(f"{machine.facts()}.")
    machine.wait_until_quiet(given.patience)
    found = [_round() for _ in range(given.rounds)]
    table = Table("From `make demo` on a fresh clone with an empty home to the first answered question")
    for name in (
        "set-up",
        "every part and a week of history",
        "sign-in by link and the page with the answer",
        "in all",
    ):
        table.row(f"{name}, s", spread([one[name] for one in found], "{:.1f}"))
    table.show()


def _round() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="keybook-first-") as folder:
        clone, home = Path(folder, "keybook"), Path(folder, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_"))}
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "PORT": str(free_port(8600)), **kept}
        began = time.monotonic()
        with subprocess.Popen(
            ["make", "demo"], cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as demo:  # fmt: skip
            try:
                return _follow(demo, began)
            finally:
                os.killpg(demo.pid, signal.SIGINT)
                demo.wait(_PATIENCE)
                subprocess.run([clone / ".venv/bin/python", "-c", _FORGET], cwd=clone, env=env, check=True)


def _follow(demo: subprocess.Popen[str], began: float) -> dict[str, float]:
    """Read what the demo prints until the link stands there, then ask the first question."""
    made, link = began, ""
    for line in demo.stdout or ():
        print(f"  {line}", end="", flush=True)
        if line.startswith("Keybook, demo"):
            made = time.monotonic()
        if found := re.search(r"(http://\S+)/enter/#(\S+)", line):
            link = line
            break
    if not link or not found:
        raise RuntimeError("the demo ended without a link")
    ready = time.monotonic()
    _ask(found[1], found[2])
    ended = time.monotonic()
    return {
        "set-up": made - began,
        "every part and a week of history": ready - made,
        "sign-in by link and the page with the answer": ended - ready,
        "in all": ended - began,
    }


def _ask(site: str, code: str) -> None:
    """Sign in by the link and open the page that answers; raises RuntimeError when no reader stands on it."""
    session = requests.Session()
    form = session.get(f"{site}/enter/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    if token is None:
        raise RuntimeError("the page of the link has no form")
    session.post(f"{site}/enter/", {"code": code, "csrfmiddlewaretoken": token[1]}, headers={"Referer": site})
    page = session.get(f"{site}/secrets/", params={"q": BANK})
    if "ledger" not in page.text or "reads" not in page.text:
        raise RuntimeError(f"the page answered {page.status_code} without a reader")


def main() -> None:
    """Measure it: `python -m bench.first_answer`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often (1)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a quiet machine (180)")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
