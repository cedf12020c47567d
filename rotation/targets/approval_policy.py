"""Sets or ends an approval policy: who must approve what."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from rotation.approvers import policies, policy
from rotation.ballot import Group, No, Proof, Risk
from rotation.estate import Estate
from rotation.governing import GOVERN, names, person
from rotation.planning import Drawn, Refused, StepSpec, Wish
from rotation.rules import APPROVING, DENY, REQUIRE, RISKS, STRENGTH, Rule, choose, document

TITLE = "Change an approval policy"
FAMILY = GOVERN
MOST_APPROVERS, MOST_HOURS, MOST_TARGETS = 10, 168, 50
LONGEST_NAME, LONGEST_TARGET = 100, 500
# What must stay possible, or nobody could ever change a policy again.
LAST = ("approval_policy:x", "grant_role:x", "enrol_key:x", "freeze_off:x")


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy: `targets` are globs over `target:subject`; `people` are names, `groups` are [issuer, id, name].

    `end` ends the policy of this name, and then nothing else of it is read.
    """

    name: str
    targets: list[str] = []
    effect: str = REQUIRE
    risk: str = "routine"
    approvers: int = 1
    roles: list[str] = msgspec.field(default_factory=lambda: sorted(APPROVING))
    people: list[str] = []
    groups: list[list[str]] = []
    proof: str = "step_up"
    hours: int = 24
    end: bool = False


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step. Raises `Refused` for a policy that can't be read, or that would lock everybody out."""
    before = policy(args.name)
    if args.end and before is None:
        raise Refused(f"No approval policy is called “{args.name[:40]}”.", "Look at the list again.", code="not_there")
    after = None if args.end else _rule(args)
    _stays_open(args.name, after)
    people = sorted({key for rule in (before, after) if rule for key in rule.people})
    step = {
        "name": args.name, "before": document(before) if before else {}, "after": document(after) if after else {},
        **({"people": names(people)} if people else {}),
    }  # fmt: skip
    return Drawn("End" if args.end else "Set", f"approval policy {args.name}", [StepSpec("set_policy", step)])


def risk(args: Args) -> str:
    """Return the highest: it decides what everything else needs."""
    return "highest"


def _rule(args: Args) -> Rule:
    """Return the rule that was asked for. Raises `Refused`, which names what is wrong."""
    for wrong, what in (
        (not args.name.strip() or len(args.name) > LONGEST_NAME or not args.name.isprintable(), "name"),
        (not 1 <= len(args.targets) <= MOST_TARGETS or any(not _target(one) for one in args.targets), "targets"),
        (args.effect not in {REQUIRE, DENY}, "effect"),
        (args.risk not in RISKS, "risk"),
        (not 1 <= args.approvers <= MOST_APPROVERS, "approvers"),
        (not args.roles or not set(args.roles) <= APPROVING, "roles"),
        (args.proof not in STRENGTH, "proof"),
        (not 1 <= args.hours <= MOST_HOURS, "hours"),
        (any(len(one) not in {2, 3} or not all(one[:2]) for one in args.groups), "groups"),
    ):
        if wrong:
            raise Refused(f"The {what} of the policy can't be taken.", _MENDS[what], code="bad_args", field=what)
    return Rule(
        name=args.name, targets=tuple(args.targets), effect=args.effect, risk=Risk(args.risk),
        approvers=args.approvers, roles=frozenset(args.roles), proof=Proof(args.proof), hours=args.hours,
        people=frozenset(person(one).pk for one in args.people), groups=frozenset(Group(*one) for one in args.groups),
    )  # fmt: skip


def _target(text: str) -> bool:
    return bool(text) and len(text) <= LONGEST_TARGET and text.isprintable()


_MENDS = {
    "name": f"Use 1 to {LONGEST_NAME} printable characters.",
    "targets": f"Name 1 to {MOST_TARGETS} patterns such as kv:secret/prod/*.",
    "effect": f"It is {REQUIRE} or {DENY}.",
    "risk": f"It is {', '.join(RISKS)}.",
    "approvers": f"Ask for 1 to {MOST_APPROVERS}.",
    "roles": f"Name {' or '.join(sorted(APPROVING))}.",
    "proof": f"It is {', '.join(STRENGTH)}.",
    "hours": f"Use 1 to {MOST_HOURS}.",
    "groups": "Name each by its issuer, its id and how to print it.",
}


def _stays_open(name: str, after: Rule | None) -> None:
    """Refuse what would leave nobody who could change it back."""
    others = [rule for rule in policies() if rule.name != name] + ([replace(after)] if after else [])
    for target in LAST:
        if isinstance(found := choose(others, target, Risk.HIGHEST), No):
            raise Refused(f"Then nobody could undo it: {found.sentence}", code="not_possible")
