"""What a restart touches before anybody approves it: pods, how many are away at once, budgets, and what to know first.

All of it comes from the objects of the mirror: no call, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.kinds.platform import PodDisruptionBudget
from cluster.kinds.pod import Pod
from cluster.kinds.workload import DaemonSet, Deployment, RollingUpdate, StatefulSet
from cluster.rollouts import Obstacle, Restartable, is_ready, names, obstacle, wanted
from cluster.scene import has_ended

_QUARTER = "25%"  # what the API server takes where a Deployment says nothing
# Who writes templates from a Git repository, by a label or annotation that it leaves.
_FROM_GIT = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget over the workload's pods: disruptions it allows now, healthy pods it has and asks for."""

    name: str
    allows: int
    healthy: int
    asks: int


@dataclass(frozen=True, slots=True)
class Blast:
    """What the restart of one workload touches.

    `pods` are its pods' names, `total` how many there shall be, `away` how many of them may be away at once at worst,
    `extra` how many more there may be meanwhile. `says` is that in a sentence, `caveats` what an approver must have
    read, `obstacle` why it can't be restarted as it stands.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    pods: tuple[str, ...]
    total: int
    away: int
    extra: int
    budgets: tuple[Budget, ...]
    says: str
    caveats: tuple[str, ...]
    obstacle: Obstacle | None = None

    @property
    def single(self) -> bool:
        """Whether there is one pod alone, and so nobody else while it is away."""
        return self.total == 1


def blast(workload: Restartable, pods: Iterable[Pod], budgets: Iterable[PodDisruptionBudget]) -> Blast:
    """Return what a restart of a workload touches; `pods` are its own, `budgets` those of its namespace or of all."""
    there = sorted((pod for pod in pods if not has_ended(pod)), key=lambda pod: pod.metadata.name)
    total, (away, extra) = wanted(workload), _fences(workload)
    over = tuple(_budget(one) for one in budgets if _covers(one, workload, there))
    return Blast(
        type(workload).__name__,
        workload.metadata.namespace,
        workload.metadata.name,
        workload.metadata.uid,
        tuple(pod.metadata.name for pod in there),
        total,
        away,
        extra,
        over,
        _says(total, away),
        tuple(_caveats(workload, there, total, away, over)),
        obstacle(workload),
    )


def _fences(workload: Restartable) -> tuple[int, int]:
    """Return how many pods may be away at once, and how many more there may be, as the controllers work it out."""
    total = wanted(workload)
    if isinstance(workload, Deployment):
        strategy = workload.spec.strategy
        if strategy is not None and strategy.type == "Recreate":
            return total, 0
        return _of_deployment(total, (strategy and strategy.rolling_update) or RollingUpdate())
    strategy = workload.spec.update_strategy
    rolling = (strategy and strategy.rolling_update) or RollingUpdate()
    away = _share(1 if rolling.max_unavailable is None else rolling.max_unavailable, total, up=True)
    if isinstance(workload, StatefulSet):
        return min(max(away, 1), total), 0
    extra = _share(rolling.max_surge or 0, total, up=True)
    return (0 if extra else min(max(away, 1), total)), min(extra, total)


def _of_deployment(total: int, rolling: RollingUpdate) -> tuple[int, int]:
    extra = _share(_QUARTER if rolling.max_surge is None else rolling.max_surge, total, up=True)
    away = _share(_QUARTER if rolling.max_unavailable is None else rolling.max_unavailable, total, up=False)
    return min(away if away or extra else 1, total), extra


def _share(given: int | str, total: int, *, up: bool) -> int:
    """Return a number of pods, or a share of them such as "25%"; of odd text none."""
    if isinstance(given, int):
        return max(given, 0)
    digits = given.strip().removesuffix("%")
    if not digits.isdigit():
        return 0
    if not given.strip().endswith("%"):
        return int(digits)
    hundredths = int(digits) * total
    return -(-hundredths // 100) if up else hundredths // 100


def _says(total: int, away: int) -> str:
    pods = "pod" if total == 1 else "pods"
    if not total:
        return "There is no pod to restart."
    if not away:
        return f"At worst none of {total} {pods} is away: each new one is ready before an old one ends."
    if away >= total:
        return "Its single pod is away for a while." if total == 1 else f"All {total} pods are away at once."
    return f"At worst {away} of {total} {pods} {'is' if away == 1 else 'are'} away at a time."


def _caveats(
    workload: Restartable, pods: Sequence[Pod], total: int, away: int, over: Sequence[Budget]
) -> Iterable[str]:
    name = workload.metadata.name
    if total and away >= total:
        meanwhile = "its only pod" if total == 1 else "all its pods"
        yield f"{name} does not answer while {meanwhile} {'is' if total == 1 else 'are'} replaced."
    sick = [pod for pod in pods if not is_ready(pod)]
    if sick:
        waits = "; a StatefulSet waits for it before it goes on" if isinstance(workload, StatefulSet) else ""
        yield f"Not ready now: {names(sick)}{waits}."
    if isinstance(workload, DaemonSet) and total > 1:
        yield f"It runs on {total} nodes and is replaced node by node."
    for one in over:
        yield from _of_budget(one, total - away)
    keeper = next((who for key, who in _FROM_GIT.items() if key in _notes(workload)), "")
    if keeper:
        yield f"{keeper} keeps {name} from Git: applied by force, it takes our annotation away and rolls it again."


def _of_budget(one: Budget, stay: int) -> Iterable[str]:
    allows = f"{one.allows} {'disruption' if one.allows == 1 else 'disruptions'}"
    if not one.allows or stay < one.asks:
        yield (
            f"PodDisruptionBudget {one.name} asks for {one.asks} healthy pods, has {one.healthy} and allows {allows} "
            f"now; at worst {stay} stay. A budget holds up evictions, not a restart."
        )


def _budget(found: PodDisruptionBudget) -> Budget:
    told = found.status
    return Budget(found.metadata.name, told.disruptions_allowed, told.current_healthy, told.desired_healthy)


def _covers(found: PodDisruptionBudget, workload: Restartable, pods: Sequence[Pod]) -> bool:
    """Say whether a budget is over these pods; without any, over those that the template would make."""
    if found.metadata.namespace != workload.metadata.namespace:
        return False
    labels = [pod.metadata.labels for pod in pods] or [workload.spec.template.metadata.labels]
    return any(found.spec.selector.matches(one) for one in labels)


def _notes(workload: Restartable) -> set[str]:
    return {*workload.metadata.annotations, *workload.metadata.labels}
