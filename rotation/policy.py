"""Who may approve what: one voter before one change, and what all votes together decide. Pure: the time is given.

Nobody approves their own change. Each way in which somebody might is a refusal with a sentence of its own, and is
looked at twice: when the vote is given, and by the worker before the first effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotation.ballot import (
    TIE_WORDS,
    Answer,
    Asker,
    ChangeFacts,
    Channel,
    Group,
    Means,
    Membership,
    No,
    Proof,
    Risk,
    Tie,
    Tied,
    Token,
    Verdict,
    Vote,
    Voter,
    Yes,
)
from rotation.rules import Rule, choose, rule_digest

__all__ = [
    "Answer", "Asker", "ChangeFacts", "Channel", "Group", "Means", "Membership", "No", "Proof", "Risk", "Rule", "Tally",
    "Tie", "Tied", "Token", "Verdict", "Vote", "Voter", "Yes", "choose", "counts", "may_approve", "may_reject", "tally",
]  # fmt: skip

FRESH = timedelta(minutes=5)  # of a stepped-up session
TIE_LASTS = timedelta(days=30)

_Look = Callable[[ChangeFacts, Voter, Rule], No | None]


def may_approve(change: ChangeFacts, voter: Voter, rule: Rule, now: datetime) -> Answer:
    """Return whether this voter's approval of this change would count now; a refusal says why and who can instead."""
    return _judge(change, voter, rule, now, given=now, approves=True)


def may_reject(change: ChangeFacts, voter: Voter, rule: Rule, now: datetime) -> Answer:
    """Return whether this voter may reject: whoever may vote at all, whatever ties them to the asker."""
    return _judge(change, voter, rule, now, given=now, approves=False)


def _judge(change: ChangeFacts, voter: Voter, rule: Rule, now: datetime, *, given: datetime, approves: bool) -> Answer:
    """Judge a vote that was `given` then by what is so now; the first refusal counts."""
    separate = [look(change, voter, rule) for look in _THEMSELVES] + [_tied(change, voter, now)]
    found = [
        _rule(change, rule),
        _open(change, rule, now),
        *(separate if approves else ()),
        *(look(change, voter, rule) for look in _ELIGIBLE),
        _means(change, voter, rule, given),
    ]
    return next((no for no in found if no is not None), Yes())


# The policy that was frozen, and the time.


def _rule(change: ChangeFacts, rule: Rule) -> No | None:
    if rule_digest(rule) == change.rule_digest:
        return None
    if rule.approvers < change.approvers:
        return No(
            f"“{rule.name}” asks for {rule.approvers} now and asked for {change.approvers} when {change.id} was asked "
            "for. What it asked for then counts.", "threshold_lowered",
        )  # fmt: skip
    return No(
        f"“{rule.name}” was changed after {change.id} was asked for. What it said then counts; ask anew to use it.",
        "policy_edited",
    )


def _open(change: ChangeFacts, rule: Rule, now: datetime) -> No | None:
    if not change.open:
        return No(f"{change.id} is over, or runs. There is nothing to decide.", "over")
    if now >= change.asked + rule.lasts:
        return No(f"{change.id} was asked for more than {rule.hours} h ago. Ask for it anew.", "expired")
    return None


# The asker themselves, by whatever door.


def _impersonated(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    if voter.impersonator is None or voter.impersonator == voter.id:
        return None
    return No(
        f"This session of {voter.name} was opened by a link that somebody else made. Sign in as yourself to vote.",
        "impersonation",
    )


def _own_token(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    token = voter.means.token
    if token is None or token.owner != change.asker.id:
        return None
    return No(f"This API token acts for {change.asker.name}, who asked for {change.id}.", "own_token")


def _minted(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    token = voter.means.token
    if token is None or token.minted_by not in {change.asker.id, *change.editors}:
        return None
    part = "asked for" if token.minted_by == change.asker.id else "drew the plan of"
    return No(
        f"{token.minted_by_name} made this API token, and {part} {change.id}. {voter.name} needs one of their own.",
        "minted_token",
    )


def _service_account(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    if voter.owner is None:
        return None
    if voter.owner == change.asker.id:
        return No(f"{voter.name} is a service account of {change.asker.name}, who asked.", "service_account")
    return No(f"{voter.name} is a service account. A person approves.", "no_person")


def _through_group(change: ChangeFacts, voter: Voter, rule: Rule) -> No | None:
    """Tell an asker who is in the group that may approve that the group doesn't vote, its people do."""
    if voter.id != change.asker.id:
        return None
    held = next((one for one in voter.memberships if one.group in rule.groups), None)
    if held is None:
        return None
    if held.through:
        inner = held.through[0].name or held.through[0].id
        return No(
            f"{voter.name} is in {_print(held.group)} through {inner}, and asked for {change.id}. "
            "Somebody else of the group can approve it.", "nested_group",
        )  # fmt: skip
    return No(
        f"{voter.name} is one of {_print(held.group)}, and asked for {change.id}. Somebody else of the group can "
        "approve it.", "shared_group",
    )  # fmt: skip


def _renamed(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    if voter.id != change.asker.id or voter.name == change.asker.name:
        return None
    return No(
        f"{voter.name} was called {change.asker.name} when they asked for {change.id}. A new name makes nobody new.",
        "renamed",
    )


def _own(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    if voter.id != change.asker.id:
        return None
    return No(f"{voter.name} asked for {change.id}, so another person has to approve it.", "own_account")


def _editor(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    if voter.id not in change.editors:
        return None
    return No(f"{voter.name} drew the plan of {change.id}, so another person has to approve it.", "editor")


def _recreated(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    if voter.name.casefold() != change.asker.name.casefold():
        return None
    return No(
        f"This account is called {voter.name}, like the one that asked for {change.id}, and was made after it. "
        "A new account makes nobody new.", "recreated",
    )  # fmt: skip


_THEMSELVES: Sequence[_Look] = (
    _impersonated, _own_token, _minted, _service_account, _through_group, _renamed, _own, _editor, _recreated,
)  # fmt: skip


# Whoever had the account in their hands.


def _tied(change: ChangeFacts, voter: Voter, now: datetime) -> No | None:
    for tie in voter.ties:
        if tie.person in {change.asker.id, *change.editors} and _lasts(tie, now):
            return No(_tie_sentence(change, voter.name, tie), f"tied_{tie.why}")
    for held, tie in [*((change.asker.name, one) for one in change.ties), *change.editor_ties]:
        if tie.person == voter.id and _lasts(tie, now):
            return No(_tie_sentence(change, held, tie), f"tied_{tie.why}")
    return None


def _lasts(tie: Tie, now: datetime) -> bool:
    return tie.at is None or now - tie.at < TIE_LASTS


def _tie_sentence(change: ChangeFacts, held: str, tie: Tie) -> str:
    if tie.why in TIE_WORDS and tie.at is not None:
        until = tie.at + TIE_LASTS
        return (
            f"{tie.name} {TIE_WORDS[tie.why]} {held} on {tie.at:%Y-%m-%d}, and until {until:%Y-%m-%d} the two count as "
            f"one person. Another person has to approve {change.id}."
        )
    same = {Tied.EMAIL: "e-mail address", Tied.SUBJECT: "subject at the sign-on provider"}.get(tie.why, "name")
    return f"{held} and {tie.name} have the same {same}, so they count as one person."


# Whether the voter is one of those that the policy names.


def _active(change: ChangeFacts, voter: Voter, _rule: Rule) -> No | None:
    return None if voter.active else No(f"{voter.name} is disabled.", "disabled")


def _role(change: ChangeFacts, voter: Voter, rule: Rule) -> No | None:
    if voter.role in rule.roles:
        return None
    return No(
        f"{voter.name} is {voter.role or 'nobody'}, and “{rule.name}” asks for {' or '.join(sorted(rule.roles))}.",
        "role",
    )


def _people(change: ChangeFacts, voter: Voter, rule: Rule) -> No | None:
    if not rule.people or voter.id in rule.people:
        return None
    return No(f"{voter.name} is none of the people whom “{rule.name}” names.", "people")


def _group(change: ChangeFacts, voter: Voter, rule: Rule) -> No | None:
    held = [one.group for one in voter.memberships]
    if not rule.groups or rule.groups & set(held):
        return None
    names = {one.name.casefold(): one for one in rule.groups if one.name}
    for one in held:
        if alike := names.get(one.name.casefold()):
            return No(
                f"{voter.name} is in a group called {one.name} at {one.issuer}. “{rule.name}” names {_print(alike)}, "
                "which is another.", "same_named_group",
            )  # fmt: skip
    return No(f"{voter.name} is in none of the groups that “{rule.name}” names.", "group")


def _print(group: Group) -> str:
    return f"{group.name or group.id} at {group.issuer}"


_ELIGIBLE: Sequence[_Look] = (_active, _role, _people, _group)


# How the vote was given.


def _means(change: ChangeFacts, voter: Voter, rule: Rule, at: datetime) -> No | None:
    means = voter.means
    if means.channel == Channel.COMMAND or means.proof is None:
        return No(
            "A command can't approve: whoever may run it is nobody in particular. Approve on the page, or by API.",
            "command",
        )
    if not rule.takes(means.proof):
        return No(f"“{rule.name}” asks for {_WORDS[rule.proof]}, and this is {_WORDS[means.proof]}.", "proof")
    if means.proof == Proof.API_TOKEN and not (means.token and means.token.may_approve):
        return No("This API token lacks the scope changes:approve.", "scope")
    if means.proof == Proof.STEP_UP and (means.proved_at is None or not timedelta() <= at - means.proved_at <= FRESH):
        return No("Prove anew who you are: the last proof is more than 5 minutes old.", "stale")
    return None


_WORDS = {
    Proof.PASSKEY: "a passkey that was pinned for them",
    Proof.STEP_UP: "a session with a fresh proof",
    Proof.API_TOKEN: "an API token",
}


# What all votes together say.


@dataclass(frozen=True, slots=True)
class Tally:
    """What the votes come to: `needs` (then `more` are missing), `approved` or `rejected`.

    `counted` are those that count, `void` the others with the reason.
    """

    outcome: str
    more: int
    counted: tuple[Vote, ...]
    void: tuple[tuple[Vote, No], ...]


def counts(vote: Vote, change: ChangeFacts, rule: Rule, now: datetime) -> Answer:
    """Return whether a vote counts now: for this change and this plan, by somebody who may still give it."""
    if vote.change != change.id:
        return No(f"This vote was given for {vote.change}, not for {change.id}.", "moved")
    if vote.plan_hash != change.plan_hash:
        return No(
            f"The plan of {change.id} was changed after {vote.voter.name} voted, so the vote is void.", "plan_edited"
        )
    if vote.at > now or vote.at < change.asked:
        return No(f"This vote of {vote.voter.name} has a time at which nobody could give it.", "time")
    return _judge(change, vote.voter, rule, now, given=vote.at, approves=vote.verdict == Verdict.APPROVE)


def tally(votes: Iterable[Vote], change: ChangeFacts, rule: Rule, now: datetime) -> Tally:
    """Return what the votes come to; a rejection wins, whenever it came. People who count as one are counted once."""
    counted: list[Vote] = []
    void: list[tuple[Vote, No]] = []
    for vote in sorted(votes, key=lambda one: (one.at, one.mark)):
        answer = counts(vote, change, rule, now)
        refusal = answer if isinstance(answer, No) else _again(vote, counted, now)
        if refusal is None:
            counted.append(vote)
        else:
            void.append((vote, refusal))
    yes = sum(one.verdict == Verdict.APPROVE for one in counted)
    more = max(0, max(rule.approvers, 1) - yes)
    rejected = yes < len(counted)
    outcome = "rejected" if rejected else "needs" if more else "approved"
    return Tally(outcome, more, tuple(counted), tuple(void))


def _again(vote: Vote, counted: Sequence[Vote], now: datetime) -> No | None:
    """Return why a vote adds nothing to those that count; a rejection always does."""
    for other in counted:
        if other.mark == vote.mark:
            return No(f"This vote of {vote.voter.name} was counted already; it came again.", "replayed")
        if vote.verdict == Verdict.REJECT:
            continue
        if other.voter.id == vote.voter.id:
            return No(f"{vote.voter.name} has voted already, and counts once.", "twice")
        if _one_person(vote.voter, other.voter, now):
            return No(f"{vote.voter.name} and {other.voter.name} count as one person, and so once.", "one_person")
    return None


def _one_person(one: Voter, other: Voter, now: datetime) -> bool:
    held = [(tie, other.id) for tie in one.ties] + [(tie, one.id) for tie in other.ties]
    return any(tie.person == person and _lasts(tie, now) for tie, person in held)
