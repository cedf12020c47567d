"""Whatever dies while workers read - worker, beat, broker, database - no line is lost and none is doubled."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from tests.audit.lines import calls
from tests.audit.test_kills import Outcome, check

PARTS = ("worker-ingest", "beat", "valkey", "postgres")
BEHIND = """SELECT count(*) FROM audit_source s LEFT JOIN audit_generation g ON g.id = s.live_id
    WHERE g.id IS NULL OR s.trouble <> '' OR g.position <> (%(sizes)s::jsonb -> s.device_id::text)::bigint
    OR s.drained_at < to_timestamp(%(since)s)"""


def work_while(sandbox, folder: Path, seed: str, harm):
    """Let a scribe write two devices' logs while workers read them and are harmed; return the truth and the outcome."""
    sandbox.forget()
    logs = folder / "logs"
    logs.mkdir()
    with sandbox.start("-m", "tests.audit.scribe", str(logs), seed) as writer:
        try:
            while not all((logs / name / "audit.log").exists() for name in ("file", "second")):
                assert writer.poll() is None
                time.sleep(0.01)
            for name in ("file", "second"):
                path = str(logs / name / "audit.log")
                sandbox.manage("follow", "--add-only", "--path", path, "--vault", "demo", "--device", name)
            sandbox.until("SELECT count(*) FROM audit_source WHERE live_id IS NOT NULL", 2)
            (logs / "rotate").touch()
            harm()
        finally:
            (logs / "stop").touch()
        assert writer.wait(30) == 0
    wait_until_read(sandbox, logs)
    return json.loads((logs / "truth.json").read_text()), Outcome(sandbox)


def wait_until_read(sandbox, logs: Path) -> None:
    """Wait until workers have read both logs to their ends."""
    with sandbox.connect() as wire:
        devices = wire.execute("SELECT id, name FROM audit_device").fetchall()
    sizes = {str(id): (logs / name / "audit.log").stat().st_size for id, name in devices}
    sandbox.until(BEHIND, 0, patience=90, sizes=json.dumps(sizes), since=time.time())


def kill_parts(sandbox, kills: int, seed: str, parts: tuple[str, ...] = PARTS):
    """Return a harm: kill one part after the other at random moments, each part as often as the others."""

    def harm() -> None:
        dice = random.Random(seed)
        order = [part for _ in range(-(-kills // len(parts))) for part in dice.sample(parts, len(parts))]
        for part in order[:kills]:
            time.sleep(dice.uniform(0.1, 1.5))
            sandbox.control("kill", part)
            time.sleep(dice.uniform(0, 0.5))
            sandbox.control("start", part)

    return harm


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.long)])
def test_kills_of_every_part_lose_nothing_and_double_nothing(staffed, tmp_path, kills):
    truth, outcome = work_while(staffed, tmp_path, f"{kills} kills", kill_parts(staffed, kills, f"{kills} kills"))
    check(truth, outcome)
    assert all(device["rotations"] for device in truth["devices"].values())


def test_a_flushed_broker_and_a_second_beat_change_nothing(staffed, tmp_path):
    def harm() -> None:
        words = ["-m", "celery", "-q", "-A", "config.celery", "worker", "-n", "beat2@%h", "-B", "-Q", "sweep"]
        more = {key: value for key, value in staffed.environment.items() if key != "KEYBOOK_PULSE"}
        with staffed.start(*words, "--pool", "solo", "--loglevel", "ERROR") as second:
            for _ in range(6):
                time.sleep(0.5)
                with redis.Redis.from_url(more["REDIS_URL"]) as broker:
                    broker.flushall()
            assert second.poll() is None
            second.kill()

    check(*work_while(staffed, tmp_path, "flushed", harm))


def post(place: str, token: str, line: bytes) -> bool:
    """Post one line as OpenBao's http device does; tells whether it was accepted."""
    wire = http.client.HTTPConnection(place, timeout=10)
    try:
        wire.request("POST", "/audit", line, {"Authorization": f"Bearer {token}"})
        return wire.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        wire.close()


def post_until_told(place: str, token: str, lines: list[bytes], stop: threading.Event) -> int:
    """Post line after line, each until it is accepted; returns how many were. After `stop` nothing new is begun."""
    for number, line in enumerate(lines):
        if stop.is_set():
            return number
        while not post(place, token, line):
            time.sleep(0.02)
    return len(lines)


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.long)])
def test_lines_that_are_posted_while_parts_are_killed_are_each_kept_once(staffed, kills):
    staffed.forget()
    told = json.loads(staffed.manage("receiver_token", "--vault", "posted", "--json").stdout)
    made = calls(200_000 if kills > 5 else 20_000, seed=f"posted {kills}")
    lines = [line for call in made for line in call.lines("http")]
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post_until_told, staffed.environment["KEYBOOK_RECEIVER"], told["token"], lines, stop)
        try:
            kill_parts(staffed, kills, f"posted {kills}", ("receiver", *PARTS))()
        finally:
            stop.set()
        accepted = posting.result(60) // 2
    assert accepted > 50
    staffed.until("SELECT count(*) FROM audit_spool", 0)
    staffed.until("SELECT count(*) FROM audit_event WHERE flags & 3 = 3", accepted)
    ids = {call.id for call in made[:accepted]}
    with staffed.connect() as wire:
        found = Counter(row[0] for row in wire.execute("SELECT request_id::text FROM audit_event WHERE flags & 3 = 3"))
    assert set(found) == ids and set(found.values()) == {1}
