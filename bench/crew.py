"""The worker and beat for a measurement: the command lines of `make demo`, at a desk's database and on its own broker.

The broker is the sandbox's Valkey, in a numbered database of its own, so that no other worker hears these bells.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.desk import ROOT, Desk
from sandbox.programs import Worker, beat, ingest

BROKER = 7  # of Valkey's sixteen databases


@contextmanager
def crew(place: Desk, *, ringing: bool, children: int = 2) -> Iterator[str]:
    """Run the worker with so many children, and beat if `ringing`; yields the address of their broker."""
    broker = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{BROKER}"
    environment = {**os.environ, "DATABASE_URL": place.url, "REDIS_URL": broker, "KEYBOOK_LOG_ROOTS": str(place.folder)}
    parts = [ingest(place.folder / "worker.log", lambda: environment, children)]
    if ringing:
        parts.append(beat(place.folder / "beat.log", lambda: environment))
    running = [_start(part) for part in parts]
    try:
        yield broker
    finally:
        for process in running:
            process.send_signal(signal.SIGQUIT)
        for process in running:
            process.wait(30)


def _start(part: Worker) -> subprocess.Popen[bytes]:
    """Start one of them and wait until it hears the broker."""
    told: Mapping[str, str] = part.server_environment()
    pulse = Path(told["KEYBOOK_PULSE"])
    pulse.unlink(missing_ok=True)
    with part.log.open("ab") as log:
        process = subprocess.Popen([*map(str, part.argv())], cwd=ROOT, env=dict(told), stdout=log, stderr=log)
    while not pulse.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the {part.title} ended: {part.log.read_text()[-2000:]}")
        time.sleep(0.01)
    return process
