"""Holds a plan against Vault and the clusters without doing anything: before anybody approves, and before it starts."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from rotation import failures, lifecycle, moves, steps
from rotation.alarms import alarm
from rotation.models import Change, Redrawn, Verdict
from rotation.planning import digest
from rotation.runner import WORKER, Hands
from rotation.world import World

_VOID = "What was approved is no longer what would happen, so the approvals are void: look at it and decide anew."


def check(change: Change, hands: Hands) -> dict[str, Any]:
    """Look at every step and return {"ok", "facts", "lines": [{"step", "ok", "says"}], "drawn"}; nothing is changed.

    `drawn` tells that the worker drew the same plan itself: once, right after it was asked for, because leases and pods
    come and go. One that it did not draw is not looked at any further.
    """
    facts: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    known = change.redrawn.filter(plan_hash=change.plan_hash).exists()
    if not known and (why := hands.drawn(change)):
        return {"ok": False, "facts": {}, "lines": [{"step": 0, "ok": False, "says": why}], "drawn": False}
    for one in change.plan["steps"]:
        found, said = _look(change, one, hands)
        facts.update({f"{one['number']}.{name}": value for name, value in found.items()})
        lines += said
    return {"ok": all(line["ok"] for line in lines), "facts": facts, "lines": lines, "drawn": True}


def drift(change: Change, hands: Hands) -> tuple[str, str]:
    """Look once more before the first effect; returns the verb to make of a change that may not start, and why."""
    before = change.facts_hash
    found = check(change, hands)
    if before and digest(found["facts"]) != before:
        return "void", _VOID
    trouble = next((line for line in found["lines"] if not line["ok"]), None)
    return ("wait", f"Step {trouble['step']}: {trouble['says']}") if trouble else ("", "")


def keep(change: Change, found: dict[str, Any]) -> None:
    """Keep what a look found; verdicts that were given on other facts are void, and so is the approval."""
    new = digest(found["facts"])
    with transaction.atomic():
        Change.objects.filter(pk=change.pk).update(found=found, checked_at=Now(), facts_hash=new)
        if found.get("drawn"):
            Redrawn.objects.get_or_create(change=change, plan_hash=change.plan_hash)
        stale = Verdict.objects.filter(change=change, void=False, verdict="approve").exclude(facts_hash=new)
        if stale.update(void=True) and change.state == lifecycle.APPROVED:
            moves.make(change, "void", WORKER, says=_VOID)
    change.refresh_from_db(fields=["found", "checked_at", "facts_hash"])


def _look(change: Change, planned: dict[str, Any], hands: Hands) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = steps.kinds()[planned["step"]]
    number = planned["number"]
    try:
        found = kind.check(msgspec.convert(planned["args"], kind.Args), _world(change, number, hands))
    except Exception as error:  # whatever a library raises, the approver reads it as a sentence
        return {}, [{"step": number, "ok": False, "says": _sentence(error)}]
    said = [{"step": number, "ok": True, "says": one} for one in found.lines]
    return found.facts, said + [{"step": number, "ok": False, "says": one} for one in found.troubles]


def _sentence(error: Exception) -> str:
    known = failures.of_look(error)
    return known.says if known else f"It could not be looked at ({type(error).__name__}); it is tried again."


def _world(change: Change, number: int, hands: Hands) -> World:
    now = hands.now()
    return World(
        change=change.name, step=number, plan_hash=change.plan_hash, vault=change.vault, cluster=change.cluster,
        intent={}, began=now, tried=now, started=now, doors=hands.doors(change, number),
        witness=hands.witness, now=hands.now, present=hands.present,
        alarm=lambda says: alarm(change.name, number, change.vault, says),
    )  # fmt: skip
