"""What a figure was measured on, and how quiet it was there: cores, kernel, versions, settings, load."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from sandbox.control import state
from sandbox.process import family

QUIET = 0.5  # load of the last minute
CALM = 0.15  # cores
Figures = dict[str, float]
_TICKS = os.sysconf("SC_CLK_TCK")
_PACKAGES = ("psycopg", "msgspec", "zstandard", "django")
SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_compression", "shared_buffers", "max_wal_size",
    "default_toast_compression", "autovacuum", "data_checksums",
)  # fmt: skip


def facts() -> str:
    """Return the machine in one sentence: cores, model, memory, kernel."""
    total = int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024**2
    model = _first("/proc/cpuinfo", "model name")
    return f"{os.cpu_count()} cores {model}, {total} GiB, {platform.system()} {platform.release().split('-')[0]}"


def versions(connection: psycopg.Connection) -> str:
    """Return the versions of what took part."""
    server = connection.info.server_version
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"PostgreSQL {server // 10_000}.{server % 10_000}, Python {platform.python_version()}, {packages}"


def settings(connection: psycopg.Connection) -> str:
    """Return the server's settings that matter to writing."""
    rows = connection.execute(
        "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name", [list(SETTINGS)]
    )
    return ", ".join(f"{name}={value}" for name, value in rows)


def header(connection: psycopg.Connection) -> None:
    """Print what every result needs beside it."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Keybook {_revision()}. {facts()}.")
    print(f"{versions(connection)}.")
    print(f"Settings: {settings(connection)}.")


def _revision() -> str:
    """The commit that is measured, with a + when files of it were changed."""
    root = Path(__file__).parents[1]
    ask = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "of an unknown commit"


def wait_until_quiet(patience: float) -> None:
    """Wait until the load of the last minute is below 0.5, at most so many seconds; print the load that is left."""
    end = time.monotonic() + patience
    while os.getloadavg()[0] >= QUIET and time.monotonic() < end:
        time.sleep(min(2.0, max(0.0, end - time.monotonic())))
    load = os.getloadavg()[0]
    print(f"Load of the last minute at the start: {load:.2f}{'' if load < QUIET else ' (the machine was not quiet)'}.")
    sys.stdout.flush()


_disturbances: list[float] = []  # cores that others kept busy in each stretch watched


def quiet_rounds(given: Namespace, measure: Callable[[], Figures]) -> list[Figures]:
    """Measure until the rounds that were asked for were not disturbed; returns the least disturbed ones.

    Without patience each round is measured once. With patience, each waits until the machine is calm (in all at most
    `given.patience` seconds), and at most thrice as many rounds as wanted are measured.
    """
    wanted, most, patience = given.rounds, given.rounds * (3 if given.patience else 1), given.patience
    rounds: list[tuple[float, int, Figures]] = []
    while len(rounds) < most and sum(one[0] < CALM for one in rounds) < wanted:
        patience -= wait_until_calm(patience)
        _disturbances.clear()
        found = measure()
        rounds.append((max(_disturbances, default=0.0), len(rounds), found))
    best = sorted(rounds, key=lambda one: one[:2])[:wanted]
    print(
        f"Rounds: {len(rounds)}, of them {wanted} taken, in which others took at most {best[-1][0]:.2f} cores.",
        flush=True,
    )
    return [found for _, _, found in best]


def wait_until_calm(patience: float) -> float:
    """Wait until others leave the cores alone for three seconds; returns how long that took."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < patience and cores_of_others() >= CALM:
        pass
    return waited


def cores_of_others(seconds: float = 3) -> float:
    """Return how many cores others keep busy, watched for so many seconds."""
    with Watch() as watch:
        time.sleep(seconds)
    return watch.disturbed


class Watch:
    """Measures one stretch: wall seconds, CPU seconds of ours and of PostgreSQL, cores that others kept busy.

    `parts` names parts of the sandbox that take part beside PostgreSQL; their CPU time counts as the server's.
    """

    def __init__(self, *parts: str) -> None:
        known = state()
        self._server = [pid for name in ("postgres", *parts) if name in known and (pid := known[name]["pid"])]
        self.seconds = self.ours = self.server = self.disturbed = 0.0

    def __enter__(self) -> Watch:
        self._began, self._start = time.perf_counter(), self._now()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began
        time.sleep(0.1)  # a server's process that is just ending is in no list for a moment
        busy, self.ours, self.server = (b - a for a, b in zip(self._start, self._now(), strict=True))
        self.disturbed = max(0.0, busy - self.ours - self.server) / self.seconds
        _disturbances.append(self.disturbed)

    def _now(self) -> tuple[float, float, float]:
        return _busy(), _used([os.getpid()]), _used(self._server)

    def __str__(self) -> str:
        return f" (in {self.seconds:.1f} s; others took {self.disturbed:.2f} cores)"


def _busy() -> float:
    """CPU seconds of the whole machine that were not idle (proc_stat(5): user nice system idle iowait irq softirq)."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(numbers[:8]) - numbers[3] - numbers[4]) / _TICKS


def _used(roots: Iterable[int]) -> float:
    """CPU seconds of these processes, their children and those that they have waited for."""
    total = 0
    for pid in {pid for root in roots for pid in family(root)}:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(n) for n in fields[11:15])
    return total / _TICKS


def _first(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0"
