"""The first factor: a name and its password, within the number of guesses that there are."""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.adapters import safe
from accounts.models import User
from accounts.throttle import locked_until, password, refusal, take_turn
from accounts.trail import Subject, person, record

WRONG = "No person with this name and password may sign in. Names and passwords are case-sensitive."


class Refused(Exception):
    """Nobody is signed in; the message says why, as far as a stranger may know it."""


class LockedOut(Refused):
    """Too many guesses came before; the message says when the next one is looked at."""


def check_password(request: HttpRequest, name: str, given: str) -> User:
    """Return the person with this name and password; raises `Refused`. Each refusal is counted and in the trail."""
    with transaction.atomic():
        take_turn(request, password(name))
        before = locked_until(request, password(name))
        user = None if before else authenticate(request, username=name, password=given)
        after = None if user else locked_until(request, password(name))
        if not user and not before:
            _tell(request, name, "accounts.sign_in.locked" if after else "accounts.sign_in.refused")
    if isinstance(user, User):
        return user
    raise LockedOut(refusal(after)) if after else Refused(WRONG)


def _tell(request: HttpRequest, name: str, verb: str) -> None:
    """Write a refusal into the trail; a name that nobody has is left out, because it may be a password."""
    known = User.objects.filter(username=name[:150].replace("\0", "")).first()
    subject = person(known) if known else Subject("user", None, "a name that nobody has")
    record("nobody", verb, subject, details={"factor": "password"}, request=request)


def proceed(request: HttpRequest, user: User, method: str, following: str | None = None) -> HttpResponse:
    """Go on with signing in after the first factor: to the second one, or to the page asked for."""
    record_authentication(request, user, method=method)
    onward = following if following and safe(request, following) else None
    answer: HttpResponse = perform_login(request, user, redirect_url=onward)
    return answer
