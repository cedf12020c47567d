"""Waits until somebody has written a new version of a KV secret: the provider or person who issues its value."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.kv import Place, nothing
from rotation.outcomes import Checked, Done, Outcome, Sentence, Waiting
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret."""

    place: Place
    role: str


def describe(args: Args) -> Sentence:
    """Say for what is waited."""
    return Sentence(
        f"Wait for a new version of {args.place.name}",
        "the newest version",
        "whoever issues the value writes it in Vault",
    )


def check(args: Args, world: World) -> Checked:
    """Look at the versions."""
    current = _current(args, world)
    if not current:
        return Checked({"current_version": 0}, (nothing(args.place),))
    return Checked({"current_version": current}, (), (f"Version {current} is the newest.",))


def intend(args: Args, world: World) -> dict[str, Any]:
    """Keep which version was the newest when this was approved: it may be written while earlier steps are done."""
    approved = world.facts.get("current_version")
    return {"after": _current(args, world) if approved is None else int(approved)}


def done(args: Args, world: World) -> Outcome:
    """Look whether there is a newer one."""
    after, current = world.intent["after"], _current(args, world)
    if current <= after:
        return Waiting(
            f"Version {after} is still the newest. Write the new value in Vault; this goes on by itself.", seconds=5.0
        )
    return Done(f"Version {current} is there.", {"version": current, "was": after})


run = done


def _current(args: Args, world: World) -> int:
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        return int(operator.kv_state(args.place.mount, args.place.path).current_version)
