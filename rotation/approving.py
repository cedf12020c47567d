"""What approvers do: approve and reject a change; each one transaction with its trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.trail import record
from rotation import lifecycle, moves
from rotation.ballot import Channel, No
from rotation.bells import ring_on_commit
from rotation.models import Change, Verdict


class NotApproved(Exception):
    """The verdict does not count and was not kept; the message says why. `way` is one word for it."""

    def __init__(self, why: No) -> None:
        super().__init__(why.sentence)
        self.way = why.way


@dataclass(frozen=True, slots=True)
class Given:
    """How a verdict came: by a page with a session whose last proof was `proved_at`, or by an API token."""

    channel: Channel
    request: HttpRequest | None = None
    proved_at: datetime | None = None
    token_id: int | None = None
    assertion: Mapping[str, Any] | None = None


def approve(change: Change, user: User, plan_hash: str, given: Given, note: str = "") -> Change:
    """Approve the plan with this hash; the change is approved once the last approval that it needs is there."""
    return _decide(change, user, "approve", plan_hash, given, note)


def reject(change: Change, user: User, plan_hash: str, given: Given, note: str = "") -> Change:
    """Reject the plan with this hash; one rejection is enough, before the change starts."""
    return _decide(change, user, "reject", plan_hash, given, note)


def may(change: Change, user: User, given: Given) -> No | None:
    """Return why this person can't approve this change in this way, None if they can."""
    return _why_not(change, user, "approve", change.plan_hash)


@transaction.atomic
def _decide(change: Change, user: User, verdict: str, plan_hash: str, given: Given, note: str) -> Change:
    change = Change.objects.select_for_update().get(pk=change.pk)
    if (why := _why_not(change, user, verdict, plan_hash)) is not None:
        raise NotApproved(why)
    if Verdict.objects.filter(change=change, person_id=user.pk, void=False).exists():
        raise NotApproved(No(f"{user.username} has decided on {change.name} already.", "twice"))
    proof = "api_token" if given.token_id is not None else "step_up"
    Verdict.objects.create(
        change=change, person_id=user.pk, person_name=user.username, verdict=verdict, plan_hash=change.plan_hash,
        facts_hash=change.facts_hash, proof=proof, note=note, token_id=given.token_id,
    )  # fmt: skip
    told = {"verdict": verdict, "plan": change.plan_hash, "proof": proof}
    done = lifecycle.MOVES[verdict].done
    record(user, f"rotation.verdict.{done}", moves.subject(change), details=told, request=given.request)
    if verdict == "reject":
        return moves.make(change, "reject", user, says=f"Rejected by {user.username}.", request=given.request)
    yes = Verdict.objects.filter(change=change, verdict="approve", void=False, plan_hash=plan_hash)
    if yes.count() < int(change.rule.get("approvers", 1)):
        return change
    ring_on_commit(change.pk)
    return moves.make(change, "approve", user, request=given.request)


def _why_not(change: Change, user: User, verdict: str, plan_hash: str) -> No | None:  # noqa: PLR0911
    roles = change.rule.get("roles", [])
    open_ = change.state == lifecycle.REQUESTED or (verdict == "reject" and change.state == lifecycle.APPROVED)
    if plan_hash != change.plan_hash:
        return No(f"{change.name} has another plan than the one you looked at. Look again.", "plan_edited")
    if not open_:
        return No(f"{change.name} is {change.state}: nothing is left to decide.", "over")
    if user.role not in roles:
        return No(f"{user.username} is {user.role}, and {change.name} asks for {' or '.join(roles)}.", "role")
    if verdict == "reject":
        return None
    if change.expires_at <= datetime.now(UTC):
        return No(f"{change.name} has expired. Ask for it anew.", "expired")
    if change.checked_at is None:
        return No(f"The worker has not held {change.name} against Vault yet. Wait a moment.", "unchecked")
    if not change.found.get("ok"):
        return No(f"{change.name} can't run as it stands: see what the worker found.", "not_ready")
    if user.pk == change.asker_id:
        return No(f"{user.username} asked for {change.name}, so another person has to approve it.", "own_account")
    return None
