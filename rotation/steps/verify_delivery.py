"""Proves for every pod that gets a KV secret that it has the new version in use, by the rule of its delivery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from rotation.delivered import line
from rotation.kv import Place, replaced
from rotation.outcomes import Checked, Done, Outcome, ProofLine, Refused, Sentence, Waiting
from rotation.present import Getting
from rotation.world import World

PATIENCE = timedelta(minutes=10)
CORDONED = "cordoned, as nothing is read before the entity is let in again"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret, and the kind of the step that made the version; nobody waits for accounts that are `cordoned`.

    `only` (`cluster Deployment namespace/name`) is the workload that went first: its pods alone are looked at.
    """

    place: Place
    replaced_by: str
    cordoned: tuple[str, ...] = ()
    only: str = ""


def describe(args: Args) -> Sentence:
    """Say what is proven."""
    if args.only:
        name = args.only.partition(" ")[2]
        return Sentence(
            f"Prove that {name} has the new version, before the others restart",
            after="if it has not, the others are not touched",
        )
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
    """Look at every pod; wait while one is missing, at most ten minutes of this attempt."""
    lines = tuple(_lines(args, world))
    kept_out = [one for one in lines if one.says == CORDONED]
    missing = [one for one in lines if one.state != "proven" and one.says != CORDONED]
    version = _versions(world.intent["version"], lines)
    kept = () if args.only else lines  # every line comes again, and is kept, where all of them are proven
    if not lines:
        of = f" of {args.only.partition(' ')[2]}" if args.only else ""
        return Done(f"No live pod{of} is known to get {args.place.name}.")
    if not missing:
        says = f"{len(lines) - len(kept_out)} of {len(lines)} pods have {version}."
        return Done(f"{says} Not awaited, {CORDONED}: {len(kept_out)}." if kept_out else says, {}, kept)
    says = f"{len(lines) - len(missing) - len(kept_out)} of {len(lines)} pods have {version}."
    if world.waited < PATIENCE:
        return Waiting(says, {}, kept, 2.0, len(lines) - len(missing), len(lines))
    first = missing[0]
    others = " No other workload was restarted." if args.only else ""
    return Refused(
        f"Not proven: {says} {first.subject}: {first.says}. Restart what is behind, or look at its page, then resume. "
        f"The old version was not touched.{others}", {}, lines,
    )  # fmt: skip


run = done


def _lines(args: Args, world: World) -> list[ProofLine]:
    place, version = args.place, world.intent["version"]
    now = world.now()
    reads = world.witness.reads(world.vault, place.namespace, place.mount, place.path, version, world.started)
    pods = world.present(world.vault, place.namespace, place.mount, place.path)
    some = [one for one in pods if args.only in ("", f"{one.cluster} {_workload(one)}")]
    return [
        _cordoned(one) if _account(one) in args.cordoned else line(one, version, world.started, reads, now)
        for one in some
    ]


def _versions(ours: int, lines: Sequence[ProofLine]) -> str:
    newer = any(one.state == "proven" and one.holds not in ("", f"v{ours}") for one in lines)
    return f"version {ours} or one that was written after it" if newer else f"version {ours}"


def _workload(one: Getting) -> str:
    kind, _, name = one.workload.partition(" ")
    return f"{kind} {one.namespace}/{name}"


def _account(one: Getting) -> str:
    name = one.service_account or "default"
    return name if "/" in name else f"{one.namespace}/{name}"


def _cordoned(one: Getting) -> ProofLine:
    return ProofLine("pod", one.name, "short", CORDONED)
