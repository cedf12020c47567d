"""PostgreSQL away, killed, frozen, read-only or full during an import: one sentence, and a second run completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.audit.lines import calls, log
from tests.audit.small_disk import small_disk

COUNT = 9_000


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A log that takes several batches."""
    file = tmp_path_factory.mktemp("big") / "audit.log"
    file.write_bytes(log(calls(COUNT, seed="big")))
    assert file.stat().st_size > 3 * 8 * 1024 * 1024
    return file


def words(file):
    return ["ingest_file", str(file), "--vault", "demo"]


def position(database):
    with database.connect() as wire:
        row = wire.execute("SELECT position FROM audit_generation").fetchone()
    return row[0] if row else 0


def held_by(database):
    with database.connect() as wire:
        sql = "SELECT count(*), count(DISTINCT request_id), count(*) FILTER (WHERE disclosed = 1) FROM audit_event"
        return wire.execute(sql).fetchone()


def import_held_in_the_middle(database, file):
    """Start an import and hold it once its first batch is committed; more are to come."""
    running = database.start("manage.py", *words(file), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not position(database):
        assert running.poll() is None, "the import ended before it had begun"
        time.sleep(0.005)
    running.send_signal(signal.SIGSTOP)
    assert position(database) < file.stat().st_size
    return running


def check_complete(database, file):
    assert held_by(database) == (COUNT, COUNT, COUNT)
    assert position(database) == file.stat().st_size


def sentence(done):
    """The one sentence that an import leaves behind when it can't go on."""
    assert (done.returncode, done.stdout) == (1, ""), (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert "run" in lines[0] and "no cursor moved" in lines[0].lower()
    return lines[0]


def test_an_import_whose_database_is_killed_says_so_and_is_completed_by_the_next(own_sandbox, big):
    own_sandbox.empty()
    running = import_held_in_the_middle(own_sandbox, big)
    own_sandbox.control("kill")
    try:
        running.send_signal(signal.SIGCONT)
        out, err = running.communicate(timeout=60)
    finally:
        own_sandbox.control("start")
    assert "PostgreSQL did not answer" in sentence(subprocess.CompletedProcess([], running.returncode, out, err))
    assert 0 < position(own_sandbox) < big.stat().st_size
    own_sandbox.manage(*words(big))
    check_complete(own_sandbox, big)


def test_an_import_without_a_database_says_so(own_sandbox, big):
    own_sandbox.control("kill")
    try:
        done = own_sandbox.manage(*words(big), check=False)
    finally:
        own_sandbox.control("start")
    assert "PostgreSQL did not answer" in sentence(done)


def test_an_import_outlasts_a_frozen_database(own_sandbox, big):
    own_sandbox.empty()
    running = import_held_in_the_middle(own_sandbox, big)
    own_sandbox.control("stop")
    running.send_signal(signal.SIGCONT)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.5)
    own_sandbox.control("cont")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    check_complete(own_sandbox, big)


def test_an_import_into_a_read_only_database_changes_nothing_and_works_once_it_is_writable(own_database, big):
    switch = f'ALTER DATABASE "{own_database.name}" SET default_transaction_read_only = '
    with own_database.connect() as wire:
        wire.execute(switch + "on")
    assert "read-only" in sentence(own_database.manage(*words(big), check=False))
    with own_database.connect() as wire:
        wire.execute("SET default_transaction_read_only = off")
        wire.execute(switch + "off")
    assert held_by(own_database) == (0, 0, 0)
    own_database.manage(*words(big))
    check_complete(own_database, big)


def place_in(folder):
    """A folder below another, which lets everybody through."""
    Path(folder).chmod(0o711)
    place = Path(folder) / "disk"
    place.mkdir()
    return place


@pytest.fixture
def cramped(own_sandbox):
    """A database on a disk that is nearly full; yields it and the file to remove to make room."""
    owner = Path(conninfo_to_dict(own_sandbox.environment["DATABASE_URL"])["host"]).stat()
    with (
        tempfile.TemporaryDirectory(prefix="keybook-disk-") as folder,  # below no folder closed to the server's account
        small_disk(place_in(folder), 64 * 1024 * 1024) as disk,
    ):
        os.chown(disk, owner.st_uid, owner.st_gid)
        own_sandbox.empty()
        url = make_conninfo(own_sandbox.environment["DATABASE_URL"], user="postgres", dbname="postgres")
        with psycopg.connect(url, autocommit=True) as wire:
            wire.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
            wire.execute("CREATE DATABASE cramped OWNER keybook TEMPLATE keybook TABLESPACE small")
        ballast = disk / "ballast"
        facts = os.statvfs(disk)
        ballast.write_bytes(bytes(facts.f_bavail * facts.f_frsize - 1_500_000))
        environment = dict(own_sandbox.environment)
        environment["DATABASE_URL"] = make_conninfo(environment["DATABASE_URL"], dbname="cramped")
        try:
            yield type(own_sandbox)("cramped", environment), ballast
        finally:
            with psycopg.connect(url, autocommit=True) as wire:
                wire.execute("DROP DATABASE cramped WITH (FORCE)")
                wire.execute("DROP TABLESPACE small")


def test_an_import_into_a_full_database_says_so_and_is_completed_once_there_is_room(cramped, big):
    database, ballast = cramped
    assert "no room" in sentence(database.manage(*words(big), check=False))
    events, distinct, _ = held_by(database)
    assert events == distinct < COUNT
    assert position(database) < big.stat().st_size
    ballast.unlink()
    database.manage(*words(big))
    check_complete(database, big)


def test_an_import_that_is_interrupted_says_so_and_is_completed_by_the_next(own_database, big):
    running = import_held_in_the_middle(own_database, big)
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGCONT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    assert err.count("\n") == 1 and "run the command again" in err
    events, distinct, _ = held_by(own_database)
    assert 0 < events == distinct < COUNT
    own_database.manage(*words(big))
    check_complete(own_database, big)
