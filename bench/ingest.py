"""P1: file to queryable events, as a share of COPY BINARY of the same rows, and beside rsyslog.

Each round, in a new database: a first log (cold: every dictionary is empty), a second one of the same population
(warm), the first one as another device wrote it (every event is known: sightings), COPY of the rows of the first two
into a copy of the table (best of 3), and rsyslog with the head of the first.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

from bench import copying, corpus, desk, machine, rsyslog
from bench.desk import connect
from bench.machine import Watch
from bench.report import Table, spread

SPAN = timedelta(hours=36)  # so that a file falls into two daily partitions
_HEAD = 40_000


def measure(given: argparse.Namespace) -> None:
    """Make the logs, measure the rounds and print the table."""
    with desk.desk() as place:
        logs = [place.folder / name for name in ("first.log", "second.log")]
        again = place.folder / "again.log"
        corpus.write_synthetic(logs, given.events, span=SPAN)
        corpus.write_synthetic([again], given.events, span=SPAN, salt="http", late=31_000)
        head = _head(logs[0], min(_HEAD, given.events * 2))
        place.fresh()
        desk.header()
        print(f"Logs of {given.events} events, {logs[0].stat().st_size / given.events / 2:.0f} B a line. "
              f"{rsyslog.version()}.")  # fmt: skip
        machine.wait_until_quiet(given.patience)
        rounds = machine.quiet_rounds(given, lambda: _round(place, logs, again, head))
    _show(rounds)


def _round(place: desk.Desk, logs: list[Path], again: Path, head: Path) -> dict[str, float]:
    place.fresh()
    found: dict[str, float] = {}
    marks = [0]
    with connect() as connection:
        for name, log, device in (("cold", logs[0], "file"), ("warm", logs[1], "file"), ("second", again, "http")):
            place.settle()
            with Watch() as watch:
                done = desk.ingest(log, device=device)
            found[f"{name} lines"] = done.lines / watch.seconds
            found[name] = done.lines / 2 / watch.seconds
            found[f"{name} ours"] = watch.ours * 2e6 / done.lines
            found[f"{name} server"] = watch.server * 2e6 / done.lines
            marks.append(copying.last_id(connection))
            print(f"  {name}: {done.events} events, {done.duplicates} known, {found[name]:.0f}/s{watch}", flush=True)
        parts = [copying.encode(connection, *marks[n : n + 2]) for n in (0, 1)]
        place.settle()
        with Watch() as watch:
            found["copy cold"], found["copy warm"] = copying.best_of_three(connection, parts)
        found["transaction"] = parts[1].events / len(parts[1].streams)
        print(f"  COPY: {found['copy cold']:.0f} and {found['copy warm']:.0f} events/s{watch}", flush=True)
    if rsyslog.version() != "not installed":
        lines = head.read_bytes().count(b"\n")
        seconds = rsyslog.load(head, lines, place.url)
        found["rsyslog lines"] = lines / seconds
        print(f"  rsyslog: {lines / seconds:.0f} lines/s", flush=True)
    return found


def _show(rounds: list[dict[str, float]]) -> None:
    def all_of(name: str) -> list[float]:
        return [one[name] for one in rounds]

    table = Table("P1: file to queryable events")
    table.row("events/s, dictionaries filled (warm)", spread(all_of("warm"), "{:.0f}"))
    table.row("events/s, dictionaries empty (cold)", spread(all_of("cold"), "{:.0f}"))
    table.row("events/s, another device's log of known events", spread(all_of("second"), "{:.0f}"))
    table.row(
        f"COPY BINARY of the warm rows, best of 3, events/s ({rounds[0]['transaction']:.0f} rows a transaction)",
        spread(all_of("copy warm"), "{:.0f}"),
    )
    table.row("CPU time of Keybook per event (warm), µs", spread(all_of("warm ours"), "{:.0f}"))
    table.row("CPU time of PostgreSQL per event (warm), µs", spread(all_of("warm server"), "{:.0f}"))
    for name in ("warm", "cold"):
        values = [one[name] / one[f"copy {name}"] for one in rounds]
        table.atleast(f"ingestion over COPY BINARY, {name}", values, 0.5)
    values = [one["second"] / one["copy warm"] for one in rounds]
    table.row("another device's log over COPY BINARY of the warm rows", spread(values))
    if "rsyslog lines" in rounds[0]:
        table.row("rsyslog, lines/s", spread(all_of("rsyslog lines"), "{:.0f}"))
        values = [one["warm lines"] / one["rsyslog lines"] for one in rounds]
        table.atleast("ingestion (warm) over rsyslog", values, 10, "{:.1f}")
    else:
        table.row("ingestion over rsyslog", "rsyslog is not installed", "at least 10")
    table.show()


def _head(log: Path, lines: int) -> Path:
    head = log.with_name("head.log")
    with log.open("rb") as source, head.open("wb") as out:
        out.writelines(line for line, _ in zip(source, range(lines), strict=False))
    return head


def main() -> None:
    """Measure P1: `python -m bench.ingest`."""
    desk.in_sandbox("bench.ingest")
    measure(desk.options(main.__doc__, events=100_000).parse_args())


if __name__ == "__main__":
    main()
