"""The trail's page: filters, pages by number, and a line under each list that claims no more than is known."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from accounts.models import TrailEntry
from accounts.trail import Subject, record
from tests.accounts.conftest import Browser, words


@pytest.fixture
def admin(browser, eve) -> Browser:
    browser.enter("eve")
    connection.check_constraints()  # what a commit does: the entry is in the trail
    return browser


@pytest.fixture
def filled(admin) -> Browser:
    """The entry of signing in, and a hundred and nineteen of others."""
    for number in range(119):
        who, verb = ("ann", "audit.source.added") if number % 3 else ("bob", "accounts.user.disabled")
        record(who, verb, Subject("source", number, f"prod/log {number}"), details={"path": f"/{number}"})
    connection.check_constraints()
    return admin


def numbers(page) -> list[int]:
    return [int(n) for n in re.findall(r'id="entry-(\d+)"', page.content.decode())]


def test_entries_come_newest_first_and_every_page_says_whether_more_follow(filled):
    first = filled.get("/trail/")
    assert numbers(first) == list(range(120, 20, -1))
    assert "100 entries, numbers 21 to 120. Older ones follow. Older" in words(first)
    assert "closing-dashed" in first.content.decode()
    older = re.search(r'id="older" href="(\?before=\d+)"', first.content.decode())[1]
    second = filled.get(f"/trail/{older}")
    assert numbers(second) == list(range(20, 0, -1))
    assert "20 entries, numbers 1 to 20. Newest" in words(second)


def test_a_whole_trail_on_one_page_ends_with_a_double_line(admin):
    page = admin.get("/trail/")
    assert "1 entry. These are all: numbered without a gap from 1." in words(page)
    assert "closing-double" in page.content.decode()
    newest = TrailEntry.objects.get()
    assert f'title="sha-256 {newest.hash}"' in page.content.decode()


def test_times_stand_in_the_readers_zone_and_the_columns_head_says_which(admin, eve):
    eve.time_zone = "Asia/Kathmandu"
    eve.save()
    assert "Time +05:45" in words(admin.get("/trail/"))
    eve.time_zone = "UTC"
    eve.save()
    assert "Time +00:00" in words(admin.get("/trail/"))


@pytest.mark.parametrize(
    "query, fits",
    [
        ("who=bob", lambda n: (n - 2) % 3 == 0),
        ("did=audit", lambda n: (n - 2) % 3 != 0),
        ("did=audit.source.added&to=LOG+1", lambda n: (n - 2) % 3 != 0 and str(n - 2).startswith("1")),
        ("to=source&who=ann", lambda n: (n - 2) % 3 != 0),
    ],
)
def test_the_fields_ask_for_who_did_what_to_whom(filled, query, fits):
    page = filled.get(f"/trail/?{query}")
    wanted = [n for n in range(120, 1, -1) if fits(n)]
    assert numbers(page) == wanted
    assert f"{len(wanted)} entries. These are all that fit, of 120 in the trail." in words(page)


def test_a_page_of_a_question_keeps_the_question(filled):
    for _ in range(99):
        record("ann", "audit.source.added", Subject("source", None, "prod/log"))
    connection.check_constraints()
    page = filled.get("/trail/?who=ann").content.decode()
    older = re.search(r'id="older" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert parse_qs(urlsplit(older).query)["who"] == ["ann"]
    seen = numbers(filled.get("/trail/?who=ann")) + numbers(filled.get(f"/trail/{older}"))
    assert len(seen) == len(set(seen)) == TrailEntry.objects.filter(actor_name="ann").count()


def test_times_ask_for_a_window_and_a_wrong_one_is_told_and_left_out(filled):
    assert len(numbers(filled.get("/trail/?since=2026-01-01&who=bob"))) == 40
    none = words(filled.get("/trail/?until=2026-01-01"))
    assert "No entry fits, and none is missing" in none and "The trail has 120 entries, numbered without a gap." in none
    wrong = words(filled.get("/trail/?since=yesterday&who=bob"))
    assert "“yesterday” is not a time. Write it as 2026-11-18 02:00, in UTC. The rows below leave it out." in wrong
    assert "40 entries. These are all that fit" in wrong


def test_each_part_of_the_question_has_a_way_out(filled):
    page = filled.get("/trail/?who=bob&did=accounts").content.decode()
    assert 'href="?did=accounts" aria-label="Without who bob"' in page
    assert 'href="?who=bob" aria-label="Without did accounts"' in page


def test_who_and_what_of_a_row_ask_for_the_same_again(filled):
    page = filled.get("/trail/?to=log+7").content.decode()
    assert 'href="?to=log+7&amp;who=ann"' in page and 'href="?to=log+7&amp;did=audit.source.added"' in page


@pytest.mark.parametrize("query", ["before=1", "before=x", "before=-1", "who=%00", "did=" + "x" * 900, "since=%00"])
def test_an_odd_address_gets_a_page(admin, query):
    assert admin.get(f"/trail/?{query}").status_code == 200


def test_a_place_before_the_first_entry_says_so(admin):
    assert "No entry lies before this place" in words(admin.get("/trail/?before=1"))
