"""Every measurement runs on a tiny log and prints its figures; how fast anything is, is no test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bench import corpus
from sandbox.seed import BLANK, SEED
from tests.audit.conftest import own_sandbox

__all__ = ["own_sandbox"]
TEMPLATE = {"KEYBOOK_BENCH_TEMPLATE": BLANK} if os.environ.get(SEED) else {}
ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"(?m)^\| (?P<measure>[^|]+) \| (?P<figure>[^|]+) \| (?P<goal>[^|]*) \| (?P<met>[^|]*) \|$")


def _measured(environment: Mapping[str, str], module: str, *given: str) -> dict[str, str]:
    """Run one measurement among some servers and return its rows by their measure."""
    argv = [sys.executable, "-m", module, "--rounds", "1", "--patience", "0", *given]
    told = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "PostgreSQL 18" in told.stdout and "fsync=" in told.stdout and "synchronous_commit=" in told.stdout
    return {row["measure"]: row["figure"] for row in ROW.finditer(told.stdout) if row["measure"] != "measure"}


@pytest.fixture
def figures():
    """Run one measurement in our sandbox and return its rows by their measure."""
    if "KEYBOOK_SANDBOX_STATE" not in os.environ:
        pytest.skip("measurements need the servers of bin/sandbox")
    return partial(_measured, {**os.environ, **TEMPLATE})


@pytest.fixture
def figures_of_harm(own_sandbox):
    """Run one measurement that stops, freezes or kills servers: they are not those that other tests use meanwhile."""
    return partial(_measured, {**own_sandbox.environment, **TEMPLATE})


def _number(text: str) -> float:
    return float(re.match(r"[\d.]+", text)[0])


def test_ingestion_is_set_beside_copy_of_its_own_rows(figures):
    found = figures("bench.ingest", "--events", "1500")
    assert _number(found["ingestion over COPY BINARY, warm"]) > 0
    assert _number(found["ingestion over COPY BINARY, cold"]) > 0
    assert "ingestion (warm) over rsyslog" in found or found["ingestion over rsyslog"] == "rsyslog is not installed"


def test_parsing_is_set_beside_json_loads_for_both_kinds_of_log_and_leaves_no_database(figures):
    found = figures("bench.parse", "--events", "1600")
    assert {name for name in found if name.startswith("ours over `json.loads`")} == {
        "ours over `json.loads`, synthetic",
        "ours over `json.loads`, recorded OpenBao",
    }
    assert all(_number(figure) > 0 for figure in found.values())
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bench%'").fetchall() == []


@pytest.mark.live
def test_ingestion_is_set_beside_a_loaded_openbao(figures_of_harm):
    found = figures_of_harm("bench.saturated", "--seconds", "1")
    assert _number(found["OpenBao writes, lines/s"]) > 0
    assert _number(found["ingestion over writing"]) > 0


@pytest.mark.live
def test_the_receiver_is_measured_with_a_vault_that_posts_to_it(figures_of_harm):
    found = figures_of_harm("bench.receiver", "--seconds", "1", "--reads", "40")
    assert _number(found["a Vault read with a file device alone, median, ms"]) > 0
    outages = ("PostgreSQL is stopped", "PostgreSQL is frozen", "its disk is full")
    assert all(_number(found[f"p99 of a Vault read while {outage}, ms"]) > 0 for outage in outages)


def test_disk_is_told_per_event_and_per_line(figures):
    found = figures("bench.disk", "--events", "3000")
    assert _number(found["event leaves, table and indexes, synthetic, B per event"]) > 90
    assert 0 < _number(found["archive over the lines' size, synthetic"]) < 1
    assert any(name.startswith("lines of one event back, recorded OpenBao") for name in found)


def test_every_hour_and_the_day_are_closed_when_rollups_are_measured(figures):
    found = figures("bench.rollups", "--events", "3000")
    assert found["windows closed in a round"] == "50"  # 24 hours and a day, each in two kinds
    assert _number(found["pairs and rollups over neither"]) > 0


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """3,000 calls over a day as two devices write them, decoded."""
    folder = tmp_path_factory.mktemp("corpus")
    for salt, late in (("file", 0), ("http", 31_000)):
        corpus.write_synthetic([folder / salt], 3_000, span=timedelta(days=1), salt=salt, late=late)
    return {salt: (folder / salt).read_bytes() for salt in ("file", "http")}


def _entries(log: bytes) -> list[dict]:
    return [json.loads(line) for line in log.splitlines()]


def test_the_synthetic_log_is_the_same_each_time(synthetic, tmp_path):
    corpus.write_synthetic([tmp_path / "again"], 3_000, span=timedelta(days=1))
    assert (tmp_path / "again").read_bytes() == synthetic["file"]


def test_every_synthetic_call_has_a_request_and_then_a_response(synthetic):
    sides: dict[str, list[str]] = {}
    for entry in _entries(synthetic["file"]):
        sides.setdefault(entry["request"]["id"], []).append(entry["type"])
    assert len(sides) == 3_000
    assert set(map(tuple, sides.values())) == {("request", "response")}


def test_answers_stand_among_other_requests_up_to_95_lines_later(synthetic):
    asked: dict[str, int] = {}
    distances = Counter()
    for number, entry in enumerate(_entries(synthetic["file"])):
        if entry["type"] == "request":
            asked[entry["request"]["id"]] = number
        else:
            distances[number - asked[entry["request"]["id"]]] += 1
    assert 60 < max(distances) <= 95
    assert min(distances) == 1


def test_the_mix_of_calls_is_as_it_is_told(synthetic):
    answers = [entry for entry in _entries(synthetic["file"]) if entry["type"] == "response"]
    reads = [one for one in answers if one["request"]["path"].startswith("secret/data/") and "error" not in one]
    reads = [one for one in reads if one["request"]["operation"] == "read" and "data" in one["response"]]
    logins = [one for one in answers if one["request"]["path"].endswith("/login")]
    leases = {one["response"]["secret"]["lease_id"] for one in answers if "secret" in one["response"]}
    denied = [one for one in answers if "error" in one]
    shares = [len(some) / len(answers) for some in (reads, logins, leases, denied)]
    assert [round(share, 1) for share in shares] == [0.7, 0.1, 0.1, 0.0]
    assert all(share > 0.01 for share in shares)
    assert len({one["auth"]["client_token"] for one in logins}) == len(logins)


def test_two_devices_show_the_same_calls_with_other_hmacs(synthetic):
    ours, theirs = (_entries(synthetic[salt]) for salt in ("file", "http"))
    assert [one["request"]["id"] for one in ours] == [one["request"]["id"] for one in theirs]
    assert all(one["time"] != other["time"] for one, other in zip(ours, theirs, strict=True))
    hmacs = [set(re.findall(rb"hmac-sha256:[0-9a-f]{64}", synthetic[salt])) for salt in ("file", "http")]
    assert len(hmacs[0]) == len(hmacs[1]) > 3_000
    assert not hmacs[0] & hmacs[1]


def test_the_recorded_log_repeats_with_new_ids_and_times(tmp_path):
    lines = corpus.write_recorded(tmp_path / "log", 2)
    whole = (tmp_path / "log").read_bytes()[:-1].split(b"\n")
    first, second = whole[: lines // 2], whole[lines // 2 :]
    assert [len(line) for line in first] == [len(line) for line in second]
    ids = [set(re.findall(rb'"request":{"id":"([^"]+)"', b"\n".join(half))) for half in (first, second)]
    assert len(ids[0]) == len(ids[1]) > 1_000
    assert not ids[0] & ids[1]
    assert max(first)[:40] != max(second)[:40]


def test_freshness_is_measured_from_the_written_line_to_the_event(figures):
    found = figures("bench.freshness", "--events", "1900")
    assert 900 < _number(found["lines/s written"]) < 1100
    assert 0 < _number(found["seconds to visible, median"]) <= _number(found["seconds to visible, most"])


def test_a_turn_through_celery_is_set_beside_the_plain_function(figures):
    found = figures("bench.celery", "--events", "200")
    assert _number(found["through Celery over plain"]) > 0


def test_questions_and_pages_are_asked_at_two_sizes(figures):
    found = figures("bench.pages", "--events", "3000", "--times", "2")
    assert _number(found["who read a secret, 7 days, p95, ms"]) > 0
    assert _number(found["page events, 24 hours, first byte p95, ms"]) > 0


def test_a_pull_over_http_is_set_beside_copy_of_its_own_rows(figures):
    found = figures("bench.pull", "--events", "40020", "--rounds", "2")
    assert _number(found["one page over COPY of the rows with their names"]) > 0
    assert _number(found["ten pages over COPY of the rows with their names"]) > 0


@pytest.mark.live
def test_leases_are_revoked_by_one_run_that_is_frozen_and_killed_on_the_way(figures):
    found = figures("bench.revoking", "--leases", "160", "--claim", "0.5")
    assert _number(found["leases a second, undisturbed"]) > 0
    assert 3 <= _number(found["calls to Vault for each lease"]) < 4
    assert found["leases left alive"] == "0"
