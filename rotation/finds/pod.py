"""Which pod it is: its name, cluster, service account and workload, by its uid or by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rotation.finds import Found, Scene

FACTS: Mapping[str, Any] = {
    "uid": "x", "name": "x", "cluster": "x", "service_account": "x", "workload": "x", "lives": "x",
}  # fmt: skip
GROUPS: Mapping[str, Mapping[str, Any]] = {}


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pod: its uid, or `namespace/name` where only one pod ever had it."""

    pod: str


def find(args: Args, scene: Scene) -> Found:
    """Ask the clusters' pictures."""
    one = scene.estate.pod(args.pod)
    return Found({
        "uid": one.uid, "name": one.name, "cluster": one.cluster, "service_account": one.account,
        "workload": one.workload or "no workload", "lives": "it lives" if one.lives else "it is gone",
    })  # fmt: skip
