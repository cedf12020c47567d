"""What the pages show of API tokens: what each may, how far it sees, from where, and how it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from accounts import tokens
from accounts.areas import area_of
from accounts.models import ApiToken, User
from accounts.scope import Area, Scope
from accounts.token_wish import allowed
from audit.models import Vault

REFUSED_RECENTLY = timedelta(days=30)
WHY = {"expired": "expired", "revoked": "revoked", "owner": "its owner is disabled", "network": "not its network"}


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token: `off` are scopes that its owner's role no longer allows, `trouble` is the last refusal."""

    token: ApiToken
    may: list[str]
    off: list[str]
    areas: list[Area]
    good: bool
    soon: bool
    trouble: str


@dataclass(frozen=True, slots=True)
class TokenList:
    """Somebody's tokens, and how many that ended are not shown."""

    rows: Sequence[TokenRow]
    left_out: int

    @property
    def good(self) -> int:
        """How many may be used."""
        return sum(row.good for row in self.rows)


def tokens_of(owner: User) -> TokenList:
    """Return the tokens of a person, those that are good first."""
    found, left_out = tokens.of(owner)
    now = timezone.now()
    return TokenList([_row(one, owner, now) for one in found], left_out)


def _row(token: ApiToken, owner: User, now: datetime) -> TokenRow:
    may = allowed(owner, token.scopes)
    recent = token.refused is not None and token.refused > now - REFUSED_RECENTLY
    good = token.revoked is None and token.expires > now
    return TokenRow(
        token=token,
        may=[one for one in token.scopes if one in may],
        off=[one for one in token.scopes if one not in may],
        areas=[area_of(row) for row in token.areas.all()],
        good=good,
        soon=good and tokens.ends_soon(token),
        trouble=f"{WHY.get(token.refused_why, token.refused_why)}, from {token.refused_from or '?'}" if recent else "",
    )


def vaults_within(scope: Scope) -> list[str]:
    """Return the names of those vaults of which somebody may see anything."""
    names = Vault.objects.order_by("name").values_list("name", flat=True)
    return [name for name in names if all(any(one.vault in ("", name) for one in group) for group in scope.groups)]
