"""Restarts one Deployment, StatefulSet or DaemonSet."""

from __future__ import annotations

from typing import Literal

import msgspec

from rotation.estate import Estate
from rotation.planning import Drawn, Need, Refused, Wish
from rotation.touching import Touched

TITLE = "Restart a workload"
FAMILY = "restart"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The workload by cluster, kind, namespace and name."""

    cluster: str
    kind: Literal["Deployment", "StatefulSet", "DaemonSet"]
    namespace: str
    name: str


def risk(args: Args) -> str:
    """Pods come back by themselves."""
    return "routine"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one step; what an operator restarts by itself is doubted, not refused."""
    found = estate.restart(args.cluster, args.kind, args.namespace, args.name)
    name = f"{args.kind} {args.namespace}/{args.name}"
    touched = Touched()
    touched.reach(args.kind, args.namespace, args.name, found.blast.pods)
    touched.restart(args.cluster, found.blast, found.fingerprint)
    if found.owner:
        touched.doubts.append(f"{name} is also restarted by {found.owner} when one of its secrets changes.")
    if not found.blast.total:
        raise Refused(f"{name} has no pods to restart.", "Scale it up, or leave it.")
    need = Need("cluster", "", f"{args.cluster}/{args.namespace}/{args.kind}/{args.name}", "patch")
    return Drawn("Restart", f"{args.namespace}/{args.name}", touched.steps, "", args.cluster, touched.blast(), [need])
