"""What doctor says about API tokens: which end soon, which lie unused, and how to mend it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, User
from accounts.token_wish import Wish
from audit.checks.api_tokens import api_tokens

pytestmark = pytest.mark.django_db


def _make(days: int = 90, **ago: float) -> ApiToken:
    """Return a token of cat whose moments lie that many days ago."""
    cat, _ = User.objects.get_or_create(username="cat")
    row, _ = tokens.create(cat, Wish("siem", ["events:read"], days=days), actor=cat)
    for name, since in ago.items():
        setattr(row, name, timezone.now() - timedelta(days=since))
    row.save()
    return row


def test_without_tokens_nothing_is_said():
    assert list(api_tokens()) == []


def test_tokens_that_are_fine_are_counted():
    _make(), _make(days=400, made=100, used=89), _make(days=7)
    (line,) = api_tokens()
    assert line.ok and line.detail == "3 may be used; none ends soon or lies unused" and line.mend == ""


@pytest.mark.parametrize(
    "days, made, soon", [(90, 75.9, False), (90, 76.1, True), (400, 385.9, False), (7, 5, False), (7, 5.5, True)]
)
def test_a_token_ends_soon_within_14_days_and_within_the_last_quarter_of_its_life(days, made, soon):
    row = _make(days, made=made, used=0, expires=made - days)
    (line,) = api_tokens()
    assert line.ok is not soon
    if soon:
        assert line.name == f"API token {row.pk}, siem of cat" and line.detail.startswith("ends ")
        assert "manage.py create_token --user cat" in line.mend


@pytest.mark.parametrize("ago, words", [({"made": 91}, "never used since "), ({"made": 200, "used": 91}, "last used ")])
def test_a_token_that_nobody_used_for_90_days_is_told(ago, words):
    _make(days=400, **ago)
    (line,) = api_tokens()
    assert not line.ok and line.detail.startswith(words) and "revoke it on the page People > cat" in line.mend


def test_tokens_that_ended_are_not_told():
    _make(revoked=0), _make(made=100, expires=10)
    assert list(api_tokens()) == []
