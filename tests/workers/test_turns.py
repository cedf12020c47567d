"""One bell, one turn: what is cut short is read again, a lost bell is rung again, an absent broker hangs nobody."""

from __future__ import annotations

import json
import time

import redis

from tests.audit.lines import calls, log

OF = "(SELECT id FROM audit_device WHERE name = %(device)s)"
POSITION = f"SELECT coalesce(max(position), 0) FROM audit_generation WHERE device_id = {OF}"
EVENTS = f"SELECT count(*) FROM audit_event WHERE flags & 8192 = 0 AND device = {OF}"
DISTINCT = f"SELECT count(DISTINCT request_id) FROM audit_event WHERE device = {OF}"
RING = """
import json, time
import django
django.setup()
from config.celery import app
from audit.tasks import read_source, ring
began = time.monotonic()
heard = ring(read_source, 1)
print(json.dumps([heard, time.monotonic() - began]))
"""


def follow(sandbox, file, device: str) -> None:
    sandbox.manage("follow", "--add-only", "--path", str(file), "--vault", "turns", "--device", device)


def position(sandbox, device: str) -> int:
    with sandbox.connect() as wire:
        return wire.execute(POSITION, {"device": device}).fetchone()[0]


def is_frozen_inside_a_turn(sandbox, folder, device: str) -> bool:
    """Follow a new log and freeze the worker once something is read; tell whether some of it is still to come."""
    file = folder / f"{device}.log"
    file.write_bytes(log(calls(12_000, seed=device)))
    follow(sandbox, file, device)
    with sandbox.connect() as wire:
        while not wire.execute(POSITION, {"device": device}).fetchone()[0]:
            time.sleep(0.001)
    sandbox.control("stop", "worker-ingest")
    if position(sandbox, device) < file.stat().st_size:
        return True
    sandbox.control("cont", "worker-ingest")
    return False


def test_a_worker_killed_inside_a_turn_is_followed_by_one_that_ends_it(staffed, tmp_path):
    devices = (f"interrupted-{attempt}" for attempt in range(8))
    device = next((one for one in devices if is_frozen_inside_a_turn(staffed, tmp_path, one)), None)
    assert device, "each turn was over before it could be interrupted"
    size = (tmp_path / f"{device}.log").stat().st_size
    staffed.control("kill", "worker-ingest")
    assert 0 < position(staffed, device) < size
    staffed.control("start", "worker-ingest")
    staffed.until(POSITION, size, device=device)
    staffed.until(EVENTS, 12_000, device=device)
    staffed.until(DISTINCT, 12_000, device=device)


def test_a_bell_carries_a_key_and_nothing_else_and_is_rung_again_when_it_is_lost(staffed, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(20, seed="lost")))
    staffed.control("end", "worker-ingest")
    try:
        follow(staffed, file, "lost")
        with redis.Redis.from_url(staffed.environment["REDIS_URL"]) as broker:
            bells = rung(broker)
            broker.delete("ingest")
    finally:
        staffed.control("start", "worker-ingest")
    staffed.until(EVENTS, 20, device="lost")
    assert {bell["content-type"] for bell in bells} == {"application/json"}
    assert all(bell["headers"]["expires"] and not bell["headers"]["eta"] for bell in bells)
    assert str(tmp_path) not in json.dumps(bells)
    with staffed.connect() as wire:
        sources = {f"({row[0]},)" for row in wire.execute("SELECT id FROM audit_source")}
    assert {bell["headers"]["argsrepr"] for bell in bells} == sources


def rung(broker) -> list[dict]:
    """Wait until a sweep has rung for every source, and return the bells of turns that nobody has heard."""
    while broker.llen("ingest") < 20:
        time.sleep(0.02)
    bells = [json.loads(bell) for bell in broker.lrange("ingest", 0, -1)]
    return [bell for bell in bells if bell["headers"]["task"] == "audit.read_source"]


def test_who_rings_without_a_broker_is_told_at_once(staffed):
    done = staffed.run("-c", RING, REDIS_URL="redis://127.0.0.1:1/0")
    heard, seconds = json.loads(done.stdout)
    assert not heard and seconds < 20, "it must not hang; by default it would for ever"
    assert json.loads(done.stderr.splitlines()[-1])["message"].startswith("The broker took no message")


def test_workers_without_a_broker_say_what_to_set(staffed):
    done = staffed.run("-m", "celery", "-A", "config.celery", "worker", check=False, REDIS_URL="")
    assert done.returncode == 2
    assert done.stderr.startswith("The setting REDIS_URL is empty")


def test_house_is_kept_at_the_start(staffed):
    staffed.until("SELECT count(*) >= 8 FROM pg_inherits WHERE inhparent = 'audit_event'::regclass", True)
