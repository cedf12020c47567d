"""Proves for every pod that gets a KV secret that it has the new version in use, by the rule of its delivery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from rotation.delivered import line
from rotation.kv import Place, replaced
from rotation.outcomes import Checked, Done, Outcome, ProofLine, Refused, Sentence, Waiting
from rotation.present import Getting
from rotation.world import World

PATIENCE = timedelta(minutes=10)
CORDONED = "cordoned: it can't read the new version before its entity is let in again"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret, and the kind of the step that made the version; nobody waits for accounts that are `cordoned`."""

    place: Place
    replaced_by: str
    cordoned: tuple[str, ...] = ()


def describe(args: Args) -> Sentence:
    """Say what is proven."""
    return Sentence(
        f"Prove that every pod has the new version of {args.place.name}", after="a line of proof for each pod"
    )


def check(args: Args, world: World) -> Checked:
    """Nothing has to be so beforehand."""
    return Checked()


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Take the version that this change made."""
    made = replaced(args.place, world)
    if not made.get("version"):
        return Refused("No step of this change made a version, so there is nothing to prove.")
    return {"version": made["version"]}


def done(args: Args, world: World) -> Outcome:
    """Look at every pod; wait while one is missing, at most ten minutes from the beginning of this attempt."""
    lines = tuple(_lines(args, world))
    kept_out = [one for one in lines if one.says == CORDONED]
    missing = [one for one in lines if one.state != "proven" and one.says != CORDONED]
    version = world.intent["version"]
    if not lines:
        return Done(f"No live pod is known to get {args.place.name}.")
    if not missing:
        says = f"{len(lines) - len(kept_out)} of {len(lines)} pods have version {version}."
        return Done(f"{says} {len(kept_out)} {CORDONED}." if kept_out else says, {}, lines)
    says = f"{len(lines) - len(missing) - len(kept_out)} of {len(lines)} pods have version {version}."
    if world.now() - world.tried < PATIENCE:
        return Waiting(says, {}, lines, 2.0, len(lines) - len(missing), len(lines))
    first = missing[0]
    return Refused(
        f"Not proven: {says} {first.subject}: {first.says}. Restart what is behind, or look at its page, then resume. "
        "The old version was not touched.", {}, lines,
    )  # fmt: skip


run = done


def _lines(args: Args, world: World) -> list[ProofLine]:
    place, version = args.place, world.intent["version"]
    now = world.now()
    reads = world.witness.reads(world.vault, place.namespace, place.mount, place.path, version, world.started)
    pods = world.present(world.vault, place.namespace, place.mount, place.path)
    return [
        _cordoned(one) if _account(one) in args.cordoned else line(one, version, world.started, reads, now)
        for one in pods
    ]


def _account(one: Getting) -> str:
    name = one.service_account or "default"
    return name if "/" in name else f"{one.namespace}/{name}"


def _cordoned(one: Getting) -> ProofLine:
    return ProofLine("pod", one.name, "short", CORDONED)
