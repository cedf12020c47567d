"""A reader by id gets every event once while several writers commit, because ids are drawn in commit order."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from audit import actions, ingest
from audit.ingest import connect, find_generation, turn
from audit.sources.file import open_log
from audit.store import Store
from tests.audit.lines import calls, log

WRITERS, BATCHES, CALLS = 4, 5, 20


class Slow(Store):
    """A store whose transactions stay open for 0 to 0.5 s after their ids were drawn."""

    def _checkpoint(self, *given):
        time.sleep(random.uniform(0, 0.5))
        super()._checkpoint(*given)


class Lockless:
    """A connection on which the stream's lock is never taken."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *values):
        return None if "pg_advisory_xact_lock" in str(statement) else self._connection.execute(statement, *values)


@pytest.fixture
def writers(past, tmp_path, monkeypatch):
    """Files of events for several devices, and a function that stores one of them."""
    size = len(log(calls(CALLS, seed="0")))
    monkeypatch.setattr(ingest, "CHUNK", size)
    files = []
    for n in range(WRITERS):
        file = tmp_path / f"{n}.log"
        file.write_bytes(log(calls(CALLS * BATCHES, seed=str(n))))
        files.append((actions._device("demo", f"device-{n}")[0].pk, file))

    def write(device, file, wrapped):
        opened = open_log(file)
        with turn(device) as work:
            work.store = Slow(wrapped(work.store.connection))
            cursor = find_generation(work.looker, device, opened)
            work.read(opened, cursor, at_end=True)
            work.wait()
        opened.close()

    return files, write


def pull(stop):
    """Read by id until told to stop, and once more; return the ids in the order they came."""
    seen, cursor = [], 0
    with connect() as wire:
        while True:
            last = stop.is_set()
            rows = wire.execute("SELECT id FROM audit_event WHERE id > %s ORDER BY id LIMIT 1000", [cursor]).fetchall()
            seen += [id for (id,) in rows]
            cursor = seen[-1] if seen else 0
            if last and not rows:
                return seen
            time.sleep(0.005)


def pulled(writers, wrapped):
    files, write = writers
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader = pool.submit(pull, stop)
        try:
            for done in [pool.submit(write, device, file, wrapped) for device, file in files]:
                done.result()
        finally:
            stop.set()
        return reader.result()


def test_a_reader_by_id_gets_every_event_once_while_others_commit(writers, past):
    seen = pulled(writers, lambda connection: connection)
    assert len(seen) == WRITERS * BATCHES * CALLS
    assert seen == [id for (id,) in past.rows("SELECT id FROM audit_event ORDER BY id")]
    assert len(set(seen)) == len(seen)


def test_without_the_lock_that_reader_misses_events(writers, past):
    seen = pulled(writers, Lockless)
    assert past.events() == WRITERS * BATCHES * CALLS
    assert len(set(seen)) < past.events()
