"""Which pods get a secret now, and what the clusters say of each copy: asked when a delivery is to be proven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from inventory.cluster_models import ContentChange, KubeObject, PodState, SecretConsumer
from inventory.cluster_questions import api_path, consumers_of

FILES = frozenset({"file", "volume", "projected"})  # uses that a kubelet refreshes while the pod runs


@dataclass(frozen=True, slots=True)
class Getting:
    """One pod that gets a secret by one method.

    `made_at` is when the pod was made; `synced_at` when the operator last synced by its status; `copied_at` when the
    data of the Kubernetes Secret, or what the CSI driver mounted, was last seen to change. `files` tells that it gets
    them as files that are refreshed while it runs.
    """

    cluster: str
    namespace: str
    pod: str
    pod_uid: str
    workload: str
    method: str
    made_at: datetime | None
    synced_at: datetime | None
    copied_at: datetime | None
    files: bool
    service_account: str

    @property
    def name(self) -> str:
        """The pod as people write it."""
        return f"{self.namespace}/{self.pod}"


def getting(vault: str, namespace: str, mount: str, path: str) -> list[Getting]:
    """Return every pod that gets a KV v2 secret and has not ended, each once for each method."""
    rows = [one for one in consumers_of(vault, api_path(mount, path, 2), namespace=namespace) if not one.ended]
    made = dict(PodState.objects.filter(uid__in={one.pod_uid for one in rows}).values_list("uid", "made_at"))
    copies = _copies(rows)
    found = {}
    for one in rows:
        key = (one.cluster_id, one.namespace, one.k8s_secret or one.pod_uid)
        found[one.pod_uid, one.method] = Getting(
            one.cluster.name, one.namespace, one.pod_name, one.pod_uid, f"{one.workload_kind} {one.workload_name}",
            one.method, made.get(one.pod_uid), one.last_sync, copies.get(key), bool(FILES & set(one.uses)),
            one.service_account,
        )  # fmt: skip
    return sorted(found.values(), key=lambda one: (one.cluster, one.name, one.method))


def _copies(rows: Iterable[SecretConsumer]) -> dict[tuple[int, str, str], datetime]:
    """Return when each copy was last seen to change: Secrets by their name, what CSI mounted by its pod."""
    found: dict[tuple[int, str, str], datetime] = {}
    for row in rows:
        objects = KubeObject.objects.filter(cluster_id=row.cluster_id, namespace=row.namespace, gone_at=None)
        if row.k8s_secret:
            some = objects.filter(resource="secrets", name=row.k8s_secret)
        else:
            some = objects.filter(resource="secretproviderclasspodstatuses", name__startswith=f"{row.pod_name}-")
        uids = list(some.values_list("uid", flat=True))
        changed = ContentChange.objects.filter(cluster_id=row.cluster_id, uid__in=uids).aggregate(last=Max("at"))[
            "last"
        ]
        if changed is not None:
            found[row.cluster_id, row.namespace, row.k8s_secret or row.pod_uid] = changed
    return found
