"""P7: what the live pair table and the closed-window counts leave of the rate of ingestion.

Each round, each in a new database: one day's log with neither, with the pair table, with both. Windows are closed by
the events' own clock, after the batch that passed the end of an hour, as a vault that writes so fast would see it; at
the end the last hour and the day are closed too, so that every event was counted twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from audit import rollups
from audit.models import Device
from audit.store import Store
from bench import corpus, desk, machine
from bench.machine import Watch
from bench.report import Table, spread

_SETTLED = timedelta(minutes=10)
_HOUR = timedelta(hours=1)


class Windows:
    """Closes what is due by the time of the last event that was committed."""

    def __init__(self) -> None:
        self.closed = 0
        self._next = corpus.START + _HOUR + _SETTLED

    def look(self) -> None:
        """Close the hours that have ended, if one has."""
        now = Device.objects.values_list("last_time", flat=True).get()
        if now is not None and now >= self._next:
            self.close(now)
            self._next = (now - _SETTLED).replace(minute=0, second=0, microsecond=0) + _HOUR + _SETTLED

    def close(self, now: datetime) -> None:
        """Close everything that has ended before `now`."""
        self.closed += rollups.close(now)


def measure(given: argparse.Namespace) -> None:
    """Make the log, measure the rounds and print the table."""
    with desk.desk() as place:
        log = place.folder / "day.log"
        corpus.write_synthetic([log], given.events, span=timedelta(hours=24))
        place.fresh()
        desk.header()
        machine.wait_until_quiet(given.patience)
        rounds = machine.quiet_rounds(given, lambda: _round(place, log))
    table = Table("P7: ingestion with pairs and rollups over ingestion without")
    for name in _WAYS:
        table.row(f"{name}, events/s", spread([one[name] for one in rounds], "{:.0f}"))
    neither, pairs, both = ([one[name] for one in rounds] for name in _WAYS)
    table.atleast("pairs and rollups over neither", [a / b for a, b in zip(both, neither, strict=True)], 0.6)
    table.row("pairs and rollups over pairs alone", spread([a / b for a, b in zip(both, pairs, strict=True)]))
    table.row("windows closed in a round", f"{median([one['windows'] for one in rounds]):.0f}")
    table.show()


def _round(place: desk.Desk, log: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, way in _WAYS.items():
        place.fresh()
        place.settle()
        with Watch() as watch:
            events, windows = way(log)
        found[name], found["windows"] = events / watch.seconds, windows
        print(f"  {name}: {found[name]:.0f} events/s, {windows} windows{watch}", flush=True)
    return found


def _neither(log: Path) -> tuple[int, int]:
    with _without_pairs():
        return desk.ingest(log).events, 0


def _pairs(log: Path) -> tuple[int, int]:
    return desk.ingest(log).events, 0


def _both(log: Path) -> tuple[int, int]:
    windows = Windows()
    events = desk.ingest(log, after_batch=windows.look).events
    windows.close(corpus.START + timedelta(days=1) + 2 * _SETTLED)
    return events, windows.closed


_WAYS: dict[str, Callable[[Path], tuple[int, int]]] = {
    "neither pairs nor rollups": _neither, "pairs": _pairs, "pairs and rollups": _both,
}  # fmt: skip


@contextmanager
def _without_pairs() -> Iterator[None]:
    """Leave the pair table alone for once."""
    kept = Store._pairs
    Store._pairs = lambda *_: None
    try:
        yield
    finally:
        Store._pairs = kept


def main() -> None:
    """Measure P7: `python -m bench.rollups`."""
    desk.in_sandbox("bench.rollups")
    measure(desk.options(main.__doc__, events=200_000, rounds=5).parse_args())


if __name__ == "__main__":
    main()
