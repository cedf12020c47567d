"""The anchor: heads outside of the database, added and never changed, through torn lines, full disks and crowds."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import anchor, anchor_file, tasks
from accounts.anchor_file import AnchorTrouble, append, heads, last_line
from accounts.trail import Subject, record
from accounts.trail_proof import BrokenAnchor, Head
from config.celery import app

BOSS = Subject("user", 1, "boss")


def head(position: int) -> Head:
    return Head(position, f"{position:064x}", position, "2026-11-18T02:00:00Z")


def put(path, *positions: int) -> None:
    for position in positions:
        append(path, lambda _, position=position: head(position))


def write(*names: str) -> None:
    with transaction.atomic():
        for name in names:
            record(name, "accounts.user.created", BOSS)


@pytest.fixture
def path(tmp_path, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"anchor": str(tmp_path / "trail.jsonl")})
    return tmp_path / "trail.jsonl"


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_line_tells_the_head_and_names_the_line_before(path):
    put(path, 3, 7)
    one, two = map(json.loads, path.read_text().splitlines())
    assert one == {"form": "keybook.anchor.1", "line": 1, "position": 3, "entries": 3, "hash": f"{3:064x}",
                   "at": "2026-11-18T02:00:00Z", "previous": "0" * 64}  # fmt: skip
    assert (two["line"], two["previous"]) == (2, last_line(path).previous)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.position for one in heads(path)] == [3, 7]


@pytest.mark.parametrize("harm", ["edit", "remove", "swap", "insert", "begin"])
def test_a_line_that_was_changed_is_found_and_those_before_are_believed(path, harm):
    put(path, *range(1, 9))
    lines = path.read_bytes().splitlines(keepends=True)
    if harm == "edit":
        lines[4] = lines[4].replace(b'"entries": 5', b'"entries": 6')
    elif harm == "remove":
        del lines[4]
    elif harm == "swap":
        lines[4:6] = lines[5:3:-1]
    elif harm == "insert":
        lines.insert(4, lines[3])
    else:
        del lines[:4]
    path.write_bytes(b"".join(lines))
    seen = []
    with pytest.raises(BrokenAnchor, match="is broken after line"):
        for one in heads(path):
            seen.append(one.position)
    assert seen == list(range(1, len(seen) + 1)) and len(seen) <= 5


@pytest.mark.parametrize("left", [1, 40, -1])
def test_a_line_that_was_torn_does_not_spoil_the_next(path, left):
    put(path, 1, 2)
    whole = path.read_bytes()
    put(path, 3)
    path.write_bytes(whole + path.read_bytes()[len(whole) :][:left])
    put(path, 4)
    assert [one.position for one in heads(path)] == [1, 2, 4] if left != -1 else [1, 2, 3, 4]


@pytest.mark.parametrize(
    "other",
    [
        b"[" * 4_000,
        b'{"a":' * 700,
        json.dumps(
            {
                "form": "keybook.anchor.1",
                "line": 1,
                "position": 1,
                "entries": 1,
                "hash": "\ud800",
                "at": "\ud800",
                "previous": "",
            }
        ).encode(),
    ],
)
def test_what_is_no_line_of_ours_is_passed_over_whatever_it_is(path, other):
    put(path, 1)
    with path.open("ab") as file:
        file.write(other + b"\n")
    assert last_line(path).head == head(1)
    put(path, 2)
    assert [one.position for one in heads(path)] == [1, 2]


def test_a_writer_that_finds_no_room_says_so_and_goes_on_when_there_is_some(path):
    put(path, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, hard))
    try:
        with pytest.raises(AnchorTrouble, match="could not be written"):
            put(path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    put(path, 3)
    assert [one.position for one in heads(path)] == [1, 3]


def test_a_link_a_folder_and_a_pipe_are_refused(path, tmp_path):
    for make in (lambda: path.symlink_to(tmp_path / "else"), path.mkdir, lambda: os.mkfifo(path)):
        make()
        with pytest.raises(AnchorTrouble, match=r"can't be opened|no plain file"):
            put(path, 1)
        with pytest.raises(AnchorTrouble):
            heads(path)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_file_of_something_else_is_left_alone(path):
    path.write_text("somebody's notes\n")
    with pytest.raises(AnchorTrouble, match="Move it aside"):
        put(path, 1)
    assert path.read_text() == "somebody's notes\n"


def test_writers_wait_for_each_other_and_a_line_is_never_mixed(path):
    def one_more(_) -> None:
        append(path, lambda line: head(line.head.position + 1 if line else 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one_more, range(80)))
    assert [one.position for one in heads(path)] == list(range(1, 81))


def test_a_writer_that_another_keeps_out_gives_up(path, monkeypatch):
    monkeypatch.setattr(anchor_file, "PATIENCE", 0.05)

    def meanwhile(_) -> None:
        with pytest.raises(AnchorTrouble, match="Another process holds"):
            put(path, 2)

    append(path, meanwhile)


# -- the trail's head in it ------------------------------------------------------------------------------------------


def test_the_head_is_written_when_it_is_new_and_not_twice(transactional_db, path):
    assert anchor.now() is None and anchor.behind(None) is None and not path.exists()
    write("ann", "bob")
    assert anchor.behind(None) is not None
    assert anchor.now().position == 2 and anchor.now() is None
    write("cat")
    assert (anchor.now().position, anchor.now()) == (3, None)
    assert [one.position for one in heads(path)] == [2, 3]
    assert anchor.behind(last_line(path)) is None
    assert all(one.number + 1 == two.number for one, two in pairwise([last_line(path)]))


def test_without_a_file_named_nothing_is_written(transactional_db, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"anchor": ""})
    write("ann")
    assert anchor.now() is None


def owner(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_unchanged")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE accounts_trailentry ENABLE TRIGGER accounts_trail_unchanged")


@pytest.mark.parametrize(
    "statement, said",
    [
        ("DELETE FROM accounts_trailentry WHERE position = 2", "is gone from the trail"),
        ("UPDATE accounts_trailentry SET hash = repeat('f', 64) WHERE position = 2", "is another one in the trail now"),
    ],
)
def test_a_trail_that_went_back_is_said_and_not_anchored_over(transactional_db, path, caplog, statement, said):
    write("ann", "bob")
    anchor.now()
    owner(statement)
    kept = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        tasks.anchor_trail()
    assert said in caplog.text and "manage.py verify_trail" in caplog.text
    write("mallory", "mallory")
    with pytest.raises(anchor.TrailWentBack, match="is another one"):
        anchor.now()
    assert path.read_bytes() == kept


def test_a_file_moved_aside_is_followed_by_a_new_one(transactional_db, path):
    write("ann")
    anchor.now()
    path.rename(path.with_suffix(".old"))
    write("bob")
    assert anchor.now().position == 2
    assert [one.position for one in heads(path)] == [2]


def test_the_bell_rings_every_minute_and_survives_a_database_that_is_away(monkeypatch, caplog):
    [one] = [one for one in app.conf.beat_schedule.values() if one["task"] == "accounts.anchor_trail"]
    assert one["schedule"].total_seconds() == 60 and one["options"]["queue"] == "ingest"

    def away() -> None:
        raise DatabaseError("the server closed the connection")

    monkeypatch.setattr(anchor, "now", away)
    tasks.anchor_trail()
    assert "The trail's head waits: PostgreSQL said: the server closed the connection" in caplog.text
