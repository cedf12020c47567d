"""Who is signed in from where, and how that ends."""

from __future__ import annotations

from importlib import import_module

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.trail import Subject, record

_Store = import_module(settings.SESSION_ENGINE).SessionStore


def of(user: User) -> list[UserSession]:
    """Return the sessions of this person that are still good, the newest first; ended ones are swept out."""
    return sorted(UserSession.objects.purge_and_list(user), key=lambda one: one.created_at, reverse=True)


def sweep() -> None:
    """Remove the rows of sessions that ended by themselves, so that their table stays as small as its use."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


def end_all(user: User, keep: HttpRequest | None = None) -> None:
    """End every session of this person at once, but not the one of `keep`, which gets a new key.

    The epoch is part of what each session must carry, so none is overlooked, whatever process made it.
    """
    User.objects.filter(pk=user.pk).update(epoch=F("epoch") + 1)
    user.refresh_from_db(fields=["epoch"])
    current = keep.session.session_key if keep else None
    for one in UserSession.objects.filter(user=user).exclude(session_key=current):
        one.end()
    if keep:
        UserSession.objects.filter(session_key=current).delete()
        update_session_auth_hash(keep, user)
        UserSession.objects.create_from_request(keep)


@transaction.atomic
def end_one(user: User, session_id: int, *, actor: User, request: HttpRequest) -> bool:
    """End one session of this person; returns whether there was one."""
    one = UserSession.objects.filter(user=user, pk=session_id).first()
    if one is None:
        return False
    subject = Subject("session", one.pk, f"{user.username} from {one.ip}")
    record(actor, "accounts.session.ended", subject, request=request)
    _Store().delete(one.session_key)
    one.delete()
    return True
