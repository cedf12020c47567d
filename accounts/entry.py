"""One-time links: made for a person, good for 15 minutes, spent by the first use."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import EntryLink, Role, User

LIFETIME = timedelta(minutes=15)
DEMO_USER = "demo"


class LinkSpent(Exception):
    """The code fits no link that is still good; the message says so and what to do next."""


def _sha256(code: str) -> str:
    """Return the hex digest under which a code is kept; 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(code.encode()).hexdigest()


def demo_user() -> User:
    """Return the demo's reader, made without a usable password if it is new."""
    user, made = User.objects.get_or_create(username=DEMO_USER, defaults={"role": Role.READER})
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def make_link(user: User) -> str:
    """Make a link for `user` and return its code (43 URL-safe characters); links that ended are swept out."""
    code = secrets.token_urlsafe(32)
    now = timezone.now()
    EntryLink.objects.filter(ends__lt=now).delete()
    EntryLink.objects.create(code_sha256=_sha256(code), user=user, ends=now + LIFETIME)
    return code


@transaction.atomic
def consume(code: str) -> User:
    """Spend the link with this code and return its person; raises `LinkSpent`.

    The guarded UPDATE decides: of two uses at once, one finds no row.
    """
    now = timezone.now()
    good = EntryLink.objects.filter(code_sha256=_sha256(code), used=None, ends__gt=now, user__is_active=True)
    if not good.update(used=now):
        raise LinkSpent(
            "This code was used already, is older than 15 minutes, or is not one of ours. Ask for a new link."
        )
    return EntryLink.objects.select_related("user").get(code_sha256=_sha256(code)).user
