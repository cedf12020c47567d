"""The time zone in which somebody reads pages: which there are, and choosing one."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.not_done import NotDone
from accounts.trail import person, record

UTC_NAME = "UTC"
_OLD = ("Etc/", "posix/", "right/", "SystemV/", "US/")  # other names for what the list has under its place


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Return the zones that one may choose, UTC first, then by name; each is named by a place."""
    places = (name for name in available_timezones() if "/" in name and not name.startswith(_OLD))
    return (UTC_NAME, *sorted(places))


def find(name: str) -> ZoneInfo | None:
    """Return the zone of this name, or None; the name may come from anywhere."""
    return ZoneInfo(name) if name in names() else None


@transaction.atomic
def choose(user: User, name: str, *, request: HttpRequest | None = None) -> None:
    """Let somebody read pages in a zone; raises `NotDone`."""
    if find(name) is None:
        raise NotDone(f"No time zone is called “{name[:40]}”. Choose one from the list, such as Europe/Berlin.")
    if name != user.time_zone:
        user.time_zone = name
        user.save(update_fields=["time_zone"])
        record(user, "accounts.time_zone.chosen", person(user), details={"zone": name}, request=request)
