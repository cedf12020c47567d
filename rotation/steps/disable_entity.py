"""Disables an entity: its tokens are refused at once and it can't log in; its leases live on."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.outcomes import Checked, Done, NotDone, Outcome, ProofLine, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entity's id, its name as it was when this was planned, and whether it is let in again instead.

    `who` is whom people know by it, as its log-ins call them: a vault makes up names such as `entity_1d5e05f1`.
    """

    entity: str
    name: str
    role: str
    namespace: str = ""
    enable: bool = False
    who: str = ""

    @property
    def print(self) -> str:
        """The entity as people can judge it."""
        return f"{self.name} ({self.who})" if self.who else self.name


def describe(args: Args) -> Sentence:
    """Say which way, and the way back."""
    if args.enable:
        return Sentence(
            f"Let the entity {args.print} in again", "disabled", "it may log in; its old tokens work", "disable it"
        )
    return Sentence(
        f"Disable the entity {args.print}",
        "it may log in",
        "its tokens and log-ins are refused; leases live on",
        "let it in again",
    )


def check(args: Args, world: World) -> Checked:
    """See that it is there."""
    found = _look(args, world)
    if found is None:
        return Checked({}, (f"Vault knows no entity {args.entity}.",))
    # Somebody may switch it off by hand while this waits: what was approved of the rest holds all the same.
    facts = {"name": found.name, **({"disabled": found.disabled} if args.enable else {})}
    return Checked(
        facts,
        (),
        (f"{found.name} is {'disabled' if found.disabled else 'enabled'}.",),
    )


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Refuse an entity that is another one than was planned."""
    found = _look(args, world)
    if found is None or found.name != args.name:
        return Refused(f"Vault knows no entity {args.entity} of the name {args.name} any more. Ask for a new change.")
    return {"was_disabled": found.disabled}


def done(args: Args, world: World) -> Outcome:
    """Look."""
    found = _look(args, world)
    return (
        _changed(args) if found is not None and found.disabled != args.enable else NotDone("Nothing has changed yet.")
    )


def run(args: Args, world: World) -> Outcome:
    """Switch it, and look."""
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        (operator.enable_entity if args.enable else operator.disable_entity)(args.entity)
    return done(args, world)


def _look(args: Args, world: World) -> Any:
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        return operator.entity(args.entity)


def _changed(args: Args) -> Done:
    says = f"Vault says that it is {'enabled' if args.enable else 'disabled'}."
    return Done(says, {}, (ProofLine("entity", args.print, "proven", says),))
