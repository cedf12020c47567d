"""What a restart of a workload would touch, and whose it is to make: from the picture of its cluster alone."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from cluster.blast import Blast, blast
from cluster.kinds.platform import PodDisruptionBudget
from cluster.kinds.workload import DaemonSet, Deployment, StatefulSet
from cluster.refresh import obstacle
from cluster.restart_owner import restart_owner
from cluster.rollouts import Obstacle, Restartable, fingerprint
from cluster.scene import Ref, Scene, ref
from inventory.cluster_rows import objects
from inventory.models import Cluster

KINDS: dict[str, type[Restartable]] = {
    "Deployment": Deployment, "StatefulSet": StatefulSet, "DaemonSet": DaemonSet,
}  # fmt: skip
_NEEDED = (
    "deployments", "statefulsets", "daemonsets", "replicasets", "pods", "poddisruptionbudgets", "secrets",
    "secretproviderclasses", "secretproviderclasspodstatuses", "vaultstaticsecrets", "vaultdynamicsecrets",
    "vaultpkisecrets", "externalsecrets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Restart:
    """One workload that could be restarted: which, its template as planned, whose it is to restart, what it touches.

    `owner` is `vso`, `reloader` or "" for us.
    """

    workload: Ref
    fingerprint: str
    owner: str
    blast: Blast


def scene_of(cluster: Cluster, namespace: str) -> Scene:
    """Return what a namespace of a cluster holds, as far as restarts and refreshes go by it."""
    return Scene(objects(cluster, Q(namespace=namespace, resource__in=_NEEDED)))


def restart_in(scene: Scene, kind: str, namespace: str, name: str, *, k8s_secret: str = "") -> Restart | None:
    """Return what the restart of a workload would be; None when the picture has no such workload.

    With the Kubernetes Secret that will change, `owner` is who restarts the workload for that one.
    """
    shape = KINDS.get(kind)
    found = scene.named(shape, namespace, name) if shape is not None else None
    if found is None:
        return None
    which = ref(found)
    touched = blast(found, scene.pods_of(which.uid), scene.all(PodDisruptionBudget))
    return Restart(which, fingerprint(found), restart_owner(scene, which, k8s_secret=k8s_secret), touched)


@dataclass(frozen=True, slots=True)
class Filling:
    """What fills a Secret, and why asking its operator to read it anew would change nothing, if so."""

    resource: Ref
    obstacle: Obstacle | None


def filling(cluster: str, uid: str) -> Filling | None:
    """Return an ExternalSecret, VaultStaticSecret or VaultDynamicSecret of a cluster's picture by its uid, or None."""
    home = Cluster.objects.filter(name=cluster).first()
    which = Q(uid=uid, resource__in=("externalsecrets", "vaultstaticsecrets", "vaultdynamicsecrets"))
    found = next(objects(home, which), None) if home is not None else None
    return Filling(ref(found), obstacle(found)) if found is not None else None


def restart_of(cluster: Cluster, kind: str, namespace: str, name: str, *, k8s_secret: str = "") -> Restart | None:
    """Return what the restart of one workload would be, read from the picture; for several take `scene_of` once."""
    return restart_in(scene_of(cluster, namespace), kind, namespace, name, k8s_secret=k8s_secret)
