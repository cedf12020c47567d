"""Delivers notices: makes of each its deliveries, takes those that are due, and tries until it is taken or given up.

At least once: a try is committed before the call, so a killed worker tries again, and the notice's id is the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, transaction
from django.utils import timezone

from accounts.areas import scope_of
from accounts.models import User
from kit import faults
from rotation import mail, notice_words, queries, webhook, webhook_secrets
from rotation.notice_models import Channel, ChannelSecret, Delivery, Notice, Try
from rotation.telling import tell
from rotation.webhook import Failed

WAITS = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800)  # seconds after each try; after the last it is given up
HELD = timedelta(seconds=60)  # for which a try that was begun is nobody else's
TURN = 20.0  # seconds of one turn
MOST = 200  # notices of one turn
_log = logging.getLogger("keybook.notices")


def turn() -> int:
    """Take one turn: chase reviews, spread what is new, try what is due, forget. Returns how many were tried."""
    chase(timezone.now())
    spread()
    forget(timezone.now())
    tried, until = 0, time.monotonic() + TURN
    while time.monotonic() < until and (taken := _take()) is not None:
        _try(*taken)
        tried += 1
    return tried


def chase(now: datetime) -> None:
    """Tell everybody, once, that nobody has reviewed a broken glass in time."""
    for change in queries.overdue(now).exclude(notices__kind="overdue"):
        with transaction.atomic():
            tell("overdue", change, who=change.asker_name, key=f"overdue {change.name}")


def spread() -> None:
    """Make of each new notice a row for every address that gets it, once."""
    for key in Notice.objects.filter(spread_at=None).order_by("pk").values_list("pk", flat=True)[:MOST]:
        with transaction.atomic():
            notice = Notice.objects.select_for_update(skip_locked=True).filter(pk=key, spread_at=None).first()
            if notice is not None:
                Delivery.objects.bulk_create(_deliveries(notice), ignore_conflicts=True)
                Notice.objects.filter(pk=key).update(spread_at=timezone.now())


def forget(now: datetime) -> None:
    """Delete the oldest notices that are past their time and on no way any more, with their deliveries and tries.

    What they told of stays in the trail.
    """
    begins = now - timedelta(days=settings.KEYBOOK.notice_days)
    oldest = Notice.objects.order_by("pk").values_list("at", flat=True).first()
    if oldest is None or oldest >= begins:  # their numbers follow the time, so one look is enough nearly always
        return
    past = Notice.objects.filter(at__lt=begins).exclude(spread_at=None).exclude(deliveries__state="waiting")
    keys = list(past.order_by("pk").values_list("pk", flat=True)[:MOST])
    Notice.objects.filter(pk__in=keys).delete()


def _deliveries(notice: Notice) -> Iterator[Delivery]:
    if not notice_words.readable(notice.kind, notice.told):
        _log.error("%s is kept in no form that Keybook writes, so it is told to nobody. See who wrote it.", notice.name)
        return
    for channel in Channel.objects.filter(ended_at=None).order_by("pk"):
        only = notice.told.get("channel", "")
        if only == str(channel.pk) if only else not channel.kinds or notice.kind in channel.kinds:
            yield Delivery(notice=notice, channel=channel, address=channel.address)
    if mail.is_set():
        people = User.objects.only("username", "email", "role", "is_active").filter(pk__in=notice.people)
        for person in people.filter(is_active=True).exclude(email="").exclude(role=""):
            if _may_know(person, notice):
                yield Delivery(notice=notice, person_id=person.pk, address=person.email)


def _may_know(person: User, notice: Notice) -> bool:
    """Whether a notice lies in what somebody may see: a mail tells no more than a page."""
    scope, told = scope_of(person), notice.told
    if notice.kind == "kept_back" and queries.covers(scope, told.get("vault", ""), told.get("subject", "")):
        return True
    return scope.everything or queries.seen(scope).filter(pk=notice.change_id or 0).exists()


def _take() -> tuple[Delivery, Try] | None:
    """Begin a try of what is due the longest; nobody else takes it while it is held."""
    now = timezone.now()
    with transaction.atomic():
        due = Delivery.objects.filter(state="waiting", next_at__lte=now).order_by("next_at", "pk")
        row = due.select_for_update(skip_locked=True).first()
        if row is None:
            return None
        number = row.tries + 1
        Delivery.objects.filter(pk=row.pk).update(tries=number, next_at=now + HELD)
        begun = Try.objects.create(delivery=row, number=number)
    row.tries = number
    return row, begun


def _try(row: Delivery, begun: Try) -> None:
    try:
        says, final, sent = _send(row), False, True
    except Failed as why:
        says, final, sent = str(why), why.final, False
    except Error:
        raise
    except Exception as error:  # one that can't be sent must not keep back those behind it
        _log.error("Sending %s failed: %s.", row.notice.name, faults.told(error))
        says, final, sent = f"Keybook itself failed here ({type(error).__name__}). Report it.", False, False
    _keep(row, begun, says, sent=sent, final=final)


def _send(row: Delivery) -> str:
    notice, url = row.notice, settings.KEYBOOK.url
    if row.channel is None or row.channel.kind == "email":
        return mail.send(row.address, notice_words.say(notice.kind, notice.told, notice.who, url), notice.name)
    if row.channel.ended_at is not None:
        raise Failed("This channel was removed.", final=True)
    document = notice_words.body(notice.name, notice.kind, notice.at, notice.told, notice.who, url)
    return webhook.post(row.address, document, notice.name, _secrets(row.channel), timezone.now())


def _secrets(channel: Channel) -> list[bytes]:
    held = ChannelSecret.objects.filter(channel=channel, ended_at=None).order_by("-pk")
    try:
        return [webhook_secrets.unseal(one.sealed) for one in held]
    except webhook_secrets.Unsealable as why:
        raise Failed(str(why)) from None


def _keep(row: Delivery, begun: Try, says: str, *, sent: bool, final: bool) -> None:
    """Keep what a try came to, and when the next one is; a try that was overtaken keeps only itself."""
    now = timezone.now()
    over = final or row.tries > len(WAITS)
    told: dict[str, object] = {"says": says}
    if sent or over:
        told |= {"state": "sent" if sent else "given_up", "next_at": None, "ended_at": now}
    else:
        told |= {"next_at": now + timedelta(seconds=WAITS[row.tries - 1])}
    with transaction.atomic():
        Try.objects.filter(pk=begun.pk).update(outcome="sent" if sent else "failed", says=says, ended_at=now)
        Delivery.objects.filter(pk=row.pk, tries=row.tries, state="waiting").update(**told)
    if not sent and over:
        _log.warning("%s to %s was given up after %s: %s", row.notice.name, row.place, f"try {row.tries}", says)
