"""Sessions: a new key at signing in, an end when rights end, and a fresh proof before what matters."""

from __future__ import annotations

from datetime import timedelta
from time import time

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as PROOFS
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import people, sessions
from accounts.entry import make_link
from accounts.models import User
from accounts.step_up import SECONDS
from tests.accounts.conftest import CAST, PASSWORD, Browser, verbs, words


def _key(browser: Browser) -> str:
    return browser.cookies["keybook"].value


@pytest.mark.parametrize("way", ["password", "link", "link that sets a password"])
def test_a_session_that_stood_before_signing_in_is_not_the_one_after(browser, cat, way):
    victim = browser
    victim.get("/sign-in/")
    session = victim.session
    session["planted"] = True
    session.save()
    before = _key(victim)
    if way == "password":
        victim.enter("cat")
    else:
        victim.post("/enter/", {"code": make_link(cat, sets_password=way != "link")})
        victim.post("/enter/password/", {"password": "a new long password", "again": "a new long password"})
    assert victim.name == "cat" and _key(victim) != before
    thief = Browser()
    thief.cookies["keybook"] = before
    assert thief.name == "" and not Session.objects.filter(session_key=before).exists()


def test_a_session_key_that_somebody_made_up_is_not_taken_over(browser, cat):
    browser.cookies["keybook"] = "made-up-by-an-attacker-0000000000"
    browser.enter("cat")
    assert _key(browser) != "made-up-by-an-attacker-0000000000"


def test_somebody_disabled_is_out_at_the_next_request(browser, cat, eve):
    browser.enter("cat")
    assert browser.name == "cat"
    people.disable(cat, actor=eve)
    assert browser.get("/secrets/").status_code == 302 and browser.name == ""
    assert browser.enter("cat").status_code == 400


def test_enabling_somebody_does_not_bring_their_old_session_back(browser, cat, eve):
    browser.enter("cat")
    people.disable(cat, actor=eve)
    people.enable(cat, actor=eve)
    assert browser.name == "" and browser.enter("cat").status_code == 302


def test_a_role_that_changes_in_the_middle_ends_the_session(browser, ann, eve):
    browser.enter("ann")
    people.change_role(ann, "reader", actor=eve)
    assert browser.get("/secrets/").status_code == 302
    people.change_role(ann, "operator", actor=eve)
    assert browser.name == ""


def test_a_role_changed_past_us_ends_the_session_too(browser, ann):
    browser.enter("ann")
    User.objects.update(role="administrator")
    assert browser.name == ""


def test_a_new_password_ends_the_other_sessions_and_not_this_one(browser, cat):
    other = Browser()
    other.enter("cat")
    browser.enter("cat")
    new = {"password": "a new long password", "again": "a new long password"}
    assert browser.post("/account/password/", new).status_code == 302
    assert (browser.name, other.name) == ("cat", "")


def test_one_of_ones_sessions_can_be_ended(browser, cat):
    other = Browser("198.51.100.7")
    other.enter("cat")
    browser.enter("cat")
    assert "198.51.100.7" in words(browser.get("/account/"))
    assert browser.post(f"/account/sessions/{UserSession.objects.get(ip='198.51.100.7').pk}/end/").status_code == 302
    assert (browser.name, other.name) == ("cat", "")
    assert verbs()[-1] == "accounts.session.ended" and "198.51.100.7" not in words(browser.get("/account/"))


def test_nobody_ends_somebody_elses_session(browser, cat, ann):
    other = Browser()
    other.enter("ann")
    browser.enter("cat")
    assert browser.post(f"/account/sessions/{UserSession.objects.get(user=ann).pk}/end/").status_code == 404
    assert other.name == "ann"


def test_signing_out_ends_the_session_on_the_server_too(browser, cat):
    browser.enter("cat")
    key = _key(browser)
    browser.post("/sign-out/")
    thief = Browser()
    thief.cookies["keybook"] = key
    assert thief.name == "" and sessions.of(cat) == []


def _age(browser: Browser, seconds: float) -> None:
    session = browser.session
    session[PROOFS] = [one | {"at": time() - seconds} for one in session[PROOFS]]
    session.save()


GUARDED = ["/account/password/", "/account/second-factor/", "/people/new/"]


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_matters_asks_for_a_fresh_proof_and_comes_back(browser, eve, address, method):
    browser.enter("eve")
    _age(browser, SECONDS + 1)
    asked = browser.generic(method, address).headers["Location"]
    assert asked == f"/confirm/?next={address.replace('/', '%2F')}"
    assert browser.post("/confirm/", {"proof": "wrong", "next": address}).status_code == 400
    assert browser.generic("GET", address).status_code == 302
    assert browser.post("/confirm/", {"proof": PASSWORD, "next": address}).headers["Location"] == address
    assert browser.get(address).status_code == 200


def test_changing_a_person_asks_for_a_fresh_proof_and_changes_nothing_before(browser, eve, cat):
    browser.enter("eve")
    _age(browser, SECONDS + 1)
    address = f"/people/{cat.pk}/change/"
    assert browser.post(address, {"action": "disable"}).headers["Location"].startswith("/confirm/?next=")
    cat.refresh_from_db()
    assert cat.is_active
    browser.post("/confirm/", {"proof": PASSWORD, "next": address})
    assert browser.get(address).headers["Location"] == f"/people/{cat.pk}/"
    browser.post(address, {"action": "disable"})
    cat.refresh_from_db()
    assert not cat.is_active


def test_a_proof_is_fresh_for_five_minutes(browser, cat):
    browser.enter("cat")
    _age(browser, SECONDS - 5)
    assert browser.get("/account/password/").status_code == 200


def test_a_proof_of_the_future_is_none(browser, cat):
    browser.enter("cat")
    _age(browser, -3600)
    assert browser.get("/account/password/").status_code == 302


def test_whoever_has_a_second_factor_confirms_by_it_and_not_by_the_password(browser, cat):
    browser.enter("cat")
    browser.add_app()
    assert browser.post("/confirm/", {"proof": PASSWORD}).status_code == 400
    assert browser.post("/confirm/", {"proof": browser.code()}).status_code == 302
    assert verbs()[-1] == "accounts.user.confirmed"


def test_confirming_is_throttled_as_signing_in_is(browser, cat):
    browser.enter("cat")
    statuses = [browser.post("/confirm/", {"proof": f"guess{n}"}).status_code for n in range(8)]
    assert statuses == [400] * 4 + [429] * 4
    assert browser.post("/confirm/", {"proof": PASSWORD}).status_code == 429


def test_somebody_who_has_neither_password_nor_factor_is_told_what_to_do(browser, db):
    dan = User.objects.create_user("dan", role=CAST["cat"])
    browser.post("/enter/", {"code": make_link(dan)})
    assert browser.get("/account/password/").status_code == 200
    _age(browser, SECONDS + 1)
    told = browser.post("/confirm/", {"proof": "x"})
    assert told.status_code == 400 and "Sign out and in again" in words(told)
    page = browser.get("/confirm/").content.decode()
    assert 'formaction="/sign-out/"' in page and 'name="proof"' not in page
    assert "before anything else" not in browser.get("/account/second-factor/").content.decode()


def test_sessions_that_ended_by_themselves_are_swept_out_when_somebody_signs_in(browser, cat):
    old = Browser()
    old.enter("cat")
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    browser.enter("cat")
    assert Session.objects.count() == 1 and browser.name == "cat"
