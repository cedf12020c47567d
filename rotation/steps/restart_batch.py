"""Restarts some workloads at once, after the first one has shown that it works, and waits for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from rotation import failures
from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence, Waiting
from rotation.steps import restart_rollout
from rotation.steps.restart_rollout import Args as Workload
from rotation.world import World


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The workloads of this batch as they were planned, and the names of those that come after it."""

    workloads: tuple[Workload, ...]
    then: tuple[str, ...] = ()


def describe(args: Args) -> Sentence:
    """Say which workloads."""
    names = ", ".join(one.print for one in args.workloads)
    return Sentence(
        f"Then restart {len(args.workloads)} more{' at once' if len(args.workloads) > 1 else ''}: {names}",
        "their pods hold what they read when they started", "every pod is new",
        "a restart is not undone; the pods come back by themselves",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """Ask the API server and its admission by a dry run for each."""
    found = [restart_rollout.check(one, world) for one in args.workloads]
    lines = (f"{one.print}: {line}" for one, each in zip(args.workloads, found, strict=True) for line in each.lines)
    uids = {f"uid {one.print}": one.uid for one in args.workloads}
    return Checked(uids, (), tuple(lines))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but the change's own name is needed: the annotations tell whose restart it was."""
    return {"change": world.change}


def done(args: Args, world: World) -> Outcome:
    """Look which templates carry this change, and how far their rollouts have come."""
    found = [(one, restart_rollout.done(one, world)) for one in args.workloads]
    if without := [one.print for one, outcome in found if isinstance(outcome, NotDone)]:
        return NotDone(f"The pod template of {', '.join(without)} does not carry this change.")
    return _together(args, found)


def run(args: Args, world: World) -> Outcome:
    """Patch the templates that do not carry the change; the first that is refused ends it."""
    found: list[tuple[Workload, Outcome]] = []
    for one, outcome in _each(args, world):
        found.append((one, outcome))
        if not isinstance(outcome, Done | Waiting):
            return _with(outcome, args, found)
    return _together(args, found)


def _each(args: Args, world: World) -> Iterator[tuple[Workload, Outcome]]:
    for one in args.workloads:
        try:
            yield one, restart_rollout.run(one, world)
        except failures.WIRES as error:
            outcome = failures.of_call(error)
            if outcome is None:
                raise
            yield one, outcome


def _together(args: Args, found: list[tuple[Workload, Outcome]]) -> Outcome:
    """Return what the rollouts come to: the first that is stuck, the first that is on its way, or done."""
    for _, outcome in found:
        if not isinstance(outcome, Done | Waiting):
            return _with(outcome, args, found)
    ready = sum(isinstance(outcome, Done) for _, outcome in found)
    for one, outcome in found:
        if isinstance(outcome, Waiting):
            says = f"{ready} of {len(found)} workloads are restarted. {one.print}: {outcome.says}"
            return Waiting(says, seconds=2.0, done=ready, of=len(found))
    return Done(f"{ready} of {ready} workloads are restarted.", {"workloads": ready})


def _with(outcome: Outcome, args: Args, found: list[tuple[Workload, Outcome]]) -> Outcome:
    """Return an outcome that stops the batch, with what was touched and what was not."""
    touched = [one.print for one, each in found if isinstance(each, Done | Waiting)]
    failed = next(one.print for one, each in found if not isinstance(each, Done | Waiting))
    tried = {one.print for one, _ in found}
    later = [one.print for one in args.workloads if one.print not in tried] + list(args.then)
    why = outcome.says if outcome.says.startswith(failed) else f"{failed}: {outcome.says}"
    says = f"{why} {told('Restarted in this batch', touched)} {told('Not touched', later)}".strip()
    return replace(outcome, says=says if isinstance(outcome, Refused) else why)


def told(what: str, names: list[str]) -> str:
    """Return `Not touched: Deployment a/b, Deployment a/c.`, or that there are none."""
    return f"{what}: {', '.join(names) or 'none'}."
