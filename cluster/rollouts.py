"""How far a restart has come: kubectl's rules for each kind, and the stricter one that no pod of the old set is left.

What is asked is the workload as it is now and its pods, read together; there is no clock here and no call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from cluster.kinds.meta import Condition, moment
from cluster.kinds.pod import ContainerStatus, Pod
from cluster.kinds.workload import DaemonSet, Deployment, StatefulSet
from cluster.scene import has_ended

Restartable = Deployment | StatefulSet | DaemonSet
CHANGE = "keybook.dev/change"  # on the template, and so on every pod that is made of it: the change that restarted it
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
MANAGER = "keybook"
_MARKS = (CHANGE, RESTARTED_AT, "vso.secrets.hashicorp.com/restartedAt", "reloader.stakater.com/last-reloaded-from")
_NAMED = 3  # pods that a sentence names; of more it tells the number
_RESUME = "Resume it with kubectl rollout resume; the restart then goes on by itself."


@dataclass(frozen=True, slots=True)
class Rolling:
    """On its way: `done_of` of `total` pods are new and ready; `trouble` is what holds it up, "" while nothing does."""

    done_of: int
    total: int
    says: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """All pods are new and available, and none of the old set is left."""

    total: int
    says: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """It won't end by itself; `says` what is true now, `mend` what a person can do."""

    says: str
    mend: str
    done_of: int = 0
    total: int = 0


Answer = Rolling | Done | Stuck


class Obstacle(NamedTuple):
    """Why a restart of a workload would do nothing, or nothing that can be waited for, and what to do about it."""

    says: str
    mend: str


def status(workload: Restartable, pods: Iterable[Pod], change_id: str = "", *, since: datetime | None = None) -> Answer:
    """Return how far the restart by a change has come; `pods` are those of this workload (see `scene.pods_of`).

    Without a `change_id` the restart is somebody else's (an operator's): its pods are those made after `since`, by the
    API server's clock. With both, `since` judges once another restart has written over our mark on the template.
    """
    if change_id and restarted_by(workload) != change_id and since is None:
        return _superseded(workload)
    there = [pod for pod in pods if not has_ended(pod)]
    old = [pod for pod in there if _is_old(pod, workload, change_id, since)]
    new = [pod for pod in there if not any(pod is each for each in old)]
    at = _Look(workload, old, new)
    answer = _by_kubectl(at) or _old_left(at) or at.done()
    return (_blocked(at) or answer) if isinstance(answer, Rolling) else answer


def restarted_by(workload: Restartable) -> str | None:
    """Return the id of the change that restarted the workload last, as its template says; None when none did."""
    return workload.spec.template.metadata.annotations.get(CHANGE) or None


def marked_at(workload: Restartable) -> datetime | None:
    """Return when Keybook wrote to the workload last, by the API server's clock (seconds); None when it never did."""
    times = [moment(each.time) for each in workload.metadata.managed_fields if each.manager == MANAGER]
    return max(filter(None, times), default=None)


def fingerprint(workload: Restartable) -> str:
    """Return a SHA-256 of what a restart would run: the template and how pods are replaced; not the number of them.

    What an earlier restart wrote does not count. It is the same of the mirrored object and of the one just read.
    """
    notes = {key: text for key, text in workload.spec.template.metadata.annotations.items() if key not in _MARKS}
    meta = msgspec.structs.replace(workload.spec.template.metadata, annotations=notes)
    template = msgspec.structs.replace(workload.spec.template, metadata=meta)
    spec = msgspec.structs.replace(workload.spec, template=template, replicas=None)
    return hashlib.sha256(msgspec.json.encode(spec, order="sorted")).hexdigest()


def obstacle(workload: Restartable) -> Obstacle | None:
    """Return why this workload can't be restarted as it stands, or None."""
    spec, strategy = workload.spec, workload.spec.update_strategy
    if spec.paused:
        return Obstacle("it is paused: a restart would wait until somebody resumes it", "resume it first")
    if strategy is not None and strategy.type == "OnDelete":
        mend = "delete its pods one by one, or change the strategy to RollingUpdate"
        return Obstacle("its update strategy is OnDelete: no pod is replaced until somebody deletes it", mend)
    kept = partition(workload)
    if kept:
        what = f"its partition keeps the pods below number {kept} as they are"
        return Obstacle(what, "set the partition to 0 first")
    if wanted(workload) == 0:
        if isinstance(workload, DaemonSet):
            return Obstacle("it wants a pod on no node: there is nothing to restart", "check its node selector")
        return Obstacle(
            "it is scaled to 0: there is no pod to restart", "leave it out; it reads anew when it is scaled up"
        )
    return None


def wanted(workload: Restartable) -> int:
    """Return how many pods there shall be; a DaemonSet's as the cluster last counted them."""
    if isinstance(workload, DaemonSet):
        return workload.status.desired_number_scheduled
    return 1 if workload.spec.replicas is None else workload.spec.replicas


def partition(workload: Restartable) -> int:
    """Return from which number on a StatefulSet replaces its pods; 0 for all of them."""
    strategy = workload.spec.update_strategy if isinstance(workload, StatefulSet) else None
    rolling = strategy.rolling_update if strategy is not None else None
    return rolling.partition if rolling is not None else 0


def is_ready(pod: Pod) -> bool:
    """Say whether a pod is ready, by its condition."""
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions)


class _Look(NamedTuple):
    """What is looked at: the workload, and its pods that are there, those of the old set and the new ones."""

    workload: Restartable
    old: list[Pod]
    new: list[Pod]

    @property
    def total(self) -> int:
        return wanted(self.workload)

    @property
    def ready(self) -> int:
        return len([pod for pod in self.new if is_ready(pod) and not pod.metadata.deletion_timestamp])

    def rolling(self, says: str) -> Rolling:
        return Rolling(min(self.ready, self.total), self.total, says, _trouble(self))

    def stuck(self, says: str, mend: str) -> Stuck:
        return Stuck(says, mend, min(self.ready, self.total), self.total)

    def done(self) -> Done:
        if not self.total:
            return Done(0, "No pod is wanted, and no old pod is left.")
        return Done(self.total, f"{of(self.total, self.total)} new and available. No old pod is left.")


def of(some: int, all_: int) -> str:
    """Return "2 of 5 pods are", with the number and the verb as they have to be."""
    return f"{some} of {all_} {'pod' if all_ == 1 else 'pods'} {'is' if some == 1 else 'are'}"


def names(pods: Sequence[Pod]) -> str:
    """Return the names of a few pods, or the first ones and how many more there are."""
    found = sorted(pod.metadata.name for pod in pods)
    more = len(found) - _NAMED
    return ", ".join(found) if more <= 0 else f"{', '.join(found[:_NAMED])} and {more} more"


def _is_old(pod: Pod, workload: Restartable, change_id: str, since: datetime | None) -> bool:
    """Say whether a pod is of the old set.

    Of our template, it carries the change's id. Else it is new only if it was made after the restart, of what the
    template is now: times are whole seconds, so within that second the template decides.
    """
    notes = pod.metadata.annotations
    if change_id and notes.get(CHANGE) == change_id:
        return False
    since = since or marked_at(workload)
    made = moment(pod.metadata.creation_timestamp)
    if since is None or made is None or made < since.replace(microsecond=0):
        return True
    now = workload.spec.template.metadata.annotations
    return any(notes.get(mark) != now.get(mark) for mark in _MARKS)


def _superseded(workload: Restartable) -> Stuck:
    other = restarted_by(workload)
    by = f"it carries {other} instead" if other else "somebody took it away"
    return Stuck(
        f"The template of {workload.metadata.name} no longer carries our restart: {by}.",
        "See who changed it. Its pods may be new all the same; a new restart settles it.",
    )


def _blocked(at: _Look) -> Stuck | None:
    """What keeps a roll that is not at its end from going on."""
    workload = at.workload
    if workload.spec.paused:
        return at.stuck(f"It was paused: {of(at.ready, at.total)} new and ready, nothing more rolls.", _RESUME)
    strategy = workload.spec.update_strategy
    if strategy is not None and strategy.type == "OnDelete" and at.old:
        says = f"Its update strategy is OnDelete: {names(at.old)} {_stay(at.old)} until somebody deletes them."
        return at.stuck(says, "Delete these pods one by one.")
    return None


def _by_kubectl(at: _Look) -> Answer | None:
    """Kubectl's rule of the kind; None once it calls the roll done."""
    generation = at.workload.metadata.generation
    if not _seen(at.workload, generation):
        return at.rolling("The cluster has not taken up the restart yet.")
    for kind, rule in _RULES:
        if isinstance(at.workload, kind):
            return rule(at)
    raise TypeError(f"no rule for a {type(at.workload).__name__}")


def _seen(workload: Restartable, generation: int) -> bool:
    observed = workload.status.observed_generation
    return str(observed).isdigit() and 0 < int(observed) >= generation


def _deployment(at: _Look) -> Answer | None:
    told = at.workload.status
    failed = _condition(at.workload, "Progressing")
    if failed is not None and failed.reason == "ProgressDeadlineExceeded":
        return _not_healthy(at, failed)
    if told.updated_replicas < at.total:
        return at.rolling(f"{of(told.updated_replicas, at.total)} new.")
    if told.replicas > told.updated_replicas:
        more = told.replicas - told.updated_replicas
        return at.rolling(f"{of(told.updated_replicas, at.total)} new; {_still(more)}.")
    if told.available_replicas < told.updated_replicas:
        return at.rolling(f"{of(told.updated_replicas, at.total)} new; {told.available_replicas} of them available.")
    return None


def _daemon_set(at: _Look) -> Answer | None:
    told = at.workload.status
    if told.updated_number_scheduled < told.desired_number_scheduled:
        return at.rolling(f"{of(told.updated_number_scheduled, at.total)} new, node by node.")
    if told.number_available < told.desired_number_scheduled:
        return at.rolling(f"All {at.total} pods are new; {told.number_available} of them available.")
    return None


def _stateful_set(at: _Look) -> Answer | None:
    told, kept = at.workload.status, partition(at.workload)
    if told.updated_replicas < at.total - kept:
        return at.rolling(f"{of(told.updated_replicas, at.total)} new, one after the other.")
    if told.ready_replicas < at.total:
        return at.rolling(f"{of(told.updated_replicas, at.total)} new; {told.ready_replicas} of {at.total} ready.")
    if kept and at.old:
        says = f"The roll ended at its partition: {names(at.old)} {_stay(at.old)} on the old template."
        return at.stuck(says, "Set the partition to 0, or delete these pods.")
    if told.update_revision != told.current_revision:
        return at.rolling(f"{of(at.total, at.total)} new; the cluster has not closed the roll yet.")
    return None


_RULES: tuple[tuple[type, Callable[[_Look], Answer | None]], ...] = (
    (Deployment, _deployment),
    (DaemonSet, _daemon_set),
    (StatefulSet, _stateful_set),
)


def _old_left(at: _Look) -> Rolling | None:
    """The stricter rule: what ends still holds what it read until it is gone."""
    if at.old:
        ending = [pod for pod in at.old if pod.metadata.deletion_timestamp]
        way = "still ends" if len(at.old) == 1 else "still end"
        how = way if len(ending) == len(at.old) else "is still there" if len(at.old) == 1 else "are still there"
        which = "Old pod" if len(at.old) == 1 else "Old pods"
        return at.rolling(f"{of(at.ready, at.total)} new and ready. {which} {names(at.old)} {how}.")
    if at.workload.status.terminating_replicas:
        return at.rolling(f"{of(at.ready, at.total)} new and ready; {_still(at.workload.status.terminating_replicas)}.")
    return None


def _stay(pods: Sequence[Pod]) -> str:
    return "stays" if len(pods) == 1 else "stay"


def _still(many: int) -> str:
    return "1 old pod is still there" if many == 1 else f"{many} old pods are still there"


def _not_healthy(at: _Look, failed: Condition) -> Stuck:
    seconds = at.workload.spec.progress_deadline_seconds
    limit = f" within {seconds} s" if seconds else ""
    trouble = _trouble(at)
    why = f" {trouble}" if trouble else ""
    says = f"Restarted, not healthy: {of(at.ready, at.total)} new and ready, and none more came{limit}.{why}"
    return at.stuck(says, "Mend what keeps the new pods from being ready; the roll then goes on by itself.")


def _trouble(at: _Look) -> str:
    """Return what holds the new pods up, in the words of the cluster; "" when nothing is told."""
    failure = _condition(at.workload, "ReplicaFailure")
    if failure is not None and failure.status == "True":
        return f"The cluster makes no more pods of it: {failure.message.rstrip('.')}."
    for pod in sorted(at.new, key=lambda each: each.metadata.name):
        why = "" if is_ready(pod) else _why_not_ready(pod)
        if why:
            return f"{pod.metadata.name} is not ready: {why}."
    return ""


def _why_not_ready(pod: Pod) -> str:
    for each in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        why = _of_container(each)
        if why:
            return f"{why} in container {each.name}"
    unplaced = next((c for c in pod.status.conditions if c.type == "PodScheduled" and c.status == "False"), None)
    return f"{unplaced.reason}, {unplaced.message.rstrip('.')}" if unplaced is not None else ""


def _of_container(each: ContainerStatus) -> str:
    now, before = each.state, each.last_state.terminated
    if now.waiting is not None and now.waiting.reason not in ("", "PodInitializing", "ContainerCreating"):
        return now.waiting.reason
    if before is not None and not each.ready and now.running is not None:
        return f"{before.reason or 'an end'} with exit code {before.exit_code}, started again"
    return ""


def _condition(workload: Restartable, kind: str) -> Condition | None:
    return next((each for each in workload.status.conditions if each.type == kind), None)
