"""What an operator asks of the receiver: who may send which device's lines, and what waits to be ingested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, transaction
from django.http import HttpRequest

from accounts import trail
from accounts.models import User
from audit.models import Device, ReceiverToken, Source, Vault
from audit.sources.spool import KIND
from kit import tokens as forms

PREFIX, LIVE = "kbr_", 2


class UnusableToken(Exception):
    """A token can't be made or revoked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TokenShown:
    """A token as it may be shown: never itself."""

    id: int
    made_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of a device waits in the spool."""

    device: str
    rows: int
    oldest: datetime | None


def add_receiver(
    vault: str, device: str, *, actor: User | str = "command line", request: HttpRequest | None = None
) -> tuple[Source, str]:
    """Have the receiver take a vault's audit device, both made if they are new; returns its source and a new token.

    The token is shown this once. Raises `UnusableToken` when two of the device live already.
    """
    with transaction.atomic():
        one, _ = Vault.objects.get_or_create(name=vault)
        which, _ = Device.objects.get_or_create(vault=one, name=device)
        source, new = Source.objects.get_or_create(device=which, kind=KIND, settings={})
        if new:
            trail.record(actor, "audit.receiver.added", _subject(which), request=request)
        return source, new_token(which, actor=actor, request=request)


def new_token(device: Device, *, actor: User | str = "command line", request: HttpRequest | None = None) -> str:
    """Return a new token for a device, shown this once; the receiver knows it within a second.

    Raises `UnusableToken` when two of the device live already.
    """
    with transaction.atomic():
        Device.objects.select_for_update().get(pk=device.pk)
        if ReceiverToken.objects.filter(device=device, revoked_at=None).count() >= LIVE:
            raise UnusableToken(
                f"{device} has {LIVE} live tokens, as many as a rotation needs. Revoke the one that is no longer used "
                f"(manage.py receiver_token --vault {device.vault} --device {device.name} --list)."
            )
        token = forms.make(PREFIX)
        made = ReceiverToken.objects.create(device=device, digest=forms.digest(token), made_at=datetime.now(UTC))
        trail.record(actor, "audit.receiver_token.made", _subject(device), details={"id": made.pk}, request=request)
    return token


def revoke(token_id: int, *, actor: User | str = "command line", request: HttpRequest | None = None) -> None:
    """Revoke a token; the receiver refuses it within five seconds. Twice changes nothing.

    Raises `UnusableToken` when there is none of this number.
    """
    with transaction.atomic():
        token = ReceiverToken.objects.select_for_update(of=("self",)).filter(pk=token_id).first()
        if token is None:
            raise UnusableToken(
                f"There is no receiver token {token_id}. List them with manage.py receiver_token --list."
            )
        if token.revoked_at is None:
            ReceiverToken.objects.filter(pk=token_id).update(revoked_at=datetime.now(UTC))
            trail.record(
                actor, "audit.receiver_token.revoked", _subject(token.device), details={"id": token_id}, request=request
            )


def tokens(device: Device) -> list[TokenShown]:
    """Return a device's tokens, the newest first, the revoked ones too."""
    found = ReceiverToken.objects.filter(device=device).order_by("-pk")
    return [TokenShown(one.pk, one.made_at, one.used_at, one.revoked_at) for one in found]


def backlog() -> list[Backlog]:
    """Return what waits in the spool, for each device that has a receiver."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT v.name || '/' || d.name, count(s.id), min(s.received_at) FROM audit_source r
               JOIN audit_device d ON d.id = r.device_id JOIN audit_vault v ON v.id = d.vault_id
               LEFT JOIN audit_spool s ON s.device_id = d.id WHERE r.kind = %s GROUP BY 1 ORDER BY 1""",
            [KIND],
        )
        return [Backlog(*row) for row in cursor.fetchall()]


def _subject(device: Device) -> trail.Subject:
    return trail.Subject("device", device.pk, str(device))
