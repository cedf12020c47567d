"""The one writer of `Change.state`: a guarded UPDATE and its entry in the trail, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.models import User
from accounts.trail import Detail, Subject
from rotation import lifecycle
from rotation.models import Change
from rotation.telling import record

_TIMES = {"approve": "approved_at", "start": "started_at"}
# Never the epoch: a worker that lost its claim must not take the next one's for its own.
_READ = [one.attname for one in Change._meta.concrete_fields if one.attname != "epoch"]
_ENDS = ("succeed", "fail", "reject", "cancel", "stop", "expire")


class LostRace(Exception):
    """Somebody else moved the change first; the message says where it stands now."""


def subject(change: Change) -> Subject:
    """Return a change as a subject of the trail."""
    return Subject("change", change.pk, f"{change.name} {change.verb} {change.subject}")


def make(
    change: Change,
    verb: str,
    actor: User | str,
    *,
    says: str = "",
    details: Mapping[str, Detail] | None = None,
    request: HttpRequest | None = None,
    epoch: int | None = None,
    **also: Any,
) -> Change:
    """Move a change by a verb of `lifecycle.MOVES` and return it; `also` are other columns that change with it.

    `epoch` is the claim of the worker that moves it: an older one is refused. Raises `lifecycle.Forbidden` when the
    verb leads nowhere from where the change was read, `LostRace` when it is no longer there.
    """
    before = change.state
    fields = {"state": lifecycle.after(verb, before), "says": says, **also}
    for name in ([_TIMES[verb]] if verb in _TIMES else []) + (["ended_at"] if verb in _ENDS else []):
        fields[name] = Now()
    guard = {"pk": change.pk, "state": before} | ({} if epoch is None else {"epoch": epoch})
    with transaction.atomic():
        if not Change.objects.filter(**guard).update(**fields):
            raise LostRace(_lost(change, verb))
        said = {"state": str(fields["state"]), "plan": change.plan_hash, **({"says": says} if says else {})}
        code = f"rotation.change.{lifecycle.MOVES[verb].done}"
        record(actor, code, subject(change), about=change, details={**said, **(details or {})}, request=request)
    change.refresh_from_db(fields=_READ)
    return change


def _lost(change: Change, verb: str) -> str:
    now = Change.objects.filter(pk=change.pk).values_list("state", flat=True).first()
    done = lifecycle.MOVES[verb].done
    return f"{change.name} is {now or 'gone'} meanwhile, so it was not {done}. Look at it again before you decide."
