"""Who restarts a workload when one of its secrets changes: the Vault Secrets Operator, Reloader, or nobody but us."""

from __future__ import annotations

from collections.abc import Iterable

from cluster import uses
from cluster.consumption import NOBODY, RELOADER, VSO
from cluster.delivery import vso
from cluster.kinds.pod import Pod
from cluster.kinds.store_csi import SecretProviderClass
from cluster.scene import Ref, Scene


def restart_owner(objects: Scene | Iterable[object], workload: Ref, *, k8s_secret: str = "") -> str:
    """Return `vso`, `reloader` or "" for a workload, by the mirrored objects of its namespace.

    With the name of a Kubernetes Secret: who restarts it when that changes; without one: who does for any of those
    that its pods use. What is theirs is left to them, or it would be restarted twice.
    """
    scene = objects if isinstance(objects, Scene) else Scene(objects)
    if any(vso.restarts(one, workload) for one in _filling(scene, workload.namespace, k8s_secret)):
        return VSO
    if k8s_secret:
        return uses.restarted_by(scene, workload, k8s_secret)
    pods = scene.pods_of(workload.uid)
    secrets = {use.secret for pod in pods for use in uses.uses_of(pod) if use.secret}
    if any(uses.restarted_by(scene, workload, one) for one in secrets):
        return RELOADER
    mounts = {
        name for pod in pods for name in _classes(pod) if scene.named(SecretProviderClass, workload.namespace, name)
    }
    return RELOADER if any(uses.restarted_by(scene, workload, "", csi_class=one) for one in mounts) else NOBODY


def _filling(scene: Scene, namespace: str, k8s_secret: str) -> list[vso.Kept]:
    """Return the operator's resources of a namespace that fill this Secret, or any with ""."""
    there = [one for one in vso.every(scene) if one.metadata.namespace == namespace]
    return [one for one in there if k8s_secret in ("", one.spec.destination.name)]


def _classes(pod: Pod) -> set[str]:
    mounts = [volume.csi for volume in pod.spec.volumes if volume.csi is not None]
    return {one.volume_attributes.secret_provider_class for one in mounts}
