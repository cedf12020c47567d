"""Has Vault change the password of a database's static role."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from rotation.engines import by_the_log, text
from rotation.logins import Away, Logins, changed
from rotation.outcomes import Checked, Done, Outcome, ProofLine, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mount and the static role."""

    mount: str
    name: str
    role: str
    namespace: str = ""


def describe(args: Args) -> Sentence:
    """Say what breaks until it is read anew."""
    return Sentence(
        f"Rotate the static role {args.mount}/{args.name}", "one password",
        "another one; whoever holds the old one is refused", "cannot be undone",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that the role is there."""
    found = _look(args, world)
    if found is None:
        return Checked({}, (f"The vault has no static role {args.mount}/{args.name}.",))
    return Checked(
        {"database": found.database, "username": found.username},
        (),
        (f"It is the login {found.username} of {found.database}.",),
    )


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Keep when it was rotated last, and where a witness watches, which version the database has of the login."""
    found = _look(args, world)
    if found is None:
        return Refused(f"The vault has no static role {args.mount}/{args.name}.")
    known = {"rotated": text(found.rotated), "login": found.username}
    now = _logins(args, world)
    there = next((one for one in now.logins if one.name == found.username), None) if now else None
    return known if now is None else {**known, "version": there.version if there else ""}


def done(args: Args, world: World) -> Outcome:
    """Tell by our line in the audit log: the engine rotates by itself too, and writes no line for that."""
    found = by_the_log(world, f"{args.mount}/rotate-role/{args.name}", _says(args), {})
    return replace(found, proofs=_proofs(args, world)) if isinstance(found, Done) else found


def run(args: Args, world: World) -> Outcome:
    """Rotate, and look at the time of the last rotation."""
    with world.doors.vault(world.vault, args.namespace, args.role, 2) as operator:
        operator.rotate_role(args.mount, args.name)
        found = operator.static_role(args.mount, args.name)
    receipt = {"rotated": text(found.rotated if found else None), "was": world.intent["rotated"]}
    return Done(_says(args), receipt, _proofs(args, world))


def _look(args: Args, world: World) -> Any:
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        return operator.static_role(args.mount, args.name)


def _logins(args: Args, world: World) -> Logins | None:
    """Ask the database for its logins; a witness without an answer is no reason not to rotate."""
    try:
        return world.doors.logins(world.vault, args.namespace, f"{args.mount}/static-creds/{args.name}")
    except Away:
        return None


def _proofs(args: Args, world: World) -> tuple[ProofLine, ...]:
    name, before = world.intent.get("login", ""), world.intent.get("version")
    return (changed(f"{args.mount}/{args.name}", before, name, _logins(args, world)),)


def _says(args: Args) -> str:
    return f"Vault has changed the password of {args.mount}/{args.name}."
