"""Roles: the table, and what becomes of somebody who has none."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse

from accounts.may import LEAST, may, needs
from accounts.models import Role, User

# The verb, and who may do it; a new verb needs a row here.
WHO = {
    "record.read": {"reader", "operator", "approver", "administrator"},
    "record.export": {"reader", "operator", "approver", "administrator"},
    "account.change": {"reader", "operator", "approver", "administrator"},
    "sources.change": {"administrator"},
    "people.read": {"administrator"},
    "people.change": {"administrator"},
    "trail.read": {"administrator"},
    "changes.read": {"reader", "operator", "approver", "administrator"},
    "changes.ask": {"operator", "approver", "administrator"},
    "changes.approve": {"approver", "administrator"},
    "findings.look_into": {"approver", "administrator"},
    "notices.change": {"administrator"},
}


def test_every_verb_has_a_row():
    assert set(WHO) == set(LEAST)


@pytest.mark.parametrize("verb", LEAST)
@pytest.mark.parametrize("role", Role.values)
def test_a_role_may_do_what_the_table_says(verb, role):
    assert may(User(username="x", role=role), verb) == (role in WHO[verb])


@pytest.mark.parametrize("verb", LEAST)
@pytest.mark.parametrize(
    "user", [User(role="administrator", is_active=False), User(role="root"), User(role=""), AnonymousUser()]
)
def test_somebody_disabled_or_without_a_role_may_do_nothing(verb, user):
    assert not may(user, verb)


def test_a_verb_with_a_typo_is_refused_rather_than_allowed():
    with pytest.raises(LookupError, match=r"No verb is called peple\.change"):
        may(User(role="administrator"), "peple.change")
    with pytest.raises(LookupError):
        needs("peple.change")


@pytest.mark.parametrize("role, allowed", [("administrator", True), ("approver", False)])
def test_a_view_that_needs_a_role_refuses_the_others(ask, role, allowed):
    @needs("people.read")
    def view(request):
        return HttpResponse("people")

    request = ask()
    request.user = User(role=role)
    if allowed:
        assert view(request).content == b"people"
    else:
        with pytest.raises(PermissionDenied):
            view(request)
