"""Breaking the glass: what one person may start alone, within what bounds, and who looks at it afterwards. Pure.

Only revocations, and the restarts that heal what they break. Never a rotation: a wrong value breaks more than a late
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotation.ballot import Answer, ChangeFacts, No, Voter, Yes
from rotation.policy import may_approve
from rotation.rules import Rule

REVOKE, RESTART = "revoke", "restart"
MAY = frozenset({"operator", "approver", "administrator"})
LEAST_REASON = 20  # characters that are no spaces
REVIEW_WITHIN = timedelta(hours=24)
GOOD_FOR = timedelta(hours=1)  # from asking to the first effect


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How many targets one run, and all runs of an hour, may touch."""

    run: int = 50
    hour: int = 200


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that the plan does: its family (rotate, revoke, restart, govern) and to what.

    `heals` names the revoked thing whose loss a restart mends; empty for anything else.
    """

    family: str
    subject: str
    heals: str = ""


@dataclass(frozen=True, slots=True)
class Glass:
    """What somebody wants to do without a second person: the acts, why, and how many targets the last hour had.

    `revoked` names what was revoked through a broken glass a short while ago: a restart may heal that too.
    """

    acts: Sequence[Act]
    reason: str
    role: str
    proved_at: datetime | None  # when they last proved who they are
    last_hour: int = 0
    revoked: frozenset[str] = frozenset()


def may_break(glass: Glass, now: datetime, ceilings: Ceilings = Ceilings()) -> Answer:
    """Return whether this may be done without a second person; a refusal says what keeps it."""
    found = (_who(glass, now), _acts(glass.acts, glass.revoked), _reason(glass.reason))
    refusal = next((no for no in found if no is not None), None)
    return within(ceilings, len(glass.acts), glass.last_hour) if refusal is None else refusal


def within(ceilings: Ceilings, run: int, last_hour: int) -> Answer:
    """Return whether a run of so many targets stays below the ceilings, after what the last hour had."""
    if run > ceilings.run:
        return No(f"This touches {run} targets, and one run may touch {ceilings.run}. Make it smaller, or ask for "
                  "approval.", "run_ceiling")  # fmt: skip
    if run + last_hour > ceilings.hour:
        return No(f"With this, {run + last_hour} targets were touched within an hour, and {ceilings.hour} may be. "
                  "Wait, or ask for approval.", "hour_ceiling")  # fmt: skip
    return Yes()


def _who(glass: Glass, now: datetime) -> No | None:
    if glass.role not in MAY:
        return No(f"A {glass.role or 'stranger'} can't break the glass. An operator can.", "role")
    if glass.proved_at is None or not timedelta() <= now - glass.proved_at <= timedelta(minutes=5):
        return No("Prove anew who you are: the last proof is more than 5 minutes old.", "stale")
    return None


def _acts(acts: Sequence[Act], before: frozenset[str]) -> No | None:
    if not acts:
        return No("There is nothing to revoke.", "empty")
    revoked = before | {act.subject for act in acts if act.family == REVOKE}
    for act in acts:
        if act.family not in {REVOKE, RESTART}:
            return No(f"The glass is for revocations: {act.subject} would be changed otherwise ({act.family}). Ask for "
                      "approval.", "rotation")  # fmt: skip
        if act.family == RESTART and act.heals not in revoked:
            return No(
                f"{act.subject} would be restarted and loses nothing that is revoked here: the glass restarts one "
                "workload, named with the revocation of the last hour that took something from one of its pods. Ask "
                "for approval.", "restart",
            )  # fmt: skip
    return None


def _reason(reason: str) -> No | None:
    if len("".join(reason.split())) >= LEAST_REASON:
        return None
    return No(f"Say why, in {LEAST_REASON} letters or more: everybody is told, and somebody else reviews it.", "reason")


def review_due(broken: datetime) -> datetime:
    """Return until when another person has to have looked at what was done."""
    return broken + REVIEW_WITHIN


def overdue(broken: datetime, reviewed: datetime | None, now: datetime) -> bool:
    """Return whether nobody has looked in time."""
    return reviewed is None and now >= review_due(broken)


def may_review(change: ChangeFacts, voter: Voter, rule: Rule, now: datetime) -> Answer:
    """Return whether this person may close the review: whoever might have approved it, so never the one who did it."""
    return may_approve(replace(change, open=True, asked=now), voter, rule, now)
