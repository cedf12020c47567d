"""Gives one person one role; their sessions end, so that they come in anew with it."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.models import User
from accounts.not_done import NotDone as Refusal
from accounts.people import grant
from rotation.governing import asker_of, change_of
from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person's number and name, and the role."""

    user_id: int
    user: str
    role: str


def describe(args: Args) -> Sentence:
    """Say what they may do then."""
    may = {"approver": "may approve what others ask for", "administrator": "may do everything but approve their own"}
    return Sentence(
        f"Make {args.user} {args.role}", "what their role allows", f"{args.user} {may.get(args.role, '')}".strip(),
        "an administrator can take the role away again",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that they are the one who was meant, and are there."""
    role = _role(args)
    if role is None:
        return Checked({}, (f"{args.user} is there no more, or is disabled.",))
    return Checked({"role": role}, (), (f"{args.user} is {role}.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Return the role that they have."""
    role = _role(args)
    return {"before": role} if role is not None else Refused(f"{args.user} is there no more. Nothing was granted.")


def done(args: Args, world: World) -> Outcome:
    """Look at the role that they have now."""
    if _role(args) == args.role:
        return Done(f"{args.user} is {args.role}.", {"role": args.role})
    return NotDone(f"{args.user} is not {args.role}.")


def run(args: Args, world: World) -> Outcome:
    """Give it, in the name of whoever asked."""
    change = change_of(world)
    try:
        grant(args.user_id, args.role, actor=asker_of(change), by_change=change.name)
    except Refusal as why:
        return Refused(str(why))
    return done(args, world)


def _role(args: Args) -> str | None:
    found = User.objects.filter(pk=args.user_id, username=args.user, is_active=True)
    return found.values_list("role", flat=True).first()
