"""An ingester that is killed at random, while its logs are rotated in every way, loses nothing and doubles nothing."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from datetime import datetime

import pytest

from audit import actions
from audit.batch import LostRace
from audit.ingest import find_generation, turn
from audit.sources.file import open_log
from tests.audit import scribe
from tests.audit.lines import calls, log

SIDES = ((1, "request"), (2, "response"))
SHOWN = """
    WITH d AS (SELECT id FROM audit_device WHERE name = %(name)s)
    SELECT request_id::text, flags & 3 FROM audit_event JOIN d ON d.id = device WHERE flags & 8192 = 0
    UNION ALL SELECT request_id::text, s.flags & 3 FROM audit_sighting s
    JOIN audit_event e ON e.id = s.event_id AND e.time = s.time JOIN d ON d.id = s.device
    UNION ALL SELECT request_id::text, 1 FROM audit_pending JOIN d ON d.id = device_id
"""


class Outcome:
    """What stands in the database afterwards."""

    def __init__(self, database):
        with database.connect() as wire:
            self.shown = {
                name: {
                    (id, side)
                    for id, flags in wire.execute(SHOWN, {"name": name})
                    for bit, side in SIDES
                    if flags & bit
                }
                for name in ("file", "second")
            }
            self.events = Counter(
                id for (id,) in wire.execute("SELECT request_id::text FROM audit_event WHERE flags & 8192 = 0")
            )
            self.reads = Counter(
                id
                for (id,) in wire.execute(
                    "SELECT request_id::text FROM audit_event WHERE disclosed > 0 AND flags & 4 = 0"
                )
            )
            self.gaps = wire.execute(
                'SELECT d.name, g.kind, g.start, g."end" FROM audit_gap g JOIN audit_device d ON d.id = g.device_id'
            ).fetchall()
            self.sightings = wire.execute(
                "SELECT count(*), count(DISTINCT (event_id, device, flags)) FROM audit_sighting"
            ).fetchone()


def follow_while_killing(database, folder, kills, longest, seed):
    """Follow a scribe's logs in processes that are killed at random."""
    harm = ("-m", "tests.audit.follower", str(kills), str(longest), seed)
    return follow_while(database, folder, seed, lambda: database.run(*harm))


def follow_while(database, folder, seed, harm):
    """Let a scribe write while its reader is harmed; return the truth and the outcome."""
    logs = folder / "logs"
    logs.mkdir()
    with database.start("-m", "tests.audit.scribe", str(logs), seed) as writer:
        try:
            while not all((logs / name / "audit.log").exists() for name in ("file", "second")):
                assert writer.poll() is None
            for name in ("file", "second"):
                path = str(logs / name / "audit.log")
                database.manage("follow", "--once", "--path", path, "--vault", "demo", "--device", name)
            (logs / "rotate").touch()
            harm()
        finally:
            (logs / "stop").touch()
        assert writer.wait(30) == 0
    for _ in range(2):
        database.manage("follow", "--once")
    return json.loads((logs / "truth.json").read_text()), Outcome(database)


def check(truth, outcome):
    """Nothing is lost or doubled; what a copy and cut destroyed lies in a gap, and a renaming makes none."""
    destroyed_everywhere = None
    for name, device in truth["devices"].items():
        written = {(id, side): datetime.fromisoformat(at) for id, side, at in device["written"]}
        destroyed = {(id, side) for id, side in device["destroyed"]}
        lost = set(written) - destroyed - outcome.shown[name]
        assert not lost, f"{name}: {len(lost)} of {len(written)} entries lost, rotations {device['rotations']}"
        assert outcome.shown[name] <= set(written)
        bounds = [(start, end) for d, kind, start, end in outcome.gaps if d == name and kind == "copytruncate"]
        for key in destroyed - outcome.shown[name]:
            assert any(start <= written[key] <= end for start, end in bounds), (
                f"{name}: no gap covers {key} {written[key]}; {device['rotations']}, {sorted(map(str, outcome.gaps))}"
            )
        assert len(bounds) <= device["rotations"].count("copytruncate")
        gone = destroyed - outcome.shown[name]
        destroyed_everywhere = gone if destroyed_everywhere is None else destroyed_everywhere & gone
    everything = {(id, side) for device in truth["devices"].values() for id, side, _ in device["written"]}
    told = everything - destroyed_everywhere
    assert set(outcome.events.values()) == {1}
    assert set(outcome.reads) == {id for id, side in told if side == "response"}
    assert set(outcome.reads.values()) == {1}
    assert outcome.sightings[0] == outcome.sightings[1]
    assert not [gap for gap in outcome.gaps if gap[1] == "vanished"]


def test_forty_kills_lose_nothing_and_double_nothing(own_database, tmp_path):
    truth, outcome = follow_while_killing(own_database, tmp_path, 40, 0.15, "forty")
    check(truth, outcome)
    assert all(device["rotations"] for device in truth["devices"].values())


@pytest.mark.long
def test_a_thousand_kills_lose_nothing_and_double_nothing(own_database, tmp_path):
    truth, outcome = follow_while_killing(own_database, tmp_path, 1000, 0.15, "a thousand")
    check(truth, outcome)
    assert {how for device in truth["devices"].values() for how in device["rotations"]} == set(scribe.WAYS)


def kill_the_database(sandbox, times, seed):
    """Kill PostgreSQL at random moments while an ingester follows; it must outlast all of them."""
    dice = random.Random(seed)
    with sandbox.start("manage.py", "follow", "--every", "0.02", stderr=subprocess.PIPE) as follower:
        for _ in range(times):
            time.sleep(dice.uniform(0.2, 1.5))
            sandbox.control("kill")
            time.sleep(dice.uniform(0, 0.5))
            sandbox.control("start")
        time.sleep(3)
        assert follower.poll() is None, "the ingester ended"
        follower.terminate()
        _, err = follower.communicate(timeout=30)
    assert "Traceback" not in err
    assert "PostgreSQL did not answer" in err


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_database_loses_nothing_and_doubles_nothing(own_sandbox, tmp_path, times):
    own_sandbox.empty()
    truth, outcome = follow_while(
        own_sandbox, tmp_path, "database", lambda: kill_the_database(own_sandbox, times, "database")
    )
    check(truth, outcome)


def test_two_ingesters_of_one_file_double_nothing(own_database, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(4000)))
    words = ["manage.py", "ingest_file", str(file), "--vault", "demo"]
    both = [own_database.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ends = sorted((one.communicate(timeout=60), one.returncode)[::-1] for one in both)
    assert [code for code, _ in ends] in ([0, 0], [0, 1])
    if ends[1][0]:
        assert "another ingester" in ends[1][1][1] or "Nothing was lost" in ends[1][1][1]
    with own_database.connect() as wire:
        assert wire.execute("SELECT count(*), count(DISTINCT request_id) FROM audit_event").fetchone() == (4000, 4000)


def test_a_cursor_that_another_ingester_moved_keeps_nothing_of_the_batch(past, tmp_path):
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(50)))
    source = actions._device("demo", "file")[0]
    opened = open_log(file)
    with turn(source.pk) as slow:
        cursor = find_generation(slow.looker, source.pk, opened)
        past.rows("UPDATE audit_generation SET turn = turn + 1 RETURNING 1")
        with pytest.raises(LostRace):
            slow.read(opened, cursor, at_end=True)
            slow.wait()
    opened.close()
    assert past.events() == past.bytes_per_class()["event"] == 0
    assert past.take(file).events == 50
