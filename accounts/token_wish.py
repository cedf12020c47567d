"""What a token may be asked for: scopes, areas, networks and a time, each looked at before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.address import read_network
from accounts.may import least, may
from accounts.models import ApiToken, User
from accounts.not_done import NotDone
from accounts.scope import Area

DAYS, MOST_DAYS = 90, 400
MOST_LIMITS = 20  # areas, and networks
LONGEST_NAME = ApiToken._meta.get_field("name").max_length or 0

# What a token may be given, and the verb of `accounts.may` that its owner's role must allow.
SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "events:read": "record.read",
        "secrets:read": "record.read",
        "principals:read": "record.read",
        "sources:read": "record.read",
        "trail:read": "trail.read",
        "changes:read": "changes.read",
        "changes:ask": "changes.ask",
        "changes:approve": "changes.approve",
        "changes:break-glass": "changes.ask",
    }
)
APPROVE, BREAK_GLASS = "changes:approve", "changes:break-glass"
# Never offered on a page: a command makes them, where an approval policy takes tokens.
RESERVED = frozenset({APPROVE, BREAK_GLASS})


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants a token for. No area is as far as its owner sees, no network is from anywhere."""

    name: str
    scopes: Iterable[str]
    areas: Iterable[Area] = ()
    networks: Iterable[str] = ()
    days: int = DAYS
    allow_approve: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """A wish that was looked at: it may be granted to its owner as it stands."""

    name: str
    scopes: list[str]
    areas: list[Area]
    networks: list[str]
    days: int


def allowed(owner: User, scopes: Iterable[str]) -> frozenset[str]:
    """Return those scopes that the owner's role allows now; what is not in the table is none."""
    return frozenset(one for one in scopes if one in SCOPES and may(owner, SCOPES[one]))


def terms(wish: Wish, owner: User) -> Terms:
    """Return what a token of `owner` will be good for; raises `NotDone`, which names the input and the mend."""
    if not owner.is_active:
        raise NotDone(f"{owner.username} is disabled, and has no use for a token. Enable them first.")
    if not 1 <= wish.days <= MOST_DAYS:
        raise NotDone(f"A token lives for 1 to {MOST_DAYS} days, not {wish.days}. A token without an end is not made.")
    areas, networks = list(dict.fromkeys(wish.areas)), list(dict.fromkeys(map(_network, wish.networks)))
    if len(areas) > MOST_LIMITS or len(networks) > MOST_LIMITS:
        raise NotDone(f"A token has at most {MOST_LIMITS} areas and {MOST_LIMITS} networks. Make two tokens.")
    scopes = _scopes(wish.scopes, owner)
    if RESERVED & set(scopes):
        _may_approve(wish.allow_approve)
    return Terms(_name(wish.name), scopes, areas, networks, wish.days)


def _may_approve(allowed: bool) -> None:
    """Refuse a token that approves unless somebody says so on the command line and a policy would take its votes."""
    if not allowed:
        raise NotDone(
            "A token that approves, or breaks the glass, is made by `manage.py create_token` with --allow-approve, "
            "and no other way."
        )
    if not import_string(settings.APPROVING_BY_API)():
        raise NotDone(
            "No approval policy permits approving by API, so this token would be good for nothing. Change one."
        )


def _name(name: str) -> str:
    """Return the name that tells this token from others."""
    plain = " ".join(name.split())
    if not plain or not plain.isprintable() or len(plain) > LONGEST_NAME:
        raise NotDone(f"A token needs a name of 1 to {LONGEST_NAME} characters: what uses it, and where.")
    return plain


def _scopes(scopes: Iterable[str], owner: User) -> list[str]:
    """Return the scopes in the table's order, if there are any and the owner's role allows each."""
    asked = set(scopes)
    for one in sorted(asked - set(SCOPES)):
        raise NotDone(f"“{one[:40]}” is no scope that a token can have. The scopes are {', '.join(SCOPES)}.")
    if not asked:
        raise NotDone(f"A token needs a scope. The scopes are {', '.join(SCOPES)}.")
    for one in sorted(asked - allowed(owner, asked)):
        needed = least(SCOPES[one]).value
        raise NotDone(f"{owner.username} is {owner.role}, and {one} needs {needed}. Leave it out.")
    return [one for one in SCOPES if one in asked]


def _network(text: str) -> str:
    try:
        return str(read_network(text))
    except ValueError as why:
        raise NotDone(str(why)) from None
