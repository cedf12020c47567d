"""An ingester that is killed at random, while an API server writes and rotates its log, loses and doubles nothing."""

from __future__ import annotations

import gzip
import random
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.cluster.records import record

SHOWN = """
    SELECT e.request_id::text, s.name, e.disclosed FROM audit_event e JOIN audit_secret s ON s.id = e.secret
    WHERE e.flags & 4 = 0
"""


class Server:
    """Writes a log as an API server does: it rotates by renaming to the time, and packs what it renamed."""

    def __init__(self, folder, seed):
        self.path, self.dice = folder / "kube-audit.log", random.Random(seed)
        self.out = self.path.open("ab", buffering=0)
        self.calls, self.stop, self.rotations = {}, threading.Event(), 0

    def run(self):
        """Write until told to stop; every call is a read but each seventh, which is denied."""
        open_, number = [], 0
        while not self.stop.is_set() or open_:
            number += 1
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            if not self.stop.is_set():
                key, name = str(uuid.UUID(int=self.dice.getrandbits(128), version=4)), f"db-{number % 9}"
                self.calls[key] = (f"kubernetes/prod/shop/{name}", 0 if number % 7 == 0 else 1)
                code = {"code": 403 if number % 7 == 0 else 200}
                told = {"auditID": key, "objectRef": {"name": name}, "requestReceivedTimestamp": now}
                self.write(record(**told, stage="RequestReceived", responseStatus=None, stageTimestamp=now))
                open_.append((told, code))
            if open_ and (self.stop.is_set() or self.dice.random() < 0.8):
                told, code = open_.pop(self.dice.randrange(len(open_)))
                self.write(record(**told, responseStatus=code, stageTimestamp=now))
            self.write(record(auditID=str(number), objectRef={"resource": "pods"}, stageTimestamp=now))
            if number % 60 == 0 and not self.stop.is_set():
                self.rotate()
            time.sleep(0.002)
        self.out.close()

    def write(self, line):
        """Write one line, sometimes in two pieces with a pause between."""
        line += b"\n"
        cut = self.dice.randrange(len(line)) if self.dice.random() < 0.05 else 0
        self.out.write(line[:cut])
        if cut:
            time.sleep(0.01)
        self.out.write(line[cut:])

    def rotate(self):
        """Rename the log to the time, write to a new one, and pack some of the old."""
        time.sleep(0.035)
        at = datetime.now(UTC) + timedelta(milliseconds=self.rotations)
        old = self.path.with_name(f"kube-audit-{at:%Y-%m-%dT%H-%M-%S.%f}"[:-3] + ".log")
        self.out.close()
        self.path.rename(old)
        self.out = self.path.open("ab", buffering=0)
        self.rotations += 1
        if self.rotations % 2:
            packed = old.with_suffix(".log.gz")
            packed.with_suffix(".tmp").write_bytes(gzip.compress(old.read_bytes()))
            packed.with_suffix(".tmp").rename(packed)
            old.unlink()


def test_fifteen_kills_lose_nothing_and_double_nothing(own_database, tmp_path):
    server = Server(tmp_path, "kills")
    writer = threading.Thread(target=server.run)
    writer.start()
    try:
        own_database.manage("follow", "--once", "--path", str(server.path), "--vault", "prod")
        own_database.run("-m", "tests.audit.follower", "15", "0.3", "native")
    finally:
        server.stop.set()
        writer.join()
    for _ in range(2):
        own_database.manage("follow", "--once")
    with own_database.connect() as wire:
        shown = wire.execute(SHOWN).fetchall()
        quarantined, position, classes = wire.execute(
            """SELECT sum(bytes_quarantine), sum(position),
               sum(bytes_event + bytes_duplicate + bytes_quarantine + bytes_framing) FROM audit_generation"""
        ).fetchone()
    assert server.rotations > 2
    assert Counter(key for key, *_ in shown).most_common(1)[0][1] == 1
    assert {key: (name, disclosed) for key, name, disclosed in shown} == server.calls
    assert (quarantined, position - classes) == (0, 0)
