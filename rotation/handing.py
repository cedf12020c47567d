"""Takes a wrapping token from whoever asked and keeps it sealed for the executor: the web process can't open it."""

from __future__ import annotations

import re

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.trail import record
from rotation import lifecycle, moves, sealing
from rotation.approving import NotApproved
from rotation.ballot import No
from rotation.bells import ring_on_commit
from rotation.models import Change, Handed, SealKey
from rotation.planning import Refused

STEP = "write_wrapped"
_TOKEN = re.compile(r"[!-~]{8,2000}")


def takes(change: Change) -> bool:
    """Whether a change waits for a wrapping token, or may be given another one."""
    return change.state not in lifecycle.OVER and any(one["step"] == STEP for one in change.plan["steps"])


def latest(change: Change) -> Handed | None:
    """Return what was handed over last, None for nothing."""
    return Handed.objects.filter(change=change).order_by("-pk").first()


def hand_over(change: Change, person: User, token: str, *, http: HttpRequest | None = None) -> Handed:
    """Keep a wrapping token for a change, in the place of one that was handed over before; rings the worker.

    Raises `NotApproved` for anybody but the asker, `Refused` for what is no token, `lifecycle.Forbidden`.
    """
    if change.asker_id != person.pk:
        raise NotApproved(No(f"{change.asker_name} asked for {change.name}: only they hand its value over.", "other"))
    if not takes(change):
        raise lifecycle.Forbidden(f"{change.name} takes no wrapping token: it is {change.state}, or of another way.")
    if not _TOKEN.fullmatch(token.strip()):
        raise Refused(
            "This is no wrapping token.", "Give what sys/wrapping/wrap answered as wrapping token, and nothing else.",
            code="bad_args", field="token",
        )  # fmt: skip
    key = SealKey.objects.filter(ended_at=None).order_by("-pk").first()
    if key is None:
        raise Refused(
            "No worker can open what is handed over.", "Set KEYBOOK_SEAL for the worker `operations` and start it.",
        )  # fmt: skip
    sealed = sealing.seal(token.strip(), bytes(key.public_key), change.name)
    with transaction.atomic():
        made = Handed.objects.create(change=change, sealed=sealed, key=key, by_id=person.pk, by_name=person.username)
        Change.objects.filter(pk=change.pk).update(due_at=None)
        record(person, "rotation.change.handed_over", moves.subject(change), details={"key": key.mark}, request=http)
        ring_on_commit(change.pk)
    return made
