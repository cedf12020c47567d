"""How the API shows a change: the plan with its hash, who asked and decided, and all that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rotation.models import Attempt, Change, Proof, Step, Verdict
from rotation.queries import Told

Shown = dict[str, Any]
_STEP = ("number", "step", "describe", "args", "holds_up")


def moment(value: datetime | None) -> str | None:
    """Return a time in UTC with microseconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None


def summary(change: Change) -> Shown:
    """Return a change as a list shows it."""
    return {
        "id": change.name,
        "state": change.state,
        "target": change.target,
        "vault": change.vault or None,
        "cluster": change.cluster or None,
        "verb": change.verb,
        "subject": change.subject,
        "reason": change.reason,
        "evidence": change.evidence or None,
        "risk": change.risk,
        "break_glass": change.break_glass,
        "review_due": moment(change.review_due),
        "reviewed_at": moment(change.reviewed_at),
        "reviewed_by": change.reviewed_by or None,
        "review_note": change.review_note or None,
        "asked_by": change.asker_name,
        "asked_through": change.asked_by,
        "asked_at": moment(change.asked_at),
        "expires_at": moment(change.expires_at),
        "approved_at": moment(change.approved_at),
        "started_at": moment(change.started_at),
        "ended_at": moment(change.ended_at),
        "cancel_wanted": change.cancel_wanted,
        "pause_before": change.pause_before,
        "says": change.says or None,
        "plan_hash": change.plan_hash,
    }


def whole(told: Told, possible: tuple[str, ...]) -> Shown:
    """Return a change with everything that belongs to it; `possible` are the verbs that the caller may do next."""
    change = told.change
    return {
        **summary(change),
        "args": change.args,
        "possible": list(possible),
        "plan": plan(change.plan, change.plan_hash),
        "rule": _rule(change.rule),
        "check": _check(change),
        "verdicts": [_verdict(one) for one in told.verdicts],
        "steps": [_step(one) for one in told.steps],
        "proofs": [_proof(one) for one in told.proofs],
    }


def plan(document: Mapping[str, Any], plan_hash: str) -> Shown:
    """Return a plan; one of several parts names them, what the record says, and what is left undone."""
    return {
        "hash": plan_hash,
        "steps": [{name: one.get(name) for name in _STEP} for one in document.get("steps", [])],
        "blast_radius": document.get("blast_radius", {}),
        "needs": document.get("needs", []),
        **{name: document[name] for name in ("question", "parts", "answers", "left") if name in document},
    }


def _rule(rule: Mapping[str, Any]) -> Shown:
    return {"name": rule.get("name"), "approvers": rule.get("approvers", 1), "roles": list(rule.get("roles", ())),
            "proof": rule.get("proof")}  # fmt: skip


def _check(change: Change) -> Shown | None:
    """Return what the worker saw when it last held the plan against the vault and the clusters; None before."""
    if change.checked_at is None:
        return None
    found: Mapping[str, Any] = change.found
    return {"at": moment(change.checked_at), "ok": bool(found.get("ok")), "lines": list(found.get("lines", ()))}


def _verdict(one: Verdict) -> Shown:
    return {"person": one.person_name, "verdict": one.verdict, "plan_hash": one.plan_hash, "proof": one.proof,
            "note": one.note or None, "at": moment(one.at), "void": one.void}  # fmt: skip


def _step(one: Step) -> Shown:
    return {
        "number": one.number,
        "step": one.kind,
        "title": one.title,
        "state": one.state,
        "says": one.says or None,
        "progress": one.progress or None,
        "seen_in_audit_log": moment(one.seen_at),
        "seen_event": one.seen_event,
        "started_at": moment(one.started_at),
        "ended_at": moment(one.ended_at),
        "attempts": [_attempt(each) for each in one.attempts.all()],
    }


def _attempt(one: Attempt) -> Shown:
    return {"number": one.number, "worker": one.worker, "began_at": moment(one.began_at), "intent": one.intent,
            "outcome": one.outcome or None, "says": one.says or None, "receipt": one.brought,
            "ended_at": moment(one.ended_at)}  # fmt: skip


def _proof(one: Proof) -> Shown:
    return {"step": one.step, "kind": one.kind, "subject": one.subject, "holds": one.holds or None, "state": one.state,
            "grade": one.grade or None, "says": one.says or None, "event": one.event, "at": moment(one.at)}  # fmt: skip
