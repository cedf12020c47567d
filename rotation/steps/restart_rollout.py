"""Restarts a workload by an annotation on its pod template, as kubectl does, and waits until no old pod is left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence, Waiting
from rotation.world import World

PATIENCE, MORE = timedelta(minutes=10), timedelta(minutes=2)  # and for each pod: they may be replaced one by one
GRACE = timedelta(seconds=30)  # after a resume the cluster still says for a while what was so before


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The workload as it was when this was planned; another object of the name, or template, is refused.

    `then` names the workloads that wait until this one has shown that it works.
    """

    cluster: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    fingerprint: str = ""
    then: tuple[str, ...] = ()

    @property
    def print(self) -> str:
        """The workload as people write it."""
        return f"{self.kind} {self.namespace}/{self.name}"


def describe(args: Args) -> Sentence:
    """Say which workload, and that the others wait for it."""
    first = f"Restart 1 of {len(args.then) + 1} first: " if args.then else "Restart "
    return Sentence(
        f"{first}{args.print}", "its pods hold what they read when they started",
        "every pod is new", "a restart is not undone; the pods come back by themselves",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """Ask the API server and its admission by a dry run."""
    with world.doors.cluster(args.cluster) as kube:
        _restart(kube, args, world, dry_run=True)
        seen = kube.look(args.kind, args.namespace, args.name)
    return Checked({"uid": args.uid}, (), (f"The API server would take it; {len(seen.pods)} pods now.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Nothing but the change's own name is needed: the annotation tells whose restart it was."""
    return {"change": world.change}


def done(args: Args, world: World) -> Outcome:
    """Look whether the template carries this change, and how far its rollout has come."""
    with world.doors.cluster(args.cluster) as kube:
        if kube.restarted_by(args.kind, args.namespace, args.name) != world.change:
            return NotDone("Its pod template does not carry this change.")
        return _far(kube.progress(args.kind, args.namespace, args.name, world.change), args, world)


def run(args: Args, world: World) -> Outcome:
    """Patch the template."""
    with world.doors.cluster(args.cluster) as kube:
        _restart(kube, args, world, dry_run=False)
        return _far(kube.progress(args.kind, args.namespace, args.name, world.change), args, world)


def _restart(kube: Any, args: Args, world: World, *, dry_run: bool) -> None:
    planned = {"uid": args.uid, "fingerprint": args.fingerprint}
    kube.restart(args.kind, args.namespace, args.name, world.change, world.now(), dry_run, **planned)


def _far(found: Any, args: Args, world: World) -> Outcome:
    """Read a rollout's answer by its shape: done, stuck with a mend, or on its way; for ever it is not waited."""
    others = f" Not touched: {', '.join(args.then)}." if args.then else ""
    if hasattr(found, "mend"):
        if world.now() - world.tried < GRACE:
            return Waiting(found.says, seconds=2.0, done=found.done_of, of=found.total)
        return Refused(f"{args.print}: {found.says} {found.mend} Then resume.{others}".replace("  ", " "))
    if not hasattr(found, "trouble"):
        return Done(found.says, {"pods": found.total})
    says = f"{found.says} {found.trouble}".strip()
    if world.waited < PATIENCE + MORE * found.total:
        return Waiting(says, seconds=2.0, done=found.done_of, of=found.total)
    late = "See why its new pods do not come, or are not ready; the roll then goes on by itself. Then resume."
    return Refused(f"{args.print}: {says} It was waited for long enough. {late}{others}")
