"""Which operators have to read a secret anew before anything restarts: a pod that starts earlier gets the old copy."""

from __future__ import annotations

from collections.abc import Iterable

from inventory.cluster_models import SecretConsumer
from inventory.restarts import filling
from rotation.planning import Need, StepSpec

KINDS = ("ExternalSecret", "VaultStaticSecret", "VaultDynamicSecret")


def syncs(rows: Iterable[SecretConsumer]) -> tuple[list[StepSpec], list[Need], list[str]]:
    """Return the steps for the copies that consumers get, the rights for them, and why one can't be asked."""
    steps, needs, doubts = [], [], []
    for cluster, kind, namespace, name, uid in sorted({key for row in rows if (key := _of(row))}):
        found = filling(cluster, uid)
        if found is not None and found.obstacle is not None:
            doubts.append(f"{kind} {namespace}/{name} is not read anew: {found.obstacle.says}.")
            continue
        args = {"cluster": cluster, "kind": kind, "namespace": namespace, "name": name, "uid": uid}
        steps.append(StepSpec("force_sync", args))
        needs.append(Need("cluster", "", f"{cluster}/{namespace}/{kind}/{name}", "patch"))
    return steps, needs, doubts


def _of(row: SecretConsumer) -> tuple[str, str, str, str, str] | None:
    if row.made_by_kind not in KINDS:
        return None
    return row.cluster.name, row.made_by_kind, row.made_by_namespace, row.made_by_name, row.made_by_uid
