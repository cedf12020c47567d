"""What an administrator does to sources and vaults on a page: each verb in one transaction with its trail entry."""

from __future__ import annotations

import os.path
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import trail
from accounts.models import User
from audit import connect, receivers
from audit.models import Device, ReceiverToken, Source, Vault
from audit.sources.spool import KIND
from inventory.models import Connection


class NotDone(Exception):
    """The verb can't be done; the message says why and what to do, and nothing was changed."""


def ask_for_look(wish: connect.Wish, *, actor: User, request: HttpRequest) -> Connection:
    """Keep a vault's address and the wish for a look, which a worker with its token takes; raises `NotDone`."""
    try:
        connection = connect.wanted(wish)
    except connect.Unusable as error:
        raise NotDone(str(error)) from None
    connection.wanted_at = datetime.now(UTC)
    with transaction.atomic():
        connection.save()
        subject = trail.Subject("connection", connection.pk, str(connection))
        details: dict[str, trail.Detail] = {"address": connection.address}
        trail.record(actor, "audit.vault.asked", subject, details=details, request=request)
    return connection


def add_file(vault: str, device: str, path: str, *, actor: User, request: HttpRequest) -> Source:
    """Add a log by its path; raises `NotDone`. The worker opens it: this process may not be allowed to see it."""
    _check_names(vault, device)
    if not Path(path).is_absolute() or os.path.normpath(path) != path or "\0" in path:
        raise NotDone("Give the whole path of the log, such as /var/log/openbao/audit.log. Nothing was changed.")
    roots = [root.rstrip("/") for root in settings.KEYBOOK.log_roots.split(":") if root]
    if not any(path.startswith(root + "/") for root in roots):
        raise NotDone(f"{path} is outside of KEYBOOK_LOG_ROOTS ({':'.join(roots)}). Nothing was changed.")
    with transaction.atomic():
        one, _ = Vault.objects.get_or_create(name=vault)
        which, _ = Device.objects.get_or_create(vault=one, name=device)
        if which.receiver_tokens.exists():
            raise NotDone(
                f"{which} comes by the receiver already. Name the file's device otherwise. Nothing was changed."
            )
        source, new = Source.objects.get_or_create(device=which, kind="file", settings={"path": path})
        if new:
            trail.record(actor, "audit.source.added", _source(source), details={"path": path}, request=request)
    return source


def add_receiver(vault: str, device: str, *, actor: User, request: HttpRequest) -> tuple[Device, str]:
    """Have the receiver take a device, or give it another token; returns the token, shown once. Raises `NotDone`."""
    _check_names(vault, device)
    if Source.objects.filter(device__vault__name=vault, device__name=device).exclude(kind=KIND).exists():
        raise NotDone(
            f"{vault}/{device} is read from a file already. Name the http device otherwise. Nothing was changed."
        )
    try:
        source, token = receivers.add_receiver(vault, device, actor=actor, request=request)
    except receivers.UnusableToken as error:
        raise NotDone(f"{error} Nothing was changed.") from None
    return source.device, token


def revoke(token_id: int, *, actor: User, request: HttpRequest) -> None:
    """Revoke a receiver's token; raises `NotDone` when there is none."""
    try:
        receivers.revoke(token_id, actor=actor, request=request)
    except receivers.UnusableToken as error:
        raise NotDone(f"{error} Nothing was changed.") from None


def stop(source_id: int, *, actor: User, request: HttpRequest) -> None:
    """Follow a log no longer; what was read of it stays. Raises `NotDone`."""
    with transaction.atomic():
        source = Source.objects.select_for_update(of=("self",)).filter(pk=source_id, kind="file").first()
        if source is None:
            raise NotDone("There is no followed log of this number. Nothing was changed.")
        trail.record(actor, "audit.source.stopped", _source(source), details=_place(source), request=request)
        source.delete()


def tokens() -> list[ReceiverToken]:
    """Return every receiver token, never itself, those that live first."""
    found = ReceiverToken.objects.select_related("device__vault").order_by("device__vault__name", "device__name", "-pk")
    return sorted(found, key=lambda one: one.revoked_at is not None)


def _check_names(vault: str, device: str) -> None:
    for what, name in (("vault", vault), ("device", device)):
        if not connect.NAME.fullmatch(name):
            raise NotDone(f"The {what}'s name can't be used. Take letters, digits, '.', '_', '-' and blanks.")


def _source(source: Source) -> trail.Subject:
    return trail.Subject("source", source.pk, str(source.device))


def _place(source: Source) -> dict[str, trail.Detail]:
    return {"path": str(source.settings.get("path", ""))}
