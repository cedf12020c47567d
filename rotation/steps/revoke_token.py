"""Revokes a token by its accessor; its leases follow in Vault by themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.outcomes import Checked, Done, NotDone, Outcome, ProofLine, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token's accessor; the token itself is known to nobody here. One that `may_be_gone` is no trouble if it is."""

    accessor: str
    role: str
    namespace: str = ""
    may_be_gone: bool = False


def describe(args: Args) -> Sentence:
    """Say that it can't be undone."""
    return Sentence(
        f"Revoke the token with the accessor {args.accessor}",
        "it lives",
        "every call with it is refused",
        "cannot be undone",
    )


def check(args: Args, world: World) -> Checked:
    """See whose token it is."""
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        found = operator.lookup_accessor(args.accessor)
    if args.may_be_gone:  # a fact would void the approval when it ends
        return Checked({}, (), (f"It is {found.display_name}." if found else "It has ended already.",))
    if found is None:
        return Checked({}, ("Vault knows no token with this accessor: it has ended, or never was.",))
    return Checked({"entity": found.entity_id}, (), (f"It is {found.display_name}.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but the accessor is needed."""
    return {"accessor": args.accessor}


def done(args: Args, world: World) -> Outcome:
    """Look whether Vault still knows it."""
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        return NotDone("The token still lives.") if operator.lookup_accessor(args.accessor) else _gone(args)


def run(args: Args, world: World) -> Outcome:
    """Revoke it, and look."""
    with world.doors.vault(world.vault, args.namespace, args.role, 3) as operator:
        found = operator.lookup_accessor(args.accessor)
        if found is not None and found.metadata.get("keybook_change") == world.change:
            return Refused("This accessor is the one of this very change.")
        if found is not None:
            operator.revoke_accessor(args.accessor)
        return (
            NotDone("Vault said yes, and the token still lives.")
            if operator.lookup_accessor(args.accessor)
            else _gone(args)
        )


def _gone(args: Args) -> Done:
    says = "Vault knows no token with this accessor any more."
    return Done(says, {}, (ProofLine("token", args.accessor, "proven", says, holds="gone"),))
