"""Hears from Vault's own log what our identities did, and tells where log and journal disagree."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import takewhile

from django.db import connection, transaction
from django.utils import timezone

from inventory.sightings import OurCall
from rotation import two_way
from rotation.lifecycle import SUCCEEDED
from rotation.models import Change, Heard, Mismatch, Step
from rotation.telling import tell
from rotation.two_way import Known
from rotation.world import Witness

MOST = 1_000  # calls of one turn
AGAIN = timedelta(hours=1)  # after which a forged token that only looks is told again
BACK = timedelta(hours=24)  # for so long a step is looked at for its line
_LOCK = 0x6B62_0031
_NAME = "vault"
_CHANGE = re.compile(r"C-([1-9]\d{0,17})")
_log = logging.getLogger("keybook.rotation")


def hear(witness: Witness, executors: Callable[[str], Collection[str]] = lambda _vault: ()) -> int:
    """Take one turn: mark steps that the log shows, keep each mismatch once. Returns how many calls were heard.

    `executors` returns the entities that the executor is at a vault, none where it can't tell.
    """
    with _alone() as alone:
        if not alone:
            return 0
        heard = _calls(witness, executors)
        _silent(witness)
        _undone()
        return heard


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        got = bool(cursor.fetchone()[0])
        try:
            yield got
        finally:
            if got:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _calls(witness: Witness, executors: Callable[[str], Collection[str]]) -> int:
    at, _ = Heard.objects.get_or_create(name=_NAME)
    now = timezone.now()
    calls = list(takewhile(lambda one: not two_way.unsettled(one, now), witness.calls_since(at.seq, MOST)))
    ours = {vault: executors(vault) for vault in {one.vault for one in calls}}
    with transaction.atomic():
        for call in calls:
            _judge(call, ours[call.vault])
        if calls:
            Heard.objects.filter(name=_NAME).update(seq=calls[-1].seq)
    return len(calls)


def _judge(call: OurCall, executors: Collection[str]) -> None:
    if why := two_way.forged(call, executors):
        _keep_forged(call, why)
    elif two_way.is_effect(call):
        _match(call)


def _keep_forged(call: OurCall, why: str) -> None:
    """Keep each write of a forged token, and of its other calls the first; its making is told once, where it shows."""
    told = Mismatch.objects.filter(change=call.change[:40], step=call.step[:10], vault=call.vault)
    if call.kind == "mint" or two_way.is_effect(call) or not told.filter(found_at__gt=timezone.now() - AGAIN).exists():
        _keep(call.change[:40], call.step[:10], call.vault, call.event, why)


def _match(call: OurCall) -> None:
    change = _change(call.change)
    step = change.steps.filter(number=int(call.step)).first() if change and call.step.isdecimal() else None
    why = two_way.rogue(call, known(step) if step else None, change_there=change is not None)
    if why:
        _keep(call.change[:40], call.step[:10], call.vault, call.event, why)
    elif step is not None and call.outcome == "ok" and step.seen_at is None:
        Step.objects.filter(pk=step.pk, seen_at=None).update(seen_at=call.at, seen_event=call.event)


def _change(name: str) -> Change | None:
    found = _CHANGE.fullmatch(name)
    return Change.objects.filter(pk=int(found[1])).first() if found else None


def known(step: Step) -> Known:
    """Return what the journal says of a step."""
    change = step.change
    return Known(
        change.name, change.plan_hash, step.number, step.kind, str(step.args.get("role", "")), step.started_at,
        step.ended_at,
    )  # fmt: skip


def _silent(witness: Witness) -> None:
    """Look for steps that say that they were done in Vault, and that its log has not shown."""
    now = timezone.now()
    some = Step.objects.filter(
        state="done", seen_at=None, kind__in=two_way.WRITING, ended_at__gte=now - BACK, ended_at__lt=now - two_way.LATE
    ).select_related("change")
    for step in some:
        calls = witness.calls(step.change.name)
        reach = witness.reach(step.change.vault, step.started_at or now)
        if why := two_way.silent(known(step), calls, reach):
            _keep(step.change.name, str(step.number), step.change.vault, 0, why)


def _undone() -> None:
    """Look for changes whose row says that they succeeded, and whose steps do not: the machine ends none so.

    The web process may write a state, and no step.
    """
    some = Step.objects.exclude(state="done").filter(change__state=SUCCEEDED).select_related("change")
    for step in some.order_by("change_id", "number").distinct("change_id"):
        name = step.change.name
        says = (
            f"{name} says that it succeeded, and its step {step.number}, {step.title}, is {step.state}: no worker "
            "ended it so, somebody wrote the row. The steps and the proofs say what is true."
        )
        _keep(name, "end", step.change.vault, 0, says)
    for change in Change.objects.filter(state=SUCCEEDED, steps=None).only("id", "vault"):
        says = f"{change.name} says that it succeeded, and no step of it was ever begun: somebody wrote the row."
        _keep(change.name, "end", change.vault, 0, says)


def _keep(change: str, step: str, vault: str, event: int, says: str) -> None:
    with transaction.atomic():
        _, new = Mismatch.objects.get_or_create(
            change=change, step=step, event=event, defaults={"vault": vault, "says": says}
        )
        if new:
            tell("mismatch", None, says=says)
    if new:
        _log.critical("Vault's log and Keybook's journal disagree: %s", says)
