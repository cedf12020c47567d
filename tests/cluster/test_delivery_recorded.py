"""On the recorded cluster, consumers, troubles and versions held are what its drivers say, as far as the API goes."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta

import pytest

from cluster import delivery
from cluster.delivery import csi
from cluster.held import held
from cluster.objects import ClusterEvent, ConfigMap, Secret
from cluster.scene import Scene
from tests.cluster import recorded
from tests.cluster.recorded import api_path, truth


@pytest.fixture(scope="module")
def consumers():
    return delivery.consumers(recorded.scene())


def stuck_workloads() -> set[tuple[str, str, str]]:
    return {(each["namespace"], each["kind"], each["name"]) for each in truth()["stuck"]}


def told(each) -> tuple:
    where = (each.workload.namespace, each.workload.kind, each.workload.name, each.container)
    restart = (each.needs_restart == "always", each.restarted_by)
    return (*where, each.method, each.path, each.k8s_secret, each.source.role, each.source.auth_mount, *restart)


def wanted(each: dict) -> tuple:
    where = (each["namespace"], each["kind"], each["name"], each["container"])
    # What a client reads by itself, and where it logs in, the cluster does not show.
    path = api_path(each["secret"]) if each["visible_in_cluster"] else ""
    mount = each["auth_mount"] if each["visible_in_cluster"] else ""
    return (
        *where,
        each["method"],
        path,
        each["k8s_secret"],
        each["role"],
        mount,
        each["needs_restart"],
        each["restarted_by"],
    )


def test_consumers_are_exact(consumers):
    """All that the drivers made, and no others but those of workloads that are stuck on their way to a secret."""
    mine = {told(each) for each in consumers if each.method != "native"}
    theirs = {wanted(each) for each in truth()["consumers"]}
    assert theirs - mine == set()
    assert {each[:3] for each in mine - theirs} <= stuck_workloads()


def test_native_consumers_use_secrets_that_no_operator_writes(consumers):
    found = {(each.workload.name, each.k8s_secret, each.needs_restart) for each in consumers if each.method == "native"}
    assert found == {
        ("atlas", "atlas-credentials", "never"),
        ("atlas", "atlas-registry", "never"),
        ("dispatch", "dispatch-env", "always"),
    }


def test_each_pod_of_a_workload_is_a_consumer(consumers):
    pods = {each.pod.uid for each in consumers if each.workload.name == "lumen"}
    assert pods == {
        uid for uid, each in truth()["pods"].items() if each["name"].startswith("lumen-") and not each["address_to"]
    }


def test_a_pod_that_has_ended_is_marked(consumers):
    assert {each.workload.name for each in consumers if each.ended} == {"juniper"}


def test_the_operators_lease_and_request_are_those_of_the_vault(consumers):
    leases = {(each.source.lease_id, each.source.request_id) for each in consumers if each.workload.name == "voucher"}
    ((lease, request),) = leases
    assert lease in truth()["leases"]
    assert request in {call.get("request_id") for call in truth()["reads"]}


def test_troubles_are_exact():
    found = {
        (each.symptom, each.cause, *each.workload[:1], *each.workload[1:3], tuple(pod.uid for pod in each.pods))
        for each in delivery.troubles(recorded.scene())
    }
    assert found == {
        (each["class"], each["cause"], each["kind"], each["namespace"], each["name"], tuple(each["pods"]))
        for each in truth()["stuck"]
    }


def test_every_trouble_says_what_and_how_to_mend_it():
    for each in delivery.troubles(recorded.scene()):
        assert each.says.endswith((".", ":"))
        assert each.mend.endswith(".")


def rotated_at() -> dict[str, list[datetime]]:
    """When the driver changed what a pod has mounted: what a watch of its status would have seen."""
    changes: dict[str, list[datetime]] = {}
    statuses = {each.metadata.name: each.metadata.uid for each in csi.statuses(recorded.scene()).values()}
    for line in recorded.lines("kube-audit.log"):
        entry = json.loads(line)
        about = entry.get("objectRef") or {}
        if about.get("resource") == "secretproviderclasspodstatuses" and entry["verb"] in {"update", "patch"}:
            stamp = datetime.fromisoformat(entry["requestReceivedTimestamp"])
            changes.setdefault(statuses.get(about.get("name"), ""), []).append(stamp)
    return changes


@pytest.fixture(scope="module")
def holding(consumers):
    return held(recorded.scene(), consumers, recorded.versions(), rotated_at())


def test_pods_on_an_old_version_are_exact(holding):
    found = {(each.pod.uid, each.path) for each in holding if each.stale}
    assert found == {(each["pod"], api_path(each["secret"])) for each in truth()["stale"]}


def test_versions_held_are_exact_but_for_clients_that_read_by_themselves(holding):
    mine = {(each.pod.uid, each.path): each.version for each in holding}
    theirs = {
        (uid, api_path(secret)): n for uid, held_ in truth()["held_versions"].items() for secret, n in held_.items()
    }
    direct = {api_path(each["secret"]) for each in truth()["consumers"] if each["method"] == "direct"}
    assert {key: mine.get(key) for key, n in theirs.items() if key[1] not in direct} == {
        key: n for key, n in theirs.items() if key[1] not in direct
    }


def test_without_a_watch_of_the_driver_its_files_stay_open_and_nothing_becomes_wrong(consumers):
    found = held(recorded.scene(), consumers, recorded.versions())
    theirs = truth()["held_versions"]
    for each in found:
        real = {api_path(secret): n for secret, n in theirs.get(each.pod.uid, {}).items()}.get(each.path)
        assert real is None or each.oldest <= real <= each.newest
    assert {each.path for each in found if each.version is None} == {"kv/data/live/ember/cache-auth"}


@pytest.mark.parametrize("seconds", [0, 1, 2, 10, 60])
def test_no_bound_is_wrong_however_much_the_clocks_may_differ(consumers, seconds):
    for each in held(recorded.scene(), consumers, recorded.versions(), rotated_at(), timedelta(seconds=seconds)):
        real = {api_path(secret): n for secret, n in truth()["held_versions"].get(each.pod.uid, {}).items()}.get(
            each.path
        )
        assert real is None or each.oldest <= real <= each.newest


def judged(objects):
    stage = Scene(objects, at=recorded.scene().at)
    consumers = delivery.consumers(stage)
    bounds = held(stage, consumers, recorded.versions())
    causes = {(each.symptom, each.cause, each.workload, each.pods) for each in delivery.troubles(stage)}
    return (
        {told(each) for each in consumers},
        causes,
        {(each.pod, each.path, each.version, each.stale) for each in bounds},
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_objects_makes_no_difference(seed):
    objects = recorded.scene().objects()
    shuffled = objects[:]
    random.Random(seed).shuffle(shuffled)
    assert judged(shuffled) == judged(objects)


def test_without_any_right_on_secrets_nothing_is_lost():
    """The default: names of Secrets come from those who use and fill them."""
    objects = recorded.scene().objects()
    assert judged([each for each in objects if not isinstance(each, Secret | ConfigMap)]) == judged(objects)


def test_without_events_which_are_forgotten_after_an_hour_old_versions_are_still_told():
    objects = [each for each in recorded.scene().objects() if not isinstance(each, ClusterEvent)]
    found = {(pod.uid, path) for pod, path, _, stale in judged(objects)[2] if stale}
    assert found == {(each["pod"], api_path(each["secret"])) for each in truth()["stale"]}
