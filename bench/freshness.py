"""P9: from an audit line's last byte in the file to an event that a page finds, at 1,000 lines/s, through Celery.

The worker and beat run as `make demo` starts them. A writer appends lines at an even rate; a reader asks every 20 ms
for events with a higher id, as the stream does, so the figure is late by at most that.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from audit.actions import follow_file
from bench import corpus, desk, machine
from bench.crew import crew
from bench.desk import connect
from bench.machine import Watch
from bench.report import Table, spread

RATE = 1_000  # lines/s
WARM_UP = 3.0  # seconds whose lines are not counted: the first turn makes the day's partitions
_ID = re.compile(rb'"request":\{"id":"([0-9a-f-]{36})"')
_GOAL = 3.0


def measure(given: argparse.Namespace) -> None:
    """Write the log in advance, measure the rounds and print the table."""
    with desk.desk() as place:
        log = place.folder / "made.log"
        corpus.write_synthetic([log], given.events, span=timedelta(seconds=2 * given.events / RATE))
        lines = log.read_bytes().splitlines(keepends=True)
        place.fresh()
        desk.header()
        print(f"{len(lines)} lines at {RATE} lines/s, {log.stat().st_size / len(lines):.0f} B a line.")
        machine.wait_until_quiet(given.patience)
        rounds = machine.quiet_rounds(given, lambda: _round(place, lines))
    table = Table("P9: audit line written to visible, through Celery")
    table.row("lines/s written", spread([one["rate"] for one in rounds], "{:.0f}"))
    for name in ("median", "p95", "most"):
        values = [one[name] for one in rounds]
        if name == "p95":
            table.atmost("seconds to visible, p95", values, _GOAL, unit=" s")
        else:
            table.row(f"seconds to visible, {name}", spread(values))
    table.row(
        "cores busy with the writer, the reader, the workers and PostgreSQL", spread([one["cores"] for one in rounds])
    )
    table.show()


def _round(place: desk.Desk, lines: list[bytes]) -> dict[str, float]:
    place.fresh()
    live = place.folder / "audit.log"
    live.write_bytes(b"")
    settings.KEYBOOK.log_roots = str(place.folder)
    follow_file(str(live), vault="bench")
    written: dict[bytes, float] = {}
    with crew(place, ringing=True), Watch() as watch:
        writer = threading.Thread(target=_write, args=(live, lines, written))
        began = time.monotonic()
        writer.start()
        seen = _see(writer, written)
        ended = max(written.values())
    late = sorted(seen[key] - at for key, at in written.items() if at > began + WARM_UP)
    found = {
        "rate": len(lines) / (ended - began),
        "median": late[len(late) // 2],
        "p95": late[int(len(late) * 0.95)],
        "most": late[-1],
        "cores": (watch.ours + watch.server) / watch.seconds,
    }
    print(f"  p95 {found['p95']:.2f} s, most {found['most']:.2f} s{watch}", flush=True)
    return found


def _write(live: Path, lines: list[bytes], written: dict[bytes, float]) -> None:
    """Append lines at an even rate and note when each request's response, its later line, was whole."""
    began = time.monotonic()
    with live.open("ab", buffering=0) as out:
        for number, line in enumerate(lines):
            if (ahead := began + number / RATE - time.monotonic()) > 0:
                time.sleep(ahead)
            out.write(line)
            if found := _ID.search(line):
                written[found[1]] = time.monotonic()


def _see(writer: threading.Thread, written: dict[bytes, float]) -> dict[bytes, float]:
    """Return when each request was first seen, once all are; 30 s after the last line it is an error."""
    seen: dict[bytes, float] = {}
    last, deadline = 0, None
    with connect() as connection:
        while writer.is_alive() or len(seen) < len(written):
            rows = connection.execute("SELECT id, request_id::text FROM audit_event WHERE id > %s", [last]).fetchall()
            now = time.monotonic()
            for number, key in rows:
                seen.setdefault(key.encode(), now)
                last = max(last, number)
            if not writer.is_alive():
                deadline = deadline or now + 30
                if now > deadline:
                    raise RuntimeError(f"{len(written) - len(seen)} of {len(written)} requests did not come in 30 s")
            time.sleep(0.02)
    return seen


def main() -> None:
    """Measure P9: `python -m bench.freshness`."""
    desk.in_sandbox("bench.freshness")
    measure(desk.options(main.__doc__, events=10_000, rounds=3).parse_args())


if __name__ == "__main__":
    main()
