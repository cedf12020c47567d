"""Signing in by password: how often one may guess, whom that hurts, and where one ends up."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from axes.models import AccessAttempt
from django.db import connection
from django.utils import timezone

from accounts import throttle
from accounts.models import TrailEntry, User
from tests.accounts.conftest import CAST, PASSWORD, Browser, verbs, words


def test_a_password_guessed_a_hundred_times_is_refused_early_and_the_right_one_then_too(browser, cat):
    statuses = [browser.enter("cat", f"guess number {n}").status_code for n in range(100)]
    assert statuses == [400] * 4 + [429] * 96
    last = browser.enter("cat")
    assert last.status_code == 429 and browser.name == ""
    assert re.search(r"Too many wrong tries\. The next one is looked at after \d\d:\d\d:\d\d UTC\.", words(last))


@pytest.mark.django_db(transaction=True)
def test_passwords_guessed_at_the_same_moment_are_counted_one_by_one():
    User.objects.create_user("cat", password=PASSWORD, role=CAST["cat"])
    together = Barrier(12)

    def guess(number: int) -> int:
        together.wait()
        try:
            return Browser().enter("cat", f"guess number {number}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(guess, range(12))) == [400] * 4 + [429] * 8


def test_a_lock_at_one_address_does_not_lock_the_person_elsewhere(browser, cat):
    for n in range(10):
        browser.enter("cat", f"guess number {n}")
    elsewhere = Browser("198.51.100.7")
    assert elsewhere.enter("cat").status_code == 302 and elsewhere.name == "cat"


def test_a_lock_ends_when_it_said_and_guessing_on_does_not_lengthen_it(browser, cat):
    for n in range(20):
        browser.enter("cat", f"guess number {n}")
    AccessAttempt.objects.update(attempt_time=timezone.now() - throttle.COOL_OFF + timedelta(seconds=30))
    assert browser.enter("cat").status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - throttle.COOL_OFF)
    assert browser.enter("cat").status_code == 302


def test_many_names_from_one_address_are_stopped_too(browser, cat):
    statuses = [browser.enter(f"name{n}", "guess").status_code for n in range(60)]
    assert statuses.count(400) == throttle.PER_ADDRESS - 1 and statuses[-1] == 429
    assert browser.enter("cat").status_code == 429
    assert Browser("198.51.100.7").enter("cat").status_code == 302


def test_an_ipv6_client_is_counted_by_its_network_because_it_has_all_of_it(cat):
    for n in range(5):
        Browser(f"2001:db8:1:2::{n}").enter("cat", "guess")
    assert Browser("2001:db8:1:2::ffff").enter("cat").status_code == 429
    assert Browser("2001:db8:1:3::1").enter("cat").status_code == 302


def test_a_forwarded_address_that_no_proxy_of_ours_wrote_does_not_loosen_the_lock(browser, cat):
    for n in range(5):
        browser.post(
            "/sign-in/", {"username": "cat", "password": "guess"}, headers={"X-Forwarded-For": f"198.51.100.{n}"}
        )
    assert browser.enter("cat").status_code == 429


def test_behind_our_proxy_each_client_is_counted_alone(settings, cat):
    settings.TRUSTED_PROXIES = "203.0.113.0/24"
    proxy = Browser("203.0.113.1")
    for _ in range(5):
        proxy.post("/sign-in/", {"username": "cat", "password": "x"}, headers={"X-Forwarded-For": "198.51.100.1"})
    right = {"username": "cat", "password": PASSWORD}
    assert proxy.post("/sign-in/", right, headers={"X-Forwarded-For": "198.51.100.1"}).status_code == 429
    assert proxy.post("/sign-in/", right, headers={"X-Forwarded-For": "198.51.100.2"}).status_code == 302


def test_the_right_password_forgives_the_wrong_ones_before(browser, cat):
    for _ in range(3):
        for _ in range(4):
            browser.enter("cat", "guess")
        assert browser.enter("cat").status_code == 302
        browser.post("/sign-out/")


def test_nothing_that_was_typed_is_kept(browser, cat):
    browser.enter("hush-password-as-name", "hush-guess")
    browser.enter("cat", "hush-guess")
    kept = str([*AccessAttempt.objects.values(), *TrailEntry.objects.values()])
    assert "hush" not in kept
    assert [one.subject_text for one in TrailEntry.objects.order_by("pk")] == ["a name that nobody has", "cat"]


def test_a_lock_is_told_once_in_the_trail_and_refusals_while_locked_are_not(browser, cat):
    for n in range(30):
        browser.enter("cat", f"guess {n}")
    assert verbs() == ["accounts.sign_in.refused"] * 4 + ["accounts.sign_in.locked"]


@pytest.mark.parametrize("name", ["dan", "cat\0", "x" * 150, "Cat"])
def test_a_name_that_nobody_has_is_refused_as_a_wrong_password_is(browser, cat, name):
    refused = browser.enter(name)
    assert refused.status_code == 400 and browser.name == ""


def test_somebody_disabled_is_refused_in_the_same_words(browser, cat):
    User.objects.update(is_active=False)
    assert "No person with this name and password may sign in." in words(browser.enter("cat"))


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)",
        "http://testserver@evil.example/", "\t//evil.example", "https://testserver.evil.example/", "///evil.example",
    ],
)  # fmt: skip
def test_nobody_is_led_to_another_host_after_signing_in_or_confirming(cat, address):
    browser = Browser()
    assert browser.enter("cat", next=address).headers["Location"] == "/"
    assert browser.post("/confirm/", {"proof": PASSWORD, "next": address}).headers["Location"] == "/"
    shown = browser.get("/confirm/", {"next": address}).content.decode()
    assert 'name="next" value="/"' in shown


def test_the_second_factor_keeps_where_one_wanted_to_go(browser, cat):
    browser.enter("cat")
    browser.add_app()
    browser.post("/sign-out/")
    assert browser.enter("cat", next="/secrets/?q=a").headers["Location"] == "/sign-in/second/"
    assert browser.prove(browser.code()).headers["Location"] == "/secrets/?q=a"
