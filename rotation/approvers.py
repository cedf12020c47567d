"""The facts that approvals are judged by, read from rows: the rule of a change."""

from __future__ import annotations

from rotation import rules
from rotation.ballot import No, Risk
from rotation.models import ApprovalPolicy
from rotation.planning import Refused
from rotation.rules import Rule

EVERYTHING = Rule("A second person")


def rule_for(target: str, subject: str, risk: str) -> Rule:
    """Return what a change of this target and subject needs; raises `Refused`, which names the policy."""
    kept = [_rule(row) for row in ApprovalPolicy.objects.filter(ended_at=None)] or [EVERYTHING]
    found = rules.choose(kept, f"{target}:{subject}", Risk(risk))
    if isinstance(found, No):
        raise Refused(found.sentence, code=found.way)
    return found


def _rule(row: ApprovalPolicy) -> Rule:
    given = {name: getattr(row, name) for name in ("name", "effect", "approvers", "hours")}
    roles = frozenset(row.roles) or rules.APPROVING
    return Rule(targets=tuple(row.targets), risk=Risk(row.risk), roles=roles, people=frozenset(row.people), **given)
