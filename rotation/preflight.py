"""Holds a plan against Vault and the clusters without doing anything: before anybody approves, and before it starts."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from rotation import apart, ballots, failures, lifecycle, moves, queries, steps
from rotation.models import Change, Redrawn, Verdict
from rotation.planning import digest
from rotation.runner import WORKER
from rotation.surroundings import Hands, facts_of, world_to_look
from rotation.telling import tell
from vault.errors import NotPermitted

_VOID = "What was approved is no longer what would happen, so the approvals are void: look at the plan and decide anew."
_GONE = (
    "So the approvals are void, and this plan can't be done as things stand: put that right and approve it anew, "
    "or cancel it and ask anew."
)


def check(change: Change, hands: Hands) -> dict[str, Any]:
    """Look at every step and return {"ok", "facts", "lines": [{"step", "ok", "says"}], "drawn"}; nothing is changed.

    Of a step that nobody could look at (Vault is away or sealed) the facts of the look before stand, with a line that
    is not ok: that Vault is away changes nothing of what was approved. `drawn` tells that the worker drew the same plan
    itself: once, right after it was asked for, because leases and pods come and go. One that it did not draw is not
    looked at any further.

    What stands apart (`rotation.apart`) and surely can't be done has its line, and keeps the rest neither from being
    approved nor from being begun: it is told by name then, and tried again.
    """
    facts: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    known = change.redrawn.filter(plan_hash=change.plan_hash).exists()
    if not known and (why := hands.drawn(change)):
        return {"ok": False, "facts": {}, "lines": [{"step": 0, "ok": False, "says": why}], "drawn": False}
    ok = True
    for one in change.plan["steps"]:
        found, said, looked = _look(change, one, hands)
        facts.update({f"{one['number']}.{name}": value for name, value in found.items()})
        lines += said
        ok = ok and (all(line["ok"] for line in said) or (looked and bool(apart.holds_up(one))))
    return {"ok": ok, "facts": facts, "lines": lines, "drawn": True}


def drift(change: Change, hands: Hands) -> tuple[str, str]:
    """Look once more before the first effect; returns the verb to make of a change that may not start, and why.

    Approvals that are void by that are struck at once: what drifted may be put right before anybody looks again.
    """
    found = check(change, hands)
    if change.facts_hash and digest(found["facts"]) != change.facts_hash:
        Verdict.objects.filter(change=change, void=False, verdict="approve").update(void=True)
        ballots.next_one(change)
        return "void", _why(change, found)
    if found["ok"]:
        return "", ""
    trouble = next((f"Step {line['step']}: {line['says']}" for line in found["lines"] if not line["ok"]), "")
    return ("wait", trouble) if trouble else ("", "")


def _why(change: Change, found: dict[str, Any]) -> str:
    """Return in sentences which fact is another one than when it was approved, and what to do."""
    before, now = change.found.get("facts", {}), found["facts"]
    name = next((one for one in sorted({*before, *now}) if before.get(one) != now.get(one)), "")
    number, _, what = name.partition(".")
    for line in found["lines"]:
        if not line["ok"] and str(line["step"]) in (number, "0"):
            return f"Step {number}: {line['says']} {_GONE}" if line["step"] else f"{line['says']} {_GONE}"
    if name not in before or name not in now:
        return _VOID
    was = f"the {what.replace('_', ' ')} was {before[name]} when it was approved, and is {now[name]} now"
    return f"Step {number}: {was}. {_VOID}"


def keep(change: Change, found: dict[str, Any]) -> None:
    """Keep what a look found; verdicts that were given on other facts are void, and so is the approval.

    One that began while it was looked at keeps the facts that it was approved with: its steps are held to them.
    """
    new = digest(found["facts"])
    why = _why(change, found)
    with transaction.atomic():
        waits = Change.objects.filter(pk=change.pk, state__in=(lifecycle.REQUESTED, lifecycle.APPROVED))
        ballot = ballots.next_if_other(new)
        if not waits.update(found=found, checked_at=Now(), facts_hash=new, ballot=ballot):
            return
        if found.get("drawn"):
            Redrawn.objects.get_or_create(change=change, plan_hash=change.plan_hash)
        stale = Verdict.objects.filter(change=change, void=False, verdict="approve").exclude(facts_hash=new)
        if stale.update(void=True) and change.state == lifecycle.APPROVED:
            moves.make(change, "void", WORKER, says=why)
        if found["ok"] and change.state == lifecycle.REQUESTED:
            _call(change, new)
    change.refresh_from_db(fields=["found", "checked_at", "facts_hash"])


def _call(change: Change, facts: str) -> None:
    """Tell whoever may approve that it waits for them: once for what was found, and again when that is another."""
    some = queries.may_approve(change).values_list("pk", flat=True)
    tell("needs_you", change, who=change.asker_name, people=some, key=f"needs {change.name} {facts[:40]}")


def _look(change: Change, planned: dict[str, Any], hands: Hands) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """Return the facts of a step, its lines, and whether they say how things are, or that nobody could look."""
    kind = steps.kinds()[planned["step"]]
    number = planned["number"]
    try:
        found = kind.check(msgspec.convert(planned["args"], kind.Args), world_to_look(change, number, hands))
    except Exception as error:  # whatever a library raises, the approver reads it as a sentence
        facts = {} if failures.is_answer(error) else facts_of(change, number)
        looked = failures.is_answer(error) or isinstance(error, NotPermitted)
        return facts, [{"step": number, "ok": False, "says": _sentence(error)}], looked
    said = [{"step": number, "ok": True, "says": one} for one in found.lines]
    return found.facts, said + [{"step": number, "ok": False, "says": one} for one in found.troubles], True


def _sentence(error: Exception) -> str:
    known = failures.of_look(error)
    return known.says if known else f"It could not be looked at ({type(error).__name__}); it is tried again."
