"""What people do with changes: ask, cancel, resume. Each verb is one transaction with its entry in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.trail import Detail, without_tokens
from rotation import lifecycle, moves
from rotation.bells import ring_on_commit
from rotation.models import Change
from rotation.plan import Plan
from rotation.planning import Refused, digest
from rotation.telling import record

LONGEST_REASON = 2_000
LONGEST_KEY = LONGEST_EVIDENCE = 200
IN_ALL = timedelta(days=14)  # from the start of a change to its last resume
PAUSED, UNPAUSED = "rotation.change.pause_wanted", "rotation.change.pause_ended"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and how: `by` is page, api, command, schedule or playbook; `key` is the Idempotency-Key.

    `review_due` is set where the glass is broken (`rotation.glass`), and nowhere else.
    """

    by: str = "page"
    token_id: int | None = None
    key: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""
    request: HttpRequest | None = None
    review_due: datetime | None = None


class KeyUsed(Exception):
    """The same Idempotency-Key came with another body; `change` is the one that was asked for with the first."""

    def __init__(self, change: str) -> None:
        super().__init__(
            f"This Idempotency-Key was used for {change}, with another body. Use a new key for a new change."
        )
        self.change = change


def request(asker: User, plan: Plan, reason: str, asked: Asked, *, rule: Mapping[str, Any], hours: int = 24) -> Change:
    """Ask for a change and return it; the same key with the same body returns the one that was asked before.

    `rule` is the approval policy that holds for it, frozen. Raises `Refused` for a reason that is missing or too long,
    `KeyUsed` when the key came before with another body.
    """
    reason, asked = without_tokens(reason.strip()), replace(asked, evidence=without_tokens(asked.evidence))
    if not reason or len(reason) > LONGEST_REASON:
        raise Refused(
            "A change needs a reason that the approver can judge.", f"Write one of 1 to {LONGEST_REASON:,} characters.",
            code="bad_args", field="reason",
        )  # fmt: skip
    if len(asked.evidence) > LONGEST_EVIDENCE:
        raise Refused(
            f"The evidence has {len(asked.evidence):,} characters.",
            f"Name it in at most {LONGEST_EVIDENCE}: an event, a finding, a ticket.", code="bad_args", field="evidence",
        )  # fmt: skip
    if len(asked.key) > LONGEST_KEY:
        raise Refused(
            f"The Idempotency-Key has {len(asked.key)} characters.", f"Use at most {LONGEST_KEY}.", code="bad_args"
        )
    body = digest(asked.body)
    if before := _same(asker, asked.key, body):
        return before
    try:
        with transaction.atomic():
            return _make(asker, plan, reason, asked, rule, hours, body)
    except IntegrityError:  # the same key at the same moment
        if before := _same(asker, asked.key, body):
            return before
        raise


def _same(asker: User, key: str, body: str) -> Change | None:
    found = Change.objects.filter(asker_id=asker.pk, key=key).first() if key else None
    if found is not None and found.body_hash != body:
        raise KeyUsed(found.name)
    return found


def _make(asker: User, plan: Plan, reason: str, asked: Asked, rule: Mapping[str, Any], hours: int, body: str) -> Change:
    whole = plan.document
    made = Change.objects.create(
        target=whole["target"], args=whole["args"], vault=whole["vault"], cluster=whole["cluster"], verb=whole["verb"],
        subject=whole["subject"], reason=reason, evidence=asked.evidence, asker_id=asker.pk, asker_name=asker.username,
        asked_by=asked.by, token_id=asked.token_id, risk=plan.risk, rule=dict(rule), plan=whole, plan_hash=plan.hash,
        expires_at=timezone.now() + timedelta(hours=hours), key=asked.key or None, body_hash=body,
        break_glass=asked.review_due is not None, review_due=asked.review_due,
    )  # fmt: skip
    told = {"target": made.target, "plan": made.plan_hash, "by": asked.by, "reason": reason[:200]}
    record(asker, "rotation.change.requested", moves.subject(made), about=made, details=told, request=asked.request)
    ring_on_commit(made.pk)
    return made


def cancel(change: Change, actor: User, *, http: HttpRequest | None = None) -> Change:
    """Cancel a change; one that runs is cancelled by its worker before the next step. Raises `lifecycle.Forbidden`."""
    if change.state != lifecycle.RUNNING:
        return moves.make(change, "cancel", actor, request=http, says=f"Cancelled by {actor.username}.")
    with transaction.atomic():
        if not Change.objects.filter(pk=change.pk, state=lifecycle.RUNNING).update(cancel_wanted=True, due_at=None):
            raise moves.LostRace(f"{change.name} runs no more. Look at it again before you decide.")
        record(actor, "rotation.change.cancel_wanted", moves.subject(change), about=change, request=http)
        ring_on_commit(change.pk)
    change.refresh_from_db(fields=["state", "cancel_wanted"])
    return change


def pause(change: Change, actor: User, before: int, *, http: HttpRequest | None = None) -> Change:
    """Have an approved or running change wait before a step that has not begun, until somebody resumes it.

    Raises `lifecycle.Forbidden` for a step that it does not have or that has begun, `LostRace` when it is over.
    """
    if change.state not in lifecycle.WORK:
        raise lifecycle.Forbidden(f"{change.name} is {change.state}: only one that is approved or runs can be paused.")
    if not 1 <= before <= (of := len(change.plan["steps"])):
        raise lifecycle.Forbidden(f"{change.name} has no step {before}. It has steps 1 to {of}.")
    with transaction.atomic():
        held = Change.objects.filter(pk=change.pk, state__in=lifecycle.WORK)
        if not held.update(pause_before=before, paused_by=actor.username, due_at=None):
            raise moves.LostRace(f"{change.name} is over meanwhile. Look at it again before you decide.")
        if change.steps.filter(number=before, started_at__isnull=False).exists():
            raise lifecycle.Forbidden(f"Step {before} of {change.name} has begun. Choose a later one.")
        told: dict[str, Detail] = {"before": before}
        record(actor, "rotation.change.pause_wanted", moves.subject(change), about=change, details=told, request=http)
        ring_on_commit(change.pk)
    change.refresh_from_db(fields=["state", "pause_before", "paused_by"])
    return change


def resume(change: Change, actor: User, *, http: HttpRequest | None = None) -> Change:
    """Let a change go on: one that stopped at the step where it stopped, a paused one as if nobody had paused it.

    Those who approved it did so for that day: as long as an approval is good, so long after its end it may go on, and
    `IN_ALL` after its start no more, however often it stopped. Raises `lifecycle.Forbidden`.
    """
    if change.state in lifecycle.WORK and change.pause_before is not None:
        return _unpause(change, actor, http)
    good_for = timedelta(hours=int(change.rule.get("hours", 24)))
    if change.state == lifecycle.FAILED and change.ended_at and timezone.now() > change.ended_at + good_for:
        raise lifecycle.Forbidden(
            f"{change.name} stopped at {change.ended_at:%Y-%m-%d %H:%M} UTC, and what was approved may go on for "
            f"{good_for.total_seconds() / 3600:.0f} h after that. Ask for what is left as a new change."
        )
    if change.state == lifecycle.FAILED and change.started_at and timezone.now() > change.started_at + IN_ALL:
        raise lifecycle.Forbidden(
            f"{change.name} began at {change.started_at:%Y-%m-%d %H:%M} UTC, and what was approved may go on for "
            f"{IN_ALL.days} days in all. Ask for what is left as a new change."
        )
    says = f"Resumed by {actor.username}."
    with transaction.atomic():
        moves.make(change, "resume", actor, request=http, says=says, cancel_wanted=False, due_at=None, ended_at=None)
        ring_on_commit(change.pk)
    return change


def _unpause(change: Change, actor: User, http: HttpRequest | None) -> Change:
    with transaction.atomic():
        held = Change.objects.filter(pk=change.pk, state__in=lifecycle.WORK, pause_before=change.pause_before)
        if not held.update(pause_before=None, paused_by="", due_at=None, says=f"Resumed by {actor.username}."):
            raise moves.LostRace(f"{change.name} stands elsewhere meanwhile. Look at it again before you decide.")
        told: dict[str, Detail] = {"before": change.pause_before}
        record(actor, "rotation.change.pause_ended", moves.subject(change), about=change, details=told, request=http)
        ring_on_commit(change.pk)
    change.refresh_from_db(fields=["state", "pause_before", "paused_by", "says"])
    return change
