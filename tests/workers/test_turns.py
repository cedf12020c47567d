"""One bell, one turn: what is cut short is read again, a lost bell is rung again, an absent broker hangs nobody."""

from __future__ import annotations

import json
import time

import redis

from tests.audit.lines import calls, log

POSITION = "SELECT coalesce(max(position), 0) FROM audit_generation"
EVENTS = "SELECT count(*) FROM audit_event WHERE flags & 8192 = 0"
DISTINCT = "SELECT count(DISTINCT request_id) FROM audit_event"
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


def follow(sandbox, file, device: str = "file") -> None:
    sandbox.manage("follow", "--add-only", "--path", str(file), "--vault", "demo", "--device", device)


def position(sandbox) -> int:
    with sandbox.connect() as wire:
        return wire.execute(POSITION).fetchone()[0]


def test_a_worker_killed_inside_a_turn_is_followed_by_one_that_ends_it(staffed, tmp_path):
    staffed.forget()
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(12_000)))
    size = file.stat().st_size
    follow(staffed, file)
    while not (read := position(staffed)):
        time.sleep(0.005)
    staffed.control("kill", "worker-ingest")
    assert 0 < read < size, "the turn was over before it could be interrupted"
    assert position(staffed) < size
    staffed.control("start", "worker-ingest")
    staffed.until(POSITION, size)
    staffed.until(EVENTS, 12_000)
    staffed.until(DISTINCT, 12_000)


def test_bells_that_are_lost_are_rung_again(staffed, tmp_path):
    staffed.forget()
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(20)))
    staffed.control("end", "worker-ingest")
    follow(staffed, file)
    with redis.Redis.from_url(staffed.environment["REDIS_URL"]) as broker:
        while not (bell := broker.lindex("ingest", 0)):
            time.sleep(0.02)
        broker.delete("ingest")
    headers = json.loads(bell)["headers"]
    assert headers["task"] in {"audit.read_source", "audit.keep_house"}
    staffed.control("start", "worker-ingest")
    staffed.until(EVENTS, 20)


def test_a_bell_carries_a_key_and_nothing_else(staffed, tmp_path):
    staffed.forget()
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(2)))
    staffed.control("end", "worker-ingest")
    try:
        follow(staffed, file)
        with redis.Redis.from_url(staffed.environment["REDIS_URL"]) as broker:
            found: list[dict] = []
            while not found:
                bells = [json.loads(bell) for bell in broker.lrange("ingest", 0, -1)]
                found = [bell for bell in bells if bell["headers"]["task"] == "audit.read_source"]
                time.sleep(0.02)
    finally:
        staffed.control("start", "worker-ingest")
    assert {bell["content-type"] for bell in found} == {"application/json"}
    assert all(bell["headers"]["expires"] and not bell["headers"]["eta"] for bell in found)
    assert str(file) not in json.dumps(found)
    with staffed.connect() as wire:
        source = wire.execute("SELECT id FROM audit_source").fetchone()[0]
    assert {bell["headers"]["argsrepr"] for bell in found} == {f"({source},)"}


def test_who_rings_without_a_broker_is_told_at_once(staffed):
    done = staffed.run("-c", RING, REDIS_URL="redis://127.0.0.1:1/0")
    heard, seconds = json.loads(done.stdout)
    assert not heard and seconds < 3
    assert json.loads(done.stderr.splitlines()[-1])["message"].startswith("The broker took no message")


def test_workers_without_a_broker_say_what_to_set(staffed):
    done = staffed.run("-m", "celery", "-A", "config.celery", "worker", check=False, REDIS_URL="")
    assert done.returncode == 2
    assert done.stderr.startswith("The setting REDIS_URL is empty")


def test_house_is_kept_at_the_start(staffed):
    staffed.until("SELECT count(*) >= 8 FROM pg_inherits WHERE inhparent = 'audit_event'::regclass", True)
