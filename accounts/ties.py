"""Ties between accounts: whose hands an account has been in, by the trail, and which accounts are one person's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.socialaccount.models import SocialAccount
from django.db.models import Q

from accounts.models import ApiToken, Role, TrailEntry, User

LASTS = timedelta(days=30)
CREATED, GRANTED, RESET, LINKED, MINTED = "created", "granted", "reset", "linked", "minted"
EMAIL, SUBJECT, NAME = "email", "subject", "name"

# What gives somebody another's account into their hands. The verbs are those of people, entry, second_factor, tokens.
_VERBS = {
    "accounts.user.created": CREATED,
    "accounts.role.changed": GRANTED,
    "accounts.totp.removed": RESET,
    "accounts.link.made": LINKED,
    "accounts.token.made": MINTED,
}
_POWERS = {Role.APPROVER.value, Role.ADMINISTRATOR.value}


@dataclass(frozen=True, slots=True)
class Tie:
    """Somebody who counts as the same person: their number, their name, why, and when it was done (if it was)."""

    person: int
    name: str
    why: str
    at: datetime | None = None


def same_person(user: User, at: datetime) -> dict[int, Tie]:
    """Return who counts as the same person as `user` at that time, by number, each with the reason that lasts longest.

    Whoever made, granted, reset or linked the account or a token of it within 30 days before; whoever did so to one of
    those; and accounts with the same e-mail address, subject at the provider, or a name that this one had.
    """
    found: dict[int, Tie] = {}
    waiting = [user.pk]
    while waiting:
        key = waiting.pop()
        for tie in [*_alike(key), *_hands(key, at)]:
            if tie.person != user.pk and tie.person not in found:
                found[tie.person] = tie
                waiting.append(tie.person)
    return found


def _hands(key: int, at: datetime) -> Iterator[Tie]:
    """Yield who had this account in their hands, the latest first."""
    tokens = list(ApiToken.objects.filter(owner=key).values_list("pk", flat=True))
    theirs = Q(subject_kind="user", subject_id=key) | Q(subject_kind="token", subject_id__in=tokens)
    entries = TrailEntry.objects.filter(theirs, verb__in=_VERBS, at__gt=at - LASTS, at__lte=at, actor_id__isnull=False)
    for entry in entries.exclude(actor_id=key).order_by("-at", "-pk"):
        if entry.verb == "accounts.role.changed" and entry.details.get("after") not in _POWERS:
            continue
        why = RESET if entry.details.get("sets_password") else _VERBS[entry.verb]
        yield Tie(entry.actor_id or 0, entry.actor_name, why, entry.at)


def _alike(key: int) -> Iterator[Tie]:
    """Yield the accounts that are this person's as well, whenever they were made."""
    user = User.objects.only("username", "email").filter(pk=key).first()
    if user is not None and user.email:
        others = User.objects.filter(email__iexact=user.email).exclude(pk=key).values_list("pk", "username")
        yield from (Tie(person, name, EMAIL) for person, name in others)
    subjects = SocialAccount.objects.filter(user_id=key).values_list("uid", flat=True)
    same = SocialAccount.objects.filter(uid__in=list(subjects)).exclude(user_id=key)
    yield from (Tie(person, name, SUBJECT) for person, name in same.values_list("user_id", "user__username"))
    names = _names(key, user)
    for person, name in _called(names, key):
        yield Tie(person, name, NAME)


def _names(key: int, user: User | None) -> set[str]:
    """Return every name that this account is known to have had."""
    subject = TrailEntry.objects.filter(subject_kind="user", subject_id=key).values_list("subject_text", flat=True)
    actor = TrailEntry.objects.filter(actor_id=key).values_list("actor_name", flat=True)
    return {*subject.distinct(), *actor.distinct(), *([user.username] if user else ())}


def _called(names: Iterable[str], key: int) -> Iterator[tuple[int, str]]:
    """Yield the other accounts that have, or had, one of these names, whatever its case."""
    for name in sorted(names):
        yield from User.objects.filter(username__iexact=name).exclude(pk=key).values_list("pk", "username")
        held = TrailEntry.objects.filter(subject_kind="user", subject_id__isnull=False, subject_text__iexact=name)
        for person in held.exclude(subject_id=key).values_list("subject_id", flat=True).distinct():
            yield person or 0, name
