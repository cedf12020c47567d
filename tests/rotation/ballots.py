"""The cast of a vote: ann asks, bob may approve, and both are facts that a test changes one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rotation.ballot import Asker, ChangeFacts, Channel, Means, Proof, Risk, Verdict, Vote, Voter
from rotation.rules import Rule, rule_digest

ANN, BOB, EVE = 1, 2, 5
NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
RULE = Rule("production", proof=Proof.API_TOKEN)
FRESH = Means(Channel.PAGE, Proof.STEP_UP, proved_at=NOW)


def days(number: float) -> timedelta:
    return timedelta(days=number)


def change(rule: Rule = RULE, **other) -> ChangeFacts:
    """Return C-215, asked for by ann an hour ago under `rule`."""
    given = {
        "id": "C-215", "plan_hash": "a" * 64, "asker": Asker(ANN, "ann"), "asked": NOW - timedelta(hours=1),
        "risk": Risk.HIGH, "rule_digest": rule_digest(rule), "approvers": rule.approvers,
    }  # fmt: skip
    return ChangeFacts(**{**given, **other})


def voter(**other) -> Voter:
    """Return bob, an approver in a session with a fresh proof."""
    return replace(Voter(id=BOB, name="bob", role="approver", active=True, means=FRESH), **other)


def vote(who: Voter | None = None, **other) -> Vote:
    """Return bob's yes to C-215, given now."""
    who = who or voter()
    given = {"change": "C-215", "plan_hash": "a" * 64, "verdict": Verdict.APPROVE, "at": NOW, "mark": f"v{who.id}"}
    return Vote(voter=who, **{**given, **other})
