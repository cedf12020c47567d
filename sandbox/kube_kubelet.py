"""The nodes of the simulated cluster: they take pods, give them addresses, make them ready, and end them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from sandbox.kube_resources import kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_store import Store, now

POD, NODE = kind_of("pods"), kind_of("nodes")
STUCK_IMAGES = "keybook.invalid/"  # images that can't be pulled, here and on a real cluster
ENDED = ("Succeeded", "Failed")


@dataclass
class Kubelets:
    """All kubelets in one; times are seconds, kept short so that tests don't wait."""

    store: Store
    starts_within: float = 0.02
    ends_within: float = 0.05
    never_ready: Callable[[Object], bool] = lambda pod: False
    _seen: dict[str, float] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(2))  # of the addresses that come next
    _turn: count[int] = field(default_factory=count)

    def nodes(self, *names: str) -> None:
        """Add nodes that are ready."""
        for number, name in enumerate(names, 1):
            addresses = [{"type": "InternalIP", "address": f"172.18.0.{number + 1}"}]
            status = {"addresses": addresses, "conditions": [_condition("Ready", True)]}
            metadata = {"name": name, "labels": {"kubernetes.io/hostname": name}}
            self.store.put({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status})

    def tick(self) -> None:
        """Bring every pod one step further."""
        for stored in list(self.store.shelf(POD).ordered()):
            pod = stored.object
            if pod["metadata"].get("deletionTimestamp"):
                self._end(pod)
            elif not pod["spec"].get("nodeName"):
                self._place(pod)
            elif pod["status"].get("phase") == "Pending":
                self._start(pod)

    def _since(self, pod: Object, step: str) -> float:
        """Return for how long a pod has been in a step."""
        mark = f"{pod['metadata']['uid']} {step}"
        return time.monotonic() - self._seen.setdefault(mark, time.monotonic())

    def _edit(self, pod: Object, change: Callable[[Object], None]) -> None:
        self.store.edit(POD, pod["metadata"]["namespace"], pod["metadata"]["name"], change)

    def _place(self, pod: Object) -> None:
        nodes = self.store.objects("nodes")
        if nodes:
            node = nodes[next(self._turn) % len(nodes)]["metadata"]["name"]

            def placed(found: Object) -> None:
                found["spec"]["nodeName"] = node
                found["status"]["conditions"] = [_condition("PodScheduled", True)]

            self._edit(pod, placed)

    def _start(self, pod: Object) -> None:
        if not pod["status"].get("podIP"):
            self._edit(pod, self._waiting)
        elif self._since(pod, "start") >= self.starts_within and not self._stuck(pod):
            self._edit(pod, make_ready)

    def _stuck(self, pod: Object) -> bool:
        images = [container.get("image", "") for container in pod["spec"]["containers"]]
        return any(image.startswith(STUCK_IMAGES) for image in images) or self.never_ready(pod)

    def _waiting(self, found: Object) -> None:
        number = next(self.numbers)
        address = f"10.244.{number // 250 % 250}.{number % 250 + 2}"
        reason = "ImagePullBackOff" if self._stuck(found) else "ContainerCreating"
        states = [_container(container, {"waiting": {"reason": reason}}) for container in found["spec"]["containers"]]
        started = {"startTime": now(), "podIP": address, "podIPs": [{"ip": address}], "containerStatuses": states}
        if found["spec"].get("initContainers") and self.never_ready(found):
            found["status"] |= started
            initialising(found)
            return
        conditions = [_condition(name, True) for name in ("PodScheduled", "PodReadyToStartContainers", "Initialized")]
        conditions += [_condition(name, False, "ContainersNotReady") for name in ("ContainersReady", "Ready")]
        found["status"] |= {**started, "conditions": conditions}

    def _end(self, pod: Object) -> None:
        grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        if self._since(pod, "end") < min(grace, self.ends_within):
            return
        if pod["status"].get("phase") not in ENDED:
            self._edit(pod, _ended)
        elif not pod["metadata"].get("finalizers"):
            self.store.drop(self.store.get(POD, pod["metadata"]["namespace"], pod["metadata"]["name"]))


def _condition(name: str, holds: bool, reason: str = "", at: str = "") -> Object:
    found = {"type": name, "status": "True" if holds else "False", "lastProbeTime": None}
    found |= {"lastTransitionTime": at or now()}
    return {**found, "reason": reason} if reason else found


def _container(container: Object, state: Object) -> Object:
    runs = "running" in state
    found: Object = {"name": container["name"], "image": container.get("image", ""), "imageID": "", "restartCount": 0}
    return {**found, "ready": runs, "started": runs, "state": state, "lastState": {}}


def make_ready(found: Object, at: str = "") -> None:
    """Let a pod run with all of its containers ready since a time (now); the object is changed."""
    at = at or now()
    states = [_container(c, {"running": {"startedAt": at}}) for c in found["spec"]["containers"]]
    names = ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    conditions = [_condition(name, True, at=at) for name in names]
    found["status"] |= {"phase": "Running", "containerStatuses": states, "conditions": conditions}
    if before := found["spec"].get("initContainers"):
        ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}}
        found["status"]["initContainerStatuses"] = [{**_container(c, ended), "ready": True} for c in before]


def initialising(found: Object, at: str = "") -> None:
    """Let the first init container of a pod run and all others wait for it; the object is changed."""
    at, (first, *others) = at or now(), found["spec"]["initContainers"]
    waits: Object = {"waiting": {"reason": "PodInitializing"}}
    states = [{**_container(first, {"running": {"startedAt": at}}), "ready": False}]
    conditions = [_condition(name, True, at=at) for name in ("PodScheduled", "PodReadyToStartContainers")]
    conditions.append(_condition("Initialized", False, "ContainersNotInitialized", at))
    conditions += [_condition(name, False, "ContainersNotReady", at) for name in ("ContainersReady", "Ready")]
    found["status"] |= {
        "phase": "Pending",
        "initContainerStatuses": [*states, *(_container(c, waits) for c in others)],
        "containerStatuses": [_container(c, waits) for c in found["spec"]["containers"]],
        "conditions": conditions,
    }


def _ended(found: Object) -> None:
    """End the containers; the address stays in the status, as kubelets leave it."""
    status = found["status"]
    ran = status.get("phase") == "Running"
    ended = {
        "terminated": {"exitCode": 0 if ran else 137, "reason": "Completed" if ran else "Error", "finishedAt": now()}
    }
    status["phase"] = "Succeeded" if ran else "Failed"
    status["containerStatuses"] = [_container(c, ended) for c in found["spec"]["containers"]]
    status["conditions"] = [_condition(name, False, "PodCompleted") for name in ("ContainersReady", "Ready")]


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is ready, as its condition says."""
    conditions = pod["status"].get("conditions") or ()
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
