"""Stateful sets and daemon sets in the simulated cluster: one pod after the other, the old one gone first."""

from __future__ import annotations

from sandbox.kube_selectors import Object
from sandbox.kube_workloads import Desk, amount, hash_of, name_of, ready

REVISION = "controller-revision-hash"
ON_DELETE = "OnDelete"


def _strategy(found: Object) -> tuple[str, Object]:
    strategy = found["spec"].get("updateStrategy") or {}
    return strategy.get("type", "RollingUpdate"), strategy.get("rollingUpdate") or {}


def _revision(pod: Object) -> str:
    text: str = (pod["metadata"].get("labels") or {}).get(REVISION, "")
    return text


# Stateful sets --------------------------------------------------------------------------------------------------


def keep_stateful_set(desk: Desk, found: Object) -> None:
    """Bring a stateful set one step further and write its status."""
    name = found["metadata"]["name"]
    update = f"{name}-{hash_of(found['spec']['template'])}"
    current = (found.get("status") or {}).get("currentRevision") or update
    pods = {_ordinal(pod): pod for pod in desk.of(found)}
    if all(number in pods for number in range(found["spec"]["replicas"])):
        _replace_one(desk, found, pods, update)
    else:
        _make_next(desk, found, pods, update)
    _end_surplus(desk, found, pods)
    _tell_stateful(desk, found, update, current)


def _ordinal(pod: Object) -> int:
    return int(pod["metadata"]["name"].rpartition("-")[2])


def _make_next(desk: Desk, found: Object, pods: dict[int, Object], update: str) -> None:
    """Make the lowest pod that is missing, once those before it are ready.

    The older template is not kept here: below the partition a pod that is made anew is of the new template.
    """
    for number in range(found["spec"]["replicas"]):
        if number not in pods:
            name = f"{found['metadata']['name']}-{number}"
            labels = {REVISION: update, "statefulset.kubernetes.io/pod-name": name}
            labels["apps.kubernetes.io/pod-index"] = str(number)
            desk.make_pod(found, found["spec"]["template"], labels, name)
            return
        if not ready([pods[number]]) and found["spec"].get("podManagementPolicy") != "Parallel":
            return


def _replace_one(desk: Desk, found: Object, pods: dict[int, Object], update: str) -> None:
    kind, rolling = _strategy(found)
    steady = len(ready(pods.values())) == len(pods) and not desk.leaving(found)
    if kind == ON_DELETE or not steady:
        return
    for number in range(found["spec"]["replicas"] - 1, rolling.get("partition", 0) - 1, -1):
        if _revision(pods[number]) != update:
            desk.end_pods([pods[number]])
            return


def _end_surplus(desk: Desk, found: Object, pods: dict[int, Object]) -> None:
    surplus = [number for number in pods if number >= found["spec"]["replicas"]]
    if surplus and not pods[max(surplus)]["metadata"].get("deletionTimestamp"):
        desk.end_pods([pods[max(surplus)]])


def _tell_stateful(desk: Desk, found: Object, update: str, current: str) -> None:
    active = desk.active(found)
    updated = [pod for pod in active if _revision(pod) == update]
    wanted = found["spec"]["replicas"]
    if len(updated) == len(ready(active)) == wanted:
        current = update
    desk.status(
        found,
        observedGeneration=found["metadata"]["generation"],
        replicas=len(active),
        readyReplicas=len(ready(active)),
        availableReplicas=len(ready(active)),
        currentReplicas=len([pod for pod in active if _revision(pod) == current]),
        updatedReplicas=len(updated),
        currentRevision=current,
        updateRevision=update,
    )


# Daemon sets ----------------------------------------------------------------------------------------------------


def keep_daemon_set(desk: Desk, found: Object) -> None:
    """Bring a daemon set one step further and write its status."""
    update = hash_of(found["spec"]["template"])
    nodes = [node["metadata"]["name"] for node in desk.store.objects("nodes")]
    held = {pod["spec"].get("nodeName") for pod in desk.of(found)}
    for node in nodes:
        if node not in held:
            desk.make_pod(found, found["spec"]["template"], {REVISION: update}, node=node)
    kind, rolling = _strategy(found)
    if kind != ON_DELETE:
        _replace_some(desk, found, update, amount(rolling.get("maxUnavailable", 1), len(nodes), up=True))
    active = desk.active(found)
    there = len(ready(active))
    desk.status(
        found,
        observedGeneration=found["metadata"]["generation"],
        desiredNumberScheduled=len(nodes),
        currentNumberScheduled=len(active),
        numberMisscheduled=0,
        updatedNumberScheduled=len([pod for pod in active if _revision(pod) == update]),
        numberReady=there,
        numberAvailable=there,
        numberUnavailable=len(nodes) - there,
    )


def _replace_some(desk: Desk, found: Object, update: str, most: int) -> None:
    active = desk.active(found)
    away = len(desk.store.objects("nodes")) - len(ready(active))
    old = [pod for pod in active if _revision(pod) != update]
    desk.end_pods(sorted(old, key=name_of)[: max(0, most - away)])
