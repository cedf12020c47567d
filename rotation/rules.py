"""Approval policies as frozen rules: which changes one is about, what it asks for, the strictest of those that fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import reduce
from types import MappingProxyType
from typing import Any

from rotation.ballot import Group, No, Proof, Risk
from rotation.planning import digest

REQUIRE, DENY = "require", "deny"
APPROVING = frozenset({"approver", "administrator"})
RISKS: Mapping[str, int] = MappingProxyType({risk: rank for rank, risk in enumerate(Risk)})
STRENGTH: Mapping[str, int] = MappingProxyType({Proof.API_TOKEN: 0, Proof.STEP_UP: 1, Proof.PASSKEY: 2})
# The least proof of each class, whatever a policy says: who owns the web process must not be able to forge the highest.
FLOOR: Mapping[str, Proof] = MappingProxyType(
    {Risk.ROUTINE: Proof.API_TOKEN, Risk.HIGH: Proof.API_TOKEN, Risk.HIGHEST: Proof.PASSKEY}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a change needs before it may run; a frozen copy of one approval policy, or of several taken together.

    `targets` are globs over `target:subject`; `risk` is the least class that it is about. `proof` is the weakest that
    is taken, `roles` those that may vote, `hours` how long an approval is good. Without `people` or `groups` it
    is about everybody of those roles.
    """

    name: str
    targets: tuple[str, ...] = ("*",)
    effect: str = REQUIRE
    risk: Risk = Risk.ROUTINE
    approvers: int = 1
    roles: frozenset[str] = APPROVING
    people: frozenset[int] = frozenset()
    groups: frozenset[Group] = frozenset()
    proof: Proof = Proof.STEP_UP
    hours: int = 24

    def fits(self, target: str, risk: Risk) -> bool:
        """Return whether it is about a change of `target` (`kv:secret/prod/x`) of this class."""
        return RISKS[risk] >= RISKS[self.risk] and any(fnmatchcase(target, one) for one in self.targets)

    def takes(self, proof: Proof) -> bool:
        """Return whether a vote with this proof counts."""
        return STRENGTH[proof] >= STRENGTH[self.proof]

    @property
    def lasts(self) -> timedelta:
        """How long after asking an approval is good."""
        return timedelta(hours=self.hours)


def choose(rules: Iterable[Rule], target: str, risk: Risk) -> Rule | No:
    """Return what a change needs: of every rule that fits, the strictest of each part. One that denies wins.

    So another rule can only make it harder. Nothing that fits is a refusal, and so are rules that nobody can satisfy.
    """
    return choose_all(rules, [(target, risk)])


def choose_all(
    rules: Iterable[Rule], parts: Iterable[tuple[str, Risk]], touched: Iterable[tuple[str, Risk]] = ()
) -> Rule | No:
    """Return what a change of several parts, each a target with its class, needs: the strictest of all of them.

    A rule that forbids one part forbids the whole, and so does a part that no rule is about. A rule about what is only
    `touched` by the way counts as well, and there need be none.
    """
    known, risk = list(rules), Risk.ROUTINE
    fitting: dict[Rule, None] = {}  # each once, whichever parts it is about
    for target, its in parts:
        found_for = [rule for rule in known if rule.fits(target, its)]
        if (refusal := _refusal(found_for, target)) is not None:
            return refusal
        fitting |= dict.fromkeys(found_for)
        risk = max(risk, its, key=RISKS.__getitem__)
    for target, its in touched:
        found_for = [rule for rule in known if rule.fits(target, its)]
        if found_for and (refusal := _refusal(found_for, target)) is not None:
            return refusal
        fitting |= dict.fromkeys(found_for)
    return _strictest(sorted(fitting, key=lambda rule: rule.name), risk)


def _refusal(fitting: list[Rule], target: str) -> No | None:
    if denying := next((rule for rule in sorted(fitting, key=lambda one: one.name) if rule.effect == DENY), None):
        return No(f"The approval policy “{denying.name}” forbids {target}. Nobody can approve it.", "denied")
    if not fitting:
        return No(f"No approval policy is about {target}, so nobody may approve it. Ask for a policy first.", "no_rule")
    return None


def _strictest(fitting: list[Rule], risk: Risk) -> Rule | No:
    found = reduce(_both, fitting)
    if (first := _nobody(fitting, found)) is not None:
        return first
    return replace(found, proof=max(found.proof, FLOOR[risk], key=STRENGTH.__getitem__))


def _both(one: Rule, other: Rule) -> Rule:
    """Return what satisfies both."""
    return Rule(
        name=f"{one.name} + {other.name}",
        targets=one.targets + other.targets,
        risk=max(one.risk, other.risk, key=RISKS.__getitem__),
        approvers=max(one.approvers, other.approvers),
        roles=one.roles & other.roles,
        people=_narrower(one.people, other.people),
        groups=_narrower(one.groups, other.groups),
        proof=max(one.proof, other.proof, key=STRENGTH.__getitem__),
        hours=min(one.hours, other.hours),
    )


NOBODY: frozenset[Any] = frozenset({None})  # a limit that nobody is within


def _narrower(one: frozenset[Any], other: frozenset[Any]) -> frozenset[Any]:
    """Return what is in both, where an empty set is no limit."""
    return (one & other or NOBODY) if one and other else one or other


def _nobody(fitting: list[Rule], found: Rule) -> No | None:
    """Return the refusal where no person could satisfy all of the rules."""
    if found.roles and NOBODY not in (found.people, found.groups) and found.approvers >= 1:
        return None
    names = ", ".join(f"“{rule.name}”" for rule in fitting)
    return No(f"Nobody may approve by all of the approval policies {names}. Change one of them first.", "no_approver")


def document(rule: Rule) -> dict[str, Any]:
    """Return the rule as it is kept with a change: texts, whole numbers and lists."""
    return {
        "name": rule.name,
        "targets": list(rule.targets),
        "effect": rule.effect,
        "risk": rule.risk.value,
        "approvers": rule.approvers,
        "roles": sorted(rule.roles),
        "people": sorted(rule.people),
        "groups": [[one.issuer, one.id, one.name] for one in sorted(rule.groups, key=lambda g: (g.issuer, g.id))],
        "proof": rule.proof.value,
        "hours": rule.hours,
    }


def read(kept: Mapping[str, Any]) -> Rule:
    """Return the rule that `document` kept. Raises `ValueError` or `KeyError` for what is none."""
    return Rule(
        name=str(kept["name"]),
        targets=tuple(kept["targets"]),
        effect=str(kept["effect"]),
        risk=Risk(kept["risk"]),
        approvers=int(kept["approvers"]),
        roles=frozenset(kept["roles"]),
        people=frozenset(kept["people"]),
        groups=frozenset(Group(*one) for one in kept["groups"]),
        proof=Proof(kept["proof"]),
        hours=int(kept["hours"]),
    )


def rule_digest(rule: Rule) -> str:
    """Return the SHA-256 by which a change names the rule that was frozen with it."""
    return digest(document(rule))
