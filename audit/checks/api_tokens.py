"""API tokens that are about to end, and those that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken
from kit.check import Check

UNUSED = timedelta(days=90)


def api_tokens() -> Iterator[Check]:
    """A line for each token that needs somebody, or one that says how many are fine; none where none may be used."""
    found = list(tokens.all_live().select_related("owner").order_by("expires"))
    wrong = [line for line in map(_look, found) if line]
    yield from wrong
    if found and not wrong:
        yield Check("API tokens", True, f"{len(found)} may be used; none ends soon or lies unused")


def _look(token: ApiToken) -> Check | None:
    """Return what is wrong with a token, or None."""
    now, name = timezone.now(), f"API token {token.pk}, {token}"
    revoke = f"revoke it on the page People > {token.owner}"
    if tokens.ends_soon(token):
        mend = f"Put a new one in its place: manage.py create_token --user {token.owner}; then {revoke}."
        return Check(name, False, f"ends {token.expires:%Y-%m-%d %H:%M} UTC", mend)
    if now - (token.used or token.made) > UNUSED:
        last = f"last used {token.used:%Y-%m-%d}" if token.used else f"never used since {token.made:%Y-%m-%d}"
        return Check(name, False, last, f"Nobody seems to need it: {revoke}.")
    return None
