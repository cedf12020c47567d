"""R4 over HTTP: whatever breaks, a collector gets each item of the record once, in order, and late responses too."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from tests.audit.conftest import ROOT, OwnSandbox, own_sandbox
from tests.audit.lines import calls

__all__ = ["own_sandbox"]
WRITERS = 4


class Served:
    """gunicorn with the API on a port of ours; it may be killed, and started again at the same place."""

    def __init__(self, environment: dict[str, str], log: str = os.devnull) -> None:
        self.log = log
        self.door = socket.socket()
        self.door.bind(("127.0.0.1", 0))
        self.door.listen(64)
        self.place = f"127.0.0.1:{self.door.getsockname()[1]}"
        own = {"KEYBOOK_ALLOWED_HOSTS": "127.0.0.1", "KEYBOOK_SECRET_KEY": "x" * 60, "KEYBOOK_SECURE_COOKIES": "false"}
        self.environment = {**environment, **own}
        self.start()

    def start(self) -> None:
        words = ["-m", "gunicorn", "config.wsgi", "--bind", f"fd://{self.door.fileno()}", "--threads", "4"]
        self.process = subprocess.Popen(
            [sys.executable, *words, "--workers", "2", "--log-level", "critical", "--no-control-socket",
             "--access-logfile", self.log],
            cwd=ROOT, env=self.environment, pass_fds=[self.door.fileno()], start_new_session=True,
        )  # fmt: skip

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.kill()
        self.door.close()


@contextmanager
def served(sandbox: OwnSandbox, log: str = os.devnull) -> Iterator[Served]:
    """Serve until the test is over; `log` gets a line for each request."""
    web = Served(sandbox.environment, log)
    try:
        yield web
    finally:
        web.end()


@dataclass
class Reader:
    """A collector that asks with random page sizes, hangs up in the middle of an answer, and keeps what came whole."""

    web: Served
    token: str
    dice: random.Random
    items: list[dict] = field(default_factory=list)
    cursor: str = ""
    pulls: int = 0
    hung_up: int = 0
    away: int = 0

    def pull(self, most: int = 60) -> bool:
        """Ask once; tells whether a whole page came and there is more."""
        query = {"limit": self.dice.randint(1, most)} | ({"cursor": self.cursor} if self.cursor else {})
        wire = http.client.HTTPConnection(self.web.place, timeout=30)
        self.pulls += 1
        try:
            lines = self.dice.random() < 0.5
            return self._take(wire, f"/api/v1/events?{urlencode(query)}", lines)
        except (OSError, http.client.HTTPException):
            self.away += 1
            return True
        finally:
            wire.close()

    def _take(self, wire: http.client.HTTPConnection, address: str, lines: bool) -> bool:
        accept = "application/x-ndjson" if lines else "application/json"
        wire.request("GET", address, headers={"Authorization": f"Bearer {self.token}", "Accept": accept})
        answer = wire.getresponse()
        if answer.status == 503:
            self.away += 1
            assert answer.headers["Content-Type"] == "application/problem+json"
            return True
        if answer.status == 429:
            time.sleep(int(answer.headers["Retry-After"]))
            return True
        assert answer.status == 200, answer.read()
        if self.dice.random() < 0.15:
            answer.read(self.dice.randrange(200))
            self.hung_up += 1
            return True
        body = answer.read()
        if lines:
            self.items += map(json.loads, body.splitlines())
            self.cursor = answer.headers["Keybook-Next-Cursor"]
            return answer.headers["Keybook-Has-More"] == "true"
        page = json.loads(body)
        self.items += page["items"]
        self.cursor = page["next_cursor"]
        return page["has_more"]


def files_of(folder, seed: str, count: int) -> list[str]:
    """Write logs of calls of which every seventh is answered only in the file after; returns their names."""
    names, waiting = [], b""
    for number in range(4):
        log, later = waiting, b""
        for call in calls(count, seed=seed, first=number * count):
            log += call.request() + b"\n"
            answered = call.response() + b"\n"
            log, later = (log, later + answered) if call.number % 7 == 0 else (log + answered, later)
        file = folder / f"{seed}-{number}.log"
        file.write_bytes(log)
        names.append(str(file))
        waiting = later
    last = folder / f"{seed}-last.log"
    last.write_bytes(waiting)
    return [*names, str(last)]


def token_for(sandbox: OwnSandbox) -> str:
    sandbox.manage("create_user", "siem", "--role", "reader", check=False)
    told = sandbox.manage("create_token", "--user", "siem", "--scope", "events:read", "--json")
    return json.loads(told.stdout)["token"]


def stored(sandbox: OwnSandbox) -> list[int]:
    with sandbox.connect() as wire:
        rows = wire.execute(
            """SELECT id FROM audit_event UNION ALL SELECT seq FROM audit_sighting
               UNION ALL SELECT seq FROM audit_told ORDER BY 1"""
        )
        return [row[0] for row in rows]


def harm(sandbox: OwnSandbox, reader: Reader, number: int) -> None:
    """Kill the web processes or PostgreSQL, in turns, and start them again once the reader has met that, or soon."""
    before, part = reader.away, reader.web if number % 2 else None
    part.kill() if part else sandbox.control("kill")
    end = time.monotonic() + (0.3 if part else 10)
    while reader.away == before and time.monotonic() < end:
        time.sleep(0.01)
    part.start() if part else sandbox.control("start")


@pytest.mark.parametrize("pulls, kills, count", [(60, 2, 12), pytest.param(500, 24, 300, marks=pytest.mark.long)])
def test_a_collector_gets_each_item_once_in_order_whatever_breaks(own_sandbox, tmp_path, pulls, kills, count):
    own_sandbox.empty()
    dice = random.Random(f"{pulls} pulls")
    with served(own_sandbox) as web, ThreadPoolExecutor(1) as pool:
        reader = Reader(web, token_for(own_sandbox), dice)
        writers = []
        for n in range(WRITERS):
            some = files_of(tmp_path, f"writer-{n}", count)
            writers.append(own_sandbox.start("-m", "tests.api.writer", str(n), "0.5", f"device-{n}", *some))
        try:
            harms = pool.submit(lambda: [harm(own_sandbox, reader, n) for n in range(kills) if not time.sleep(1)])
            while reader.pulls < pulls or not harms.done() or any(one.poll() is None for one in writers):
                reader.pull(max(2, count * WRITERS * 5 // pulls))
                time.sleep(dice.uniform(0, 0.05))
            harms.result()
            assert [one.wait(60) for one in writers] == [0] * WRITERS
        finally:
            for one in writers:
                one.kill()
        while reader.pull(1_000):
            pass
        again = Reader(web, reader.token, random.Random("again"))
        while again.pull(10_000):
            pass
    check(own_sandbox, reader, again, count)


def check(sandbox: OwnSandbox, reader: Reader, again: Reader, count: int) -> None:
    """Compare what a reader got with the store, with what another reads at last, and with what was written."""
    ids = [item["id"] for item in reader.items]
    assert len(ids) == len(set(ids)), "an item came twice"
    assert ids == sorted(ids), "the order is not that of acceptance"
    assert ids == stored(sandbox), "the union of the pages is not the store"
    assert reader.items == again.items, "an item looked different later"
    assert reader.hung_up and reader.away, "nothing broke, so nothing was shown"
    events = {item["id"]: item for item in reader.items if item["type"] == "event"}
    assert len(events) == WRITERS * 4 * count
    late = [item for item in reader.items if item.get("change") == "response"]
    assert len(late) == sum(item["outcome"] == "no_response" for item in events.values()) > WRITERS * count // 2
    for item in late:
        first = events[item["amends"]]
        assert item["id"] > first["id"] and item["request_id"] == first["request_id"] and item["outcome"] == "ok"
