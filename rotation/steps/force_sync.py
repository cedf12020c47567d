"""Has an operator read a secret anew, by annotations on its resource, and waits until it says that it did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from cluster.refresh import Pending, lease_of, mark_of
from rotation.outcomes import Checked, Done, NotDone, Outcome, Refused, Sentence, Waiting
from rotation.world import World

PATIENCE = timedelta(minutes=5)
OPERATORS = {"ExternalSecret": "the External Secrets Operator"}
VSO = "the Vault Secrets Operator"
DYNAMIC = "VaultDynamicSecret"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's resource as it was when this was planned; another object of the name is refused."""

    cluster: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


def describe(args: Args) -> Sentence:
    """Say who reads what anew, and that a lease of before stays alive."""
    after = "its Secret has what Vault has now"
    if args.kind == DYNAMIC:
        after = "its Secret has new credentials; those of before work until their lease is revoked or ends"
    return Sentence(
        f"Have {OPERATORS.get(args.kind, VSO)} read {args.kind} {args.namespace}/{args.name} anew",
        "its Secret has what was read last", after, "a sync is not undone: it copies what is in Vault",
    )  # fmt: skip


def check(args: Args, world: World) -> Checked:
    """Ask the API server and its admission by a dry run."""
    with world.doors.cluster(args.cluster) as kube:
        kube.force_sync(args.kind, args.namespace, args.name, world.change, world.now(), dry_run=True, uid=args.uid)
    return Checked({"uid": args.uid}, (), ("The API server would take the annotations.",))


def intend(args: Args, world: World) -> dict[str, Any] | Outcome:
    """Keep what its status shows before the call, and the lease that it holds; a second attempt asks anew."""
    with world.doors.cluster(args.cluster) as kube:
        found = kube.filled(args.kind, args.namespace, args.name)
        anew = kube.asked_by(args.kind, args.namespace, args.name) == world.change
    return {"mark": mark_of(found), "lease": lease_of(found), "asked": world.now().isoformat(), "anew": anew}


def done(args: Args, world: World) -> Outcome:
    """Look whether the resource carries this change, and whether its operator says that it has read since."""
    with world.doors.cluster(args.cluster) as kube:
        if kube.asked_by(args.kind, args.namespace, args.name) != world.change:
            return NotDone(f"{args.kind} {args.namespace}/{args.name} does not carry this change.")
        return _far(kube, args, world)


def run(args: Args, world: World) -> Outcome:
    """Write the annotations."""
    with world.doors.cluster(args.cluster) as kube:
        kube.force_sync(
            args.kind, args.namespace, args.name, world.change, world.now(), uid=args.uid, anew=world.intent["anew"]
        )
        return _far(kube, args, world)


def _far(kube: Any, args: Args, world: World) -> Outcome:
    """Read what the operator says; it may have polled between a write of this change and the asking."""
    asked = datetime.fromisoformat(world.intent["asked"])
    since = min(asked, world.started) if args.kind == "VaultStaticSecret" else asked
    found = kube.synced(args.kind, args.namespace, args.name, world.intent["mark"], since)
    if not isinstance(found, Pending):
        return Done(found.says, {"lease": world.intent["lease"]} if world.intent["lease"] else {})
    says = f"{found.says} {found.trouble}".strip()
    if world.waited < PATIENCE:
        return Waiting(says, seconds=2.0)
    return Refused(f"{says} Its Secret may hold what it held: see the log of the operator, then resume.")
