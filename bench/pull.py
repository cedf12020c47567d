"""P8: 10,000 events as NDJSON over HTTP, as a collector pulls them, over COPY TO STDOUT of the same rows.

The store holds a month of events; each round pulls another stretch of the stream, from gunicorn with a real token,
and then has PostgreSQL copy the same rows: as the pull gives them, with their names, and as they lie in the table.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import psycopg
import requests

from accounts import tokens
from accounts.models import Role, User
from accounts.token_wish import Wish
from audit.ingest import connect
from bench import desk, filling, machine
from bench.report import Table, spread

PAGE = 10_000
_ROWS = "SELECT * FROM audit_event WHERE id > {after} ORDER BY id LIMIT {count}"
_NAMED = f"""
    SELECT e.id, e.time, e.request_id, e.principal, p.name, p.kind, a.path, a.namespace, e.secret, s.name, d.address,
           e.version, e.duration, u.name, v.name, e.operation, e.outcome, e.disclosed, e.flags
    FROM ({_ROWS}) e JOIN audit_principal p ON p.id = e.principal JOIN audit_path a ON a.id = e.path
    JOIN audit_address d ON d.id = e.address JOIN audit_device v ON v.id = e.device
    JOIN audit_vault u ON u.id = e.vault LEFT JOIN audit_secret s ON s.id = e.secret ORDER BY e.id
"""
WAYS = {"one page of 10,000": PAGE, "ten pages of 1,000": 1_000}


@dataclass
class Found:
    """Milliseconds of each round, and the bytes of an item."""

    named: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    pulled: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    size: float = 0.0


class Puller:
    """A collector with a token; it reads the stream with NDJSON, unpacked."""

    def __init__(self, address: str, token: str) -> None:
        self.address = f"{address}/api/v1/events"
        self.session = requests.Session()
        shown = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
        self.session.headers.update(shown)

    def pull(self, cursor: str, limit: int, count: int) -> tuple[str, int]:
        """Pull so many events, page by page; returns the next cursor and how many bytes came."""
        size = lines = 0
        while lines < count:
            given = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            answer = self.session.get(self.address, params=given)
            answer.raise_for_status()
            size, lines = size + len(answer.content), lines + answer.content.count(b"\n")
            cursor = answer.headers["Keybook-Next-Cursor"]
        if lines != count:
            raise RuntimeError(f"{lines} items came instead of {count}")
        return cursor, size


def measure(given: argparse.Namespace) -> None:
    """Fill the store, pull and copy in turns, and print the table."""
    with desk.desk() as place:
        place.fresh()
        desk.header()
        with connect() as connection:
            filling.fill(connection, given.events)
            token = _token()
            machine.wait_until_quiet(given.patience)
            with _served(place.url) as address:
                found = _rounds(connection, Puller(address, token), given)
    _show(found, given.events)


def _rounds(connection: psycopg.Connection, puller: Puller, given: argparse.Namespace) -> Found:
    found, at, cursor = Found(), 0, ""
    most = given.events // filling.DAYS * filling.DAYS // (PAGE * len(WAYS))
    for number in range(min(given.rounds, most)):
        for way, limit in WAYS.items():
            began = time.perf_counter()
            cursor, size = puller.pull(cursor, limit, PAGE)
            took = (time.perf_counter() - began) * 1000
            copied = [_copy(connection, select, at) for select in (_NAMED, _ROWS)]
            at, found.size = at + PAGE, size / PAGE
            if number:  # the first of each warms up: imports, plans, pages of the store
                found.pulled[way].append(took)
                found.named.append(copied[0])
                found.rows.append(copied[1])
    return found


def _copy(connection: psycopg.Connection, select: str, after: int) -> float:
    """Return the milliseconds of COPY TO STDOUT of the rows that were just pulled."""
    statement = f"COPY ({select.format(after=after, count=PAGE)}) TO STDOUT"
    began = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        b"".join(map(bytes, copy))
    return (time.perf_counter() - began) * 1000


def _token() -> str:
    reader, _ = User.objects.get_or_create(username="bench", defaults={"role": Role.READER})
    return tokens.create(reader, Wish("bench", ["events:read"]), actor=reader)[1]


@contextmanager
def _served(url: str) -> Iterator[str]:
    """Serve the API with gunicorn as the product does; ends the server afterwards."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{door.fileno()}", "--threads", "4"]
        own = {**os.environ, "DATABASE_URL": url, "KEYBOOK_ALLOWED_HOSTS": "127.0.0.1"}
        with subprocess.Popen(command, env=own, pass_fds=[door.fileno()], stderr=subprocess.DEVNULL) as server:
            try:
                yield f"http://127.0.0.1:{door.getsockname()[1]}"
            finally:
                server.terminate()


def _show(found: Found, events: int) -> None:
    table = Table("P8: pulling 10,000 events over HTTP")
    named, rows = median(found.named), median(found.rows)
    table.row("COPY TO STDOUT of the rows with their names, ms", f"{named:.1f}")
    table.row("COPY TO STDOUT of the rows as they lie in the table, ms", f"{rows:.1f}")
    for way, took in found.pulled.items():
        table.row(f"NDJSON over HTTP, {way}, ms", f"{median(took):.1f}")
    one, ten = (found.pulled[way] for way in WAYS)
    table.atmost("one page over COPY of the rows with their names", [ms / named for ms in one], 3)
    table.row("ten pages over COPY of the rows with their names", spread([ms / named for ms in ten]))
    table.row("one page over COPY of the rows without names", f"{median(one) / rows:.2f}")
    table.row("bytes of an item", f"{found.size:.0f}")
    table.row("events in the store", f"{events}")
    table.show()


def main() -> None:
    """Measure P8: `python -m bench.pull`."""
    desk.in_sandbox("bench.pull")
    measure(desk.options(main.__doc__, events=1_000_000, rounds=12).parse_args())


if __name__ == "__main__":
    main()
