"""The second factor: codes of an app (TOTP, RFC 6238), recovery codes, and who must have one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from accounts.adapters import methods
from accounts.may import RANK
from accounts.models import Role, User
from accounts.sessions import end_all
from accounts.sign_in import LockedOut, Refused
from accounts.throttle import SECOND_FACTOR, count_failure, forgive, locked_until, named, refusal, take_turn
from accounts.trail import person, record

PENDING = "second_factor_to_be"  # the session's place for a secret that no code has confirmed yet
KNOWN = "second_factor"  # set in a session whose person has one, so that not every page asks the database
WRONG = "This code does not fit. It may be over; take the next one. Each code is taken once."


def totp_of(user: User) -> Authenticator | None:
    """Return the app's secret of this person, if they have one."""
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()


def people_with_one() -> set[int]:
    """Return the keys of everybody who has a second factor."""
    return set(Authenticator.objects.filter(type=Authenticator.Type.TOTP).values_list("user_id", flat=True))


def pending_secret(request: HttpRequest) -> str:
    """Return the secret that this session offers to the person's app, the same until it is confirmed."""
    secret: str = request.session.setdefault(PENDING, generate_totp_secret())
    return secret


def app_address(user: User, secret: str) -> str:
    """Return the `otpauth://` address that the app reads from the picture."""
    address: str = get_adapter().build_totp_url(user, secret)
    return address


def _counter(secret: str, code: str, after: int) -> int | None:
    """Return the time step whose code this is, if it is later than `after`."""
    for counter in yield_hotp_counters_from_time():
        fits = compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, counter)))
        if fits and counter > after:
            return int(counter)
    return None


@transaction.atomic
def add(request: HttpRequest, user: User, code: str) -> list[str]:
    """Take the pending secret as this person's second factor if `code` proves that their app has it.

    Returns the recovery codes, which are shown once. Every other session of theirs ends. Raises `Refused`.
    """
    secret = pending_secret(request)
    counter = _counter(secret, code, 0)
    if counter is None:
        raise Refused("This code does not fit the picture above. Enter the six digits that the app shows now.")
    Authenticator.objects.filter(user=user).delete()
    made = TOTP.activate(user, secret).instance
    made.data["last_counter"] = counter
    made.save(update_fields=["data"])
    del request.session[PENDING]
    request.session[KNOWN] = True
    end_all(user, keep=request)
    record(user, "accounts.totp.added", person(user), request=request)
    return list(RecoveryCodes.activate(user).generate_codes())


@transaction.atomic
def renew_recovery_codes(request: HttpRequest, user: User) -> list[str]:
    """Return new recovery codes; the old ones fit no more."""
    Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
    record(user, "accounts.recovery_codes.renewed", person(user), request=request)
    return list(RecoveryCodes.activate(user).generate_codes())


@transaction.atomic
def remove(user: User, *, actor: User, request: HttpRequest) -> None:
    """Take the second factor and its recovery codes away; every session of theirs ends, but not the one that asks."""
    Authenticator.objects.filter(user=user).delete()
    request.session.pop(KNOWN, None)
    end_all(user, keep=request if actor == user else None)
    record(actor, "accounts.totp.removed", person(user), request=request)


def spend(request: HttpRequest, user: User, code: str) -> str:
    """Take a code of the app or a recovery code, once; returns its kind, or raises `Refused`.

    The row is locked while it is looked at, so that of two uses at once one is refused. Wrong codes are counted.
    """
    key = named(SECOND_FACTOR, str(user.pk))
    with transaction.atomic():
        take_turn(request, key)
        before = locked_until(request, key)
        kind = "" if before else _spend_totp(user, code) or _spend_recovery(user, code)
        after = before if before or kind else _count(request, user, key)
    if kind:
        forgive(request, key)
        return kind
    raise LockedOut(refusal(after)) if after else Refused(WRONG)


def _count(request: HttpRequest, user: User, key: str) -> datetime | None:
    """Count a wrong code and write it into the trail; returns until when no other is looked at, if it is so far."""
    count_failure(request, key)
    end = locked_until(request, key)
    verb = "accounts.sign_in.locked" if end else "accounts.sign_in.refused"
    record("nobody", verb, person(user), details={"factor": SECOND_FACTOR}, request=request)
    return end


@transaction.atomic
def _spend_totp(user: User, code: str) -> str:
    """Take a code of the app if its time step is later than the last one taken."""
    kind = Authenticator.Type.TOTP
    row = Authenticator.objects.select_for_update().filter(user=user, type=kind).first()
    secret = get_adapter().decrypt(row.data["secret"]) if row else ""
    if row is None or not secret:
        return ""
    counter = _counter(secret, code, row.data.get("last_counter", 0))
    if counter is None:
        return ""
    row.data["last_counter"] = counter
    row.last_used_at = timezone.now()
    row.save(update_fields=["data", "last_used_at"])
    return str(kind)


def _spend_recovery(user: User, code: str) -> str:
    """Take a recovery code; allauth locks its row and marks the code as used."""
    kind = Authenticator.Type.RECOVERY_CODES
    row = Authenticator.objects.filter(user=user, type=kind).first()
    if row is None or not get_adapter().decrypt(row.data["seed"]) or not row.wrap().validate_code(code):
        return ""
    return str(kind)


def is_missing(request: HttpRequest) -> bool:
    """Return whether this person must have a second factor and has none.

    Readers need none; whoever came by single sign-on has that of their provider.
    """
    user = request.user
    if not settings.KEYBOOK.require_mfa or not isinstance(user, User) or request.session.get(KNOWN):
        return False
    if RANK.get(user.role, 0) < RANK[Role.OPERATOR] or "socialaccount" in methods(request, user):
        return False
    if totp_of(user) is None:
        return True
    request.session[KNOWN] = True
    return False


class SecondFactorRequired:
    """Sends whoever must set up a second factor to the page that does it, from every page but the few it needs."""

    OPEN = frozenset({"second-factor", "confirm", "sign-out", "sign-in", "enter", "enter-password"})

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on; the name of the page is known only in `process_view`."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        """Redirect if a second factor is missing; a part asked for by htmx loads the whole page anew instead."""
        found = request.resolver_match
        name = found.url_name if found else None
        # The API says so in its own words (accounts/api_door.py).
        if name in self.OPEN or (found and "api" in found.namespaces) or not is_missing(request):
            return None
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Refresh": "true"})
        return redirect("second-factor")
