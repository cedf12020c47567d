"""Sign-in by OpenID Connect against a provider over real HTTP: who gets in, as what, and which tokens are believed."""

from __future__ import annotations

from hashlib import sha256
from time import time

import pytest
from allauth.socialaccount.models import SocialAccount

from accounts.models import TrailEntry, User
from accounts.oidc import groups_of, in_domains, role_for
from tests.accounts.conftest import Browser, verbs, words
from tests.accounts.provider import CLIENT, OTHER_KEY, SECRET, Provider

ROLES = "sec-readers=reader,sec-ops=operator,sec-admins=administrator"


@pytest.fixture
def provider(settings):
    """Serve a provider and configure it as the issuer."""
    one = Provider()
    one.claims["groups"] = ["sec-readers", "everybody"]
    server = one.serve()
    _configure(settings, one.issuer)
    yield one
    server.shutdown()
    server.server_close()


def _configure(settings, issuer: str) -> None:
    changes = {"oidc_issuer": issuer, "oidc_roles": ROLES, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update=changes)
    settings.OIDC_PROVIDER = f"oidc-{sha256(issuer.encode()).hexdigest()[:16]}"
    app = {
        "provider_id": settings.OIDC_PROVIDER, "name": "Example", "client_id": CLIENT, "secret": SECRET,
        "settings": {"server_url": issuer, "oauth_pkce_enabled": True},
    }  # fmt: skip
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}


def _go(browser: Browser, provider: Provider, following: str = "", **changes: str):
    """Walk to the provider and back."""
    begun = browser.get("/sign-in/oidc/", {"next": following} if following else {})
    assert begun.headers["Location"].startswith(f"{provider.issuer}/auth?"), begun.headers
    return browser.get("/sign-in/oidc/back/", provider.authorize(begun.headers["Location"]) | changes)


def test_somebody_of_an_allowed_group_is_made_and_let_in_with_its_role(browser, db, provider):
    assert "Sign in by single sign-on" in words(browser.get("/sign-in/"))
    assert _go(browser, provider, "/account/").headers["Location"] == "/account/"
    assert browser.name == "mira.holt"
    user = User.objects.get()
    assert (user.role, user.has_usable_password(), user.email) == ("reader", False, "")
    assert verbs() == ["accounts.user.created", "accounts.user.signed_in"]
    kept = SocialAccount.objects.get().extra_data
    assert kept == {"issuer": provider.issuer, "groups": ["sec-readers", "everybody"]}


def test_the_same_subject_is_the_same_person_whatever_they_are_called(browser, db, provider):
    _go(browser, provider)
    provider.claims["preferred_username"] = "mira.vogel"
    again = Browser()
    _go(again, provider)
    assert again.name == "mira.holt" and User.objects.count() == 1


@pytest.mark.parametrize("claim", ["preferred_username", "email"])
def test_a_claimed_name_or_address_never_makes_anybody_the_same_person(browser, eve, provider, claim):
    User.objects.update(email="eve@example.com")
    provider.claims |= {"preferred_username": "eve", "email": "eve@example.com", "email_verified": True}
    _go(browser, provider)
    made = User.objects.exclude(pk=eve.pk).get()
    assert made.username.startswith("eve-") and made.role == "reader" and browser.name == made.username


def test_the_same_subject_of_another_issuer_is_somebody_else(browser, db, provider, settings):
    _go(browser, provider)
    other = Provider()
    other.claims["groups"] = ["sec-readers"]
    server = other.serve()
    _configure(settings, other.issuer)
    _go(Browser(), other)
    server.shutdown()
    server.server_close()
    assert User.objects.count() == 2


def test_groups_decide_anew_at_every_sign_in_and_the_old_session_ends(browser, db, provider):
    _go(browser, provider)
    provider.claims["groups"] = ["sec-admins", "sec-readers"]
    _go(Browser(), provider)
    assert User.objects.get().role == "administrator" and browser.name == ""


@pytest.mark.parametrize("groups", [[], ["everybody"], "sec-admin", None, {"sec-admins": 1}, [["sec-admins"]], 7])
def test_somebody_of_no_allowed_group_is_turned_away_and_not_made(browser, db, provider, groups):
    provider.claims["groups"] = groups
    assert _go(browser, provider).headers["Location"] == "/sign-in/"
    assert "None of your groups may enter." in words(browser.get("/sign-in/"))
    assert not User.objects.exists() and verbs() == ["accounts.sign_in.refused"]


def test_somebody_disabled_here_stays_out(browser, db, provider):
    _go(browser, provider)
    User.objects.update(is_active=False)
    again = Browser()
    assert _go(again, provider).headers["Location"] == "/sign-in/" and again.name == ""


def test_single_sign_on_does_not_go_round_a_second_factor_set_up_here(browser, db, provider):
    _go(browser, provider)
    browser.add_app()
    again = Browser()
    assert _go(again, provider).headers["Location"] == "/sign-in/second/" and again.name == ""


def test_an_administrator_by_single_sign_on_has_the_second_factor_of_the_provider(browser, db, provider, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": True})
    provider.claims["groups"] = ["sec-admins"]
    _go(browser, provider)
    assert browser.get("/trail/").status_code == 200


LIES = {
    "signed by another key": {"signing": OTHER_KEY},
    "signed by the client's secret": {"signing": SECRET * 2, "algorithm": "HS256"},
    "not signed": {"algorithm": "none"},
    "of another issuer": {"spoil": {"iss": "https://evil.example"}},
    "for another client": {"spoil": {"aud": "another-client"}},
    "for two clients, made for the other": {"spoil": {"aud": [CLIENT, "other"], "azp": "other"}},
    "over": {"spoil": {"exp": int(time()) - 3600}},
    "of another sign-in": {"spoil": {"nonce": "another"}},
    "without a nonce": {"spoil": {"nonce": None}},
    "without a subject": {"spoil": {"sub": None}},
    "with userinfo about somebody else": {"userinfo": {"sub": "somebody else", "groups": ["sec-admins"]}},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_is_not_believed(browser, db, provider, lie):
    for name, value in LIES[lie].items():
        setattr(provider, name, value)
    assert _go(browser, provider).headers["Location"] == "/sign-in/"
    assert browser.name == "" and not User.objects.exists()
    assert "Single sign-on did not succeed" in words(browser.get("/sign-in/"))
    assert verbs() == ["accounts.sign_in.refused"] and "access" not in str(TrailEntry.objects.get().details)


def test_an_issuer_that_calls_itself_otherwise_is_not_even_asked(browser, db, provider):
    provider.named = "https://evil.example"
    assert browser.get("/sign-in/oidc/").headers["Location"] == "/sign-in/"
    assert "calls itself by another name" in TrailEntry.objects.get().details["why"]


def test_an_answer_that_this_browser_did_not_ask_for_is_refused(browser, db, provider):
    begun = browser.get("/sign-in/oidc/")
    answer = provider.authorize(begun.headers["Location"])
    victim = Browser()
    assert victim.get("/sign-in/oidc/back/", answer).headers["Location"] == "/sign-in/"
    assert victim.name == "" and not User.objects.exists()


@pytest.mark.parametrize("query", [{}, {"error": "access_denied"}, {"code": "x"}, {"code": "x", "state": "made up"}])
def test_a_broken_answer_leads_back_to_the_door(browser, db, provider, query):
    assert browser.get("/sign-in/oidc/back/", query).headers["Location"] == "/sign-in/"


@pytest.mark.parametrize("following", ["https://evil.example/", "//evil.example"])
def test_single_sign_on_leads_to_no_other_host(browser, db, provider, following):
    assert _go(browser, provider, following).headers["Location"] == "/"


def test_what_the_address_asks_for_does_not_change_what_is_asked_of_the_provider(browser, db, provider):
    begun = browser.get("/sign-in/oidc/", {"scope": "admin", "auth_params": "prompt=none", "process": "connect"})
    assert "admin" not in begun.headers["Location"] and "prompt" not in begun.headers["Location"]


def test_a_sign_in_that_somebody_began_and_left_is_kept_for_minutes_and_one_that_ended_well_for_its_whole_time(
    browser, db, provider
):
    browser.get("/sign-in/oidc/")
    assert browser.session.get_expiry_age() == 600
    _go(browser, provider)
    assert browser.session.get_expiry_age() == 8 * 3600


def test_a_provider_that_is_away_is_said(browser, db, settings):
    _configure(settings, "http://127.0.0.1:9")
    assert browser.get("/sign-in/oidc/").headers["Location"] == "/sign-in/"
    assert "Single sign-on did not succeed" in words(browser.get("/sign-in/"))


@pytest.mark.parametrize(
    "groups, role",
    [(["sec-readers"], "reader"), (["sec-admins", "sec-ops"], "administrator"), ([], None), (["Sec-Readers"], None)],
)
def test_the_highest_role_of_the_groups_counts(groups, role):
    assert role_for(groups, ROLES) == role


def test_a_group_may_have_an_equals_sign_in_its_name():
    assert role_for(["cn=ops,dc=example"], "x=reader") is None
    assert role_for(["cn=ops"], "cn=ops=operator") == "operator"


@pytest.mark.parametrize(
    "claims, domains, inside",
    [
        ({}, "", True),
        ({"email": "a@example.com", "email_verified": True}, "example.com, example.org", True),
        ({"email": "a@EXAMPLE.com", "email_verified": True}, "example.com", True),
        ({"email": "a@example.com", "email_verified": False}, "example.com", False),
        ({"email": "a@example.com"}, "example.com", False),
        ({"email": "a@example.com", "email_verified": "true"}, "example.com", False),
        ({"email": "a@example.com.evil.example", "email_verified": True}, "example.com", False),
        ({"email": "example.com", "email_verified": True}, "example.com", False),
        ({}, "example.com", False),
    ],
)
def test_only_a_verified_address_of_a_listed_domain_counts(claims, domains, inside):
    assert in_domains(claims, domains) == inside


def test_groups_come_from_the_named_claim():
    assert groups_of({"roles": "one", "groups": ["two", 3]}, "roles") == ["one"]
    assert groups_of({"groups": ["two", 3]}, "groups") == ["two"]
