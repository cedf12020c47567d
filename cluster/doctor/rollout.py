"""A rollout that does not get on, when no other cause explains it: its new pods never become ready."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cluster.consumption import Trouble
from cluster.kinds.meta import Condition
from cluster.kinds.pod import Pod
from cluster.kinds.workload import Deployment, Rollout
from cluster.scene import Ref, Scene, ref

_LATE = "ProgressDeadlineExceeded"


def unexplained(scene: Scene, explained: Collection[Ref]) -> Iterator[Trouble]:
    """Give the Deployments and Rollouts over their deadline that have no other trouble."""
    for kind in (Deployment, Rollout):
        for each in scene.all(kind):
            condition = _late(each.status.conditions)
            if condition is not None and ref(each) not in explained:
                pods = tuple(ref(pod) for pod in scene.pods_of(each.metadata.uid) if not _ready(pod))
                says = "The rollout is over its deadline: new pods never become ready, so the old ones stay."
                mend = "See why the new pods are not ready; until then the old ones hold the old secret."
                yield Trouble("-", 0, ref(each), ref(each), says, mend, pods, evidence=condition.message)


def _late(conditions: list[Condition]) -> Condition | None:
    every = (each for each in conditions if each.type == "Progressing" and each.status == "False")
    return next((each for each in every if each.reason == _LATE), None)


def _ready(pod: Pod) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions)
