"""What the page of notices shows: each channel with its secrets, the form, and what became of the newest notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone

from dashboard.lease_words import Said
from dashboard.words import counted
from rotation import channels, notice_words
from rotation.notice_models import Channel, Delivery
from rotation.telling import KINDS

SHOWN = 50
STATES = {
    "sent": Said("check", "sent"),
    "waiting": Said("clock", "waits"),
    "given_up": Said("close", "given up", "stop"),
}


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel: its address as it is shown, its kinds in words, and how many secrets hold."""

    channel: Channel
    address: str
    kinds: str
    secrets: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One notice on its way to one address, or there."""

    row: Delivery
    title: str
    to: str
    said: Said

    @property
    def again(self) -> bool:
        """Whether it may be sent again: it was given up, and its address still gets notices."""
        channel = self.row.channel
        return self.row.state == "given_up" and (channel is None or channel.ended_at is None)


@dataclass
class NoticesPage:
    """The page; `given` is what was typed where `why` says what is wrong with it."""

    given: QueryDict = field(default_factory=QueryDict)
    why: str = ""

    @cached_property
    def channels(self) -> list[ChannelRow]:
        """Return the channels that hold."""
        return [
            ChannelRow(one, channels.shown(one), ", ".join(channels.words(one.kinds)) or "everything", _held(one))
            for one in channels.live()
        ]

    @cached_property
    def deliveries(self) -> list[DeliveryRow]:
        """Return the newest deliveries."""
        return [_delivery(one) for one in channels.lately(SHOWN)]

    @cached_property
    def stuck(self) -> datetime | None:
        """Return since when notices wait for a worker that does not run."""
        return channels.stuck_since(timezone.now())

    @property
    def kinds(self) -> list[tuple[str, str, bool]]:
        """Return what can be told, and whether it was chosen."""
        chosen = self.given.getlist("kinds")
        return [(kind, words, kind in chosen) for kind, words in KINDS.items() if kind != "test"]

    @property
    def signs(self) -> bool:
        """Whether webhooks can be signed."""
        return bool(settings.KEYBOOK.notice_key)

    @property
    def links(self) -> bool:
        """Whether notices can carry a link."""
        return bool(settings.KEYBOOK.url)

    @property
    def closing(self) -> str:
        """Return the count in front of the closing line."""
        return f"{counted(len(self.deliveries), 'delivery', 'deliveries')}, the newest first."


def _held(channel: Channel) -> int:
    return len(channel.secrets.all())


def _delivery(row: Delivery) -> DeliveryRow:
    notice = row.notice
    said = notice_words.say(notice.kind, notice.told, notice.who, "")
    to = f"{row.channel.name}, {channels.shown(row.channel)}" if row.channel else row.address
    return DeliveryRow(row, said.title, to, STATES[row.state])
