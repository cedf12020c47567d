"""Deployments and their replica sets in the simulated cluster: rolling over step by step, with status at each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sandbox.kube_resources import kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_store import thaw
from sandbox.kube_workloads import Desk, amount, condition, hash_of, name_of, ready, ref

SET = kind_of("replicasets", "apps")
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def keep_replica_set(desk: Desk, found: Object) -> None:
    """Create or end pods until a replica set has as many as it wants, and write its status."""
    active, wanted = desk.active(found), found["spec"].get("replicas", 1)
    failed = False
    for _ in range(wanted - len(active)):
        failed = not desk.make_pod(found, found["spec"]["template"], {}) or failed
    if len(active) > wanted:
        unready_first = sorted(active, key=lambda pod: pod in ready(active))
        desk.end_pods(unready_first[: len(active) - wanted])
    active = desk.active(found)
    sentence = desk.denied.get(found["metadata"]["namespace"], "")
    conditions = [condition(found, "ReplicaFailure", "True", "FailedCreate", sentence)] if failed else []
    desk.status(
        found,
        observedGeneration=found["metadata"]["generation"],
        fullyLabeledReplicas=len(active),
        replicas=len(active),
        readyReplicas=len(ready(active)),
        availableReplicas=len(ready(active)),
        terminatingReplicas=len(desk.leaving(found)),
        conditions=conditions,
    )


@dataclass
class Roll:
    """A deployment in one turn: its replica sets, the new one among them."""

    desk: Desk
    found: Object
    new: Object
    old: list[Object] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        """Return how many pods there shall be."""
        replicas: int = self.found["spec"]["replicas"]
        return replicas

    def pods(self, *sets: Object) -> list[Object]:
        """Return the pods of replica sets that are meant to stay."""
        return [pod for found in sets for pod in self.desk.active(found)]

    def scale(self, found: Object, replicas: int) -> None:
        """Let a replica set want another number of pods."""
        if found["spec"]["replicas"] != replicas:
            self.desk.store.edit(SET, *name_of(found), lambda new: new["spec"].update(replicas=replicas))

    def roll(self) -> None:
        """Take the next step from the old replica sets to the new one."""
        strategy = self.found["spec"].get("strategy") or {}
        if strategy.get("type") == "Recreate":
            for found in self.old:
                self.scale(found, 0)
            if not any(self.desk.of(found) for found in self.old):
                self.scale(self.new, self.wanted)
            return
        rolling = strategy.get("rollingUpdate") or {}
        surge = amount(rolling.get("maxSurge", "25%"), self.wanted, up=True)
        missing = amount(rolling.get("maxUnavailable", "25%"), self.wanted, up=False)
        self._up(surge if surge or missing else 1)
        self._down(missing)

    def _up(self, surge: int) -> None:
        total = sum(found["spec"]["replicas"] for found in [self.new, *self.old])
        have = self.new["spec"]["replicas"]
        more = min(self.wanted - have, self.wanted + surge - total)
        if have > self.wanted or more > 0:
            self.scale(self.new, min(have + max(more, 0), self.wanted))

    def _down(self, missing: int) -> None:
        available = len(ready(self.pods(self.new, *self.old)))
        room = available - (self.wanted - missing)
        for found in self.old:
            active = self.pods(found)
            sick = len(active) - len(ready(active))
            fewer = min(found["spec"]["replicas"], sick + max(0, room))
            room -= max(0, fewer - sick)
            self.scale(found, found["spec"]["replicas"] - fewer)


class Deployments:
    """The deployment controller; it remembers when each deployment last made progress."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._progress: dict[str, tuple[tuple[int, ...], float]] = {}

    def keep(self, desk: Desk, found: Object) -> None:
        """Bring a deployment one step further and write its status."""
        sets = [owned for owned in desk.of(found) if owned["kind"] == "ReplicaSet"]
        digest = hash_of(found["spec"]["template"])
        new = next((owned for owned in sets if owned["metadata"]["labels"].get(HASH) == digest), None)
        if new is None and not found["spec"].get("paused"):
            new = self._new_set(desk, found, digest, len(sets) + 1)
        old = [owned for owned in sets if owned is not new]
        if new is None:  # paused: the new template waits, and no pod is of it
            self._tell(desk, found, [], old)
            return
        if not found["spec"].get("paused"):
            Roll(desk, found, new, old).roll()
        self._tell(desk, found, [new], old)

    def _new_set(self, desk: Desk, found: Object, digest: str, number: int) -> Object:
        namespace, name = name_of(found)
        template = thaw(found["spec"]["template"])
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = digest
        selector = {"matchLabels": {**(found["spec"]["selector"].get("matchLabels") or {}), HASH: digest}}
        metadata: Object = {"name": f"{name}-{digest}", "namespace": namespace, "ownerReferences": [ref(found)]}
        metadata |= {"labels": template["metadata"]["labels"], "annotations": {REVISION: str(number)}}
        spec = {"replicas": 0, "selector": selector, "template": template}
        made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec, "status": {}}
        return desk.store.create(SET, made).object

    def _tell(self, desk: Desk, found: Object, new: list[Object], old: list[Object]) -> None:
        every = [pod for owned in [*new, *old] for pod in desk.active(owned)]
        updated, available = sum(len(desk.active(owned)) for owned in new), len(ready(every))
        name = new[0]["metadata"]["name"] if new else ""
        progressing = self._progressing(found, name, (len(every), updated, available))
        wanted = found["spec"]["replicas"]
        missing = amount(_rolling(found).get("maxUnavailable", "25%"), wanted, up=False)
        enough = available >= wanted - missing
        words = ("MinimumReplicasAvailable", "Deployment has minimum availability.")
        lacking = ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        conditions = [condition(found, "Available", str(enough), *(words if enough else lacking)), progressing]
        conditions += [dict(c) for owned in new for c in (owned.get("status") or {}).get("conditions") or ()]
        desk.status(
            found,
            observedGeneration=found["metadata"]["generation"],
            replicas=len(every),
            updatedReplicas=updated,
            readyReplicas=available,
            availableReplicas=available,
            unavailableReplicas=max(0, max(wanted, len(every)) - available),
            terminatingReplicas=sum(len(desk.leaving(owned)) for owned in [*new, *old]),
            conditions=conditions,
        )

    def _progressing(self, found: Object, name: str, counts: tuple[int, int, int]) -> Object:
        """Return the condition Progressing: done, on its way, paused, or not moving for longer than allowed.

        `counts` are all pods, those of the new template, those that are available.
        """
        if found["spec"].get("paused"):
            return condition(found, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        if set(counts) == {found["spec"]["replicas"]}:
            message = f'ReplicaSet "{name}" has successfully progressed.'
            return condition(found, "Progressing", "True", "NewReplicaSetAvailable", message)
        uid, state = found["metadata"]["uid"], (found["metadata"]["generation"], *counts)
        if self._progress.get(uid, ((), 0.0))[0] != state:
            self._progress[uid] = state, time.monotonic()
        if time.monotonic() - self._progress[uid][1] > found["spec"]["progressDeadlineSeconds"]:
            message = f'ReplicaSet "{name}" has timed out progressing.'
            return condition(found, "Progressing", "False", "ProgressDeadlineExceeded", message)
        return condition(found, "Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')


def _rolling(found: Object) -> Object:
    rolling: Object = (found["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    return rolling
