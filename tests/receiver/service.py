"""A receiver as its own processes, and whoever sends to it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Heard(NamedTuple):
    """One answer, and how long it took."""

    status: int
    told: dict[str, Any]
    headers: dict[str, str]
    seconds: float


def until(condition, seconds: float = 30.0):
    """Wait until a condition holds and return what it gave; the test fails when it never does."""
    end = time.monotonic() + seconds
    while not (given := condition()):
        assert time.monotonic() < end, f"it did not come true within {seconds:g} s"
        time.sleep(0.01)
    return given


@dataclass
class Service:
    """One receiver: the watchdog's process, its port and what it says."""

    process: subprocess.Popen
    port: int
    log: Path
    token: str = ""

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Heard:
        """Ask on a connection of its own."""
        began, wire = time.monotonic(), self.connect()
        try:
            wire.request(method, path, body, headers or {})
            answer = wire.getresponse()
            told = json.loads(answer.read() or b"{}")
            return Heard(answer.status, told, dict(answer.headers), time.monotonic() - began)
        finally:
            wire.close()

    def post(self, body: Any, token: str | None = None, **headers: str) -> Heard:
        """Send a body."""
        return self.ask("POST", "/audit", body, {"Authorization": f"Bearer {token or self.token}", **headers})

    def health(self) -> dict[str, Any]:
        """Return what it tells of itself."""
        return self.ask("GET", "/health/live").told

    def serving(self) -> int:
        """Return the pid of the serving process, 0 while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def is_up(self) -> bool:
        """Whether it takes lines."""
        try:
            return self.health().get("spool") == "up"
        except OSError:
            return False


@contextmanager
def receiver(environment: dict[str, str], folder: Path, **settings: str) -> Iterator[Service]:
    """Run a receiver until the end of the block; it takes lines when the block begins."""
    log = folder / "receiver.log"
    with socket.socket() as holder, log.open("wb") as said:
        holder.bind(("127.0.0.1", 0))  # nobody else gets the number while we hold it
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = holder.getsockname()[1]
        given = {**os.environ, **environment, "KEYBOOK_RECEIVER": f"127.0.0.1:{port}", **settings}
        process = subprocess.Popen([sys.executable, "-m", "receiver"], cwd=ROOT, env=given, stderr=said)
        service = Service(process, port, log)
        try:
            until(service.is_up)
            yield service
        finally:
            process.terminate()
            process.wait(20)
