"""What a restart would touch, worked out of the kept picture alone, as the web process does it."""

from __future__ import annotations

import pytest

from cluster.blast import Budget
from cluster.rollouts import fingerprint
from cluster.scene import Ref
from inventory import cluster_rows
from inventory.restarts import restart_in, restart_of, scene_of
from inventory.sync_pods import remember_cluster
from tests.cluster import made as m

pytestmark = pytest.mark.django_db
APP = {"app": "web"}
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}}
DEPLOYMENT = m.made(
    "deployments",
    "web",
    spec={
        "replicas": 3,
        "strategy": ROLLING,
        "template": {"metadata": {"labels": APP, "annotations": {"other/x": "y"}}},
    },
)


def kept(*found):
    """Return a cluster whose picture holds these objects, each under its resource."""
    cluster = remember_cluster("prod", "uid-prod")
    rows = [cluster_rows.row_of(cluster, resource, one, cluster_rows.now()) for resource, one in found]
    cluster_rows.write(rows)
    return cluster


def set_and_pods(name="web", namespace="shop", uid="deployments-shop-web"):
    owned = m.made("replicasets", name, namespace, meta={"ownerReferences": [m.owner("Deployment", name, uid)]})
    owners = [m.owner("ReplicaSet", name, owned.metadata.uid)]
    pods = [m.pod(f"{name}-{n}", namespace, meta={"ownerReferences": owners, "labels": APP}) for n in range(3)]
    return [("replicasets", owned), *(("pods", one) for one in pods)]


@pytest.fixture
def cluster():
    told = {"disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2}
    budget = m.made("poddisruptionbudgets", "pdb", spec={"selector": {"matchLabels": APP}}, status=told)
    static = m.made(
        "vaultstaticsecrets",
        "db",
        spec={"destination": {"name": "db"}, "rolloutRestartTargets": [{"kind": "Deployment", "name": "web"}]},
    )
    there = set_and_pods("web", "bank", "elsewhere")
    return kept(
        ("deployments", DEPLOYMENT), ("poddisruptionbudgets", budget), ("vaultstaticsecrets", static), *set_and_pods(),
        *there,
    )  # fmt: skip


def test_a_plan_has_pods_strategy_budgets_and_owner_from_postgresql_alone(cluster, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = restart_of(cluster, "Deployment", "shop", "web")
    assert found.workload == Ref("Deployment", "shop", "web", "deployments-shop-web")
    assert found.owner == "vso"
    assert found.blast.pods == ("web-0", "web-1", "web-2")
    assert found.blast.says == "At worst 2 of 3 pods are away at a time."
    assert found.blast.budgets == (Budget("pdb", 1, 3, 2),)


def test_whose_the_restart_is_depends_on_which_secret_changes(cluster):
    scene = scene_of(cluster, "shop")
    assert restart_in(scene, "Deployment", "shop", "web", k8s_secret="db").owner == "vso"
    assert restart_in(scene, "Deployment", "shop", "web", k8s_secret="other").owner == ""


def test_the_fingerprint_of_the_picture_is_that_of_the_object_itself(cluster):
    assert restart_of(cluster, "Deployment", "shop", "web").fingerprint == fingerprint(DEPLOYMENT)


@pytest.mark.parametrize(
    ("kind", "namespace", "name"),
    [
        ("Deployment", "shop", "other"),
        ("Deployment", "bank", "web"),
        ("StatefulSet", "shop", "web"),
        ("Job", "shop", "web"),
    ],
)
def test_what_the_picture_does_not_have_is_none(cluster, kind, namespace, name):
    assert restart_of(cluster, kind, namespace, name) is None
