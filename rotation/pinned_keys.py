"""Pinned passkeys: whose each is, whether it stands, and its end; nothing lets one that has ended stand again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.models import TrailEntry, User
from accounts.not_done import NotDone
from accounts.trail import Detail, Subject
from rotation import assertions
from rotation.assertions import Key
from rotation.models import ApproverKey
from rotation.telling import record

ENDED = "rotation.key.ended"
_SHUT_OUT = "accounts.user.disabled"


@dataclass(frozen=True, slots=True)
class Pin:
    """A passkey that was pinned, and when it ended; None for one that stands."""

    row: ApproverKey
    ended_at: datetime | None

    @property
    def key(self) -> Key:
        """Return the key itself."""
        return key_of(self.row)

    @property
    def fingerprint(self) -> str:
        """Return what two people compare."""
        return assertions.fingerprint(self.key)


def known() -> list[Pin]:
    """Return every passkey that was ever pinned, the oldest first.

    One ends by its row, and by the trail when its owner was disabled: a row that lets them in again brings none back.
    """
    rows = list(ApproverKey.objects.order_by("pk"))
    owners = {row.user_id for row in rows}
    shut = TrailEntry.objects.filter(verb=_SHUT_OUT, subject_kind="user", subject_id__in=owners).values("subject_id")
    out = dict(shut.annotate(last=Max("at")).order_by().values_list("subject_id", "last"))
    return [Pin(row, _end(row, out.get(row.user_id))) for row in rows]


def _end(row: ApproverKey, shut_out: datetime | None) -> datetime | None:
    by_trail = shut_out if shut_out is not None and shut_out >= row.pinned_at else None
    return row.ended_at or by_trail


def of(user_id: int) -> list[Pin]:
    """Return the passkeys of a person that stand, the oldest first."""
    return [one for one in known() if one.row.user_id == user_id and one.ended_at is None]


def pinned(user_id: int) -> list[Key]:
    """Return the same as keys."""
    return [one.key for one in of(user_id)]


def find(user_id: int, fingerprint: str) -> Pin | None:
    """Return the passkey of a person with this fingerprint, the one that stands first; None if there never was one."""
    fitting = [one for one in known() if one.row.user_id == user_id and one.fingerprint == fingerprint]
    return min(fitting, key=lambda one: one.ended_at is not None, default=None)


def key_of(row: ApproverKey) -> Key:
    """Return a pinned passkey as a row holds it."""
    return Key(row.user_id, bytes(row.credential), bytes(row.public_key), row.sign_count)


@transaction.atomic
def end(pin: Pin, actor: User | str, *, by_change: str = "", request: HttpRequest | None = None) -> None:
    """End a passkey for good and tell everybody who decides on changes. Raises `NotDone` for one that has ended."""
    row = pin.row
    if not ApproverKey.objects.filter(pk=row.pk, ended_at=None).update(ended_at=Now()):
        raise NotDone(f"This passkey of {row.user_name} has ended already.")
    told: dict[str, Detail] = {"fingerprint": pin.fingerprint, **({"change": by_change} if by_change else {})}
    subject = Subject("user", row.user_id, row.user_name)
    record(actor, ENDED, subject, about=row, details=told, request=request)


def end_one(user: User, fingerprint: str, actor: User | str, *, request: HttpRequest | None = None) -> None:
    """End a passkey of `user` at once, as its owner or whoever runs Keybook's commands may. Raises `NotDone`."""
    pin = find(user.pk, fingerprint)
    if pin is None:
        raise NotDone(f"No passkey of {user.username} has the fingerprint {fingerprint[:60]}. Look at the list again.")
    end(pin, actor, request=request)
