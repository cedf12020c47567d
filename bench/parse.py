"""P2: parse, normalise and mask on one core, as a share of `json.loads` of the same file.

What is measured is what a turn does with the bytes that it has read until a batch is ready for PostgreSQL: cutting,
decoding, joining, judging, masking each line. Hashing, compressing and writing are not in it (they are in P1). Both
are timed by the CPU time of the one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench import corpus, desk, machine
from bench.machine import Watch
from bench.report import Table, spread

_CHUNK = 8 * 1024 * 1024


def measure(given: argparse.Namespace) -> None:
    """Make both files, measure them in turns and print the table."""
    with desk.desk() as place:
        synthetic, recorded = place.folder / "synthetic.log", place.folder / "recorded.log"
        corpus.write_synthetic([synthetic], given.events, span=timedelta(hours=24))
        corpus.write_recorded(recorded, max(1, given.events * 2 // len(corpus.recorded())))
        place.fresh()
        desk.header()
        machine.wait_until_quiet(given.patience)
        table = Table("P2: parse, normalise and mask on one core")
        for name, file in (("synthetic", synthetic), ("recorded OpenBao", recorded)):
            _compare(table, name, file, given)
        table.show()


def _compare(table: Table, name: str, file: Path, given: argparse.Namespace) -> None:
    lines = file.read_bytes().count(b"\n")
    found = machine.quiet_rounds(given, lambda: _round(name, file, lines))
    plain, ours = ([one[which] for one in found] for which in ("plain", "ours"))
    size = file.stat().st_size / lines
    table.row(f"`json.loads`, {name} ({size:.0f} B a line), lines/s", spread(plain, "{:.0f}"))
    table.row(f"parse, normalise and mask, {name}, lines/s", spread(ours, "{:.0f}"))
    table.row(f"the same in MB/s, {name}", f"{median(ours) * size / 1e6:.0f}")
    table.atleast(f"ours over `json.loads`, {name}", [a / b for a, b in zip(ours, plain, strict=True)], 2)


def _round(name: str, file: Path, lines: int) -> dict[str, float]:
    with Watch() as watch:
        plain = lines / _load_json(file)
        ours = lines / _join(file, f"{name} {time.monotonic_ns()}")
    print(f"  {name}: json.loads {plain:.0f}, ours {ours:.0f} lines/s{watch}", flush=True)
    return {"plain": plain, "ours": ours}


def _load_json(file: Path) -> float:
    """CPU seconds to parse every line with the standard library, in pieces of the size that a turn reads."""
    spent, rest = 0.0, b""
    with file.open("rb") as source:
        while piece := source.read(_CHUNK):
            began = time.thread_time()
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                try:
                    json.loads(line)
                except ValueError:  # the recorded log has lines that are none
                    continue
            spent += time.thread_time() - began
    return spent


def _join(file: Path, device: str) -> float:
    """CPU seconds until every batch of the file is ready for the store, in a turn that remembers nothing of others."""
    with desk.own_turn(file, device) as (work, log, cursor):
        spent = 0.0
        while data := log.read(cursor.position, _CHUNK):
            began = time.thread_time()
            used = work._batch(data, cursor, final=False)[1]
            spent += time.thread_time() - began
            if not used:
                break
            cursor.position += used
        return spent


def main() -> None:
    """Measure P2: `python -m bench.parse`."""
    desk.in_sandbox("bench.parse")
    measure(desk.options(main.__doc__, events=50_000, rounds=7).parse_args())


if __name__ == "__main__":
    main()
