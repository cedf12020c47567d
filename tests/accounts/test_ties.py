"""Who counts as one person: by whose hands an account has been in, and by what two accounts share."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
from django.utils import timezone

from accounts import people, second_factor, tokens
from accounts.entry import make_link
from accounts.models import Role, TrailEntry, User
from accounts.ties import same_person
from accounts.token_wish import Wish

SOON = timedelta(seconds=5)


def _user(name: str, role: str = Role.APPROVER, **other) -> User:
    return User.objects.create_user(name, role=role, **other)


@pytest.fixture
def bob(db) -> User:
    return _user("bob")


def ties(user: User, days: float = 0) -> dict[str, str]:
    """Return the names of those who count as the same person in so many days, with the reason."""
    found = same_person(user, timezone.now() + SOON + timedelta(days=days))
    return {tie.name: tie.why for tie in found.values()}


def _reset(bob, ann):
    request = RequestFactory().post("/")
    request.session = SessionStore()
    second_factor.remove(bob, actor=ann, request=request)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda bob, ann: people.change_role(bob, "administrator", actor=ann), "granted"),
        (lambda bob, ann: make_link(bob, actor=ann), "linked"),
        (lambda bob, ann: make_link(bob, sets_password=True, actor=ann), "reset"),
        (lambda bob, ann: tokens.create(bob, Wish("x", ["events:read"]), actor=ann), "minted"),
        (_reset, "reset"),
    ],
)
def test_what_somebody_did_to_an_account_ties_them_for_30_days(bob, ann, act, why):
    act(bob, ann)
    assert ties(bob) == {"ann": why} == ties(bob, days=29.9)
    assert ties(bob, days=30) == {} == ties(ann)


def test_whoever_made_the_account_is_tied_to_it(ann, eve):
    made, _ = people.create("bob", "reader", actor=ann, link=False)
    assert ties(made) == {"ann": "created"}


def test_a_role_without_power_and_what_one_does_to_oneself_tie_nobody(bob, ann, eve):
    people.change_role(bob, "reader", actor=ann)
    make_link(bob, actor=bob)
    tokens.create(bob, Wish("x", ["events:read"]), actor="command line: root")
    assert ties(bob) == {}


def test_whoever_had_the_hands_in_hand_counts_as_well(bob, ann, eve, cat):
    make_link(ann, actor=eve)
    make_link(bob, actor=ann)
    make_link(cat, actor=bob)
    assert ties(bob) == {"ann": "linked", "eve": "linked"}


def test_a_ring_of_hands_has_an_end(bob, ann):
    make_link(ann, actor=bob)
    make_link(bob, actor=ann)
    assert ties(bob) == {"ann": "linked"} and ties(ann) == {"bob": "linked"}


def test_the_same_e_mail_is_one_person_whatever_its_case(db):
    one, other = _user("one", email="bob@example.com"), _user("other", email="BOB@Example.com")
    _user("third"), _user("fourth")  # without an address they share nothing
    assert ties(one) == {"other": "email"} and ties(other) == {"one": "email"}


def test_the_same_subject_is_one_person_at_whatever_provider(bob, ann):
    for user, provider in ((bob, "oidc"), (ann, "oidc-new")):
        SocialAccount.objects.create(user=user, provider=provider, uid="8d1f")
    assert ties(bob) == {"ann": "subject"}


def test_an_account_recreated_under_a_name_is_the_one_that_had_it(db, ann, eve):
    first, _ = people.create("mallory", "operator", actor="command line: root", link=False)
    first.delete()
    second, _ = people.create("Mallory", "approver", actor="command line: root", link=False)
    assert set(same_person(second, timezone.now() + SOON)) == {
        TrailEntry.objects.get(subject_text="mallory").subject_id
    }


def test_a_name_that_was_left_behind_ties_whoever_takes_it(bob, ann):
    make_link(bob, actor=bob)
    User.objects.filter(pk=bob.pk).update(username="robert")
    bob.refresh_from_db()
    assert ties(bob) == {}
    _user("bob", role=Role.OPERATOR)
    assert ties(bob) == {"bob": "name"}
