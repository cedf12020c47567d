"""Kubernetes Secrets that nobody fills from a vault: used as variables, files, or by the kubelet itself."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.consumption import REGISTRY, Consumer, Source, Trouble
from cluster.doctor.mounts import not_configured
from cluster.kinds.pod import Pod
from cluster.scene import Scene, ref
from cluster.uses import IMAGE_PULL, is_immutable, restart_rule, restarted_by, uses_of

TITLE = "Kubernetes Secret"
_METHOD = "native"


def consumers(scene: Scene) -> Iterator[Consumer]:
    """Give each use of each Secret; the seam leaves out those that another method fills."""
    for pod in scene.all(Pod):
        workload, me = scene.workload(pod), ref(pod)
        for use in uses_of(pod):
            fixed = is_immutable(scene, pod.metadata.namespace, use.secret)
            needs, why = restart_rule(use.ways, immutable=fixed)
            by = restarted_by(scene, workload, use.secret)
            source = Source(_METHOD, credential=REGISTRY if use.ways == (IMAGE_PULL,) else "")
            yield Consumer(me, workload, use.container, source, use.secret, use.ways, needs, why, by)


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the pods whose containers can't be made since a Secret or a ConfigMap is missing."""
    for pod in scene.pods:
        yield from not_configured(scene, pod)
