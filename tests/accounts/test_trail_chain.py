"""The chain as PostgreSQL makes it: one order without gaps, the same hash as Python's, and nobody's to choose."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import trail_pages
from accounts.models import TrailEntry
from accounts.trail import Subject, record
from accounts.trail_chain import EPOCH, fields_of, hash_of
from kit.chain import NOTHING_BEFORE, json_text

VERB = "accounts.user.created"
VERBS = (VERB, "accounts.user.disabled", "accounts.user2.x", "audit.source.added")
BOSS = Subject("user", 1, "boss")


def write(*names: str, verb: str = VERB) -> None:
    """Commit one entry for each name, all in one transaction."""
    with transaction.atomic():
        for name in names:
            record(name, verb, BOSS, details={"role": "reader"})


def ask(statement: str, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def test_entries_stand_in_one_order_each_with_the_hash_of_the_one_before(transactional_db):
    write("ann")
    write("bob", "cat")
    entries = trail_pages.after(0, 10)
    assert [(one.position, one.actor_name) for one in entries] == [(1, "ann"), (2, "bob"), (3, "cat")]
    assert [one.previous for one in entries] == [NOTHING_BEFORE, *(one.hash for one in entries[:-1])]
    assert [one.hash for one in entries] == [hash_of(fields_of(one)) for one in entries]


def test_what_is_rolled_back_leaves_no_gap(transactional_db):
    write("ann")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record("bob", VERB, BOSS)
        _ = 1 / 0
    with transaction.atomic():
        record("cat", VERB, BOSS)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record("dan", VERB, BOSS)
            _ = 1 / 0
    assert [(one.position, one.actor_name) for one in trail_pages.after(0, 10)] == [(1, "ann"), (2, "cat")]


def test_an_entry_that_waits_for_its_commit_is_not_in_the_stream(db):
    record("ann", VERB, BOSS)
    assert trail_pages.after(0, 10) == [] and trail_pages.head() == 0
    connection.check_constraints()  # what a commit does
    assert trail_pages.head() == 1


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
DETAILS = st.dictionaries(TEXT, TEXT | st.integers() | st.booleans() | st.none() | st.lists(TEXT), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    names=st.tuples(TEXT, TEXT, TEXT),
    ids=st.tuples(*[st.none() | st.integers(-(2**63), 2**63 - 1)] * 2),
    details=DETAILS,
    micros=st.integers(-62 * 10**15, 253 * 10**15),
)
def test_postgresql_hashes_as_we_do(django_db_setup, django_db_blocker, names, ids, details, micros):
    at = EPOCH + timedelta(microseconds=micros)
    with django_db_blocker.unblock(), transaction.atomic():
        made = TrailEntry.objects.create(
            at=at, actor_id=ids[0], actor_name=names[0], verb="a.b", subject_kind="user", subject_id=ids[1],
            subject_text=names[1], details=details, address=names[2], session="",
        )  # fmt: skip
        connection.check_constraints()
        [entry] = trail_pages.before(None, 1)
        assert (entry.id, entry.at, entry.details) == (made.pk, at, details)
        assert hash_of(fields_of(entry)) == entry.hash
        assert ask("SELECT details::text FROM accounts_trailentry WHERE id = %s", made.pk) == [(json_text(details),)]
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "field, value", [("position", 99), ("previous", "f" * 64), ("hash", "f" * 64)]
)  # fmt: skip
def test_nobody_chooses_a_place_or_a_hash(db, field, value):
    made = TrailEntry.objects.create(
        actor_name="mallory", verb=VERB, subject_kind="user", subject_text="x", address="", session="", **{field: value}
    )
    made.refresh_from_db()
    assert (made.position, made.previous, made.hash) == (None, "", "")
    connection.check_constraints()
    [entry] = trail_pages.after(0, 2)
    assert (entry.position, entry.previous, entry.hash) == (1, NOTHING_BEFORE, hash_of(fields_of(entry)))


def test_an_entry_can_not_be_given_a_second_place_nor_other_words_while_it_waits(db):
    made = record("ann", VERB, BOSS)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        TrailEntry.objects.filter(pk=made.pk).update(actor_name="bob", position=7)
    connection.check_constraints()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        TrailEntry.objects.filter(pk=made.pk).update(position=7)


def test_a_transaction_that_can_not_see_the_last_entry_is_refused(transactional_db):
    with pytest.raises(DatabaseError, match="The trail needs READ COMMITTED"), transaction.atomic():
        connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        record("ann", VERB, BOSS)
    assert not TrailEntry.objects.exists()


# -- reading it -----------------------------------------------------------------------------------------------------


@pytest.fixture
def many(transactional_db):
    rng = random.Random(7)
    for _ in range(40):
        names = [rng.choice(["ann", "bob", "ann 2"]) for _ in range(rng.randint(1, 4))]
        write(*names, verb=rng.choice(VERBS))


def test_a_stream_gives_every_entry_once_whatever_the_size_of_a_page(many):
    rng, seen, position = random.Random(8), [], 0
    while got := trail_pages.after(position, rng.randint(1, 9)):
        seen += got
        position = got[-1].position
    assert [one.position for one in seen] == list(range(1, TrailEntry.objects.count() + 1))
    assert trail_pages.head() == len(seen)


@pytest.mark.parametrize(
    "query, fits",
    [
        (trail_pages.Query(actor="ann"), lambda e: e.actor_name == "ann"),
        (trail_pages.Query(verb="accounts.user"), lambda e: e.verb.startswith("accounts.user.")),
        (trail_pages.Query(verb="accounts.user.created"), lambda e: e.verb == "accounts.user.created"),
        (trail_pages.Query(verb="accounts.*"), lambda e: e.verb.startswith("accounts.")),
        (trail_pages.Query(subject="OSS", actor="bob"), lambda e: e.actor_name == "bob"),
        (trail_pages.Query(subject="user"), lambda e: True),
        (trail_pages.Query(subject="%"), lambda e: False),
    ],
)
def test_a_query_finds_what_a_naive_filter_finds(many, query, fits):
    wanted = [one for one in trail_pages.after(0, 1000) if fits(one)]
    assert trail_pages.after(0, 1000, query) == wanted
    assert trail_pages.before(None, 1000, query) == wanted[::-1]


def test_the_window_holds_its_begin_and_not_its_end(many):
    [middle] = trail_pages.after(20, 1)
    since = trail_pages.Query(since=middle.at, until=middle.at + timedelta(microseconds=1))
    assert middle in trail_pages.after(0, 1000, since)
    assert middle not in trail_pages.after(0, 1000, trail_pages.Query(until=middle.at))
