"""Writes a new version of a KV v2 secret over exactly one other: generated values, which live in one function alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from rotation.kv import SOURCES, Place, drifted, ours
from rotation.outcomes import Checked, Done, Drifted, NotDone, Outcome, Refused, Sentence, Unknown
from rotation.world import World
from vault.values import made

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
    """Look at the versions."""
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        state = operator.kv_state(args.place.mount, args.place.path)
    if not state.current_version:
        return Checked(
            {"current_version": 0}, (f"{args.place.name} has no version in the vault: there is nothing to rotate.",)
        )
    return Checked({"current_version": state.current_version}, (), (f"Version {state.current_version} is the newest.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Hold the write to the version that is the newest now."""
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        state = operator.kv_state(args.place.mount, args.place.path)
    newest = state.versions.get(state.current_version)
    if newest is None or newest.destroyed or (newest.deleted is not None and newest.deleted <= world.now()):
        return Refused(
            f"The newest version of {args.place.name} is deleted or there is none, so no key can be changed in it. "
            "Undelete it in Vault, then resume."
        )
    if (approved := world.facts.get("current_version")) not in (None, state.current_version):
        return Drifted(
            f"Version {approved} of {args.place.name} was to be replaced, and version {state.current_version} is the "
            "newest now. Nothing of it was overwritten. Look who wrote it; ask for a new change if it should be "
            "replaced too."
        )
    return {"cas": state.current_version}


def done(args: Args, world: World) -> Outcome:
    """Tell by the versions and by whose line the audit log shows for the new one; no value is read."""
    cas = world.intent["cas"]
    with world.doors.vault(world.vault, args.place.namespace, args.role, 1) as operator:
        state = operator.kv_state(args.place.mount, args.place.path)
    current = state.current_version
    if current == cas:
        return NotDone(f"Version {cas} is still the newest.")
    if current < cas:
        return Drifted(f"{args.place.name} was at version {cas} and is at {current} now: it was removed meanwhile.")
    there = state.versions.get(cas + 1)
    return _whose(args, world, cas + 1, current, there.created if there else None)


def _whose(args: Args, world: World, version: int, current: int, created: datetime | None) -> Outcome:
    found = ours(args.place, world, version, created)
    if found is None:
        return Unknown(f"Version {version} exists; the audit log has not shown yet who wrote it. {SOURCES}")
    if not found.ours:
        return drifted(args.place, version, found.by)
    if current > version:
        return Drifted(
            f"Version {version} is ours, and version {current} was written after it. Look which one should stay."
        )
    return Done(f"Version {version} is written.", {"version": version, "was": version - 1})


def run(args: Args, world: World) -> Outcome:
    """Write, under check-and-set."""
    uses = USES + (len(args.keys) if args.policy else 0)
    with world.doors.vault(world.vault, args.place.namespace, args.role, uses) as operator:
        values = {key: _value(operator, args.policy) for key in args.keys}
        version = operator.kv_write(args.place.mount, args.place.path, values, world.intent["cas"])
    if version != world.intent["cas"] + 1:
        return Drifted(f"Vault answered with version {version} instead of {world.intent['cas'] + 1}.")
    return Done(f"Version {version} is written.", {"version": version, "was": version - 1})


def _value(operator: Any, policy: str) -> str:
    return operator.generate(policy) if policy else made(LENGTH)
