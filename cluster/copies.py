"""Consumers of a Kubernetes Secret that somebody fills from a vault: each container that uses it, by its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from cluster.consumption import Consumer, Source
from cluster.kinds.pod import Pod
from cluster.scene import Ref, Scene, ref
from cluster.uses import Use, is_immutable, restart_rule, restarted_by, uses_of


def consumers_of_copy(
    scene: Scene,
    namespace: str,
    secret: str,
    sources: Iterable[Source],
    *,
    immutable: bool = False,
    restarts: Callable[[Ref], str] | None = None,
    csi_class: str = "",
) -> Iterator[Consumer]:
    """Give each use of the Secret in its namespace, once for each source; `restarts` may name who restarts first."""
    known = list(sources)
    fixed = immutable or is_immutable(scene, namespace, secret)
    for pod, use in users_of(scene, namespace, secret):
        workload = scene.workload(pod)
        needs, why = restart_rule(use.ways, immutable=fixed)
        by = (restarts(workload) if restarts else "") or restarted_by(scene, workload, secret, csi_class=csi_class)
        for source in known:
            yield Consumer(ref(pod), workload, use.container, source, secret, use.ways, needs, why, by)


def users_of(scene: Scene, namespace: str, secret: str) -> list[tuple[Pod, Use]]:
    """Return each pod and use of one Secret."""
    return scene.once(_all_uses).get((namespace, secret), [])


def _all_uses(scene: Scene) -> dict[tuple[str, str], list[tuple[Pod, Use]]]:
    found = defaultdict(list)
    for pod in scene.all(Pod):
        for use in uses_of(pod):
            found[pod.metadata.namespace, use.secret].append((pod, use))
    return dict(found)
