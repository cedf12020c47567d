"""API tokens: made and shown once, found by what a request shows, narrower than their owner, ended at once."""

from __future__ import annotations

import pytest

from accounts import tokens
from accounts.token_wish import Wish

pytestmark = pytest.mark.django_db


def test_a_token_lets_its_owner_in(cat):
    row, text = tokens.create(cat, Wish("siem", ["events:read"]), actor=cat)
    found = tokens.find(text, "203.0.113.9")
    assert (found.owner, found.scopes, found.token_id) == (cat, {"events:read"}, row.pk)
