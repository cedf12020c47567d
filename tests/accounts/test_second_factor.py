"""The second factor: set up, asked for, taken once, guessed in vain, and demanded of those who can do harm."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection

from accounts import second_factor, throttle
from accounts.adapters import MfaAdapter
from accounts.models import User
from accounts.sign_in import Refused
from tests.accounts.conftest import CAST, PASSWORD, Browser, verbs, words


@pytest.fixture
def with_app(browser, cat) -> Browser:
    """Return cat's window, signed out, after an app was set up."""
    browser.enter("cat")
    browser.codes = browser.add_app()
    browser.post("/sign-out/")
    return browser


def test_the_password_alone_lets_nobody_in_any_more(with_app):
    assert with_app.enter("cat").headers["Location"] == "/sign-in/second/"
    assert with_app.name == "" and with_app.get("/secrets/").status_code == 302


def test_password_and_code_let_in(with_app):
    with_app.enter("cat")
    assert with_app.prove(with_app.code()).headers["Location"] == "/"
    assert with_app.name == "cat"


def test_a_code_is_taken_once(with_app):
    code = with_app.code()
    with_app.enter("cat")
    with_app.prove(code)
    thief = Browser("198.51.100.7")
    thief.enter("cat")
    refused = thief.prove(code)
    assert refused.status_code == 400 and "Each code is taken once" in words(refused)
    assert thief.name == ""


def test_a_code_older_than_the_last_one_is_not_taken(with_app):
    with_app.enter("cat")
    with_app.prove(with_app.code(1))
    other = Browser()
    other.secret = with_app.secret
    other.enter("cat")
    assert other.prove(other.code()).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_six_uses_of_a_code_at_once_one_is_taken(ask):
    cat = User.objects.create_user("cat", password=PASSWORD, role=CAST["cat"])
    window = Browser()
    window.enter("cat")
    window.add_app()
    code, together = window.code(), Barrier(6)

    def use(_: int) -> bool:
        together.wait()
        try:
            second_factor.spend(ask(), cat, code)
        except Refused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, range(6))) == [False] * 5 + [True]


def test_a_recovery_code_lets_in_once(with_app):
    with_app.enter("cat")
    assert with_app.prove(with_app.codes[3]).status_code == 302 and with_app.name == "cat"
    with_app.post("/sign-out/")
    with_app.enter("cat")
    assert with_app.prove(with_app.codes[3]).status_code == 400


def test_guessed_codes_are_stopped_from_whatever_addresses_they_come(with_app):
    statuses = []
    for n in range(15):
        guesser = Browser(f"198.51.100.{n}")
        guesser.enter("cat")
        statuses.append(guesser.prove("000000" if with_app.code() != "000000" else "111111").status_code)
    assert statuses == [400] * (throttle.PER_SECOND_FACTOR - 1) + [429] * 6
    with_app.enter("cat")
    assert with_app.prove(with_app.code()).status_code == 429


def test_guessing_without_the_password_does_not_lock_the_second_factor(with_app):
    for n in range(30):
        Browser(f"198.51.100.{n}").prove("000000")
    with_app.enter("cat")
    assert with_app.prove(with_app.code()).status_code == 302


def test_a_code_that_proves_nothing_sets_nothing_up(browser, cat):
    browser.enter("cat")
    browser.get("/account/second-factor/")
    assert browser.post("/account/second-factor/", {"proof": "000000"}).status_code == 400
    assert second_factor.totp_of(cat) is None


def test_the_secret_is_not_kept_in_plain_text_and_nothing_fits_under_another_key(with_app, settings):
    kept = str(list(Authenticator.objects.values("data")))
    assert with_app.secret not in kept and not any(code in kept for code in with_app.codes)
    settings.SECRET_KEY = "another key of fifty characters or more, as they say so"
    assert MfaAdapter().decrypt(Authenticator.objects.get(type="totp").data["secret"]) == ""
    with_app.enter("cat")
    assert with_app.prove(with_app.code()).status_code == 400


def test_setting_it_up_ends_the_other_sessions_and_not_this_one(browser, cat):
    other = Browser()
    other.enter("cat")
    browser.enter("cat")
    browser.add_app()
    assert (other.name, browser.name) == ("", "cat")


def test_new_recovery_codes_make_the_old_ones_worthless(with_app):
    with_app.enter("cat")
    with_app.prove(with_app.code())
    shown = words(with_app.post("/account/second-factor/", {"action": "renew"}))
    with_app.post("/sign-out/")
    with_app.enter("cat")
    assert with_app.codes[0] not in shown and with_app.prove(with_app.codes[0]).status_code == 400


def test_removing_it_lets_the_password_alone_in_again(with_app):
    with_app.enter("cat")
    with_app.prove(with_app.code())
    with_app.post("/account/second-factor/", {"action": "remove"})
    assert with_app.name == "cat"
    assert Browser().enter("cat").headers["Location"] == "/"


@pytest.fixture
def demanded(settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": True})


@pytest.mark.parametrize("address", ["/", "/secrets/", "/account/", "/trail/", "/people/new/", "/nothing/"])
def test_an_operator_without_one_gets_nowhere_before_setting_it_up(demanded, browser, ann, address):
    browser.enter("ann")
    answer = browser.get(address)
    assert (
        (answer.status_code == 404)
        if address == "/nothing/"
        else (answer.headers["Location"] == "/account/second-factor/")
    )
    browser.add_app()
    assert browser.get("/secrets/").status_code == 200 and browser.name == "ann"


def test_a_reader_needs_none(demanded, browser, cat):
    browser.enter("cat")
    assert browser.get("/account/").status_code == 200


def test_removing_it_where_it_is_needed_leads_back_to_setting_it_up(demanded, browser, ann):
    browser.enter("ann")
    browser.add_app()
    browser.post("/account/second-factor/", {"action": "remove"})
    assert browser.get("/secrets/").headers["Location"] == "/account/second-factor/"


def test_the_trail_tells_of_it(with_app):
    with_app.enter("cat")
    with_app.prove("nonsense")
    with_app.prove(with_app.code())
    assert verbs() == [
        "accounts.user.signed_in", "accounts.totp.added", "accounts.user.signed_out",
        "accounts.sign_in.refused", "accounts.user.signed_in",
    ]  # fmt: skip
