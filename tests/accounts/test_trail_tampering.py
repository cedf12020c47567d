"""R10: a trail that its owner tampered with is found out by its anchor; without one, what can't be proven is said."""

from __future__ import annotations

import random

import pytest
from django.db import connection, transaction

from accounts import anchor_file
from accounts.trail_proof import Verdict, verify
from accounts.trail_verify import WITHOUT, verify_trail
from tests.accounts.tampering import KINDS, NAMES, Case, case

NUMBER = 1_000
CASES = [(seed, list(KINDS)[seed % len(KINDS)]) for seed in range(NUMBER)]
CHAIN_SHOWS = {"edit", "delete", "insert", "reorder"}
ANCHOR_ALONE_SHOWS = {"truncate", "fork", "roll back"}


def right(one: Case, found: Verdict) -> bool:
    """Whether the place is right: never later than the truth, and after the last head that still agrees."""
    return not found.ok and found.first_bad is not None and one.agreed < found.first_bad <= one.first


def exact(one: Case, found: Verdict) -> bool:
    """Whether the place is the very one, or, where a row that fits itself is on the wrong link, the one before."""
    return found.first_bad == one.first or (one.ambiguous and found.first_bad == one.first - 1)


def test_a_trail_that_nobody_touched_is_whole():
    for seed in range(50):
        one = case(seed, "truncate")
        found = verify(one.was, one.heads)
        assert (found.ok, found.first_bad, found.anchored_until) == (True, None, len(one.was))
        assert verify(one.was).ok


def test_a_thousand_tamperings_of_seven_kinds_are_found_with_the_anchor_each_at_its_place():
    wrong = {}
    for seed, kind in CASES:
        one = case(seed, kind)
        found = verify(one.rows, one.heads)
        if not right(one, found):
            wrong[seed, kind] = (one.agreed, one.first, found)
        assert found.entries == len(one.rows)
    assert wrong == {}


def test_without_the_anchor_the_chain_shows_four_kinds_and_is_blind_to_three():
    """The three are the control: a verifier that looks only at the database calls them whole."""
    missed = dict.fromkeys(KINDS, 0)
    for seed, kind in CASES:
        one = case(seed, kind)
        found = verify(one.rows)
        missed[kind] += found.ok
        assert found.ok == one.consistent, (seed, kind)
        if not found.ok:
            assert exact(one, found), (seed, kind, one.first, found)
    assert all(missed[kind] == len([1 for _, other in CASES if other == kind]) for kind in ANCHOR_ALONE_SHOWS)


# -- in the database -------------------------------------------------------------------------------------------------


def _put(rows) -> None:
    """Replace the whole trail as its owner can: without triggers and without constraints."""
    values = ["%s"] * len(NAMES)
    values[NAMES.index("at")] = "coalesce('epoch'::timestamptz + %s * interval '1 microsecond', 'infinity')"
    values[NAMES.index("details")] = "%s::jsonb"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER USER")
        cursor.execute("SELECT conname FROM pg_constraint WHERE conrelid = 'accounts_trailentry'::regclass "
                       "AND contype IN ('u', 'p')")  # fmt: skip
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE accounts_trailentry DROP CONSTRAINT "{name}"')
        cursor.execute("DELETE FROM accounts_trailentry")
        cursor.executemany(
            f"INSERT INTO accounts_trailentry ({', '.join(NAMES)}) VALUES ({', '.join(values)})", list(rows)
        )


def _in_the_database(seed: int, kind: str, folder) -> None:
    one, path = case(seed, kind), folder / f"{seed}.jsonl"
    for head in one.heads:
        anchor_file.append(path, lambda _, head=head: head)
    with transaction.atomic():
        _put(one.rows)
        found, alone = verify_trail([path]), verify_trail()
        transaction.set_rollback(True)
    assert right(one, found), (seed, kind, one.agreed, one.first, found)
    assert alone.ok == one.consistent and WITHOUT in alone.said and alone.anchored_until is None
    assert found.said[0] and WITHOUT not in found.said


@pytest.mark.parametrize("kind", KINDS)
def test_the_database_of_a_tamperer_is_found_out(db, tmp_path, kind):
    for seed in random.Random(kind).sample(range(10_000), 10):
        _in_the_database(seed, kind, tmp_path)


@pytest.mark.long
def test_a_thousand_databases_of_tamperers_are_found_out(db, tmp_path):
    for seed, kind in CASES:
        _in_the_database(seed, kind, tmp_path)
