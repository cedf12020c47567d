"""Has Vault change its own password at a database: afterwards nobody but Vault knows it."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.engines import by_the_log
from rotation.outcomes import Checked, Done, Outcome, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mount and the database's connection."""

    mount: str
    name: str
    role: str
    namespace: str = ""


def describe(args: Args) -> Sentence:
    """Say that the old password is lost."""
    return Sentence(
        f"Rotate the root of {args.mount}/{args.name}", "a password that people may know",
        "one that only Vault knows; another mount with the same user breaks at once", "cannot be undone",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that the connection is there."""
    found = _look(args, world)
    if found is None:
        return Checked({}, (f"The vault has no database {args.mount}/{args.name}.",))
    return Checked({"username": found.username}, (), (f"Vault is the user {found.username} there.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Refuse a connection that is gone."""
    found = _look(args, world)
    return {"username": found.username} if found else Refused(f"The vault has no database {args.mount}/{args.name}.")


def done(args: Args, world: World) -> Outcome:
    """Tell by our line in the audit log: Vault tells nowhere else when its own password was changed."""
    return by_the_log(world, f"{args.mount}/rotate-root/{args.name}", _says(args), {})


def run(args: Args, world: World) -> Outcome:
    """Rotate."""
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        operator.rotate_root(args.mount, args.name)
    return Done(_says(args))


def _look(args: Args, world: World) -> Any:
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        return operator.database(args.mount, args.name)


def _says(args: Args) -> str:
    return f"Vault has changed its own password at {args.name}."
