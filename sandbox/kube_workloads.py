"""What the controllers of the simulated cluster share: the pods of an owner, new pods, statuses, events."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox.kube_kubelet import ENDED, is_ready
from sandbox.kube_objects import LETTERS, Objects
from sandbox.kube_resources import BY_NAME, Kind, kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_store import Store, encode, now, thaw

POD = kind_of("pods")
ALWAYS = {
    "ReplicaSet": ("replicas",),
    "StatefulSet": ("replicas", "availableReplicas"),
    "PodDisruptionBudget": ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"),
    "DaemonSet": ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
}


def name_of(found: Object) -> tuple[str, str]:
    """Return namespace and name."""
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


def hash_of(template: Object) -> str:
    """Return the short hash of a pod template, in letters that spell nothing."""
    number = int.from_bytes(hashlib.sha256(encode(template)).digest()[:6], "big")
    text = ""
    while len(text) < 10:
        number, place = divmod(number, len(LETTERS))
        text += LETTERS[place]
    return text


def amount(value: Any, of: int, *, up: bool) -> int:
    """Return a count or a share ("25%") of a number of pods."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * of
        return -(-share // 100) if up else share // 100
    return int(value)


class Desk:
    """The store as controllers see it in one turn: pods and replica sets by the uid of their owner."""

    def __init__(self, store: Store, denied: dict[str, str]) -> None:
        """Look once; `denied` has the sentence with which an admission webhook refuses a namespace's new pods."""
        self.store = store
        self.denied = denied
        self.objects = Objects(store)
        self.owned: dict[str, list[Object]] = defaultdict(list)
        for plural, group in (("pods", ""), ("replicasets", "apps")):
            for found in store.objects(plural, group):
                for owner in found["metadata"].get("ownerReferences") or ():
                    if owner.get("controller"):
                        self.owned[owner["uid"]].append(found)

    def of(self, owner: Object) -> list[Object]:
        """Return what belongs to an owner."""
        return self.owned[owner["metadata"]["uid"]]

    def active(self, owner: Object) -> list[Object]:
        """Return the pods of an owner that are meant to stay."""
        return [p for p in self.of(owner) if not p["metadata"].get("deletionTimestamp") and not ended(p)]

    def leaving(self, owner: Object) -> list[Object]:
        """Return the pods of an owner that are still there and on their way out."""
        return [pod for pod in self.of(owner) if pod["metadata"].get("deletionTimestamp")]

    def status(self, found: Object, **fields: Any) -> None:
        """Write a status; fields that are 0 or empty are left out where the API server leaves them out."""
        kind = BY_NAME[found["apiVersion"], found["kind"]]
        always = ALWAYS.get(kind.name, ())
        status = {name: value for name, value in fields.items() if value or name in always}

        def written(new: Object) -> None:
            new["status"] = status

        self.store.edit(kind, *name_of(found), written)

    def make_pod(self, owner: Object, template: Object, labels: Object, name: str = "", node: str = "") -> bool:
        """Create a pod of a template; tell whether the admission let it."""
        namespace, above = name_of(owner)
        if sentence := self.denied.get(namespace):
            self.warn(owner, "FailedCreate", f"Error creating: {sentence}")
            return False
        given = thaw(template)
        name = name or f"{above}-{''.join(random.choices(LETTERS, k=5))}"  # noqa: S311 (no secret)
        metadata = {
            **(given.get("metadata") or {}),
            "name": name,
            "namespace": namespace,
            "ownerReferences": [ref(owner)],
        }
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        spec = {"serviceAccountName": "default", **given["spec"]} | ({"nodeName": node} if node else {})
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
        self.owned[owner["metadata"]["uid"]].append(self.store.create(POD, pod).object)
        return True

    def end_pods(self, pods: Iterable[Object]) -> None:
        """Delete pods with their grace."""
        for pod in pods:
            self.objects.end(self.store.get(POD, *name_of(pod)))

    def warn(self, found: Object, reason: str, message: str, kind: str = "Warning") -> None:
        """Tell an event of an object; the same one again is counted."""
        namespace, name = name_of(found)
        digest = hashlib.sha256(f"{found['metadata']['uid']}{reason}{message}".encode()).hexdigest()[:16]
        old = self.store.shelf(kind_of("events")).found.get((namespace or "default", f"{name}.{digest}"))
        if old:
            self.store.edit(kind_of("events"), *old.key, lambda e: e.update(count=e["count"] + 1, lastTimestamp=now()))
            return
        about = {"kind": found["kind"], "namespace": namespace, "name": name, "uid": found["metadata"]["uid"]}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{digest}", "namespace": namespace or "default"},
            "involvedObject": {**about, "apiVersion": found["apiVersion"]},
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "source": {"component": "sandbox"},
        }
        self.store.put(event)


def ended(pod: Object) -> bool:
    """Tell whether a pod's containers have ended for good."""
    return pod["status"].get("phase") in ENDED


def ready(pods: Iterable[Object]) -> list[Object]:
    """Return the pods that are ready."""
    return [pod for pod in pods if is_ready(pod)]


def ref(owner: Object) -> Object:
    """Return the reference to a controlling owner."""
    metadata = owner["metadata"]
    found = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {**found, "controller": True, "blockOwnerDeletion": True}


def condition(old: Object, name: str, status: str, reason: str, message: str) -> Object:
    """Return a condition; its times are the old one's unless something of it changed."""
    found = {"type": name, "status": status, "reason": reason, "message": message}
    for before in (old.get("status") or {}).get("conditions") or ():
        if before["type"] == name:
            same = all(before.get(key) == value for key, value in found.items())
            kept = before["lastTransitionTime"] if before["status"] == status else now()
            return {**found, "lastUpdateTime": before["lastUpdateTime"] if same else now(), "lastTransitionTime": kept}
    return {**found, "lastUpdateTime": now(), "lastTransitionTime": now()}


def age_of(text: str) -> float:
    """Return how many seconds ago a time of ours was."""
    return (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()


def kind_named(found: Object) -> Kind:
    """Return the resource of an object."""
    return BY_NAME[found["apiVersion"], found["kind"]]
