"""The recorded cluster, replayed through the simulated API into PostgreSQL, gives the consumers that it had."""

from __future__ import annotations

import json

import pytest
from django.conf import settings

from cluster import delivery
from cluster.decoding import decode_object
from cluster.deliveries import deliveries as deliveries_of
from cluster.resources import RESOURCES
from cluster.scene import Scene
from cluster.watch import NOT_PERMITTED
from inventory import cluster_questions, cluster_rows
from inventory.cluster_models import PodState, Reckoning, SecretConsumer, SecretTrouble, Watch, Workload
from inventory.delivery_models import Delivery, DeliveryAccount
from inventory.holding import held_of
from inventory.models import PodLife
from inventory.reckoning import Reckoner
from sandbox.kube_resources import kind_of
from tests.cluster import recorded
from tests.cluster.conftest import kube
from tests.cluster.test_delivery_recorded import rotated_at
from tests.inventory.clusters import connected, eventually, forget_clusters, gone, pictured, served, take_turn, watched
from tests.inventory.recording import packed, truth

__all__ = ["kube"]


def resource_of(found) -> str:
    if found["kind"] == "PartialObjectMetadata":
        return found["resource"]
    group = found["apiVersion"].rpartition("/")[0]
    return next(one.name for one in RESOURCES.values() if (one.group, one.kind) == (group, found["kind"]))


def kept() -> list[tuple[str, dict]]:
    """Each recorded object but pods, with its resource."""
    found = [json.loads(line) for line in packed("objects.ndjson").splitlines()]
    return [(resource_of(one), one) for one in found if one["kind"] != "Pod"]


def put(kube, resource: str, found: dict) -> None:
    kind = kind_of(RESOURCES[resource].plural, RESOURCES[resource].group)
    whole = {name: value for name, value in found.items() if name != "resource"}
    kube.store.put({**whole, "apiVersion": kind.api_version, "kind": kind.name})


@pytest.fixture
def link(transactional_db, kube, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "prod=in-cluster")
    for resource, found in kept():
        put(kube, resource, found)
    yield connected(kube, secrets=True)
    forget_clusters()


def replay(kube, events) -> None:
    for event in events:
        if event["type"] == "DELETED":
            meta = event["object"]["metadata"]
            kube.store.drop(kube.store.get(kind_of("pods"), meta["namespace"], meta["name"]), event["object"])
        else:
            put(kube, "pods", event["object"])


def told(one) -> tuple:
    """A consumer, whether it is a row or worked out in memory."""
    source, pod = getattr(one, "source", one), getattr(one, "pod", None)
    workload = getattr(one, "workload", None)
    where = tuple(workload[:3]) if workload else (one.workload_kind, one.namespace, one.workload_name)
    whose = pod.uid if pod else one.pod_uid
    return (*where, whose, one.container, source.method, source.path, one.k8s_secret, source.role, source.auth_mount,
            source.credential, source.lease_id, source.request_id, tuple(one.uses), one.needs_restart,
            one.restarted_by, one.ended)  # fmt: skip


def test_consumers_troubles_and_pods_are_those_of_the_recording(kube, link):
    events = [json.loads(line) for line in packed("pods.watch.ndjson").splitlines()]
    with watched(kube, link):
        eventually(lambda: len(pictured(link.cluster, "deployments")) > 10)
        replay(kube, events)
        eventually(lambda: pictured(link.cluster, "pods") == served(kube, "pods"))
        eventually(lambda: set(PodState.objects.values_list("uid", flat=True)) == set(served(kube, "pods")))
    objects = [decode_object(RESOURCES[name], json.dumps(one).encode()) for name, one in kept()]
    pods = {event["object"]["metadata"]["uid"]: event for event in events}
    objects += [
        decode_object(RESOURCES["pods"], json.dumps(one["object"]).encode())
        for one in pods.values()
        if one["type"] != "DELETED"
    ]
    scene = Scene(objects, cluster_rows.now())
    assert {told(one) for one in SecretConsumer.objects.all()} == {told(one) for one in delivery.consumers(scene)}
    assert {
        (one.symptom, one.cause, one.workload_kind, one.namespace, one.workload_name, frozenset(one.pods))
        for one in SecretTrouble.objects.all()
    } == {
        (one["class"], one["cause"], one["kind"], one["namespace"], one["name"], frozenset(one["pods"]))
        for one in truth()["stuck"]
    }
    assert set(PodLife.objects.values_list("uid", flat=True)) == set(pods)
    assert len(gone(link.cluster, "pods")) == sum(event["type"] == "DELETED" for event in events)


def test_a_turn_keeps_for_whom_operators_read_once_everything_that_asks_them_is_seen(kube, link):
    replay(kube, [json.loads(line) for line in packed("pods.watch.ndjson").splitlines()])
    take_turn(kube, link)
    scene = Scene(cluster_rows.objects(link.cluster), cluster_rows.now())
    wanted = deliveries_of(scene, delivery.consumers(scene))
    told = {
        (one.namespace, one.k8s_secret, one.path, (one.account_namespace, one.account_name),
         frozenset(pod.uid for pod in one.pods.all()))
        for one in Delivery.objects.filter(gone_at=None)
    }  # fmt: skip
    assert told == {
        (
            one.namespace,
            one.k8s_secret,
            one.source.path,
            one.account or ("", ""),
            frozenset(to.pod.uid for to in one.pods),
        )
        for one in wanted
    }
    assert {method for (method,) in Delivery.objects.values_list("method").distinct()} == {"csi", "eso", "vso"}
    accounts = set(DeliveryAccount.objects.values_list("namespace", "name"))
    assert accounts >= {one.account for one in wanted if one.account}
    assert Reckoning.objects.get(cluster=link.cluster).whole_since is not None
    Watch.objects.filter(cluster=link.cluster, resource="externalsecrets").update(state=NOT_PERMITTED)
    Reckoner(link.cluster).reckon()
    assert Reckoning.objects.get(cluster=link.cluster).whole_since is None


def test_a_secret_names_its_consumers_and_a_workload_its_pods(kube, link):
    replay(kube, [json.loads(line) for line in packed("pods.watch.ndjson").splitlines()])
    take_turn(kube, link)
    one = next(one for one in truth()["consumers"] if one["method"] == "vso" and one["secret"].startswith("kv/"))
    path = cluster_questions.api_path("kv/", one["secret"].removeprefix("kv/"), 2)
    assert one["name"] in {each.workload_name for each in cluster_questions.consumers_of("prod", path)}
    assert cluster_questions.consumers_of("prod", path, namespace="elsewhere") == []
    row = Workload.objects.get(namespace=one["namespace"], name=one["name"])
    view = cluster_questions.workload(link.cluster_id, row.uid)
    assert {each.path for each in view.consumers} >= {path} and len(view.pods.rows) >= 1
    pod = cluster_questions.pod(link.cluster_id, view.pods.rows[0].uid)
    assert one["container"] in {each.name for each in pod.containers} and pod.addresses
    assert path in {each.path for each in pod.consumers}


def test_pods_on_an_old_version_are_those_of_the_recording(kube, link):
    replay(kube, [json.loads(line) for line in packed("pods.watch.ndjson").splitlines()])
    take_turn(kube, link)
    changes = ((uid, at) for uid, times in rotated_at().items() for at in times)
    cluster_rows.write_changes(link.cluster, changes)  # as a watch would have seen them while it was recorded
    found = [
        one
        for path, versions in recorded.versions().items()
        for one in held_of(link.cluster, path, versions)
    ]  # fmt: skip
    assert {(one.pod.uid, one.path) for one in found if one.stale} == {
        (one["pod"], recorded.api_path(one["secret"])) for one in truth()["stale"]
    }
