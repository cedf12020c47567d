"""One-time links: spent once, for a short time, revoked by the next; and those that set a password."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from accounts import people, step_up, throttle
from accounts.entry import LinkSpent, address_of, consume, make_link
from accounts.models import EntryLink, User
from tests.accounts.conftest import CAST, PASSWORD, Browser, verbs, words

NEW = "another long enough password"


@pytest.mark.django_db(transaction=True)
def test_of_eight_uses_at_once_one_lets_in():
    cat = User.objects.create_user("cat", role=CAST["cat"])
    code, together = make_link(cat), Barrier(8)

    def use(_: int) -> bool:
        together.wait()
        try:
            consume(code)
        except LinkSpent:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]


def test_making_a_link_revokes_the_one_before(browser, cat):
    first, second = make_link(cat), make_link(cat)
    assert browser.post("/enter/", {"code": first}).status_code == 400
    assert browser.post("/enter/", {"code": second}).status_code == 302


def test_a_link_does_not_revoke_another_persons(browser, cat, eve):
    code = make_link(cat)
    make_link(eve)
    assert browser.post("/enter/", {"code": code}).status_code == 302


def test_a_link_that_sets_a_password_asks_for_it_first_and_then_lets_in(browser, cat):
    code = make_link(cat, sets_password=True)
    assert browser.post("/enter/", {"code": code}).headers["Location"] == "/enter/password/"
    assert browser.name == ""
    assert "For cat , reader." in words(browser.get("/enter/password/"))
    assert browser.post("/enter/password/", {"password": NEW, "again": NEW}).headers["Location"] == "/"
    assert browser.name == "cat"
    assert Browser().enter("cat", NEW).status_code == 302
    assert Browser().enter("cat", PASSWORD).status_code == 400


@pytest.mark.parametrize(
    "password, again, sentence",
    [
        ("short", "short", "at least 15 characters"),
        ("123456789987654321", "123456789987654321", "too common"),
        (NEW, NEW + "x", "The two differ"),
        ("", "", "Choose a password"),
    ],
)
def test_a_password_that_is_no_good_is_refused_and_may_be_chosen_again(browser, cat, password, again, sentence):
    browser.post("/enter/", {"code": make_link(cat, sets_password=True)})
    refused = browser.post("/enter/password/", {"password": password, "again": again})
    assert refused.status_code == 400 and sentence in words(refused)
    assert browser.name == "" and Browser().enter("cat").status_code == 302
    assert browser.post("/enter/password/", {"password": NEW, "again": NEW}).status_code == 302


def test_the_page_that_sets_a_password_is_closed_without_a_link(browser, cat):
    assert browser.get("/enter/password/").headers["Location"] == "/enter/"
    assert browser.post("/enter/password/", {"password": NEW, "again": NEW}).headers["Location"] == "/enter/"


def test_the_right_to_choose_a_password_is_used_once_and_ends_with_the_person(browser, cat):
    browser.post("/enter/", {"code": make_link(cat, sets_password=True)})
    User.objects.update(is_active=False)
    assert browser.post("/enter/password/", {"password": NEW, "again": NEW}).headers["Location"] == "/enter/"
    User.objects.update(is_active=True)
    browser.post("/enter/password/", {"password": NEW, "again": NEW})
    browser.post("/sign-out/")
    assert browser.get("/enter/password/").headers["Location"] == "/enter/"


@pytest.mark.parametrize("action", ["disable and enable", "role", "password"])
def test_the_right_to_choose_a_password_ends_with_what_ends_a_session(browser, cat, eve, action):
    browser.post("/enter/", {"code": make_link(cat, sets_password=True)})
    if action == "role":
        people.change_role(cat, "operator", actor=eve)
    elif action == "password":
        other = Browser()
        other.post("/enter/", {"code": make_link(cat, sets_password=True)})
        other.post("/enter/password/", {"password": NEW, "again": NEW})
    else:
        people.disable(cat, actor=eve)
        people.enable(cat, actor=eve)
    cat.refresh_from_db()
    before = cat.password
    late = browser.post("/enter/password/", {"password": NEW + "x", "again": NEW + "x"})
    assert late.headers["Location"] == "/enter/"
    cat.refresh_from_db()
    assert cat.password == before


def test_a_link_does_not_go_round_the_second_factor(browser, cat):
    browser.enter("cat")
    browser.add_app()
    other = Browser()
    assert other.post("/enter/", {"code": make_link(cat)}).headers["Location"] == "/sign-in/second/"
    assert other.name == ""
    other.post("/enter/", {"code": make_link(cat, sets_password=True)})
    assert other.post("/enter/password/", {"password": NEW, "again": NEW}).headers["Location"] == "/sign-in/second/"
    assert other.name == ""


def test_a_link_used_by_somebody_who_is_signed_in_changes_who_they_are(browser, cat, eve):
    browser.enter("cat")
    browser.post("/enter/", {"code": make_link(eve)})
    assert browser.name == "eve"


def test_codes_are_guessed_only_so_often(browser, cat):
    code = make_link(cat)
    statuses = [browser.post("/enter/", {"code": f"guess{n}"}).status_code for n in range(30)]
    assert statuses == [400] * throttle.PER_ADDRESS_CODES + [429] * 10
    assert browser.post("/enter/", {"code": code}).status_code == 429
    assert Browser("198.51.100.7").post("/enter/", {"code": code}).status_code == 302


def test_wrong_codes_do_not_lock_passwords(browser, cat):
    for n in range(25):
        browser.post("/enter/", {"code": f"guess{n}"})
    assert browser.enter("cat").status_code == 302


def test_the_trail_tells_who_made_a_link_and_that_it_was_used_and_no_code(browser, cat, eve):
    code = make_link(cat, actor=eve)
    browser.post("/enter/", {"code": code})
    browser.post("/enter/", {"code": code})
    assert verbs() == [
        "accounts.link.made", "accounts.link.used", "accounts.user.signed_in", "accounts.link.refused",
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(json_agg(t)::text, '') FROM accounts_trailentry t")
        assert code not in json.dumps(cursor.fetchone())


def test_an_old_link_that_sets_a_password_is_refused(browser, cat):
    code = make_link(cat, sets_password=True)
    EntryLink.objects.update(ends=timezone.now() - timedelta(seconds=1))
    assert browser.post("/enter/", {"code": code}).status_code == 400


def test_the_code_stands_in_the_fragment_of_the_address_people_use(settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"url": "https://keybook.example"})
    assert address_of("abc") == "https://keybook.example/enter/#abc"


def test_a_session_that_only_a_link_of_somebody_else_opened_is_known_as_such(browser, cat, eve, ask):
    def opener() -> int | None:
        request = ask()
        request.session, request.user = browser.session, cat
        return step_up.opened_by(request)

    browser.post("/enter/", {"code": make_link(cat, actor=eve)})
    assert opener() == eve.pk
    browser.post("/confirm/", {"proof": PASSWORD})
    assert opener() is None
    for actor in ("command line: root", cat):
        browser.post("/enter/", {"code": make_link(cat, actor=actor)})
        assert opener() is None
