"""How many guesses somebody gets: at a password, at a second factor, at a one-time code; counted in PostgreSQL.

django-axes asks `Gate` before each password and keeps the counts; what is counted together is decided here:

* a name from one address: 5, so that guessing at ann's password from elsewhere never locks ann out;
* an address over all names: 50, so that trying many names gains nothing;
* somebody's second factor from all addresses together: 10, because whoever gets that far has the password already;
* one-time codes from one address: 20.

Each count ends a quarter of an hour after its last failure, and a refusal while locked does not lengthen the lock.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.address import client_address

COOL_OFF = timedelta(minutes=15)
PER_NAME_AND_ADDRESS = 5
PER_ADDRESS = 50
PER_SECOND_FACTOR = 10
PER_ADDRESS_CODES = 20

SECOND_FACTOR = "second factor"
ONE_TIME_CODE = "one-time code"


def network(request: HttpRequest) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that an IPv6 client has to itself."""
    found = ip_address(client_address(request) or "0.0.0.0")  # noqa: S104 - a client behind a socket has none
    return str(ip_network((found, 64), strict=False)[0]) if isinstance(found, IPv6Address) else str(found)


def named(kind: str, name: str) -> str:
    """Return the key under which guesses are counted: a keyed digest, because people type passwords as names."""
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{kind}\0{name}".encode(), sha256).hexdigest()
    return f"{kind} {digest[:32]}"


def password(name: str) -> str:
    """Return the key for guesses at the password of `name`."""
    return named("password", name)


def _ends(rows: QuerySet[AccessAttempt], limit: int) -> datetime | None:
    """Return when so few failures will be left that guessing may go on, or None if that is so now."""
    alive = rows.filter(attempt_time__gt=timezone.now() - COOL_OFF).order_by("attempt_time", "pk")
    counts = list(alive.values_list("attempt_time", "failures_since_start"))
    left = sum(count for _, count in counts)
    end = None
    for time, count in counts:
        if left < limit:
            break
        left, end = left - count, time + COOL_OFF
    return end


def locked_until(request: HttpRequest, key: str) -> datetime | None:
    """Return until when guesses under `key` are refused from where `request` comes, or None."""
    here = AccessAttempt.objects.filter(ip_address=network(request))
    ends = [_ends(here, PER_ADDRESS)]
    if key.startswith(SECOND_FACTOR):
        ends.append(_ends(AccessAttempt.objects.filter(username=key), PER_SECOND_FACTOR))
    else:
        limit = PER_ADDRESS_CODES if key.startswith(ONE_TIME_CODE) else PER_NAME_AND_ADDRESS
        ends.append(_ends(here.filter(username=key), limit))
    return max(filter(None, ends), default=None)


def take_turn(request: HttpRequest, key: str) -> None:
    """Let one guess under `key` from here be looked at at a time, until the transaction ends; the others wait."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{key} {network(request)}"])


@transaction.atomic
def count_failure(request: HttpRequest, key: str) -> None:
    """Count one wrong guess; a count that has ended begins anew, and ended ones are swept out."""
    now = timezone.now()
    AccessAttempt.objects.filter(attempt_time__lt=now - COOL_OFF).delete()
    one, _ = AccessAttempt.objects.get_or_create(
        username=key, ip_address=network(request), user_agent="", defaults={"failures_since_start": 0}
    )
    more = F("failures_since_start") + 1
    AccessAttempt.objects.filter(pk=one.pk).update(failures_since_start=more, attempt_time=now)


def forgive(request: HttpRequest, key: str) -> None:
    """Forget the wrong guesses before a right one, of this key from this address only."""
    AccessAttempt.objects.filter(username=key, ip_address=network(request)).delete()


def refusal(end: datetime) -> str:
    """Return the sentence for somebody who is locked out until `end`."""
    return f"Too many wrong tries. The next one is looked at after {end + timedelta(seconds=1):%H:%M:%S} UTC."


def keep_answer(request: HttpRequest, answer: HttpResponse, credentials: Mapping[str, Any] | None) -> HttpResponse:
    """Return the page that the view made of a refusal, which says until when; axes would put its own text there."""
    return answer


class Gate(AxesStandaloneBackend):  # type: ignore[misc]
    """The backend that stands before every other and refuses a name or an address that is locked."""


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """What axes asks and tells: no request data is kept, because forms carry codes and passwords."""

    def is_locked(self, request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> bool:
        """Return whether a password for this name may not be tried from here."""
        return locked_until(request, password(str((credentials or {}).get("username")))) is not None

    def user_login_failed(
        self, sender: Any, credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """Count a wrong password; one that was not even looked at is not counted."""
        if request is not None and not getattr(request, "axes_locked_out", False):
            count_failure(request, password(str(credentials.get("username"))))

    def user_logged_in(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Forget this name's wrong passwords from here."""
        forgive(request, password(user.get_username()))

    def user_logged_out(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Keep nothing: the trail says who signed out."""
