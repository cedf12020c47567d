"""Destroys the version of a KV secret that was replaced, once the new one is proven to be in use."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.kv import Place, replaced
from rotation.outcomes import Checked, Done, NotDone, Outcome, ProofLine, Refused, Sentence
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret; which version follows from the step that replaced it."""

    place: Place
    role: str


def describe(args: Args) -> Sentence:
    """Say what can't be undone."""
    return Sentence(
        f"Destroy the old version of {args.place.name}",
        "it can still be read",
        "nobody can read it",
        "cannot be undone",
    )


def check(args: Args, world: World) -> Checked:
    """See that the role gives a token that may look."""
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        operator.kv_state(args.place.mount, args.place.path)
    return Checked()


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Take the version that this very change replaced, and no other."""
    made = replaced(args.place, world)
    if not made.get("was"):
        return Refused("No step of this change replaced a version, so none is destroyed.")
    return {"version": made["was"], "keeps": made["version"]}


def done(args: Args, world: World) -> Outcome:
    """Look whether the version is destroyed."""
    version = world.intent["version"]
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        found = operator.kv_state(args.place.mount, args.place.path).versions.get(version)
    if found is not None and not found.destroyed:
        return NotDone(f"Version {version} is still readable in Vault.")
    return _destroyed(args, version)


def run(args: Args, world: World) -> Outcome:
    """Destroy it, and look."""
    version = world.intent["version"]
    with world.doors.vault(world.vault, args.place.namespace, args.role, 2) as operator:
        operator.kv_destroy(args.place.mount, args.place.path, [version])
        found = operator.kv_state(args.place.mount, args.place.path).versions.get(version)
    if found is not None and not found.destroyed:
        return NotDone(f"Vault said yes, and version {version} is still readable.")
    return _destroyed(args, version)


def _destroyed(args: Args, version: int) -> Done:
    says = f"Version {version} is destroyed: Vault's metadata says so."
    line = ProofLine("version", f"{args.place.name} v{version}", "proven", says, holds="destroyed")
    return Done(says, {"version": version}, (line,))
