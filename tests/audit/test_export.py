"""Exports: what the list shows is what the file holds, whatever happens meanwhile, and the trail knows of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import OperationalError, connection

from accounts.models import TrailEntry, User
from accounts.scope import EVERYTHING
from audit import actions, event_search, export
from audit.event_filter import Condition, Filter, condition
from audit.query_language import parse
from tests.audit.conftest import forget_everything
from tests.audit.lines import Call, log

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
MANY = 300
FIELDS = {
    "secret": ["secret/prod/app/key-1", "secret/prod/*", "secret/none"],
    "principal": ["shop/app-0", "shop/app-*", "nobody"],
    "address": ["10.0.0.1", "10.0.*"],
    "outcome": ["ok", "denied"],
    "operation": ["read", "list"],
    "kind": ["service_account", "human"],
    "disclosed": ["value", "key"],
    "vault": ["demo", "other"],
}


def calls(first: int, count: int, end: datetime = NOW) -> list[Call]:
    """Return calls of the six days before a moment; four of a kind have the same time."""
    step = timedelta(days=6) / count
    return [
        Call(first + n, n % 5, f"prod/app/key-{n % 7}", end - step * (n - n % 4), "export", f"10.0.{n % 3}.1")
        for n in range(count)
    ]


@pytest.fixture
def store(transactional_db, tmp_path):
    """Import some calls into an empty store."""
    forget_everything()
    file = tmp_path / "audit.log"
    file.write_bytes(log(calls(0, MANY)))
    actions.import_files([str(file)], vault="demo", device="file")
    yield tmp_path
    forget_everything()


@pytest.fixture
def cat(transactional_db) -> User:
    return User.objects.create_user("cat")


def over(days: float, query: str = "") -> Filter:
    return Filter(NOW - timedelta(days=days), NOW + timedelta(minutes=1), parse(query), scope=EVERYTHING)


def asked(one: Filter, known: Condition | None = None, words: str = "", form: str = "csv") -> export.Asked:
    return export.Asked(one, known or condition(one), words, form, f"events.{form}")


def exported(one: Filter, until_id: int = 2**62) -> list[int]:
    return [row.id for page in export.pages(one, condition(one), until_id) for row in page]


def listed(one: Filter) -> list[int]:
    """Walk the list page by page as the events page does."""
    seen, place = [], None
    while rows := event_search.events(one, condition(one), 41, place):
        seen += [row.id for row in rows]
        place = (rows[-1].time, rows[-1].id)
    return seen


def _question(draw: random.Random) -> Filter:
    terms = [
        f"{draw.choice(['', '', '-'])}{name}:{','.join(draw.sample(values, draw.randint(1, 2)))}"
        for name, values in FIELDS.items()
        if draw.random() < 0.3
    ]
    return over(draw.choice([0.5, 2, 7]), draw.choice([" ", " OR "]).join(terms))


def test_an_export_is_the_list_walked_to_its_end_whatever_is_asked(store, monkeypatch):
    draw, some = random.Random(4), 0
    for size in (3, 50, 2_000):
        monkeypatch.setattr(export, "PAGE", size)
        for one in [over(7) if size > 3 else over(0.5), *(_question(draw) for _ in range(8))]:
            found = exported(one)
            assert found == listed(one), (size, one)
            some += bool(found)
    assert some > 8


def test_what_arrives_while_a_file_is_written_is_not_in_it(store, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 50)
    one, before = over(7), listed(over(7))
    pages = export.pages(one, condition(one), export.newest())
    rows = next(pages)
    late = store / "late.log"
    late.write_bytes(log(calls(5_000, 90)))
    actions.import_files([str(late)], vault="demo", device="file")
    found = [row.id for page in [rows, *pages] for row in page]
    assert len(listed(one)) == MANY + 90
    assert found == before


def test_an_event_amended_while_a_file_is_written_is_told_once(store, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 50)
    file = store / "open.log"
    alone = calls(7_000, 1, NOW - timedelta(days=5))[0]
    file.write_bytes(alone.request("file") + b"\n")
    actions.import_files([str(file)], vault="demo", device="file")
    one = over(7)
    assert len(listed(one)) == MANY + 1
    pages = export.pages(one, condition(one), export.newest())
    rows = next(pages)
    file.write_bytes(file.read_bytes() + alone.response("file") + b"\n")
    actions.import_files([str(file)], vault="demo", device="file")
    requests = [row.request_id for page in [rows, *pages] for row in page]
    assert len(requests) == len(set(requests)) == MANY + 1
    assert max(row.id for page in export.pages(one, condition(one), 2**62) for row in page) > MANY + 1


def test_a_file_is_in_the_trail_when_it_is_asked_for_and_when_it_ends(store, cat):
    one = over(7, "outcome:ok")
    running = export.start(asked(one, words="outcome:ok"), actor=cat)
    first = TrailEntry.objects.get()
    assert (first.verb, first.actor_name, first.subject_text) == ("audit.export.asked", "cat", "events.csv")
    assert first.details == {
        "format": "csv", "query": "outcome:ok", "since": export.exact(one.since), "until": export.exact(one.until),
        "newest": running.until_id,
    }  # fmt: skip
    rows = sum(len(page) for page in running)
    running.whole = True
    running.close()
    running.close()
    last = TrailEntry.objects.exclude(pk=first.pk).get()
    assert last.verb == "audit.export.ended"
    assert last.details == {"asked": first.pk, "rows": rows, "whole": True} and rows == MANY


def test_a_file_that_nobody_takes_to_its_end_is_not_called_whole(store, cat, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 50)
    running = export.start(asked(over(7)), actor=cat)
    next(iter(running))
    running.close()
    assert TrailEntry.objects.last().details | {"asked": 0} == {"asked": 0, "rows": 50, "whole": False}


def test_a_long_question_is_in_the_trail_without_a_cut(store, cat):
    words = " OR ".join(f"secret:secret/prod/app/key-{n}" for n in range(60)) + "\0"
    export.start(asked(over(7), words=words), actor=cat).close()
    kept = TrailEntry.objects.first().details["query"]
    assert len(kept) > 1 and "".join(kept) == words.replace("\0", "\N{REPLACEMENT CHARACTER}")


def test_an_export_never_reaches_past_the_newest_event_however_it_is_asked(store, cat):
    running = export.start(asked(over(7)), until_id=2**62, actor=cat)
    assert running.until_id == export.newest()
    running.close()


def test_a_person_has_two_exports_at_once_and_a_place_again_when_one_ends(store, cat):
    eve = User.objects.create_user("eve")
    with psycopg.connect(**connection.get_connection_params()) as other:  # another process of the web's
        for number in range(export.AT_ONCE):
            slot = cat.pk * export.AT_ONCE + number
            other.execute("SELECT pg_advisory_lock(%s, %s)", [export._LOCK, slot])
        with pytest.raises(export.TooMany, match="2 exports of yours are under way"):
            export.start(asked(over(7)), actor=cat)
        assert not TrailEntry.objects.exists()
        export.start(asked(over(7)), actor=eve).close()
        other.execute("SELECT pg_advisory_unlock_all()")
    export.start(asked(over(7)), actor=cat).close()


def test_a_page_that_the_database_gives_up_is_no_end(store, cat, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 50)
    running = export.start(asked(over(7)), actor=cat)
    real = event_search.events

    def slow(*given, **more):
        with connection.cursor() as cursor:
            if running.rows:
                cursor.execute("SET statement_timeout = 20")
                cursor.execute("SELECT pg_sleep(5)")
        return real(*given, **more)

    monkeypatch.setattr(event_search, "events", slow)
    with pytest.raises(OperationalError, match="statement timeout"):
        list(running)
    assert not running.whole and running.rows == 50
