"""The demo's company stands in the simulated cluster as in OpenBao: every way of delivery, and three finds."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from cluster import delivery
from cluster.decoding import decode_object
from cluster.held import held
from cluster.resources import RESOURCES
from cluster.scene import Scene
from cluster.versions import Version
from inventory.binding import OPERATORS as KNOWN_OPERATORS
from sandbox.company import OLD, OLD_SERVICE, OPERATORS, ORPHAN, SERVICES, STUCK, api_path
from sandbox.kube_client import MERGE, Kube
from sandbox.kube_company import attend, settle
from sandbox.kube_keeping import load, next_number, save
from sandbox.kube_store import Store
from sandbox.kubeapi import KubeApi

AGE = timedelta(days=8)


def _scene(store: Store) -> Scene:
    shelves = ((resource, store.shelves.get((resource.group, resource.name))) for resource in RESOURCES.values())
    found = [decode_object(one, kept.full()) for one, shelf in shelves if shelf for kept in shelf.ordered()]
    return Scene(found, datetime.now(UTC) + timedelta(minutes=5))


@pytest.fixture(scope="module")
def store():
    with KubeApi() as api:
        settle(api.store, api.access, AGE)
        yield api.store


@pytest.fixture(scope="module")
def scene(store):
    return _scene(store)


def test_every_service_gets_what_it_reads_in_the_way_that_is_meant(scene):
    found = delivery.consumers(scene)
    for service in SERVICES:
        own = [one for one in found if one.workload.name == service.name and one.method == service.delivery]
        assert {one.pod.uid for one in own} == {pod.uid for pod in service.pods()}, service.name
        if service.delivery != "direct":
            wanted = {*map(api_path, service.secrets), *(f"database/creds/{role}" for role in service.database)}
            assert {one.path for one in own} == wanted
            assert {one.source.role for one in own} == {service.name}
            assert {one.source.service_account for one in own} == {service.name}
    assert {one.method for one in found} == {"injector", "csi", "vso", "eso", "direct", "native"}


def test_every_caller_of_the_story_is_a_pod_at_its_address_under_its_account(store):
    pods = {pod["metadata"]["uid"]: pod for pod in store.objects("pods")}
    for service in (*SERVICES, STUCK, ORPHAN):
        for pod in service.pods():
            there = pods[pod.uid]
            assert (there["status"]["podIP"], there["spec"]["nodeName"]) == (pod.address, pod.node)
            assert there["spec"]["serviceAccountName"] == service.name
    for operator in OPERATORS.values():
        for pod in operator.pods():
            labels = pods[pod.uid]["metadata"]["labels"]
            assert pods[pod.uid]["status"]["podIP"] == pod.address
            assert labels["app.kubernetes.io/name"] in KNOWN_OPERATORS
    addresses = [pod["status"]["podIP"] for pod in pods.values()]
    assert len(addresses) == len(set(addresses))


def test_pods_have_run_for_as_long_as_the_history_but_the_two_that_are_of_today(store):
    begun = {
        pod["metadata"]["uid"]: datetime.fromisoformat(pod["status"]["startTime"]) for pod in store.objects("pods")
    }
    week = datetime.now(UTC) - timedelta(days=7)
    assert {uid for uid, start in begun.items() if start > week} == {
        pod.uid for service in (STUCK, ORPHAN) for pod in service.pods()
    }


def test_the_only_trouble_is_the_pod_whose_agent_is_refused(scene):
    [trouble] = delivery.troubles(scene)
    assert (trouble.symptom, trouble.cause, trouble.workload.name) == ("I", 16, STUCK.name)
    assert [one.uid for one in trouble.pods] == [pod.uid for pod in STUCK.pods()]


def test_a_pod_that_has_a_secret_from_its_environment_is_on_the_old_version_after_a_change(scene):
    now = datetime.now(UTC)
    versions = [Version(1, now - timedelta(minutes=2)), Version(2, now - timedelta(minutes=1))]
    own = [one for one in delivery.consumers(scene) if one.path == api_path(OLD)]
    [one] = held(scene, own, {api_path(OLD): versions})
    assert (one.version, one.current, one.stale) == (1, 2, True)
    assert {f"{each.pod.namespace}/{each.workload.name}" for each in own} == {OLD_SERVICE}
    assert [(each.needs_restart, each.restarted_by) for each in own] == [("always", "")]


def test_what_is_kept_is_the_same_cluster(store, tmp_path):
    save(store, tmp_path / "objects.ndjson")
    again = Store()
    assert load(again, tmp_path / "objects.ndjson")

    def facts(of: Store) -> dict[str, tuple[str, str]]:
        return {p["metadata"]["uid"]: (p["status"]["podIP"], p["status"]["startTime"]) for p in of.objects("pods")}

    assert facts(again) == facts(store)
    assert delivery.consumers(_scene(again)) == delivery.consumers(_scene(store))


@pytest.mark.parametrize("text", [None, "", "{half", "\n"])
def test_a_file_that_keeps_nothing_is_no_cluster(text, tmp_path):
    if text is not None:
        (tmp_path / "objects.ndjson").write_text(text)
    assert not load(Store(), tmp_path / "objects.ndjson")


def test_new_addresses_go_on_behind_those_that_pods_have():
    pods = [{"status": {"podIP": address}} for address in ("10.42.1.11", "10.244.0.9", "10.244.1.3", "")]
    assert next_number(pods) == 252
    assert next_number([]) == 2


def test_a_rollout_makes_pods_that_are_injected_and_keeps_the_stuck_one_stuck():
    with KubeApi() as api:
        settle(api.store, api.access, AGE)
        attend(api.store, api.controllers.kubelets)
        api.controllers.start()
        kube = Kube(api.url, api.token)
        old = {pod.uid for pod in SERVICES[3].pods()}
        patch = {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}}
        kube.must("PATCH", "/apis/apps/v1/namespaces/storefront/deployments/web", patch, MERGE)
        until, pods = time.monotonic() + 20, []
        while time.monotonic() < until:
            pods = kube.must("GET", "/api/v1/namespaces/storefront/pods?labelSelector=app%3Dweb")["items"]
            if len(pods) == 3 and not old & {pod["metadata"]["uid"] for pod in pods}:
                break
            time.sleep(0.05)
        assert len(pods) == 3 and not old & {pod["metadata"]["uid"] for pod in pods}
        for pod in pods:
            assert [one["name"] for one in pod["spec"]["initContainers"]] == ["vault-agent-init"]
        stuck = kube.must("GET", f"/api/v1/namespaces/payments/pods?labelSelector=app%3D{STUCK.name}")["items"]
        assert [pod["metadata"]["uid"] for pod in stuck] == [pod.uid for pod in STUCK.pods()]
        assert stuck[0]["status"]["phase"] == "Pending"
        assert "running" in stuck[0]["status"]["initContainerStatuses"][0]["state"]
        assert [one.cause for one in delivery.troubles(_scene(api.store))] == [16]
