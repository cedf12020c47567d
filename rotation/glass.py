"""Breaks the glass: asks for a revocation that starts at once, and judges it again before its first effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import TrailEntry, User
from rotation import actions, lifecycle, moves, rules
from rotation.actions import Asked
from rotation.approvers import database_time, rule_for_plan
from rotation.approving import NotApproved
from rotation.ballot import Answer, No, Proof
from rotation.bells import ring_on_commit
from rotation.break_glass import (
    GOOD_FOR,
    LEAST_REASON,
    RESTART,
    REVOKE,
    Act,
    Ceilings,
    Glass,
    may_break,
    review_due,
)
from rotation.models import Change
from rotation.plan import Plan
from rotation.telling import record

HOUR = timedelta(hours=1)
_BY_TOKEN = No(
    "No approval policy takes the word of a token for this, so the glass is broken on the page, with a fresh proof.",
    "proof",
)
# What each kind of step is; one that is not named here is taken for what the glass is not for.
_FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "revoke_leases": REVOKE,
        "revoke_token": REVOKE,
        "disable_entity": REVOKE,
        "restart_rollout": RESTART,
        "restart_batch": RESTART,
    }
)
_LOOKS = frozenset({"verify_delivery", "verify_revoked", "wait_rollout", "await_version", "notify", "ask_person"})
BEGAN = "rotation.change.started"
HEALS = "change:"  # how the evidence of a restart names the revocation that it heals: `change:C-215`


@transaction.atomic
def break_glass(asker: User, plan: Plan, reason: str, asked: Asked, *, proved_at: datetime | None) -> Change:
    """Ask for a revocation that starts without a second person; another one has to review it within a day.

    Raises `NotApproved`, and what `actions.request` raises.
    """
    now = database_time()
    rule = rule_for_plan(plan.document, plan.risk)
    if asked.token_id is not None:  # nobody proves themselves by a token: whether its word is enough, the policy says
        if not rule.takes(Proof.API_TOKEN):
            raise NotApproved(_BY_TOKEN)
        proved_at = now
    glass = _glass(plan.document, reason, asker, asked.evidence, now, proved_at)
    if isinstance(answer := may_break(glass, now), No):
        raise NotApproved(answer)
    change = actions.request(
        asker, plan, reason, replace(asked, review_due=review_due(now)), rule=rules.document(rule),
        hours=int(GOOD_FOR / HOUR),
    )  # fmt: skip
    if change.state != lifecycle.REQUESTED:
        return change  # the same Idempotency-Key came before
    told = {"reason": change.reason[:200], "plan": change.plan_hash}
    record(asker, "rotation.glass.broken", moves.subject(change), about=change, details=told, request=asked.request)
    says = f"{asker.username} broke the glass: {change.reason}"
    moved = moves.make(change, "approve", asker, says=says, request=asked.request)
    ring_on_commit(moved.pk)
    return moved


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a plan would touch through a broken glass, beside the ceilings; `why` is what keeps it, "" for nothing."""

    touched: int
    last_hour: int
    ceilings: Ceilings
    why: str


def bounds(asker: User, plan: Plan, evidence: str) -> Bounds:
    """Return how a plan stands to the bounds of a broken glass, whatever reason and proof will be given."""
    now = database_time()
    glass = _glass(plan.document, "x" * LEAST_REASON, asker, evidence, now, now)
    answer = may_break(glass, now)
    why = answer.sentence if isinstance(answer, No) else ""
    return Bounds(len(glass.acts), glass.last_hour, Ceilings(), why)


def judge(change: Change, asked: datetime) -> Answer:
    """Return whether a change that says that the glass was broken for it may run; `asked` is when, by the trail.

    That its asker had proved themselves just before is the web process's word.
    """
    asker = User.objects.only("username", "role", "is_active").filter(pk=change.asker_id or 0, is_active=True).first()
    if asker is None:
        return No(f"Nobody active asked for {change.name}.", "asker")
    glass = _glass(change.plan, change.reason, asker, change.evidence, asked, asked, judged=change)
    return may_break(glass, asked)


def _glass(
    plan: Mapping[str, Any], reason: str, asker: User, evidence: str, now: datetime, proved_at: datetime | None,
    judged: Change | None = None,
) -> Glass:  # fmt: skip
    # One that was cancelled after it had begun has touched what it touched.
    unbegun = Q(state=lifecycle.CANCELLED, started_at=None)
    lately = Q(asked_at__gt=now - HOUR)
    if judged is not None:
        # The web process writes a row's number and when it was asked for; when it began, the worker alone.
        lately = (lately & Q(pk__lt=judged.pk)) | Q(pk__in=_begun(now - HOUR))
    before = Change.objects.filter(lately, break_glass=True).exclude(unbegun).exclude(pk=judged.pk if judged else 0)
    done = [act for one in before for act in acts_of(one.plan, one.evidence)]
    revoked = {evidence for one in before if evidence == f"{HEALS}{one.name}" and _heals(plan, one.plan)}
    return Glass(list(acts_of(plan, evidence)), reason, asker.role, proved_at, len(done), frozenset(revoked))


def _begun(since: datetime) -> list[int]:
    """Return the changes that began since a time, by the trail."""
    some = TrailEntry.objects.filter(verb=BEGAN, subject_kind="change", at__gt=since, subject_id__isnull=False)
    return [one or 0 for one in some.values_list("subject_id", flat=True)]


def _heals(plan: Mapping[str, Any], revocation: Mapping[str, Any]) -> bool:
    """Whether a plan restarts one workload, of which a pod held something that the other plan revoked.

    Several workloads in one plan are not told apart by it, so which of them lost something is not known.
    """
    restarts = sum(act.family == RESTART for act in acts_of(plan))
    revokes = any(act.family == REVOKE for act in acts_of(revocation))
    lost, now = (set(one.get("blast_radius", {}).get("pods", ())) for one in (revocation, plan))
    return revokes and restarts == 1 and not lost.isdisjoint(now)


def acts_of(plan: Mapping[str, Any], evidence: str = "") -> Iterator[Act]:
    """Yield what a plan does, one act for each lease, token, entity and workload; what is only looked at is none."""
    for step in plan["steps"]:
        kind, args = step["step"], step["args"]
        if kind in _LOOKS:
            continue
        family = _FAMILIES.get(kind, "rotate")
        if kind == "disable_entity" and args.get("enable"):
            family = "enable"
        heals = evidence if family == RESTART else ""
        yield from (Act(family, subject, heals) for subject in _subjects(kind, args))


def _subjects(kind: str, args: Mapping[str, Any]) -> list[str]:
    if kind == "revoke_leases":
        return list(args.get("leases", ()))
    if kind == "restart_batch":
        return [name for one in args.get("workloads", ()) for name in _subjects("restart_rollout", one)]
    named = (
        args.get("accessor") or args.get("entity") or "/".join(str(args.get(one, "")) for one in ("namespace", "name"))
    )
    return [f"{kind} {named}"]
