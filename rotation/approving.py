"""What approvers do: approve and reject a change, and review a broken glass; each one transaction with its trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.trail import without_tokens
from rotation import assertions, ballots, break_glass, lifecycle, moves
from rotation.approvers import database_time, facts_of, rule_of, token_of, voter_of, votes_of
from rotation.assertions import AssertionRefused, Party
from rotation.ballot import Channel, Means, No, Proof, Verdict
from rotation.bells import ring_on_commit
from rotation.models import Change
from rotation.models import Verdict as VerdictRow
from rotation.pinned_keys import pinned
from rotation.policy import Rule, may_approve, may_reject, tally
from rotation.telling import record

LONGEST_NOTE = 2_000


class NotApproved(Exception):
    """The verdict does not count and was not kept; the message says why. `way` is one word for it."""

    def __init__(self, why: No) -> None:
        super().__init__(why.sentence)
        self.way = why.way


@dataclass(frozen=True, slots=True)
class Given:
    """How a verdict came: by a page with a session whose last proof was `proved_at`, or by an API token.

    `assertion` is a passkey's answer as the browser sends it, to `asked_of`; `by` is the relying party. `impersonator`
    is whoever made the link that opened the session, if somebody else did.
    """

    channel: Channel
    request: HttpRequest | None = None
    proved_at: datetime | None = None
    token_id: int | None = None
    assertion: Mapping[str, Any] | None = None
    by: Party | None = None
    impersonator: int | None = None


def approve(change: Change, user: User, plan_hash: str, given: Given, note: str = "") -> Change:
    """Approve the plan with this hash; the change is approved once the last approval that it needs is there.

    Raises `NotApproved`, and `moves.LostRace` when somebody else decided first.
    """
    return _decide(change, user, Verdict.APPROVE, plan_hash, given, note)


def reject(change: Change, user: User, plan_hash: str, given: Given, note: str = "") -> Change:
    """Reject the plan with this hash; one rejection is enough, before the change starts. Raises as `approve` does."""
    return _decide(change, user, Verdict.REJECT, plan_hash, given, note)


def asked_of(change: Change, user: User, verdict: Verdict, by: Party) -> dict[str, Any]:
    """Return what the browser asks a passkey of `user` for this verdict. Raises `AssertionRefused`."""
    asked = _challenge(change, user, verdict)
    return assertions.options(pinned(user.pk), asked, by)


def _challenge(change: Change, user: User, verdict: Verdict) -> bytes:
    ballot = ballots.of(change, user.pk)
    return assertions.challenge(change.name, change.plan_hash, verdict.value, change.facts_hash, ballot)


def party() -> Party | None:
    """Return whom passkeys are made for, None where KEYBOOK_URL is none that browsers give a passkey to."""
    try:
        return assertions.party(settings.KEYBOOK.url)
    except AssertionRefused:
        return None


def passkey_for(change: Change, user: User, verdict: Verdict) -> dict[str, Any] | None:
    """Return what the browser asks a passkey for this verdict; None where the rule takes less, or nothing is pinned."""
    rule, by = rule_of(change), party()
    if isinstance(rule, No) or rule.proof != Proof.PASSKEY or by is None or not pinned(user.pk):
        return None
    return asked_of(change, user, verdict, by)


def may(change: Change, user: User, given: Given) -> No | None:
    """Return why this person can't approve this change in this way, None if they can: what a page shows beforehand."""
    try:
        _judge(change, user, Verdict.APPROVE, change.plan_hash, given, database_time())
    except NotApproved as why:
        return No(str(why), why.way)
    return None


@transaction.atomic
def _decide(change: Change, user: User, verdict: Verdict, plan_hash: str, given: Given, note: str) -> Change:
    change = Change.objects.select_for_update().get(pk=change.pk)
    now = database_time()
    rule, means = _judge(change, user, verdict, plan_hash, given, now)
    if means.proof == Proof.PASSKEY:
        _prove(change, user, verdict, given)
    _keep(change, user, verdict, given, means, note)
    return _settle(change, user, verdict, rule, given)


def _judge(
    change: Change, user: User, verdict: Verdict, plan_hash: str, given: Given, now: datetime
) -> tuple[Rule, Means]:
    """Return the rule and the means if this verdict would count now. Raises `NotApproved`."""
    rule = rule_of(change)
    if isinstance(rule, No):
        raise NotApproved(rule)
    if plan_hash != change.plan_hash:
        raise NotApproved(No(f"{change.name} has another plan than the one you looked at. Look again.", "plan_edited"))
    if verdict == Verdict.APPROVE and change.state == lifecycle.REQUESTED and not change.found.get("ok"):
        raise NotApproved(_unchecked(change))
    means = _means(given)
    judge = may_approve if verdict == Verdict.APPROVE else may_reject
    answer = judge(facts_of(change, rule), voter_of(user, means, now, given.impersonator), rule, now)
    if isinstance(answer, No):
        raise NotApproved(answer)
    return rule, means


def _unchecked(change: Change) -> No:
    if change.checked_at is None:
        return No(
            f"The worker has not held {change.name} against Vault and the cluster yet. Wait a moment.", "unchecked"
        )
    return No(f"{change.name} can't run as it stands: see what the worker found. Nobody can approve it.", "not_ready")


def _means(given: Given) -> Means:
    if given.token_id is not None:
        return Means(Channel.API, Proof.API_TOKEN, token=token_of(given.token_id))
    if given.channel != Channel.PAGE:
        return Means(given.channel, None)
    if given.assertion is not None:
        return Means(given.channel, Proof.PASSKEY)
    return Means(given.channel, Proof.STEP_UP, given.proved_at)


def _prove(change: Change, user: User, verdict: Verdict, given: Given) -> None:
    """Verify the passkey's answer by the keys that are pinned. Raises `NotApproved`."""
    asked = _challenge(change, user, verdict)
    try:
        if given.by is None or given.assertion is None:
            raise AssertionRefused(
                "Passkeys need KEYBOOK_URL, the address at which people open Keybook. It is not set."
            )
        credential = assertions.credential_of(given.assertion)
        key = next((one for one in pinned(user.pk) if one.credential == credential), None)
        if key is None:
            raise AssertionRefused(
                "This passkey is not pinned for you. Enrol it first; another administrator approves it."
            )
        assertions.verify(given.assertion, key, asked, given.by)
    except AssertionRefused as why:
        raise NotApproved(No(str(why), "assertion")) from None


def _keep(change: Change, user: User, verdict: Verdict, given: Given, means: Means, note: str) -> None:
    row = VerdictRow(
        change=change, person_id=user.pk, person_name=user.username, verdict=verdict.value, plan_hash=change.plan_hash,
        facts_hash=change.facts_hash, proof=means.proof.value if means.proof else "", token_id=given.token_id,
        assertion=dict(given.assertion) if given.assertion is not None else None, note=note.strip()[:LONGEST_NOTE],
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise NotApproved(No(f"{user.username} has decided on {change.name} already.", "twice")) from None
    told = {"verdict": row.verdict, "plan": row.plan_hash, "proof": row.proof, "by": given.channel.value}
    if given.token_id is not None:
        told["with"] = f"API token {given.token_id}"
    verb = f"rotation.verdict.{_PAST[verdict]}"
    record(user, verb, moves.subject(change), about=change, details=told, request=given.request)


_PAST = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected"}


def _settle(change: Change, user: User, verdict: Verdict, rule: Rule, given: Given) -> Change:
    """Move the change if this verdict was the last one that it needed."""
    if verdict == Verdict.REJECT:
        return moves.make(change, "reject", user, says=f"Rejected by {user.username}.", request=given.request)
    found = tally(votes_of(change), facts_of(change, rule), rule, database_time())
    if found.outcome != "approved":
        return change
    names = ", ".join(one.voter.name for one in found.counted)
    moved = moves.make(change, "approve", user, says=f"Approved by {names}.", request=given.request, due_at=None)
    ring_on_commit(moved.pk)
    return moved


@transaction.atomic
def review(change: Change, user: User, given: Given, note: str) -> Change:
    """Close the review of a broken glass: another person has looked at what was done. Raises `NotApproved`."""
    change = Change.objects.select_for_update().get(pk=change.pk)
    now, rule = database_time(), rule_of(change)
    if isinstance(rule, No):
        raise NotApproved(rule)
    if not change.break_glass or change.reviewed_at is not None:
        raise NotApproved(No(f"{change.name} waits for no review.", "no_review"))
    if not note.strip():
        raise NotApproved(No("Write what you found: the review is kept with the change.", "note"))
    if (why := _may_review(change, user, rule, given, now)) is not None:
        raise NotApproved(why)
    note = without_tokens(note.strip())[:LONGEST_NOTE]
    Change.objects.filter(pk=change.pk).update(reviewed_at=now, reviewed_by=user.username, review_note=note)
    told = {"note": note}
    record(user, "rotation.change.reviewed", moves.subject(change), about=change, details=told, request=given.request)
    change.refresh_from_db(fields=["reviewed_at", "reviewed_by", "review_note"])
    return change


def reviewable(change: Change, user: User, given: Given) -> No | None:
    """Return why this person can't review this change, None if they can: what a page shows beforehand."""
    rule = rule_of(change)
    if isinstance(rule, No):
        return rule
    return _may_review(change, user, rule, given, database_time())


def _may_review(change: Change, user: User, rule: Rule, given: Given, now: datetime) -> No | None:
    """Judge a review by the rule that was frozen; it has no effect, so a fresh session is proof enough for it."""
    soft = replace(rule, proof=Proof.STEP_UP) if rule.proof == Proof.PASSKEY else rule
    voter = voter_of(user, _means(replace(given, assertion=None)), now, given.impersonator)
    answer = break_glass.may_review(facts_of(change, soft), voter, soft, now)
    return answer if isinstance(answer, No) else None
