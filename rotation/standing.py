"""Whether an approved change may really start: the executor judges every approval anew, by what others can't write.

What the web process says - the state, the rule, that a passkey was good - is a claim here, and is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from accounts.models import TrailEntry
from rotation import assertions, ballots, glass, lifecycle, rules
from rotation.actions import IN_ALL
from rotation.approvers import database_time, facts_of, rule_of, rule_of_plan, verdicts_of, votes_of
from rotation.assertions import AssertionRefused, Party
from rotation.ballot import Answer, No, Proof, Verdict, Vote, Yes
from rotation.break_glass import GOOD_FOR
from rotation.models import Attempt, Change
from rotation.models import Verdict as VerdictRow
from rotation.pinned_keys import Pin, known
from rotation.plan import risk_of
from rotation.planning import digest
from rotation.policy import Rule, Tally, tally

REQUESTED = "rotation.change.requested"
_ENDS = ("succeed", "reject", "cancel", "expire")  # what nothing leads out of
_CODE = "rotation.change."
OVER = {f"{_CODE}{lifecycle.MOVES[verb].done}": lifecycle.MOVES[verb].done for verb in _ENDS}
FAILED, RESUMED = f"{_CODE}failed", f"{_CODE}resumed"
_REVIVED = (
    "Its row says that it runs, and nothing more of it was done. Look at who can write to Keybook's database; ask for "
    "what is left as a new change."
)
_LAPSED = "It had begun, and nothing of it was done. Ask for it as a new change."
_SAME = ("target", "args", "vault", "cluster", "verb", "subject")


def unsure(change: Change, now: datetime, by: Party | None) -> tuple[str, str]:
    """Return the verb to make of an approved change that may not start and the sentence why; two empty texts if it may.

    The verbs are reject (it is not what it says to be, or somebody rejected it), expire, and void (approvals are
    missing now: those that count no more are struck, so that their people can give them anew). `now` is PostgreSQL's
    time; `by` is None where KEYBOOK_URL is not set.
    """
    verb, said = _judged(change, now, by)
    if not verb and (why := _over(_told(change, asked_at(change) or change.asked_at))):
        return "reject", why
    return verb, said


def _judged(change: Change, now: datetime, by: Party | None) -> tuple[str, str]:
    if change.break_glass:
        return _broken(change, now)
    rule = judged_rule(change)
    if isinstance(rule, No):
        return "reject", rule.sentence
    asked = asked_at(change) or change.asked_at
    if now >= asked + rule.lasts or now >= change.expires_at:
        return "expire", f"An approval is good for {rule.hours} h from asking, and those are over. Ask for it anew."
    found, lies = count(change, rule, asked, now, by)
    verb, why = _said(found, [no for _, no in lies])
    if verb == "void":
        struck = [vote.mark for vote, _ in (*found.void, *lies)]
        VerdictRow.objects.filter(change=change, pk__in=struck, verdict=Verdict.APPROVE).update(void=True)
    return verb, why


def revived(change: Change) -> str:
    """Return why a change whose row says that it runs may not: by the trail it is over, or stopped; "" if it may.

    The web process may write a row's state, and its verbs leave entries that it can't take back.
    """
    why = _stands(change, change.started_at or change.asked_at)
    return f"{why} {_REVIVED}" if why else ""


def _stands(change: Change, began: datetime) -> str:
    told = _told(change, began)
    if why := _over(told):
        return why
    stops = [entry for entry in told if entry.verb in (FAILED, RESUMED)]
    if stops and stops[-1].verb == FAILED:
        return f"The trail says that it stopped at {stops[-1].at:%Y-%m-%d %H:%M:%S} UTC, and of nobody who resumed it."
    if any(entry.at > began + IN_ALL for entry in stops if entry.verb == RESUMED):
        return f"It was resumed more than {IN_ALL.days} days after it began. Ask for what is left as a new change."
    return ""


def lapsed(change: Change, by: Party | None) -> str:
    """Return why a change that began and has done nothing yet lost its approval since, "" if it has not.

    A freeze, a pause, a refusal or a vault that is away may lie between the start and the first effect. Once anything
    was done, or may have been, what was approved goes on. How long an approval is good was judged at the start.
    """
    if _acted(change):
        return ""
    if change.break_glass:  # its hour is that until the first effect
        why = _broken(change, database_time())[1]
        return f"{why} {_LAPSED}" if why else ""
    rule, began = rule_of(change), change.started_at or change.asked_at
    if isinstance(rule, No):
        return rule.sentence
    found, lies = count(change, rule, asked_at(change) or change.asked_at, began, by, begun=True)
    verb, why = _said(found, [no for _, no in lies])
    return f"{why} {_LAPSED}" if verb else ""


def _acted(change: Change) -> bool:
    nothing = ("refused", "not done", "drifted")
    return Attempt.objects.filter(step__change=change).exclude(outcome__in=nothing).exists()


def _told(change: Change, since: datetime) -> list[TrailEntry]:
    """Return what the trail tells of how a change ended, stopped and was resumed since a time, in that order."""
    some = TrailEntry.objects.filter(at__gte=since, verb__in=[*OVER, FAILED, RESUMED])
    return list(some.filter(subject_kind="change", subject_id=change.pk).order_by("pk"))


def _over(told: Iterable[TrailEntry]) -> str:
    ends = (f"The trail says that it was {OVER[one.verb]} at {one.at:%Y-%m-%d %H:%M:%S} UTC." for one in told
            if one.verb in OVER)  # fmt: skip
    return next(ends, "")


def _broken(change: Change, now: datetime) -> tuple[str, str]:
    """Judge a broken glass as it was judged when it was broken: nobody approved it, so nothing else speaks for it."""
    asked, refusal = asked_at(change), _contradicts(change)
    if asked is None or refusal is not None:
        return "reject", (_unknown(change) if refusal is None else refusal).sentence
    if now >= asked + GOOD_FOR:
        return "expire", "A broken glass is good for an hour, and it is over. Ask for it anew."
    for moment in (asked, now):  # what a policy denies, no glass gives
        if isinstance(denied := _rule_then(change, moment), No):
            return "reject", denied.sentence
    answer = glass.judge(change, asked)
    return ("reject", answer.sentence) if isinstance(answer, No) else ("", "")


def _as_glass(change: Change, asked: datetime) -> tuple[str, str]:
    answer = glass.judge(change, asked)
    return ("reject", answer.sentence) if isinstance(answer, No) else ("", "")


def _said(found: Tally, lies: list[No]) -> tuple[str, str]:
    if found.outcome == "approved":
        return "", ""
    if found.outcome == "rejected":
        return "reject", "Somebody rejected it."
    why = [no.sentence for _, no in found.void] + [no.sentence for no in lies]
    plural = "s are" if found.more > 1 else " is"
    return "void", " ".join([f"{found.more} more approval{plural} needed.", *why])


def count(
    change: Change, rule: Rule, asked: datetime, now: datetime, by: Party | None, *, begun: bool = False
) -> tuple[Tally, list[tuple[Vote, No]]]:
    """Return what the votes come to that are proven, and the others, each with why it is not."""
    read = verdicts_of(change)  # once: what is counted is what was judged, whatever comes meanwhile
    rows = {str(row.pk): row for row in read}
    keys = known()
    proven, lies = [], []
    for vote in votes_of(change, read):
        answer = _proven(change, rows[vote.mark], keys, by)
        if isinstance(answer, No):
            lies.append((vote, answer))
        else:
            proven.append(vote)
    facts = facts_of(change, rule, asked)
    return tally(proven, replace(facts, open=facts.open or begun), rule, now), lies


def asked_at(change: Change) -> datetime | None:
    """Return when a change was asked for by the trail, whose times PostgreSQL gives; None where it tells nothing.

    An entry that is older than the change was sown for a number to come: it would let an honest change expire.
    """
    if change._state.adding:
        return None
    entries = TrailEntry.objects.filter(verb=REQUESTED, subject_kind="change", subject_id=change.pk)
    return entries.filter(at__gte=change.asked_at).order_by("pk").values_list("at", flat=True).first()


def judged_rule(change: Change) -> Rule | No:
    """Return the rule that holds for a change, or why the change is not what it says to be.

    The rule is worked out anew from the policies that held when the trail says that it was asked for.
    """
    kept, at = rule_of(change), asked_at(change)
    if isinstance(kept, No):
        return kept
    if at is None:
        return _unknown(change)
    if (refusal := _untrue(change)) is not None:
        return refusal
    said = _rule_then(change, at)
    if isinstance(said, No) or rules.rule_digest(said) == rules.rule_digest(kept):
        return said
    return No(f"{change.name} carries another approval policy than what held when it was asked for.", "rule")


def _rule_then(change: Change, at: datetime) -> Rule | No:
    """Return what a change needs by the policies of a moment, by the higher of its target's class and its row's."""
    risk = max(risk_of(change.target, change.args), change.risk, key=rules.RISKS.__getitem__)
    return rule_of_plan(change.plan, risk, at)


def _unknown(change: Change) -> No:
    return No(f"The trail does not tell that {change.name} was asked for.", "trail")


def _untrue(change: Change) -> No | None:
    """Return what in the row contradicts the plan, or what the worker drew itself."""
    if (refusal := _contradicts(change)) is not None:
        return refusal
    if not change.redrawn.filter(plan_hash=change.plan_hash).exists():
        return No(f"The worker did not come to the plan of {change.name} itself.", "redrawn")
    return None


def _contradicts(change: Change) -> No | None:
    if digest(change.plan) != change.plan_hash:
        return No(f"The plan of {change.name} is not the one that its hash names.", "plan")
    if any(change.plan.get(name) != getattr(change, name) for name in _SAME):
        return No(f"{change.name} says something else than its plan.", "plan")
    return None


def _proven(change: Change, row: VerdictRow, keys: Iterable[Pin], by: Party | None) -> Answer:
    """Return whether a vote is what it says to be; only a passkey's can be told from a forged one."""
    if row.verdict != Verdict.APPROVE:
        return Yes()
    if row.facts_hash != change.facts_hash:
        return No(f"{row.person_name} approved before the worker found what it finds now.", "facts")
    return verified(change, [row], keys, by) if row.proof == Proof.PASSKEY else Yes()


def verified(change: Change, verdicts: Iterable[VerdictRow], keys: Iterable[Pin], by: Party | None) -> Answer:
    """Return whether each verdict has a good assertion over this change and plan, by a key pinned for that person."""
    if by is None:
        return No("Passkeys need KEYBOOK_URL, and the worker's environment lacks it.", "party")
    held = {one.key.credential: one for one in keys}
    for row in verdicts:
        try:
            _verify(change, row, held, by)
        except AssertionRefused as why:
            return No(f"The approval of {row.person_name} is not proven. {why}", "assertion")
    return Yes()


def _verify(change: Change, row: VerdictRow, held: dict[bytes, Pin], by: Party) -> None:
    if not isinstance(row.assertion, dict):
        raise AssertionRefused("It carries no assertion.")
    pin = held.get(assertions.credential_of(row.assertion))
    if pin is None:
        raise AssertionRefused("Its passkey is not pinned.")
    if pin.row.user_id != row.person_id:
        raise AssertionRefused("Its passkey is pinned for somebody else.")
    if pin.ended_at is not None:
        raise AssertionRefused(f"Its passkey was ended at {pin.ended_at:%Y-%m-%d %H:%M:%S} UTC.")
    ballot = ballots.of(change, row.person_id)
    asked = assertions.challenge(change.name, change.plan_hash, row.verdict, row.facts_hash, ballot)
    assertions.verify(row.assertion, pin.key, asked, by)
