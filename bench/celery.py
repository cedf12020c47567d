"""P11: a log read by one Celery task, over the same log read by the plain function; both warm, five pairs a round.

Each pair is two turns over two new logs of the same population. The plain turn lasts until the function returns, the
other from the ringing to the commit of its last batch, for which another connection asks every five milliseconds.
"""

from __future__ import annotations

import argparse
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from celery import Celery
from django.conf import settings

from audit.actions import follow_file
from audit.models import Source
from audit.tasks import take_turn
from bench import corpus, desk, machine
from bench.crew import crew
from bench.desk import connect
from bench.machine import Watch
from bench.report import Table, spread

PAIRS = 5
_LONG = 600.0  # seconds: a turn is never cut here


def measure(given: argparse.Namespace) -> None:
    """Make the logs, measure the rounds and print the table."""
    with desk.desk() as place:
        logs = [place.folder / f"{number}.log" for number in range(2 * PAIRS + 2)]
        corpus.write_synthetic(logs, given.events, span=timedelta(minutes=30))
        place.fresh()
        desk.header()
        print(f"Logs of {given.events} events, {PAIRS} pairs a round.")
        machine.wait_until_quiet(given.patience)
        rounds = machine.quiet_rounds(given, lambda: _round(place, logs))
    table = Table("P11: a batch through a Celery task over the plain function")
    table.row("seconds of a turn, plain", spread([one["plain"] for one in rounds]))
    table.row("seconds of a turn, through Celery", spread([one["celery"] for one in rounds]))
    table.atmost("through Celery over plain", [one["celery"] / one["plain"] for one in rounds], 1.1)
    table.show()


def _round(place: desk.Desk, logs: list[Path]) -> dict[str, float]:
    place.fresh()
    settings.KEYBOOK.log_roots = str(place.folder)
    sources = [follow_file(str(log), vault="bench", device=log.stem) for log in logs]
    times: dict[str, list[float]] = {"plain": [], "celery": []}
    with crew(place, ringing=False, children=1) as broker, Celery("bench", broker=broker) as app, Watch() as watch:
        for number, source in enumerate(sources):
            kind = ("plain", "celery")[number % 2]
            place.settle()
            taken = _time(source, kind, app)
            if number > 1:  # the first two warm both processes up
                times[kind].append(taken)
    print(f"  plain {median(times['plain']):.2f} s, Celery {median(times['celery']):.2f} s{watch}", flush=True)
    return {name: median(values) for name, values in times.items()}


def _time(source: Source, kind: str, app: Celery) -> float:
    """Return the seconds of one turn; the plain one has no reader that asks beside it, which is in its favour."""
    size = Path(source.settings["path"]).stat().st_size
    began = time.perf_counter()
    if kind == "plain":
        take_turn(source, _LONG)
        return time.perf_counter() - began
    app.send_task("audit.read_source", (source.pk,), queue="ingest", ignore_result=True)
    return _when_read(source.device_id, size) - began


def _when_read(device: int, size: int) -> float:
    with connect() as connection:
        while True:
            row = connection.execute("SELECT position FROM audit_generation WHERE device_id = %s", [device]).fetchone()
            if row and row[0] == size:
                return time.perf_counter()
            time.sleep(0.005)


def main() -> None:
    """Measure P11: `python -m bench.celery`."""
    desk.in_sandbox("bench.celery")
    measure(desk.options(main.__doc__, events=10_000, rounds=3).parse_args())


if __name__ == "__main__":
    main()
