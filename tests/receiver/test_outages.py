"""PostgreSQL killed, frozen or full: every sender hears 503 soon, nothing that was accepted is lost, and it goes on."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from receiver.link import Link
from receiver.records import Row
from receiver.writer import Post, Writer
from tests.audit.lines import calls
from tests.audit.small_disk import small_disk
from tests.receiver.service import receiver, until

SOON = 1.5  # seconds; the promise is 0.25, and this machine may be busy


def lines(count, seed):
    return [line for call in calls(count, seed=seed) for line in call.lines("http")]


def with_token(database, folder, **settings):
    """A receiver over a database, with a token."""
    made = database.manage("receiver_token", "--vault", "demo", "--device", os.urandom(4).hex(), "--json").stdout
    running = receiver(database.environment, folder, **settings)
    return running, json.loads(made)["token"]


@pytest.fixture
def service(own_sandbox, tmp_path):
    running, token = with_token(own_sandbox, tmp_path)
    with running as made:
        made.token = token
        yield made


def accepted(service, many):
    """How many lines were accepted; each of the others was told 503 soon."""
    heard = [service.post(line) for line in many]
    assert {one.status for one in heard} <= {200, 503}
    assert max(one.seconds for one in heard) < SOON, [one for one in heard if one.seconds >= SOON]
    assert all(one.headers["Retry-After"] == "1" for one in heard if one.status == 503)
    return sum(one.status == 200 for one in heard)


def insist(service, many):
    """Send lines as a shipper does, until each is accepted."""
    for line in many:
        until(lambda line=line: service.post(line).status == 200)


def spooled(database):
    with database.connect() as wire:
        return wire.execute("SELECT count(*), count(DISTINCT sha256) FROM audit_spool").fetchone()


@pytest.mark.parametrize(("down", "up"), [("stop", "cont"), ("kill", "start"), ("end", "start")])
def test_while_postgresql_is_away_senders_hear_503_soon(own_sandbox, service, down, up):
    own_sandbox.empty()
    token = json.loads(own_sandbox.manage("receiver_token", "--vault", "demo", "--json").stdout)["token"]
    service.token = token
    insist(service, lines(5, "before"))
    own_sandbox.control(down)
    try:
        while_away = accepted(service, lines(15, "away"))
        began = time.monotonic()
        until(lambda: service.health()["spool"] == "down", 15)
        assert accepted(service, lines(5, "down")) == 0
    finally:
        own_sandbox.control(up)
    assert while_away == 0
    assert time.monotonic() > began
    until(service.is_up, 30)
    insist(service, lines(5, "after"))
    _, distinct = spooled(own_sandbox)
    assert 20 <= distinct <= 20 + 30  # what was in flight may have been stored although it was told 503


def test_many_senders_at_once_hear_503_soon_while_postgresql_is_frozen(own_sandbox, service):
    many = lines(100, "many")
    insist(service, many[:1])
    own_sandbox.control("stop")
    try:
        with ThreadPoolExecutor(50) as pool:
            heard = list(pool.map(service.post, many))
    finally:
        own_sandbox.control("cont")
    assert {one.status for one in heard} == {503}
    assert max(one.seconds for one in heard) < 2 * SOON


def test_a_batch_is_refused_while_postgresql_is_frozen_and_single_lines_do_not_wait_for_it(own_sandbox, service):
    own_sandbox.control("stop")
    try:
        waiting = threading.Thread(target=service.post, args=(b"\n".join(lines(200, "batch")),))
        waiting.start()
        assert accepted(service, lines(3, "beside")) == 0
    finally:
        own_sandbox.control("cont")
    waiting.join()
    until(service.is_up)


def test_a_token_is_not_called_wrong_because_postgresql_is_away(own_sandbox, service):
    own_sandbox.control("stop")
    try:
        until(lambda: "Tokens can't be checked" in service.post(b"{}").told["error"], 20)
        assert service.post(b"{}").status == 503
    finally:
        own_sandbox.control("cont")
    until(service.is_up)


def test_a_receiver_that_starts_without_postgresql_begins_to_take_lines_when_it_comes(own_sandbox, tmp_path):
    running, token = with_token(own_sandbox, tmp_path)
    own_sandbox.control("kill")
    starting = threading.Timer(2.0, own_sandbox.control, ("start",))
    starting.start()
    with running as service:  # which waits until it is up
        service.token = token
        insist(service, lines(1, "late"))
    starting.join()


def test_a_full_disk_is_answered_503_and_lines_are_taken_again_once_there_is_room(own_sandbox, tmp_path):
    url = make_conninfo(own_sandbox.environment["DATABASE_URL"], user="postgres", dbname="postgres")
    owner = Path(conninfo_to_dict(url)["host"]).stat()
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,  # pytest's own folders let no other user in
        small_disk(reachable(folder), 64 * 1024 * 1024) as disk,
        psycopg.connect(url, autocommit=True) as wire,
    ):
        os.chown(disk, owner.st_uid, owner.st_gid)
        wire.execute(f"CREATE TABLESPACE little LOCATION '{disk}'")
        wire.execute("CREATE DATABASE narrow OWNER keybook TEMPLATE keybook TABLESPACE little")
        environment = dict(own_sandbox.environment)
        environment["DATABASE_URL"] = make_conninfo(environment["DATABASE_URL"], dbname="narrow")
        narrow = type(own_sandbox)("narrow", environment)
        try:
            _fill_and_mend(narrow, disk / "ballast", tmp_path)
        finally:
            wire.execute("DROP DATABASE narrow WITH (FORCE)")
            wire.execute("DROP TABLESPACE little")


def reachable(folder):
    Path(folder).chmod(0o711)
    place = Path(folder) / "small"
    place.mkdir()
    return place


def _fill_and_mend(narrow, ballast, tmp_path):
    running, token = with_token(narrow, tmp_path)
    with narrow.connect() as wire:
        wire.execute("TRUNCATE audit_spool")
    with running as service:
        service.token = token
        insist(service, lines(1, "room"))
        facts = os.statvfs(ballast.parent)
        ballast.write_bytes(bytes(facts.f_bavail * facts.f_frsize))
        many = lines(150, "full")
        kept = accepted(service, many)
        assert kept < len(many)
        assert service.post(many[-1]).status == 503
        ballast.unlink()
        insist(service, lines(1, "again"))
        _, distinct = spooled(narrow)
        assert 4 + kept <= distinct < 4 + len(many)


class Loop:
    """Calls back at once."""

    @staticmethod
    def call_soon_threadsafe(callback, *args):
        callback(*args)


def row(number, reason=""):
    return Row(number.to_bytes(16, "big"), 1, number.to_bytes(32, "big"), 9, b"{}", "", reason)


def test_a_full_queue_takes_no_more_and_counts_bytes():
    writer = Writer("full", Link("postgresql:///nowhere", "test", 100), Loop(), patience=1.0, most_bytes=10_000)
    told = []
    taken = [writer.put(Post(1, [row(number)], told.append)) for number in range(100)]
    assert taken.count(True) == 10_000 // (2 + 256)
    assert not any(taken[taken.index(False) :])
    many = Writer("many", Link("postgresql:///nowhere", "test", 100), Loop(), patience=1.0, most_bytes=1 << 30)
    assert sum(many.put(Post(1, [row(number)], told.append)) for number in range(3_000)) == 2_000


def test_a_post_that_postgresql_refuses_takes_no_other_with_it(own_sandbox):
    own_sandbox.empty()
    writer = Writer("mixed", Link(own_sandbox.environment["DATABASE_URL"], "test", 2_000), Loop(),
                    patience=1.0, most_bytes=1 << 20)  # fmt: skip
    told = {}
    for number, reason in ((1, ""), (2, "a NUL \0 in it"), (3, "")):
        writer.put(Post(1, [row(number, reason)], lambda kept, number=number: told.__setitem__(number, kept)))
    writer.stop()
    writer.thread.start()
    writer.thread.join(20)
    assert told == {1: True, 2: False, 3: True}
    assert spooled(own_sandbox) == (2, 2)
