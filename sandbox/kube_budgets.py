"""Disruption budgets in the simulated cluster: what they allow, and evictions that they refuse."""

from __future__ import annotations

from typing import Any

from sandbox.kube_kubelet import is_ready
from sandbox.kube_objects import Objects
from sandbox.kube_resources import kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal
from sandbox.kube_store import Store
from sandbox.kube_workloads import Desk, amount, ended

POD = kind_of("pods")
EVICTED: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def counts(store: Store, budget: Object) -> dict[str, int]:
    """Return how many pods a budget covers, how many are healthy and must be, and how many may go now."""
    spec: dict[str, Any] = budget.get("spec") or {}
    pods = [pod for pod in store.objects("pods") if covers(budget, pod) and not ended(pod)]
    healthy = len([pod for pod in pods if is_ready(pod) and not pod["metadata"].get("deletionTimestamp")])
    if "maxUnavailable" in spec:
        wanted = max(0, len(pods) - amount(spec["maxUnavailable"], len(pods), up=True))
    else:
        wanted = amount(spec.get("minAvailable", 1), len(pods), up=True)
    allowed = max(0, healthy - wanted)
    return {
        "expectedPods": len(pods),
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "disruptionsAllowed": allowed,
    }


def covers(budget: Object, pod: Object) -> bool:
    """Tell whether a pod is one of a budget's, by the labels that it selects."""
    if budget["metadata"]["namespace"] != pod["metadata"]["namespace"]:
        return False
    wanted = ((budget.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in wanted.items())


def keep_budget(desk: Desk, budget: Object) -> None:
    """Write a budget's status."""
    desk.status(budget, observedGeneration=budget["metadata"]["generation"], **counts(desk.store, budget))


def evict(store: Store, objects: Objects, namespace: str, name: str) -> Object:
    """Delete a pod if its budgets allow it. Raises Refusal: 404, or 429 with the budget that refuses."""
    with store.lock:
        stored = store.get(POD, namespace, name)
        for budget in store.objects("poddisruptionbudgets", "policy"):
            if covers(budget, stored.object):
                found = counts(store, budget)
                if not found["disruptionsAllowed"]:
                    raise _refused(budget["metadata"]["name"], found)
        objects.end(stored)
    return EVICTED


def _refused(name: str, found: dict[str, int]) -> Refusal:
    needs = f"needs {found['desiredHealthy']} healthy pods and has {found['currentHealthy']} currently"
    cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {name} {needs}"}
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return Refusal(429, message, details={"causes": [cause]})
