"""Adds a version to a transit key; what the old versions encrypted can still be decrypted."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.engines import by_the_log
from rotation.outcomes import Checked, Done, Drifted, NotDone, Outcome, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mount and the key."""

    mount: str
    name: str
    role: str
    namespace: str = ""


def describe(args: Args) -> Sentence:
    """Say what stays."""
    return Sentence(
        f"Rotate the transit key {args.mount}/{args.name}", "the latest version", "one more version, used from now on",
        "old versions stay; the new one cannot be taken back",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """See that the key is there."""
    found = _look(args, world)
    if found is None:
        return Checked({}, (f"The vault has no transit key {args.mount}/{args.name}.",))
    return Checked({"version": found.latest_version}, (), (f"Version {found.latest_version} is the latest.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Keep the latest version."""
    found = _look(args, world)
    return (
        {"was": found.latest_version} if found else Refused(f"The vault has no transit key {args.mount}/{args.name}.")
    )


def done(args: Args, world: World) -> Outcome:
    """Tell by the version and by our line in the audit log."""
    found, was = _look(args, world), world.intent["was"]
    if found is None:
        return Drifted(f"The transit key {args.mount}/{args.name} is gone.")
    told = by_the_log(
        world, f"{args.mount}/keys/{args.name}/rotate", _says(found.latest_version), {"version": found.latest_version}
    )
    if isinstance(told, NotDone) and found.latest_version > was:
        return Drifted(
            f"Somebody else rotated the key to version {found.latest_version}. Look whether it should be rotated again."
        )
    return told


def run(args: Args, world: World) -> Outcome:
    """Rotate, and look."""
    with world.doors.vault(world.vault, args.namespace, args.role, 2) as operator:
        operator.transit_rotate(args.mount, args.name)
        found = operator.transit_key(args.mount, args.name)
    version = found.latest_version if found else world.intent["was"] + 1
    return Done(_says(version), {"version": version, "was": world.intent["was"]})


def _look(args: Args, world: World) -> Any:
    with world.doors.vault(world.vault, args.namespace, args.role, 1) as operator:
        return operator.transit_key(args.mount, args.name)


def _says(version: int) -> str:
    return f"Version {version} of the key is the latest."
