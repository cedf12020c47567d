"""One-time links: made for a person, short-lived, spent by the first use, revoked by the next one made."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import EntryLink, Role, User
from accounts.throttle import ONE_TIME_CODE, count_failure, forgive, locked_until, named, refusal
from accounts.trail import Subject, person, record

LIFETIME = timedelta(minutes=15)
LIFETIME_TO_SET_A_PASSWORD = timedelta(minutes=60)
DEMO_USER = "demo"
COMMAND_LINE = "command line"


class LinkSpent(Exception):
    """The code fits no link that is still good; the message says so and what to do next."""


class TooManyCodes(LinkSpent):
    """Too many wrong codes came from this address; the message says when the next one is looked at."""


def _sha256(code: str) -> str:
    """Return the hex digest under which a code is kept; 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(code.encode()).hexdigest()


def demo_user(role: Role | None = None) -> User:
    """Return the demo's person in this role, made without a usable password if new; without a role: as before."""
    user, made = User.objects.get_or_create(username=DEMO_USER, defaults={"role": role or Role.READER})
    if made:
        user.set_unusable_password()
    if made or (role and user.role != role):
        user.role = role or user.role
        user.save(update_fields=["password", "role"])
    return user


@transaction.atomic
def make_link(
    user: User,
    *,
    sets_password: bool = False,
    actor: User | str = COMMAND_LINE,
    request: HttpRequest | None = None,
) -> str:
    """Make a link for `user` and return its code (43 URL-safe characters).

    It lets them in at once, or first asks for a new password. Earlier links of theirs are good for nothing any more.
    """
    code = secrets.token_urlsafe(32)
    now = timezone.now()
    life = LIFETIME_TO_SET_A_PASSWORD if sets_password else LIFETIME
    EntryLink.objects.filter(ends__lt=now).delete()
    EntryLink.objects.filter(user=user, used=None).delete()
    EntryLink.objects.create(code_sha256=_sha256(code), user=user, ends=now + life, sets_password=sets_password)
    facts = {"minutes": int(life.total_seconds() // 60), "sets_password": sets_password}
    record(actor, "accounts.link.made", person(user), details=facts, request=request)
    return code


def address_of(code: str) -> str:
    """Return the link's address; the code stands in the fragment, so that no server log and no referrer carries it."""
    return f"{settings.KEYBOOK.url}/enter/#{code}"


@transaction.atomic
def consume(code: str, request: HttpRequest | None = None) -> EntryLink:
    """Spend the link with this code and return it with its person; raises `LinkSpent`.

    The guarded UPDATE decides: of two uses at once, one finds no row. Its conditions stand on the row itself, without
    a join, because only then PostgreSQL looks at them again once the other use is through.
    """
    now = timezone.now()
    spent = EntryLink.objects.filter(code_sha256=_sha256(code), used=None, ends__gt=now).update(used=now)
    link = EntryLink.objects.select_related("user").get(code_sha256=_sha256(code)) if spent else None
    if link is None or not link.user.is_active:
        raise LinkSpent("This code was used already, is too old, or is not one of ours. Ask for a new link.")
    record(link.user, "accounts.link.used", person(link.user), request=request)
    return link


def enter(request: HttpRequest, code: str) -> EntryLink:
    """Spend the link whose code somebody sent, within the number of tries that an address has; raises `LinkSpent`."""
    key = named(ONE_TIME_CODE, "")
    if end := locked_until(request, key):
        raise TooManyCodes(refusal(end))
    try:
        link = consume(code, request)
    except LinkSpent as spent:
        _refuse(request, key)
        raise spent from None
    forgive(request, key)
    return link


@transaction.atomic
def _refuse(request: HttpRequest, key: str) -> None:
    """Count a wrong code, and say so in the trail."""
    count_failure(request, key)
    record("nobody", "accounts.link.refused", Subject("link", None, ""), request=request)
