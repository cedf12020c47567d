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
    """Nothing has to be so beforehand; a picture that is not current is said, because its proof will have to wait."""
    dark = _dark(args, world, _getting(args, world))
    return Checked(lines=(f"Nothing is proven by what is old: {dark}",)) if dark else Checked()


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Take the version that this change made."""
    made = replaced(args.place, world)
    if not made.get("version"):
        return Refused("No step of this change made a version, so there is nothing to prove.")
    return {"version": made["version"]}


def done(args: Args, world: World) -> Outcome:
    """Look at every pod; wait while one is missing or the picture is not current, at most ten minutes."""
    pods = _getting(args, world)
    lines, dark = tuple(_lines(args, world, pods)), _dark(args, world, pods)
    kept_out = [one for one in lines if one.says == CORDONED]
    missing = [one for one in lines if one.state != "proven" and one.says != CORDONED]
    version = _versions(world.intent["version"], lines)
    kept = () if args.only else lines  # every line comes again, and is kept, where all of them are proven
    if not lines:
        of = f" of {args.only.partition(' ')[2]}" if args.only else ""
        return Done(f"No live pod{of} is known to get {args.place.name}.", {}, _elsewhere(args, world, pods))
    says = f"{len(lines) - len(missing) - len(kept_out)} of {len(lines)} pods have {version}."
    if not missing and not dark:
        return Done(f"{says} Not awaited, {CORDONED}: {len(kept_out)}." if kept_out else says, {},
                    (*kept, *_elsewhere(args, world, pods)))  # fmt: skip
    if world.waited < PATIENCE:
        return Waiting(f"{says} {dark}".strip(), {}, kept, 2.0, len(lines) - len(missing), len(lines))
    others = " No other workload was restarted." if args.only else ""
    return Refused(f"Not proven: {says} {_mend(missing, dark)} The old version was not touched.{others}", {}, lines)


def _mend(missing: Sequence[ProofLine], dark: str) -> str:
    if dark:
        return f"{dark} Have it watched again, then resume."
    first = missing[0]
    return f"{first.subject}: {first.says}. Restart what is behind, or look at its page, then resume."


run = done


def _getting(args: Args, world: World) -> list[Getting]:
    place = args.place
    pods = world.present(world.vault, place.namespace, place.mount, place.path)
    return [one for one in pods if args.only in ("", f"{one.cluster} {_workload(one)}")]


def _dark(args: Args, world: World, pods: Sequence[Getting]) -> str:
    """Return since when a cluster with such pods is not seen: those that came later would be missing from the proof."""
    theirs = {one.cluster for one in pods} | {args.only.partition(" ")[0]}
    some = [f"Cluster {one.name}: {one.says.rstrip('.')}." for one in world.behind() if one.name in theirs]
    return f"{' '.join(some)} Pods that came since are not known." if some else ""


def _elsewhere(args: Args, world: World, pods: Sequence[Getting]) -> tuple[ProofLine, ...]:
    """Return the line that says that other clusters are not seen; whoever sees this secret alone sees no name of one.

    They hold nothing up: a cluster that is watched no more would hold up every rotation for ever.
    """
    theirs = {one.cluster for one in pods}
    many = 0 if args.only else sum(one.name not in theirs for one in world.behind())
    says = f"not seen as {'it is' if many == 1 else 'they are'} now, so pods there that get it are not known"
    return (ProofLine("cluster", f"{many} other" if theirs else f"{many} connected", "short", says),) if many else ()


def _lines(args: Args, world: World, pods: Sequence[Getting]) -> list[ProofLine]:
    place, version = args.place, world.intent["version"]
    now = world.now()
    reads = world.witness.reads(world.vault, place.namespace, place.mount, place.path, version, world.started)
    return [
        _cordoned(one) if _account(one) in args.cordoned else line(one, version, world.started, reads, now)
        for one in pods
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
