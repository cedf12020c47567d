"""Sets or ends one approval policy: the old row ends, and a new one begins; changes asked before keep what they had."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import transaction

from accounts.trail import Detail, Subject, record
from rotation import rules
from rotation.approvers import database_time, policy
from rotation.governing import asker_of, change_of
from rotation.models import ApprovalPolicy
from rotation.outcomes import Checked, Done, Drifted, NotDone, Outcome, Sentence
from rotation.planning import digest
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policy's name, what it is now and what it shall be, as `rules.document` writes them; empty for none.

    `people` are the names of the people in both, by their numbers.
    """

    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    people: dict[str, str] = {}


def describe(args: Args) -> Sentence:
    """Say what changes must have then."""
    verb = "Set" if args.after else "End"
    return Sentence(
        f"{verb} the approval policy {args.name}", _words(args.before, args.people), _words(args.after, args.people),
        "another change can set it back",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that the policy is still what it was."""
    if _now(args) != args.before:
        return Checked({}, ("The policy was changed meanwhile. Ask for it anew.",))
    return Checked({"before": digest(args.before)}, (), ("The policy is what the plan says.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Return what it is held to."""
    now = _now(args)
    return {"before": now} if now == args.before else Drifted("The policy was changed meanwhile. Ask for it anew.")


def done(args: Args, world: World) -> Outcome:
    """Look at the policy."""
    now = _now(args)
    if now == args.after:
        return Done(f"The approval policy {args.name} is {'set' if args.after else 'ended'}.")
    return NotDone("It is what it was.") if now == args.before else Drifted("The policy was changed by somebody else.")


def run(args: Args, world: World) -> Outcome:
    """End the row that holds and begin another."""
    change, now = change_of(world), database_time()
    with transaction.atomic():
        list(ApprovalPolicy.objects.select_for_update().filter(name=args.name, ended_at=None))
        if _now(args) != args.before:
            return Drifted("The policy was changed meanwhile. Ask for it anew.")
        ApprovalPolicy.objects.filter(name=args.name, ended_at=None).update(ended_at=now)
        if args.after:
            _begin(args.after, change.pk)
        before, after = (_words(kept, args.people) for kept in (args.before, args.after))
        told: dict[str, Detail] = {"change": change.name, "before": before, "after": after}
        record(asker_of(change), "rotation.policy.changed", Subject("policy", None, args.name), details=told)
    return done(args, world)


def _begin(kept: dict[str, Any], change_id: int) -> None:
    """Write the row of a policy as `rules.document` keeps it."""
    ApprovalPolicy.objects.create(**kept, made_by_change=change_id)


def _now(args: Args) -> dict[str, Any]:
    found = policy(args.name)
    return rules.document(found) if found else {}


def _words(kept: dict[str, Any], people: dict[str, str]) -> str:
    """Say all that a policy holds: an approver must see each part that changes."""
    if not kept:
        return "there is none"
    targets = ", ".join(kept["targets"])
    if kept["risk"] != "routine":
        targets += f" of {kept['risk']} risk"
    if kept["effect"] == rules.DENY:
        return f"forbids {targets}"
    who = " or ".join(kept["roles"])
    if kept["people"]:
        who += f", of these: {', '.join(people.get(str(key), f'person {key}') for key in kept['people'])}"
    if kept["groups"]:
        who += f", in the groups {', '.join(f'{rest[-1]} at {issuer}' for issuer, *rest in kept['groups'])}"
    return f"{targets}: {kept['approvers']} of {who}, by {kept['proof']}, within {kept['hours']} h"
