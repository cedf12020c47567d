"""A scene answers by kind, name, uid and owner, whatever order its objects came in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster.decoding import Broken
from cluster.kinds.meta import moment
from cluster.objects import Deployment, Pod, Selector
from cluster.scene import Ref, Scene, ref
from tests.cluster.made import event, made, owner, pod, scene


def chain(*links: tuple[str, str]):
    """Return a pod and its owners, from (plural, kind) of the nearest to that of the last."""
    objects, above = [], None
    for plural, kind in reversed(links):
        owners = [above] if above else []
        objects.append(made(plural, kind.lower(), meta={"ownerReferences": owners}))
        above = owner(kind, kind.lower(), f"{plural}-shop-{kind.lower()}")
    return pod(meta={"ownerReferences": [above]}), objects


@pytest.mark.parametrize(
    ("links", "kind"),
    [
        ([("replicasets", "ReplicaSet"), ("deployments", "Deployment")], "Deployment"),
        ([("replicasets", "ReplicaSet"), ("rollouts", "Rollout")], "Rollout"),
        ([("jobs", "Job"), ("cronjobs", "CronJob")], "CronJob"),
        ([("statefulsets", "StatefulSet")], "StatefulSet"),
        ([("daemonsets", "DaemonSet")], "DaemonSet"),
        ([("jobs", "Job")], "Job"),
    ],
)
def test_the_workload_of_a_pod_is_the_last_of_its_owners(links, kind):
    web, above = chain(*links)
    found = scene(web, *above)
    assert [each.kind for each in found.chain(web)] == [kind for _, kind in links]
    assert found.workload(web).kind == kind
    assert found.pods_of(found.workload(web).uid) == [web]


def test_an_owner_that_is_not_there_still_has_its_name():
    web = pod(meta={"ownerReferences": [owner("ReplicaSet", "web-5d", "u-rs")]})
    assert scene(web).workload(web) == Ref("ReplicaSet", "shop", "web-5d", "u-rs")


def test_a_pod_without_an_owner_is_its_own_workload():
    web = pod(meta={"ownerReferences": []})
    assert scene(web).workload(web) == ref(web)


def test_an_owner_that_controls_nothing_is_no_owner():
    web = pod(meta={"ownerReferences": [owner("ReplicaSet", "x", "u", controller=False)]})
    assert scene(web).workload(web) == ref(web)


def test_a_static_pod_which_a_node_owns_is_its_own_workload():
    web = pod(meta={"ownerReferences": [owner("Node", "n1", "u-n1")]})
    assert scene(web).workload(web) == ref(web)


def test_owners_in_a_circle_end():
    one = made("replicasets", "a", meta={"ownerReferences": [owner("ReplicaSet", "b", "replicasets-shop-b")]})
    two = made("replicasets", "b", meta={"ownerReferences": [owner("ReplicaSet", "a", "replicasets-shop-a")]})
    web = pod(meta={"ownerReferences": [owner("ReplicaSet", "a", "replicasets-shop-a")]})
    assert [each.name for each in scene(web, one, two).chain(web)] == ["a", "b"]


def test_the_chain_is_at_most_five_long():
    sets = [
        made(
            "replicasets",
            f"r{n}",
            meta={"ownerReferences": [owner("ReplicaSet", f"r{n + 1}", f"replicasets-shop-r{n + 1}")]},
        )
        for n in range(9)
    ]
    web = pod(meta={"ownerReferences": [owner("ReplicaSet", "r0", "replicasets-shop-r0")]})
    assert len(scene(web, *sets).chain(web)) == 5


def test_names_are_looked_up_within_their_namespace_and_kind():
    found = scene(made("deployments", "web"), made("deployments", "web", "other"), made("statefulsets", "web"))
    assert found.named(Deployment, "other", "web").metadata.namespace == "other"
    assert found.named(Deployment, "shop", "nobody") is None


def test_what_could_not_be_read_and_what_has_ended_is_left_out():
    ended = pod("done", status={"phase": "Succeeded"})
    found = scene(Broken("b", "u", "odd"), ended, pod())
    assert [each.metadata.name for each in found.pods] == ["web-1"]
    assert len(found.all(Pod)) == 2


def test_events_stand_in_the_order_of_time():
    web = pod()
    late, early = event(web, "Pod", "B", at="2026-11-21T11:00:00Z"), event(web, "Pod", "A")
    assert [each.reason for each in scene(web, late, early).events_of(web.metadata.uid)] == ["A", "B"]


def test_what_is_made_of_a_scene_is_made_once():
    calls = []
    found = Scene([])
    assert [found.once(calls.append), found.once(calls.append)] == [None, None]
    assert len(calls) == 1


def test_addresses_are_those_of_both_families_each_once():
    found = pod(status={"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}, {"ip": ""}]})
    assert found.status.addresses() == ["10.0.0.1", "fd00::1"]


def test_the_group_of_an_owner_is_told_from_its_version():
    meta = pod(
        meta={
            "ownerReferences": [
                owner("Rollout", "w", "u", apiVersion="argoproj.io/v1alpha1"),
                owner("Node", "n", "u", apiVersion="v1"),
            ]
        }
    ).metadata
    assert [each.group for each in meta.owner_references] == ["argoproj.io", ""]


def test_an_event_says_how_often_and_when_last():
    series = event(pod(), "Pod", "A", series={"count": 7, "lastObservedTime": "2026-11-21T11:00:00Z"}, count=3)
    assert (series.times(), series.at().hour, series.first().hour) == (7, 11, 10)
    assert event(pod(), "Pod", "B").times() == 1


@pytest.mark.parametrize(
    ("selector", "labels", "hit"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "1"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "1"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": "1"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Odd"}]}, {"a": "1"}, False),
    ],
)
def test_selectors_select_as_kubernetes_says(selector, labels, hit):
    found: Selector = made("poddisruptionbudgets", "x", spec={"selector": selector}).spec.selector
    assert found.matches(labels) is hit


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00.123456Z", datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-21T12:00:00+02:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:59", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_with_and_without_fractions(text, time):
    assert moment(text) == time
