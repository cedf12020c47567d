"""An export of a million events over HTTP: how fast its rows come, and how little memory the web process needs."""

from __future__ import annotations

import argparse
import os
import re
import time
from html import unescape
from pathlib import Path

import requests
from psycopg.conninfo import make_conninfo

from audit.ingest import connect
from bench import desk, filling, machine
from bench.pages import served
from bench.report import Table

MIB = 1024**2
TIMEOUT = "-c statement_timeout=5s"  # as the role of the web process has it


def measure(given: argparse.Namespace) -> None:
    """Fill a database, take all of it as a file in both formats, and print the table."""
    with desk.desk() as place:
        place.fresh()
        desk.header()
        with connect() as connection:
            filling.fill(connection, given.events)
        machine.wait_until_quiet(given.patience)
        with served(make_conninfo(place.url, options=TIMEOUT)) as (address, session):
            found = {kind: _take(address, session, kind) for kind in ("ndjson", "csv")}
    table = Table(f"Exports of {given.events} events")
    for kind, (rows, seconds, before, peak, longest) in found.items():
        table.row(f"{kind}: rows", f"{rows}")
        table.row(f"{kind}: rows/s", f"{rows / seconds:.0f}")
        table.row(f"{kind}: longest wait between two pieces, ms", f"{longest * 1000:.0f}")
        table.row(f"{kind}: memory of the web process before, MiB", f"{before / MIB:.0f}")
        table.atmost(f"{kind}: growth of its peak while all rows went out, MiB", [(peak - before) / MIB], 64, "{:.1f}")
    table.show()


def _take(address: str, session: requests.Session, kind: str) -> tuple[int, float, int, int, float]:
    """Return rows, seconds, memory before, its peak, and the longest wait between two pieces of the file."""
    page = session.get(f"{address}/events/?range=30d", timeout=60).text
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    given = {name: unescape(value) for name, value in fields if name in {"q", "since", "until", "newest"}}
    given |= {"csrfmiddlewaretoken": dict(fields)["csrfmiddlewaretoken"], "format": kind}
    before, began = _memory("VmRSS"), time.monotonic()
    rows, longest, at, last = 0, 0.0, began, b""
    with session.post(f"{address}/events/export/", given, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for piece in answer.iter_content(None):
            now = time.monotonic()
            longest, at = max(longest, now - at), now
            rows += piece.count(b"\n")
            last = (last + piece)[-2000:]
    if b'"end"' not in last:
        raise RuntimeError(f"the file has no end: {last[-300:]!r}")
    return rows - (2 if kind == "ndjson" else 3), time.monotonic() - began, before, _memory("VmHWM"), longest


def _memory(name: str) -> int:
    """Return the memory of our gunicorn's largest process, in bytes."""
    sizes = [0]
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if b"config.wsgi" in (place / "cmdline").read_bytes() and _ours(place):
                sizes.append(int(re.search(rf"{name}:\s+(\d+)", (place / "status").read_text())[1]) * 1024)
        except OSError:
            continue
    return max(sizes)


def _ours(place: Path) -> bool:
    """Whether a process has our database in its environment: other people's servers may run beside it."""

    return os.environ["KEYBOOK_SANDBOX_STATE"].encode() in (place / "environ").read_bytes()


def main() -> None:
    """Measure exports: `python -m bench.exports`."""
    desk.in_sandbox("bench.exports")
    measure(desk.options(main.__doc__, events=1_000_000, rounds=1).parse_args())


if __name__ == "__main__":
    main()
