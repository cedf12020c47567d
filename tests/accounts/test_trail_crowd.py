"""Many write the trail at once, hesitate, give up and are killed: no gap, no entry out of order, no deadlock."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from accounts import trail_pages
from accounts.models import EntryLink, User
from accounts.trail import Subject, record
from accounts.trail_chain import fields_of, hash_of
from kit.chain import NOTHING_BEFORE
from tests.accounts.conftest import Browser, words

VERB = "accounts.user.created"
BOSS = Subject("user", 1, "boss")
WRITERS, TURNS = 8, 40
KILLED = {None, "57P01"}  # the connection is gone, or says that it was ended


class Regret(Exception):
    """A writer that gives up on purpose."""


@pytest.fixture
def people(transactional_db) -> list[User]:
    return [User.objects.create(username=f"p{number}") for number in range(3)]


def _pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def _kill(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


def _turn(rng: random.Random, name: str, people: list[User]) -> int:
    """One verb: a few entries among other locks, in any order; returns how many entries it means to leave."""
    wanted = rng.randint(1, 3)
    with transaction.atomic():
        if rng.random() < 0.4:  # somebody's row, locked against whoever refers to it
            User.objects.select_for_update().get(pk=rng.choice(people).pk)
        for number in range(wanted):
            record(name, VERB, BOSS, details={"number": number})
        if rng.random() < 0.4:  # a reference that PostgreSQL checks, with a lock, only at commit
            EntryLink.objects.create(code_sha256=f"{rng.getrandbits(200):064x}", user=rng.choice(people),
                                     ends=datetime.now(UTC))  # fmt: skip
        if rng.random() < 0.3:
            time.sleep(rng.random() / 50)
        if rng.random() < 0.2:
            raise Regret
    return wanted


def _writer(number: int, people: list[User], alive: dict[int, int], turns: int) -> tuple[int, list[str]]:
    """Take turns; return how many entries were committed for sure, and what went wrong besides being killed."""
    rng, sure, wrong = random.Random(number), 0, []
    try:
        for _ in range(turns):
            try:
                alive[number] = _pid()
                sure += _turn(rng, f"writer {number}", people)
            except Regret:
                pass
            except (OperationalError, InterfaceError) as error:
                connection.close()
                if getattr(error.__cause__, "sqlstate", None) not in KILLED:
                    wrong.append(str(error))
    finally:
        connection.close()
    return sure, wrong


def _read_along(stop: threading.Event) -> list[trail_pages.Entry]:
    """Pull the stream from its first entry while others write."""
    seen: list[trail_pages.Entry] = []
    try:
        while True:
            last = stop.is_set()
            got = trail_pages.after(seen[-1].position if seen else 0, 7)
            seen += got
            if last and not got:
                return seen
    finally:
        connection.close()


def _killer(alive: dict[int, int], stop: threading.Event) -> int:
    rng, killed = random.Random(99), 0
    try:
        while not stop.wait(0.05):
            if alive:
                _kill(rng.choice(list(alive.values())))
                killed += 1
    finally:
        connection.close()
    return killed


def test_a_crowd_that_hesitates_gives_up_and_is_killed_leaves_one_whole_chain(people):
    alive: dict[int, int] = {}
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        reader, killer = pool.submit(_read_along, stop), pool.submit(_killer, alive, stop)
        writers = [pool.submit(_writer, number, people, alive, TURNS) for number in range(WRITERS)]
        done = [one.result() for one in writers]
        stop.set()
        streamed, killed = reader.result(), killer.result()
    entries = trail_pages.after(0, 10_000)
    assert [text for _, wrong in done for text in wrong] == []
    assert killed > 5
    assert [one.position for one in entries] == list(range(1, len(entries) + 1))
    assert [one.previous for one in entries] == [NOTHING_BEFORE, *(one.hash for one in entries[:-1])]
    assert all(hash_of(fields_of(one)) == one.hash for one in entries)
    assert sum(sure for sure, _ in done) <= len(entries)  # a writer may be killed after its commit, before it hears
    assert streamed == entries, "a reader that pulled meanwhile has seen something else"


# -- the lock comes last --------------------------------------------------------------------------------------------

NAIVE = """
CREATE OR REPLACE FUNCTION accounts_trail_wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(x'6b620004'::bigint);
    PERFORM public.accounts_trail_append(NEW.id);
    RETURN NULL;
END $$
"""


def _two_that_meet(person: User) -> list[type[BaseException] | None]:
    """One refers to a person who is checked at its commit; the other holds that person; both write the trail."""
    held, written = threading.Event(), threading.Event()

    def refer() -> None:
        with transaction.atomic():
            record("ann", VERB, BOSS)
            EntryLink.objects.create(code_sha256="a" * 64, user=person, ends=datetime.now(UTC))
            held.wait()
            written.set()

    def hold() -> None:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=person.pk)
            held.set()
            written.wait()
            time.sleep(0.3)  # the other one is in its commit by now
            record("bob", VERB, BOSS)

    def run(what) -> type[BaseException] | None:
        try:
            what()
        except DatabaseError as error:
            return type(error.__cause__)
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, (refer, hold)))


def test_a_check_that_waits_for_the_commit_never_comes_after_the_trails_lock(people):
    assert _two_that_meet(people[0]) == [None, None]
    assert [one.actor_name for one in trail_pages.after(0, 9)] == ["bob", "ann"]


def test_the_same_two_deadlock_where_the_lock_is_taken_in_the_first_round(people):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('accounts_trail_wait'::regproc)")
        ours = cursor.fetchone()[0]
        cursor.execute(NAIVE)
    try:
        assert DeadlockDetected in _two_that_meet(people[0])
    finally:
        with connection.cursor() as cursor:
            cursor.execute(ours)


@contextmanager
def somebody_sits_on_the_trail():
    """Hold the trail's lock in another connection, and let others wait for it a fifth of a second."""
    taken, done = threading.Event(), threading.Event()

    def sit() -> None:
        try:
            with transaction.atomic():
                record("ann", VERB, BOSS)
                connection.check_constraints()
                taken.set()
                done.wait()
        finally:
            connection.close()

    with connection.cursor() as cursor:
        cursor.execute("ALTER FUNCTION accounts_trail_chain() SET lock_timeout = '200ms'")
    try:
        with ThreadPoolExecutor(1) as pool:
            sitting = pool.submit(sit)
            taken.wait()
            try:
                yield
            finally:
                done.set()
            sitting.result()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER FUNCTION accounts_trail_chain() SET lock_timeout = '10s'")


def test_a_verb_that_waits_too_long_for_another_is_given_up_whole(transactional_db):
    with (
        somebody_sits_on_the_trail(),
        pytest.raises(OperationalError, match="lock timeout"),
        transaction.atomic(),
    ):
        record("bob", VERB, BOSS)
    assert [one.actor_name for one in trail_pages.after(0, 9)] == ["ann"]


def test_on_a_page_it_is_told_in_a_sentence(transactional_db, cat):
    with somebody_sits_on_the_trail():
        answer = Browser().enter("cat")
    assert answer.status_code == 503
    assert "Nothing was changed: go back and do it again." in words(answer)
    assert Browser().enter("cat").status_code == 302
