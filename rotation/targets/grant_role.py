"""Gives somebody the role of approver or administrator."""

from __future__ import annotations

import msgspec

from rotation.estate import Estate
from rotation.governing import GOVERN, person
from rotation.planning import Drawn, Refused, StepSpec, Wish

TITLE = "Grant a role"
FAMILY = GOVERN
ROLES = ("approver", "administrator")


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom, by name, and which role."""

    user: str
    role: str


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step. Raises `Refused` for a stranger, a role that is given otherwise, or one that they have."""
    if args.role not in ROLES:
        raise Refused(
            f"“{args.role[:40]}” is not granted by a change.", f"{' and '.join(ROLES)} are.", code="bad_args",
            field="role",
        )  # fmt: skip
    found = person(args.user)
    if found.role == args.role:
        raise Refused(f"{found.username} is {args.role} already.", code="not_possible")
    step = StepSpec("give_role", {"user_id": found.pk, "user": found.username, "role": args.role})
    return Drawn("Grant", f"{args.role} to {found.username}", [step])


def risk(args: Args) -> str:
    """Return the highest: who approves can let anything happen."""
    return "highest"
