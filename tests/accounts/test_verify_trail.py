"""`manage.py verify_trail`: what it says of a whole trail, of a harmed one, and of what it can't prove."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from accounts import anchor, trail_verify
from accounts.trail_verify import WITHOUT, verify_trail
from tests.accounts.test_anchor import owner, path, write

__all__ = ["path"]


def run(*words: str) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("verify_trail", *words, stdout=out, stderr=err)
    except SystemExit as left:
        code = left.code
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def trail(transactional_db, path):
    """Four entries, the first three anchored."""
    write("ann", "bob", "cat")
    anchor.now()
    write("dan")
    return path


def test_a_whole_trail_with_what_its_anchor_covers(trail):
    code, out, err = run("--json")
    assert (code, json.loads(out)) == (0, {"entries": 4, "ok": True, "first_bad": None, "anchored_until": 3})
    assert "does not cover the newest 1 of 4 entries" in err
    code, out, err = run("--anchor", str(trail))
    assert code == 0 and out.startswith("4 entries, chained without a gap. Anchored until position 3, 20") and not err


def test_an_empty_trail_is_whole(transactional_db, path):
    assert json.loads(run("--json")[1]) == {"entries": 0, "ok": True, "first_bad": None, "anchored_until": None}


def test_without_an_anchor_it_says_what_it_can_not_prove(trail, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"anchor": ""})
    code, out, err = run("--json")
    assert (code, json.loads(out)) == (0, {"entries": 4, "ok": True, "first_bad": None, "anchored_until": None})
    assert err == f"{WITHOUT}\n"
    assert WITHOUT in run()[1]


def test_an_anchor_that_is_not_there_is_said(trail):
    trail.unlink()
    code, out, err = run("--json")
    assert code == 0 and json.loads(out)["anchored_until"] is None
    assert "is not there: it was not written yet, or it was removed." in err and WITHOUT in err


def test_an_anchor_without_a_head_proves_no_more_than_none(trail):
    trail.write_bytes(b"")
    code, out, err = run("--json")
    assert code == 0 and json.loads(out)["anchored_until"] == 0
    assert "does not cover the newest 4 of 4 entries" in err and WITHOUT in err


def test_a_harmed_entry_ends_with_1_and_its_place(trail):
    owner("UPDATE accounts_trailentry SET actor_name = 'eve' WHERE position = 2")
    code, out, err = run("--json")
    assert (code, json.loads(out)) == (1, {"entries": 4, "ok": False, "first_bad": 2, "anchored_until": 0})
    assert "Entry 2 is not what was accepted" in err
    code, out, _ = run()
    assert code == 1 and out.startswith(
        "The trail is not what was accepted, from position 2 on. 4 entries looked at.\n"
    )


def test_a_cut_trail_ends_with_1(trail):
    owner("DELETE FROM accounts_trailentry WHERE position > 1")
    assert run("--json")[0] == 1
    assert "Entries 2 to 3 are missing from the end, which the anchor saw at 20" in run()[1]


def test_a_broken_anchor_ends_with_1(trail):
    write("eve")
    anchor.now()
    trail.write_bytes(trail.read_bytes().replace(b'"entries": 3', b'"entries": 2'))
    code, out, err = run("--json")
    assert (code, json.loads(out)["first_bad"], json.loads(out)["anchored_until"]) == (1, None, 3)
    assert "is broken after line 1" in err
    assert run()[1].startswith("The anchor can't be believed. 5 entries")


def test_two_anchors_that_belong_together_are_read_as_one(trail):
    old = trail.rename(trail.with_suffix(".old"))
    anchor.now()
    found = verify_trail([trail, old])
    assert (found.ok, found.anchored_until) == (True, 4)


@pytest.mark.parametrize("words", [("--anchor", "/nowhere/at/all"), ("--anchor", "/dev/null")])
def test_an_anchor_that_can_not_be_read_ends_with_2_and_a_sentence(trail, words):
    with pytest.raises(CommandError, match=r"anchor /.* Nothing was checked\.$") as refused:
        run(*words)
    assert refused.value.returncode == 2


def test_a_database_that_is_away_ends_with_2_and_a_sentence(trail, monkeypatch):
    def away():
        raise OperationalError("connection refused\nand more")

    monkeypatch.setattr(trail_verify, "rows", away)
    with pytest.raises(CommandError, match=r"PostgreSQL said: connection refused\. Check DATABASE_URL") as refused:
        run()
    assert refused.value.returncode == 2


def test_the_memory_it_takes_does_not_grow_with_the_trail(transactional_db, monkeypatch):
    monkeypatch.setattr(trail_verify, "CHUNK", 200)
    peaks = []
    for many in (2_000, 6_000):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_trailentry (at, actor_name, verb, subject_kind, subject_text, details, address, "
                "session) SELECT now(), 'ann', 'a.b', 'user', repeat('x', 400), '{}', '', '' "
                "FROM generate_series(1, %s)",
                [many],
            )
        tracemalloc.start()
        assert verify_trail().ok
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
