"""P4: bytes on disk per event with its indexes, bytes of archive per line, and how fast one line comes back."""

from __future__ import annotations

import argparse
import random
import time
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

from accounts.scope import EVERYTHING
from audit import queries
from bench import corpus, desk, machine
from bench.desk import connect
from bench.machine import Watch
from bench.report import Table

_ASKED = 500
_LEAVES = (
    "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits WHERE inhparent = %s::regclass"
)
_HEAPS = "SELECT coalesce(sum(pg_table_size(inhrelid)), 0)::bigint FROM pg_inherits WHERE inhparent = %s::regclass"
_NAMES = ("audit_principal", "audit_secret", "audit_path", "audit_token", "audit_address", "audit_mount", "audit_wrap")
_OTHERS = {"names (principals, secrets, paths, tokens, addresses)": _NAMES, "pairs": ("audit_pair",),
           "leases": ("audit_leaseissue",)}  # fmt: skip


def measure(given: argparse.Namespace) -> None:
    """Ingest both kinds of log, look at the disk and ask for lines."""
    with desk.desk() as place:
        table = Table("P4: disk per event, archive per line, one line back")
        synthetic, recorded = place.folder / "synthetic.log", place.folder / "recorded.log"
        corpus.write_synthetic([synthetic], given.events, span=timedelta(hours=36))
        corpus.write_recorded(recorded, max(1, given.events // 2 // len(corpus.recorded())))
        for number, (name, log, goal) in enumerate(
            (("synthetic", synthetic, 0.13), ("recorded OpenBao", recorded, 0.09))
        ):
            place.fresh()
            if not number:
                desk.header()
                machine.wait_until_quiet(given.patience)
            with Watch() as watch:
                report = desk.ingest(log)
            print(f"  {name}: {report.events} events of {report.lines} lines{watch}", flush=True)
            _sizes(table, name, log, report, goal)
            _lines_back(table, name)
        table.show()


def _sizes(table: Table, name: str, log: Path, report: Any, goal: float) -> None:
    with connect() as connection:

        def size(statement: str, relation: str) -> int:
            row = connection.execute(statement, [relation]).fetchone()
            return int(row[0]) if row else 0

        events, heap = size(_LEAVES, "audit_event") + size(_LEAVES, "audit_sighting"), size(_HEAPS, "audit_event")
        blocks = size(_LEAVES, "audit_block")
        table.atmost(f"event leaves, table and indexes, {name}, B per event", [events / report.events], 300, "{:.0f}")
        table.row(f"of it the table itself, {name}, B per event", f"{heap / report.events:.0f}")
        for what, relations in _OTHERS.items():
            total = sum(size("SELECT pg_total_relation_size(%s::regclass)", relation) for relation in relations)
            table.row(f"besides, {what}, {name}, B per event", f"{total / report.events:.0f}")
    line = log.stat().st_size / report.lines
    table.row(
        f"archive (masked lines, places, SHA-256), {name}, B per line of {line:.0f} B", f"{blocks / report.lines:.0f}"
    )
    table.atmost(f"archive over the lines' size, {name}", [blocks / log.stat().st_size], goal, "{:.3f}")


def _lines_back(table: Table, name: str) -> None:
    """Ask for the lines of some hundred events drawn at random, each once."""
    with connect() as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM audit_event")]
    chosen = random.Random(1).sample(ids, min(_ASKED, len(ids)))
    queries.lines_of(chosen[0], scope=EVERYTHING)  # the connection is there
    took = []
    for event_id in chosen:
        began = time.perf_counter()
        queries.lines_of(event_id, scope=EVERYTHING)
        took.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(took, n=100, method="inclusive")
    measure_name = (
        f"lines of one event back, {name}, p95 of {len(chosen)} (p50 {cuts[49]:.1f}, most {max(took):.1f}), ms"
    )
    table.row(measure_name, f"{cuts[94]:.1f}", "under 20", cuts[94] < 20)


def main() -> None:
    """Measure P4: `python -m bench.disk`."""
    desk.in_sandbox("bench.disk")
    measure(desk.options(main.__doc__, events=200_000, rounds=1).parse_args())


if __name__ == "__main__":
    main()
