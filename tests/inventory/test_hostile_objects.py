"""What somebody who may make pods or custom resources writes into them never stops the picture of the cluster."""

from __future__ import annotations

import random
import string

import pytest

from inventory import cluster_rows
from inventory.cluster_models import ClusterWarning, PodState, SecretConsumer, Workload
from inventory.reckoning import Reckoner
from inventory.sync_pods import remember_cluster
from tests.cluster.made import agent_config, container, injected_pod, made, owner, pod

LONG = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=6_000))  # no compression makes it fit


@pytest.fixture
def cluster(db):
    """A cluster with one honest pod."""
    found = remember_cluster("prod", "kube-system-uid")
    pictured(found, pods=[pod("honest")])
    return found


def pictured(cluster, **objects):
    at = cluster_rows.now()
    rows = [cluster_rows.row_of(cluster, name, one, at) for name, some in objects.items() for one in some]
    cluster_rows.write(rows)
    Reckoner(cluster).reckon()
    Reckoner(cluster).reckon()


def names() -> set[str]:
    return set(PodState.objects.values_list("name", flat=True))


def test_an_agent_whose_encoded_configuration_holds_a_nul(cluster):
    config = agent_config("kv/data/a\0b")
    config["auto_auth"]["method"]["config"]["role"] = "we\0b"
    pictured(cluster, pods=[injected_pod(config=config)])
    assert names() == {"honest", "web-1"}
    assert "\0" not in "".join(SecretConsumer.objects.values_list("role", flat=True))


def test_a_path_that_no_index_can_hold(cluster):
    pictured(cluster, pods=[injected_pod(*[f"kv/data/{LONG[place : place + 500]}ä" for place in (0, 1_000)])])
    wide = "".join(chr(0x4E00 + ord(letter)) for letter in LONG[:500])
    pictured(
        cluster,
        pods=[
            injected_pod(notes={"agent-inject-secret-x": f"kv/{LONG}"}, config="none"),
            pod("wide", meta={"annotations": {"vault.hashicorp.com/agent-inject-secret-y": wide}}),
        ],
    )
    assert {"honest", "web-1", "wide"} == names()


def synced(**spec):
    """A Secret that the operator writes, with a pod that uses it."""
    secret = made(
        "vaultstaticsecrets",
        "s",
        spec={"mount": "kv", "type": "kv-v2", "path": "a", "destination": {"name": "copy", "create": True}, **spec},
    )
    user = pod("user", spec={"containers": [container(envFrom=[{"secretRef": {"name": "copy"}}])]})
    return {"vaultstaticsecrets": [secret], "pods": [user]}


@pytest.mark.parametrize("spec", [{"version": 2**40}, {"version": -(2**40)}, {"path": LONG}, {"mount": LONG}])
def test_an_operators_resource_with_a_number_or_path_beyond_all_measure(cluster, spec):
    pictured(cluster, **synced(**spec))
    assert names() == {"honest", "user"}
    assert SecretConsumer.objects.filter(pod_name="user").exists()


@pytest.mark.parametrize("part", ["name", "uid", "kind"])
def test_an_owner_whose_name_no_index_can_hold(cluster, part):
    odd = {**owner("Thing", "thing", "thing-uid"), part: LONG}
    pictured(cluster, pods=[pod("owned", meta={"ownerReferences": [odd]})])
    state = PodState.objects.get(name="owned")
    assert Workload.objects.filter(uid=state.workload_uid).count() == 1


def test_a_pod_whose_restarts_overflow(cluster):
    fares = [{"name": name, "restartCount": 2**31 - 1, "state": {}} for name in "ab"]
    pictured(cluster, pods=[pod("loops", status={"containerStatuses": fares})])
    assert PodState.objects.get(name="loops").restarts == 2**31 - 1


@pytest.mark.parametrize("part", ["name", "uid", "namespace", "kind"])
def test_an_event_about_something_whose_name_no_index_can_hold(cluster, part):
    about = {"kind": "Pod", "namespace": "shop", "name": "web", "uid": "u", part: LONG}
    found = made("events", "odd", involvedObject=about, type="Warning", reason=LONG, message="x", count=2**40)
    cluster_rows.write_warnings([cluster_rows.warning_of(cluster, found, cluster_rows.now())])
    assert ClusterWarning.objects.count() == 1
