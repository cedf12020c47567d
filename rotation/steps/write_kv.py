"""Writes a new version of a KV v2 secret over exactly one other: generated values, which live in one function alone."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation.kv import Place, begun, made, nothing, strangers, written
from rotation.outcomes import Checked, NotDone, Outcome, Sentence
from rotation.world import World
from vault.values import made as random

LENGTH = 32  # signs of a generated value: 193 bits
USES = 3  # metadata, PATCH, and POST where PATCH finds nothing


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret, and whose keys get a new value; `policy` is a password policy of the vault, empty for our own."""

    place: Place
    role: str
    keys: tuple[str, ...]
    policy: str = ""


def describe(args: Args) -> Sentence:
    """Say which keys change."""
    some = ", ".join(args.keys)
    how = f"by the password policy {args.policy}" if args.policy else f"of {LENGTH} random signs"
    return Sentence(
        f"Write a new version of {args.place.name}", "the newest version",
        f"new value {how} for {some}; other keys stay", "the old version can be read until it is destroyed",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """Look at the versions, and whether the keys are there."""
    with world.doors.vault(world.vault, args.place.namespace, args.role, 2) as operator:
        state = operator.kv_state(args.place.mount, args.place.path)
        troubles = strangers(operator, args.place, args.keys)
    if not state.current_version:
        return Checked({"current_version": 0}, (nothing(args.place),))
    return Checked(
        {"current_version": state.current_version}, troubles, (f"Version {state.current_version} is the newest.",)
    )


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Hold the write to the version that is the newest now."""
    return begun(args.place, world, _state(args, world))


def done(args: Args, world: World) -> Outcome:
    """Tell by the versions and by whose line the audit log shows for the new one; no value is read."""
    found = written(args.place, world, _state(args, world))
    return found or NotDone(f"Version {world.intent['cas']} is still the newest.")


def run(args: Args, world: World) -> Outcome:
    """Write, under check-and-set."""
    uses = USES + (len(args.keys) if args.policy else 0)
    with world.doors.vault(world.vault, args.place.namespace, args.role, uses) as operator:
        values = {key: _value(operator, args.policy) for key in args.keys}
        version = operator.kv_write(args.place.mount, args.place.path, values, world.intent["cas"])
    return made(version, world.intent["cas"])


def _state(args: Args, world: World) -> Any:
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        return operator.kv_state(args.place.mount, args.place.path)


def _value(operator: Any, policy: str) -> str:
    return operator.generate(policy) if policy else random(LENGTH)
