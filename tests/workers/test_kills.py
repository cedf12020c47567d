"""Whatever dies while workers read - worker, beat, broker, database - no line is lost and none is doubled."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
import redis

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


def kill_parts(sandbox, kills: int, seed: str):
    """Return a harm: kill one part after the other at random moments, each part as often as the others."""

    def harm() -> None:
        dice = random.Random(seed)
        order = [part for _ in range(-(-kills // len(PARTS))) for part in dice.sample(PARTS, len(PARTS))]
        for part in order[:kills]:
            time.sleep(dice.uniform(0.1, 1.5))
            sandbox.control("kill", part)
            time.sleep(dice.uniform(0, 0.5))
            sandbox.control("start", part)

    return harm


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.long)])
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
