"""The pages of tokens and areas: a token shown once, step-up before it, and an administrator's hand on others'."""

from __future__ import annotations

import logging
import re
from time import time

import pytest
from django.db import connection

from accounts import areas, tokens
from accounts.models import ApiToken, PersonArea, TrailEntry
from accounts.scope import Area
from accounts.token_wish import Wish
from accounts.tokens import Refused, find
from audit.models import Vault
from tests.accounts.conftest import Browser, verbs, words

NEW = {"name": "siem", "scopes": ["events:read"], "days": "90"}
TOKEN = re.compile(r"kbk_[\w-]{51}")


@pytest.fixture
def mine(browser, cat) -> Browser:
    browser.enter("cat")
    return browser


@pytest.fixture
def admin(eve) -> Browser:
    window = Browser("198.51.100.1")
    window.enter("eve")
    return window


def _make(window: Browser, **given) -> str:
    return TOKEN.search(window.post("/account/tokens/new/", NEW | given).content.decode())[0]


def test_a_token_is_shown_once_and_let_in(mine, cat):
    answer = mine.post("/account/tokens/new/", NEW)
    token = TOKEN.search(answer.content.decode())[0]
    assert answer.headers["Cache-Control"] == "no-store" and find(token, "203.0.113.9").owner == cat
    for address in ("/account/tokens/", "/account/tokens/new/", "/account/"):
        assert token not in mine.get(address).content.decode()
    assert "1 token may be used. These are all" in words(mine.get("/account/tokens/"))


def test_the_form_gives_its_limits_to_the_token(mine, cat):
    Vault.objects.create(name="prod")
    token = _make(mine, vault="prod", namespace="eu", prefixes="secret/db\r\n\r\n/pki/\r\n", days="7",
                  networks="10.0.0.0/8, 203.0.113.9\r\n2001:db8::/32")  # fmt: skip
    found = find(token, "203.0.113.9")
    assert found.scope.groups == ((Area("prod", "eu", "secret/db"), Area("prod", "eu", "pki")),)
    assert found.networks == ("10.0.0.0/8", "203.0.113.9/32", "2001:db8::/32")


def test_a_person_is_offered_the_vaults_and_scopes_of_their_own_and_no_others(mine, cat, eve):
    for name in ("prod", "stage"):
        Vault.objects.create(name=name)
    areas.add(cat, Area("prod", "", "secret"), actor=eve)
    page = mine.get("/account/tokens/new/").content.decode()
    assert 'value="prod"' in page and "stage" not in page and "trail:read" not in page
    for more in ({"vault": "stage"}, {"scopes": ["trail:read"]}):
        assert mine.post("/account/tokens/new/", NEW | more).status_code == 400
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "more",
    [{"name": ""}, {"scopes": []}, {"scopes": ["events:write"]}, {"days": "0"}, {"days": "100000"}, {"days": "x"},
     {"networks": "10.0.0.1/8"}, {"prefixes": "secret/*"}, {"namespace": "\0"}, {"name": "x" * 101}],
)  # fmt: skip
def test_a_form_that_cannot_be_granted_comes_back_and_makes_nothing(mine, more):
    answer = mine.post("/account/tokens/new/", NEW | more)
    assert answer.status_code == 400 and 'role="alert"' in answer.content.decode()
    assert not ApiToken.objects.exists()


def _age_proof(window: Browser) -> None:
    session = window.session
    for record in session["account_authentication_methods"]:
        record["at"] = time() - 301
    session.save()


def test_making_a_token_or_changing_areas_asks_for_a_fresh_proof(mine, admin, cat):
    for window, address, given in (
        (mine, "/account/tokens/new/", NEW),
        (admin, f"/people/{cat.pk}/change/", {"action": "area-add", "prefix": "secret"}),
    ):
        _age_proof(window)
        assert window.post(address, given).headers["Location"].startswith("/confirm/?next=")
    assert not ApiToken.objects.exists() and not PersonArea.objects.exists()


def test_one_revokes_ones_own_token_and_nobody_elses(mine, cat, ann):
    token, others = _make(mine), tokens.create(ann, Wish("x", ["events:read"]), actor=ann)[0]
    assert mine.post(f"/account/tokens/{ApiToken.objects.get(owner=cat).pk}/revoke/").status_code == 302
    assert mine.post(f"/account/tokens/{others.pk}/revoke/").status_code == 404
    with pytest.raises(Refused):
        find(token, "203.0.113.9")
    assert tokens.live(ann).exists() and "0 tokens may be used" in words(mine.get("/account/tokens/"))


def test_a_list_of_many_ended_tokens_says_how_many_are_left_out(mine, cat):
    for _ in range(25):
        row, _ = tokens.create(cat, Wish("x", ["events:read"]), actor=cat)
        tokens.revoke(cat, row.pk, actor=cat)
    _make(mine)
    assert "1 token may be used. 5 more ended longer ago" in words(mine.get("/account/tokens/"))


def test_the_list_says_who_was_refused_and_which_scope_is_off(admin, eve, cat):
    token = tokens.create(eve, Wish("siem", ["events:read", "trail:read"], (), ["10.0.0.0/8"]), actor=eve)[1]
    with pytest.raises(Refused):
        find(token, "192.0.2.1")
    assert "not its network, from 192.0.2.1" in words(admin.get("/account/tokens/"))
    type(eve).objects.filter(pk=eve.pk).update(role="reader")
    window = Browser()
    window.enter("eve")
    assert "off, the role lacks it: trail:read" in words(window.get("/account/tokens/"))


def test_an_administrator_limits_a_person_whose_session_goes_on(mine, admin, cat):
    change = f"/people/{cat.pk}/change/"
    given = {"action": "area-add", "vault": "prod", "namespace": "/eu/", "prefix": "secret/db/"}
    assert admin.post(change, given).status_code == 302
    assert areas.scope_of(cat).groups == ((Area("prod", "eu", "secret/db"),),)
    admin.post(change, {"action": "area-add", "prefix": "pki"})
    first, second = PersonArea.objects.order_by("pk")
    admin.post(change, {"action": "area-remove", "key": str(first.pk)})
    assert areas.scope_of(cat).groups == ((Area("", "", "pki"),),)
    assert "Lift the limit" in words(admin.get(f"/people/{cat.pk}/"))
    admin.post(change, {"action": "area-remove", "key": str(second.pk)})
    assert areas.scope_of(cat).everything and mine.name == "cat"
    told = [(one.subject_text, one.actor_name, one.details) for one in
            TrailEntry.objects.filter(verb="accounts.areas.changed").order_by("pk")]  # fmt: skip
    one, other = "prod, namespace eu, secret/db", "any vault, pki"
    assert told == [("cat", "eve", {"before": before, "after": after}) for before, after in
                    (([], [one]), ([one], [one, other]), ([one, other], [other]), ([other], []))]  # fmt: skip


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"action": "area-add"}, "An area needs a vault, a namespace or a path."),
        ({"action": "area-add", "prefix": "secret/*"}, "“secret/*” has a star."),
        ({"action": "area-add", "namespace": "a\nb"}, "The namespace of an area has at most 500 characters"),
        ({"action": "area-add", "prefix": "x" * 1001}, "The prefix of an area has at most 1000 characters"),
        ({"action": "area-remove", "key": "999999"}, "cat has no such area."),
        ({"action": "area-remove", "key": "x"}, "cat has no such area."),
        ({"action": "token-revoke", "key": "999999"}, "cat has no API token with the number 999999."),
    ],
)
def test_what_cannot_be_done_to_a_person_is_a_sentence_and_changes_nothing(admin, cat, given, sentence):
    answer = admin.post(f"/people/{cat.pk}/change/", given)
    assert answer.status_code == 400 and sentence in words(answer)
    assert verbs() == ["accounts.user.signed_in"]


def test_the_same_area_twice_and_ones_own_areas_are_refused(admin, cat, eve):
    for user in (cat, eve):
        admin.post(f"/people/{user.pk}/change/", {"action": "area-add", "prefix": "secret"})
    again = admin.post(f"/people/{cat.pk}/change/", {"action": "area-add", "prefix": "/secret/"})
    assert "cat has the area any vault, secret already." in words(again)
    assert areas.scope_of(eve).everything and PersonArea.objects.count() == 1


def test_an_administrator_sees_and_revokes_the_tokens_of_others(admin, cat):
    row, text = tokens.create(cat, Wish("collector", ["events:read"]), actor=cat)
    assert "collector" in words(admin.get(f"/people/{cat.pk}/"))
    admin.post(f"/people/{cat.pk}/change/", {"action": "token-revoke", "key": str(row.pk)})
    with pytest.raises(Refused):
        find(text, "203.0.113.9")
    entry = TrailEntry.objects.filter(verb="accounts.token.revoked").get()
    assert (entry.actor_name, entry.subject_text) == ("eve", "collector of cat")


def test_a_hostile_name_is_shown_as_text(mine, admin, cat):
    _make(mine, name="<script>alert(1)</script>", prefixes="<img src=x>")
    connection.check_constraints()  # what a commit does: the trail's page shows what has its place
    for window, address in ((mine, "/account/tokens/"), (admin, f"/people/{cat.pk}/"), (admin, "/trail/")):
        shown = window.get(address).content.decode()
        assert "<script>alert" not in shown, address
        assert "<img" not in shown, address
        assert "alert(1)" in shown, address


def test_no_token_stands_in_a_table_a_log_or_a_page(mine, admin, cat, caplog):
    """Make, use and spoil one, and look for it everywhere."""
    with caplog.at_level(logging.DEBUG):
        token = _make(mine, networks="203.0.113.0/24")
        find(token, "203.0.113.9")
        for spoilt, address in ((token, "192.0.2.1"), (token[:-1] + "~", "203.0.113.9"), (token.upper(), "192.0.2.1")):
            with pytest.raises(Refused):
                find(spoilt, address)
        connection.check_constraints()
        shown = [window.get(address).content.decode() for window, address in
                 ((mine, "/account/tokens/"), (admin, f"/people/{cat.pk}/"), (admin, "/trail/"))]  # fmt: skip
    tables = connection.introspection.table_names()
    assert "accounts_apitoken" in tables and len(tables) > 30
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{token[4:40]}%"])
            assert cursor.fetchone() == (0,), table
        cursor.execute("SELECT count(*) FROM accounts_apitoken t WHERE t::text LIKE '%siem%'")
        assert cursor.fetchone() == (1,)  # the question does find what stands there
    assert not [text for text in (*shown, caplog.text) if token[4:40] in text]
