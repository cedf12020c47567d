"""The report of a change: what was asked, how far the record is known, who decided, each call, what is proven."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.models import TrailEntry, User
from accounts.trail import record
from inventory.sightings import OurCall
from rotation import api_told, moves
from rotation.api_told import moment
from rotation.models import Change, Mismatch
from rotation.queries import Told
from rotation.two_way import is_effect
from rotation.world import Witness

FORM = "keybook.report.1"


def document(told: Told, witness: Witness, now: datetime) -> dict[str, Any]:
    """Return all that is known of a change as JSON: texts, whole numbers, yes, no and lists; times in UTC."""
    change = told.change
    calls = [one for one in witness.calls(change.name) if one.kind == "call"]
    return {
        "form": FORM,
        "made_at": moment(now),
        "question": question(change),
        "playbook": _playbook(change),
        "coverage": _coverage(change, witness),
        "change": api_told.whole(told, ()),
        "calls": [_call(one, change) for one in calls],
        "disagreements": list(
            Mismatch.objects.filter(change=change.name).order_by("pk").values_list("says", flat=True)
        ),
        "trail": _trail(change),
    }


def question(change: Change) -> str:
    """Return what the report answers."""
    own: str = change.plan.get("question", "")
    return own or f"{change.verb} {change.subject}: who asked for it and approved it, what was done, what proves it?"


def _playbook(change: Change) -> dict[str, Any] | None:
    if change.target != "playbook":
        return None
    return {name: change.args.get(name) for name in ("playbook", "inputs", "sha256", "at")}


def _coverage(change: Change, witness: Witness) -> dict[str, Any]:
    """Return how far the record is known since the change was asked for, and whether that is all of its run."""
    if not change.vault:
        return {"vault": None, "complete_until": None, "holes": [], "troubles": [], "covers_the_run": False}
    reach = witness.reach(change.vault, change.asked_at)
    return {
        "vault": change.vault,
        "complete_until": moment(reach.complete_until),
        "holes": list(reach.holes),
        "troubles": list(reach.troubles),
        "covers_the_run": change.ended_at is not None and reach.covers(change.ended_at),
    }


def _call(one: OurCall, change: Change) -> dict[str, Any]:
    """Return one call as Vault's own log shows it; what its token claims must be this change's plan."""
    return {
        "step": one.step,
        "event": one.event,
        "at": moment(one.at),
        "request_id": one.request_id,
        "operation": one.operation,
        "path": one.path,
        "outcome": one.outcome,
        "changes_something": is_effect(one),
        "role": one.role,
        "of_this_plan": one.plan == change.plan_hash,
    }


def _trail(change: Change) -> dict[str, Any]:
    """Return what the trail holds of the change, and its head: whoever has that can tell if the trail was rewritten."""
    some = TrailEntry.objects.filter(subject_kind="change", subject_id=change.pk).order_by("pk")
    head = TrailEntry.objects.filter(position__isnull=False).order_by("-position").first()
    return {
        "entries": [
            {"position": one.position, "at": moment(one.at), "who": one.actor_name, "did": one.verb, "hash": one.hash}
            for one in some
        ],
        "head": {"position": head.position, "hash": head.hash, "at": moment(head.at)} if head else None,
    }


def as_json(found: Mapping[str, Any]) -> str:
    """Return a report as its JSON file."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def names(change: Change) -> Sequence[str]:
    """Return the names of the two files."""
    return (f"{change.name}.md", f"{change.name}.json")


def taken(actor: User, change: Change, name: str, request: HttpRequest | None = None) -> None:
    """Note in the trail that somebody took a report away."""
    with transaction.atomic():
        record(actor, "rotation.report.taken", moves.subject(change), details={"file": name}, request=request)


def now() -> datetime:
    """Return the time of a report."""
    return datetime.now(UTC)
