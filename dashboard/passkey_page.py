"""Passkeys on pages: what the browser is asked before a verdict or a registration, and what it answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from accounts.models import User
from rotation import approving, assertions
from rotation.assertions import AssertionRefused, Party
from rotation.ballot import Verdict
from rotation.models import Change

LONGEST = 20_000


def party() -> Party | None:
    """Return who asks for assertions; None where KEYBOOK_URL is none that browsers give a passkey to."""
    try:
        return assertions.party(settings.KEYBOOK.url)
    except AssertionRefused:
        return None


def verdict(change: Change, person: User, verb: str) -> dict[str, Any]:
    """Return what the question's page needs of passkeys: `asks`, the browser's question, and `no_key`, why not."""
    if verb != "approve" or change.rule.get("proof") != "passkey":
        return {}
    try:
        asked = approving.asked_of(change, person, Verdict.APPROVE, assertions.party(settings.KEYBOOK.url))
    except AssertionRefused as why:
        return {"no_key": str(why)}
    return {"asks": json.dumps(asked.get("publicKey", asked))}


def answer(text: str) -> Mapping[str, Any] | None:
    """Return what the browser answered, None where it is no answer."""
    try:
        found = json.loads(text) if 0 < len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
