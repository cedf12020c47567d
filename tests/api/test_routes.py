"""What each token may read, route by route: the scopes of the table that every route has a row in."""

from __future__ import annotations

import pytest
from django.urls import get_resolver

from accounts import tokens
from accounts.models import Role, User
from accounts.scope import Area
from accounts.token_wish import SCOPES, Wish
from rotation.models import ApprovalPolicy
from tests.accounts.test_web_role import as_web
from tests.api.conftest import Collector
from tests.dashboard.route_table import API_POSTS, API_SCOPES, TABLE

__all__ = ["as_web"]


def test_every_route_of_the_api_says_which_scope_it_needs():
    routes = get_resolver().reverse_dict  # names outside of a namespace
    assert "api-events" not in routes
    (api,) = (one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "api")
    assert {one.name for one in api.url_patterns} == set(API_SCOPES)


@pytest.fixture
def eve(db) -> User:
    ApprovalPolicy.objects.update(proof="api_token")  # else no token may approve, and none is made
    return User.objects.create_user("eve", role=Role.ADMINISTRATOR)


def token(owner, scopes, **more) -> Collector:
    return Collector(tokens.create(owner, Wish("one", scopes, allow_approve=True, **more), actor=owner)[1])


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_with_one_scope_opens_its_routes_and_no_other(eve, scope):
    collector = token(eve, [scope])
    for name, wanted in API_SCOPES.items():
        open_ = TABLE[name].answers["GET"]["administrator"]
        expected = open_ if wanted in (scope, "", None) else 403
        assert collector.ask(TABLE[name].address).status == expected, name


@pytest.mark.parametrize("role", Role.values)
def test_a_token_opens_no_more_than_its_owner_may_see_now(eve, role):
    collector = token(eve, list(SCOPES))
    User.objects.filter(pk=eve.pk).update(role=role)
    for name, wanted in API_SCOPES.items():
        row = TABLE[name].answers
        assert collector.ask(TABLE[name].address).status == row["GET"][role], (name, wanted)


@pytest.mark.parametrize("name", [name for name, scope in API_SCOPES.items() if scope])
def test_a_disabled_owners_token_opens_nothing(eve, name):
    collector = token(eve, list(SCOPES))
    User.objects.filter(pk=eve.pk).update(is_active=False)
    assert collector.ask(TABLE[name].address).problem() == (401, "token-refused")


@pytest.mark.parametrize("name", [name for name, scope in API_SCOPES.items() if scope])
def test_a_limited_token_gets_what_is_limited_with_it_or_nothing(eve, name):
    limited = token(eve, list(SCOPES), areas=[Area(vault="nowhere")])
    assert limited.ask(TABLE[name].address).status in (403, 404) or limits(name)


def limits(name: str) -> bool:
    """Whether a view says that it limits what it shows; its own tests show that it does."""
    (api,) = (one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "api")
    (view,) = (one.callback.cls for one in api.url_patterns if one.name == name)
    return view.limits


def test_every_route_answers_with_the_rights_of_the_web_process(eve, as_web):
    collector = token(eve, list(SCOPES))
    for name in API_SCOPES:
        row = TABLE[name].answers
        assert collector.ask(TABLE[name].address).status == row["GET"]["administrator"], name
    assert collector.ask("/events", q="secret:x -principal:y").status == 200


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_sends_what_its_scope_allows_and_nothing_else(eve, scope):
    collector = token(eve, [scope])
    for name, wanted in API_POSTS.items():
        answer = collector.ask(TABLE[name].address, method="POST")
        assert (answer.problem() == (403, "scope-missing")) == (wanted != scope), (name, answer.json)


def test_every_address_that_takes_a_post_says_which_scope_it_needs():
    (api,) = (one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "api")
    takes = {one.name: getattr(one.callback, "cls", None) for one in api.url_patterns}
    assert {
        name: view.post_scope for name, view in takes.items() if "POST" in view.methods and name != "api-nothing"
    } == API_POSTS
