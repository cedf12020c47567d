"""What administrators do with channels: add, end, try one, and renew what a webhook is signed with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Min, Prefetch, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from accounts import trail
from accounts.models import User
from accounts.not_done import NotDone
from accounts.trail import Detail, Subject
from kit import outward
from rotation import webhook_secrets
from rotation.notice_models import Channel, ChannelSecret, Delivery, Notice
from rotation.telling import KINDS, tell, tell_again

WEBHOOK, EMAIL = "webhook", "email"
MOST = 50  # channels
WEEK = timedelta(days=7)
LATE = timedelta(minutes=2)  # a worker that runs tries what is due within seconds
MOST_SECRETS = 2  # that hold at once
_SHOWN = ("id", "channel_id", "made_at", "ended_at")  # of a secret: what pages may read


@dataclass(frozen=True, slots=True)
class Wish:
    """A channel that somebody wants: no kinds are all of them."""

    kind: str
    name: str
    address: str
    kinds: tuple[str, ...] = ()


def live() -> QuerySet[Channel]:
    """Return the channels that hold, each with the secrets that hold, as pages may read them."""
    secrets = ChannelSecret.objects.only(*_SHOWN).filter(ended_at=None).order_by("pk")
    return Channel.objects.filter(ended_at=None).order_by("pk").prefetch_related(Prefetch("secrets", secrets))


def lately(most: int = 50) -> list[Delivery]:
    """Return the newest deliveries with their tries, the newest first."""
    found = Delivery.objects.select_related("notice", "channel").prefetch_related("attempts").order_by("-pk")
    return list(found[:most])


def given_up() -> int:
    """Return how many deliveries to channels that hold were given up in the last week."""
    some = Delivery.objects.filter(state="given_up", ended_at__gte=timezone.now() - WEEK)
    return some.filter(channel__ended_at=None, channel__isnull=False).count()


def stuck_since(now: datetime) -> datetime | None:
    """Return since when notices wait that should have been tried, None if none do: then the worker does not run."""
    new = Notice.objects.filter(spread_at=None, at__lt=now - LATE).aggregate(first=Min("at"))["first"]
    due = Delivery.objects.filter(state="waiting", next_at__lt=now - LATE).aggregate(first=Min("next_at"))["first"]
    return min((one for one in (new, due) if one is not None), default=None)


@transaction.atomic
def add(wish: Wish, *, actor: User, request: HttpRequest | None = None) -> tuple[Channel, str]:
    """Add a channel; returns it with the secret that signs, which is shown this once, "" for mail. Raises `NotDone`."""
    name, address = " ".join(wish.name.split())[:100], wish.address.strip()
    if not name:
        raise NotDone("A channel needs a name: who reads it.")
    if unknown := sorted(set(wish.kinds) - set(KINDS)):
        raise NotDone(f"No notice is called “{unknown[0][:40]}”. They are {', '.join(KINDS)}.")
    _readable(wish.kind, address)
    if live().count() >= MOST:
        raise NotDone(f"There are {MOST} channels, which are the most. Remove one.")
    try:
        with transaction.atomic():
            made = Channel.objects.create(
                kind=wish.kind, name=name, address=address, kinds=list(wish.kinds), made_by=actor.username
            )
    except IntegrityError:
        raise NotDone("Another channel has this address already. Remove that one first.") from None
    secret = _secret(made) if wish.kind == WEBHOOK else ""
    told: dict[str, Detail] = {"to": shown(made), "kinds": list(wish.kinds) or ["all"]}
    trail.record(actor, "rotation.channel.added", _subject(made), details=told, request=request)
    return made, secret


def _readable(kind: str, address: str) -> None:
    if kind == WEBHOOK:
        try:
            outward.callable_anywhere(outward.target(address))
        except outward.Unusable as why:
            raise NotDone(str(why)) from None
        return
    if kind != EMAIL:
        raise NotDone(f"“{kind[:40]}” is no kind of channel. It is {WEBHOOK} or {EMAIL}.")
    try:
        validate_email(address)
    except ValidationError:
        raise NotDone(f"“{address[:60]}” is no e-mail address.") from None


@transaction.atomic
def end(key: int, *, actor: User, request: HttpRequest | None = None) -> None:
    """Remove a channel: nothing more goes there, and what was on its way is given up. Raises `NotDone`."""
    channel = _channel(key)
    Channel.objects.filter(pk=key).update(ended_at=Now())
    ChannelSecret.objects.filter(channel_id=key, ended_at=None).update(ended_at=Now())
    trail.record(actor, "rotation.channel.removed", _subject(channel), request=request)


@transaction.atomic
def renew(key: int, *, actor: User, request: HttpRequest | None = None) -> tuple[Channel, str]:
    """Make a second secret and return it, shown this once; both sign until the old one is ended. Raises `NotDone`."""
    channel = _channel(key)
    if channel.kind != WEBHOOK:
        raise NotDone("Mails are not signed. Only a webhook has a secret.")
    if ChannelSecret.objects.only(*_SHOWN).filter(channel_id=key, ended_at=None).count() >= MOST_SECRETS:
        raise NotDone("Two secrets hold already. End the old one first.")
    secret = _secret(channel)
    trail.record(actor, "rotation.channel.secret_made", _subject(channel), request=request)
    return channel, secret


@transaction.atomic
def end_old(key: int, *, actor: User, request: HttpRequest | None = None) -> None:
    """End the older of two secrets: from now on the newer alone signs. Raises `NotDone`."""
    channel = _channel(key)
    held = list(ChannelSecret.objects.filter(channel_id=key, ended_at=None).order_by("pk").values_list("pk", flat=True))
    if len(held) < MOST_SECRETS:
        raise NotDone("Only one secret holds. Make a new one first.")
    ChannelSecret.objects.filter(pk=held[0]).update(ended_at=Now())
    trail.record(actor, "rotation.channel.secret_ended", _subject(channel), request=request)


@transaction.atomic
def try_out(key: int, *, actor: User, request: HttpRequest | None = None) -> None:
    """Send a notice to this channel alone. Raises `NotDone`."""
    channel = _channel(key)
    tell("test", None, who=actor.username, to=channel.pk)
    trail.record(actor, "rotation.channel.tried", _subject(channel), request=request)


@transaction.atomic
def again(key: int, *, actor: User, request: HttpRequest | None = None) -> None:
    """Tell anew, at the same address, what was given up there. Raises `NotDone`."""
    row = Delivery.objects.select_related("notice", "channel").filter(pk=key, state="given_up").first()
    if row is None:
        raise NotDone("This was not given up, or it is kept no more. Only what was given up can be sent again.")
    if row.channel is not None and row.channel.ended_at is not None:
        raise NotDone("This channel was removed. Add it anew to have it told of what comes.")
    if tell_again(row) is None:
        raise NotDone("It is sent again already: see the newest rows of the list.")
    subject = Subject("notice", row.notice_id, row.notice.name)
    trail.record(actor, "rotation.notice.sent_again", subject, details={"to": row.place}, request=request)


def shown(channel: Channel) -> str:
    """Return a channel's address as pages print it: of a webhook no path, which may be a secret of its own."""
    if channel.kind != WEBHOOK:
        return channel.address
    return f"{outward.target(channel.address).shown}/…"


def _channel(key: int) -> Channel:
    found = Channel.objects.select_for_update().filter(pk=key, ended_at=None).first()
    if found is None:
        raise NotDone("This channel is there no more.")
    return found


def _secret(channel: Channel) -> str:
    made = webhook_secrets.fresh()
    ChannelSecret.objects.create(channel=channel, sealed=webhook_secrets.seal(made))
    return made


def _subject(channel: Channel) -> Subject:
    return Subject("channel", channel.pk, f"{channel.kind} {channel.name}")


def words(kinds: Iterable[str]) -> list[str]:
    """Return kinds of notices as people say them."""
    return [KINDS[one] for one in kinds if one in KINDS]
