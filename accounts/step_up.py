"""Proving again who one is, before what must not be done from a borrowed session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from time import time
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from accounts.adapters import methods
from accounts.models import TrailEntry, User
from accounts.second_factor import spend, totp_of
from accounts.sign_in import Refused, check_password
from accounts.trail import person, record

SECONDS = 300

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


def fresh(request: HttpRequest, seconds: float = SECONDS) -> bool:
    """Return whether the person proved who they are in this session within the last `seconds`."""
    records = get_authentication_records(request, cast(User, request.user))
    return any(0 <= time() - one["at"] <= seconds for one in records)


def proved_at(request: HttpRequest) -> datetime | None:
    """Return when the person last proved who they are in this session, None if it is not known."""
    records = get_authentication_records(request, cast(User, request.user))
    return max((datetime.fromtimestamp(one["at"], UTC) for one in records), default=None)


def opened_by(request: HttpRequest) -> int | None:
    """Return who made the link by which this session was opened, if that is somebody else and nothing else proves it.

    Whoever makes a link for another person can use it: until the session was proved by a code or a password, it may be
    theirs. None where the command line made the link.
    """
    user = cast(User, request.user)
    if set(methods(request, user)) - {"link"} or not methods(request, user):
        return None
    made = TrailEntry.objects.filter(verb="accounts.link.made", subject_kind="user", subject_id=user.pk)
    maker = made.order_by("-pk").values_list("actor_id", flat=True).first()
    return maker if maker != user.pk else None


def required(view: _View) -> _View:
    """Decorate a view that asks for a fresh proof: without one it sends to the page that takes it, and back here.

    The way back is a GET, so a decorated view answers GET at the same address: the form that is then sent again.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not fresh(request):
            return redirect(f"{reverse('confirm')}?{urlencode({'next': request.get_full_path()})}")
        return view(request, *args, **kwargs)

    return cast(_View, guarded)


def wants_code(user: User) -> bool:
    """Return whether this person proves themselves by a code, because they have a second factor; or by password."""
    return totp_of(user) is not None


def confirm(request: HttpRequest, given: str) -> None:
    """Take a code or a password as proof, by what the person has; raises `Refused` with the sentence to show."""
    user = cast(User, request.user)
    kind = spend(request, user, given) if wants_code(user) else _by_password(request, user, given)
    with transaction.atomic():
        record(user, "accounts.user.confirmed", person(user), details={"by": [kind]}, request=request)
    record_authentication(request, user, method=kind, reauthenticated=True)


def _by_password(request: HttpRequest, user: User, given: str) -> str:
    """Take the password; somebody who has none signs in again, which is as good."""
    if not user.has_usable_password():
        raise Refused("You have neither a password nor a second factor here. Sign out and in again to go on.")
    check_password(request, user.username, given)
    return "password"
