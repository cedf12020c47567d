"""Rollouts as the controllers tell them: generations first, old pods last, and those that never become ready."""

from __future__ import annotations

import pytest

from tests.cluster.grounds import IMAGE, NO_IMAGE
from tests.cluster.speaking import MERGE, STRATEGIC

pytestmark = pytest.mark.realkube
APPS = "apps/v1"


def workload(kind: str, name: str = "w", **spec) -> dict:
    containers = [{"name": "app", "image": IMAGE}]
    grace = {"terminationGracePeriodSeconds": 2}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers, **grace}}
    found = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    if kind == "StatefulSet":
        found["serviceName"] = name
    return {"apiVersion": APPS, "kind": kind, "metadata": {"name": name}, "spec": found}


def restart(at: str = "t1") -> dict:
    annotations = {"kubectl.kubernetes.io/restartedAt": at}
    return {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def done(found: dict) -> bool:
    """Tell whether a deployment is rolled out, by kubectl's rule."""
    status, wanted = found.get("status", {}), found["spec"]["replicas"]
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return current and counts == [wanted] * 3


def progressing(found: dict) -> dict:
    conditions = found.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Progressing"), {})


def pods_of(ground) -> dict[str, dict]:
    return {pod["metadata"]["uid"]: pod for pod in ground.speak.listed(ground.path("pods"))["items"]}


@pytest.fixture
def start(ground):
    """Return a function that creates a workload and waits until it stands."""

    def run(plural: str, kind: str, ready: str, number: int, **spec) -> str:
        ground.made(plural, workload(kind, **spec), APPS)
        ground.until(
            lambda: ground.read(plural, "w", APPS).get("status", {}).get(ready, 0) == number, f"{number} pods of {kind}"
        )
        return ground.path(plural, APPS, "w")

    return run


def test_a_deployment_rolls_over_with_its_status_behind_its_generation_at_first(ground, start):
    path = start("deployments", "Deployment", "availableReplicas", 2, replicas=2)
    ground.until(lambda: done(ground.read("deployments", "w", APPS)), "the first rollout")
    before, version = pods_of(ground), ground.speak.version(ground.path("deployments", APPS))
    patched = ground.speak.patch(path, restart(), STRATEGIC).json()
    steps = []
    for event in ground.speak.watch(ground.path("deployments", APPS), seconds=60, resourceVersion=version):
        steps.append(event["object"])
        if done(event["object"]):
            break
    first = steps[0]["status"]
    assert first["observedGeneration"] < patched["metadata"]["generation"]
    assert progressing(steps[0])["reason"] == "NewReplicaSetAvailable"
    assert max(step["status"].get("replicas", 0) for step in steps) == 3  # one more than wanted, meanwhile
    assert progressing(steps[-1])["reason"] in ("NewReplicaSetAvailable", "ReplicaSetUpdated")
    ground.until(lambda: not set(before) & set(pods_of(ground)), "the end of the old pods")
    ground.until(
        lambda: not ground.read("deployments", "w", APPS)["status"].get("terminatingReplicas"), "no pod that terminates"
    )
    assert len(pods_of(ground)) == 2


def test_the_pods_of_a_deployment_lead_to_it_through_a_replica_set_and_have_addresses(ground, start):
    start("deployments", "Deployment", "availableReplicas", 1, replicas=1)
    (pod,) = pods_of(ground).values()
    (owner,) = pod["metadata"]["ownerReferences"]
    above = ground.read("replicasets", owner["name"], APPS)
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("ReplicaSet", above["metadata"]["uid"], True)
    assert above["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert above["metadata"]["labels"]["pod-template-hash"] == pod["metadata"]["labels"]["pod-template-hash"]
    assert pod["status"]["podIP"] == pod["status"]["podIPs"][0]["ip"]
    assert pod["spec"]["nodeName"]
    assert pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]


def test_pods_that_never_become_ready_end_in_the_deadline_with_the_old_ones_still_there(ground, start):
    path = start("deployments", "Deployment", "availableReplicas", 2, replicas=2, progressDeadlineSeconds=2)
    before = set(pods_of(ground))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": NO_IMAGE}]}}}}
    ground.speak.patch(path, image, STRATEGIC)
    ground.until(
        lambda: progressing(ground.read("deployments", "w", APPS)).get("reason") == "ProgressDeadlineExceeded",
        "the deadline",
    )
    found = ground.read("deployments", "w", APPS)
    assert progressing(found)["status"] == "False"
    assert progressing(found)["message"].endswith("has timed out progressing.")
    assert found["status"]["updatedReplicas"] == 1
    assert before <= set(pods_of(ground))


def test_a_paused_deployment_takes_the_patch_and_nothing_rolls_until_it_is_resumed(ground, start):
    path = start("deployments", "Deployment", "availableReplicas", 1, replicas=1)
    ground.speak.patch(path, {"spec": {"paused": True}}, MERGE)
    generation = ground.speak.patch(path, restart(), MERGE).json()["metadata"]["generation"]
    before = set(pods_of(ground))
    ground.until(
        lambda: ground.read("deployments", "w", APPS)["status"]["observedGeneration"] == generation, "the status"
    )
    assert not ground.read("deployments", "w", APPS)["status"].get("updatedReplicas")
    assert set(pods_of(ground)) == before
    ground.speak.patch(path, {"spec": {"paused": None}}, MERGE)
    ground.until(lambda: not before & set(pods_of(ground)), "the roll after the pause")


def test_a_stateful_set_replaces_its_pods_one_by_one_under_the_same_names(ground, start):
    path = start("statefulsets", "StatefulSet", "readyReplicas", 2, replicas=2)
    before, version = pods_of(ground), ground.speak.version(ground.path("statefulsets", APPS))
    ground.speak.patch(path, restart(), STRATEGIC)
    steps = []
    for event in ground.speak.watch(ground.path("statefulsets", APPS), seconds=60, resourceVersion=version):
        status = event["object"]["status"]
        steps.append(status)
        if status["updateRevision"] == status["currentRevision"] and status["observedGeneration"] > 1:
            break
    assert len({status["updateRevision"] for status in steps}) == 2
    assert any("currentReplicas" not in status for status in steps)  # it goes, and comes back at the very end
    assert steps[-1]["currentReplicas"] == 2
    assert min(status.get("readyReplicas", 0) for status in steps) == 1
    after = pods_of(ground)
    assert not set(before) & set(after)
    assert {p["metadata"]["name"] for p in before.values()} == {p["metadata"]["name"] for p in after.values()}


def test_a_stateful_set_with_a_partition_keeps_the_pods_below_it(ground, start):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    path = start("statefulsets", "StatefulSet", "readyReplicas", 2, replicas=2, updateStrategy=rolling)
    before = {pod["metadata"]["name"]: uid for uid, pod in pods_of(ground).items()}
    ground.speak.patch(path, restart(), STRATEGIC)

    def half() -> bool:
        status = ground.read("statefulsets", "w", APPS)["status"]
        return status.get("updatedReplicas") == 1 and status.get("readyReplicas") == 2

    ground.until(half, "one pod of the new template")
    status = ground.read("statefulsets", "w", APPS)["status"]
    assert status["updateRevision"] != status["currentRevision"]
    after = {pod["metadata"]["name"]: uid for uid, pod in pods_of(ground).items()}
    assert after["w-0"] == before["w-0"]
    assert after["w-1"] != before["w-1"]


@pytest.mark.parametrize(
    ("plural", "kind", "spec"),
    [("statefulsets", "StatefulSet", {"replicas": 1}), ("daemonsets", "DaemonSet", {})],
)
def test_what_is_updated_on_delete_stays_as_it_is_until_somebody_deletes_a_pod(ground, plural, kind, spec):
    ground.made(plural, workload(kind, updateStrategy={"type": "OnDelete"}, **spec), APPS)
    ground.until(lambda: [p for p in pods_of(ground).values() if p["status"].get("phase") == "Running"], "a pod")
    path = ground.path(plural, APPS, "w")
    generation = ground.speak.patch(path, restart(), STRATEGIC).json()["metadata"]["generation"]
    ground.until(lambda: ground.read(plural, "w", APPS)["status"]["observedGeneration"] == generation, "the status")
    before = pods_of(ground)
    uid, pod = next(iter(before.items()))
    ground.speak.delete(ground.path("pods", "", pod["metadata"]["name"]))
    ground.until(lambda: uid not in pods_of(ground) and len(pods_of(ground)) == len(before), "another pod")
    assert len(set(before) & set(pods_of(ground))) == len(before) - 1


def test_a_daemon_set_rolls_node_by_node(ground):
    ground.made("daemonsets", workload("DaemonSet"), APPS)

    def rolled() -> bool:
        found = ground.read("daemonsets", "w", APPS)
        status, wanted = found["status"], found["status"].get("desiredNumberScheduled", 0)
        counts = [status.get(name, 0) for name in ("updatedNumberScheduled", "numberAvailable")]
        return wanted and status["observedGeneration"] == found["metadata"]["generation"] and counts == [wanted] * 2

    ground.until(rolled, "the first pods")
    before = set(pods_of(ground))
    ground.speak.patch(ground.path("daemonsets", APPS, "w"), restart(), STRATEGIC)
    ground.until(rolled, "the roll")
    ground.until(lambda: not before & set(pods_of(ground)), "the end of the old pods")


def test_a_pod_ends_with_its_grace_and_says_so_before_it_is_gone(ground):
    spec = {"containers": [{"name": "app", "image": IMAGE}], "terminationGracePeriodSeconds": 2}
    ground.made("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    ground.until(lambda: ground.read("pods", "p")["status"]["phase"] == "Running", "a running pod")
    version = ground.speak.version(ground.path("pods"))
    left = ground.speak.delete(ground.path("pods", "", "p")).json()
    assert left["metadata"]["deletionTimestamp"]
    assert left["metadata"]["deletionGracePeriodSeconds"] == 2
    events = []
    for event in ground.speak.watch(ground.path("pods"), seconds=60, resourceVersion=version):
        events.append(event)
        if event["type"] == "DELETED":
            break
    last = events[-1]["object"]
    assert last["status"]["phase"] in ("Succeeded", "Failed")
    assert last["status"]["podIP"]  # it stays there: an address ends with the phase
    assert events[0]["object"]["metadata"]["deletionTimestamp"]


def test_an_eviction_that_a_budget_forbids_is_429_without_a_time_to_wait(ground, start):
    start("deployments", "Deployment", "availableReplicas", 2, replicas=2)
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "w"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}
    ground.made("poddisruptionbudgets", budget, "policy/v1")

    def seen() -> bool:
        status = ground.read("poddisruptionbudgets", "b", "policy/v1").get("status", {})
        return status.get("currentHealthy") == 2

    ground.until(seen, "a budget that knows its pods")
    pod = next(iter(pods_of(ground).values()))
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = ground.path("pods", "", name, "eviction")
    refused = ground.speak.post(path, eviction)
    assert (refused.status_code, refused.json()["reason"]) == (429, "TooManyRequests")
    (cause,) = refused.json()["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    assert "needs 2 healthy pods and has 2 currently" in cause["message"]
    assert "Retry-After" not in refused.headers
    ground.speak.delete(ground.path("poddisruptionbudgets", "policy/v1", "b"))
    ground.until(lambda: ground.speak.post(path, eviction).status_code == 201, "an eviction that nothing forbids")
    ground.until(lambda: pod["metadata"]["uid"] not in pods_of(ground), "the end of the pod")


def test_a_rolling_restart_is_not_held_up_by_a_budget(ground, start):
    path = start("deployments", "Deployment", "availableReplicas", 2, replicas=2)
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "w"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}
    ground.made("poddisruptionbudgets", budget, "policy/v1")
    before = set(pods_of(ground))
    ground.speak.patch(path, restart(), STRATEGIC)
    ground.until(lambda: not before & set(pods_of(ground)), "the roll")
