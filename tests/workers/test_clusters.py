"""The worker of clusters watches what was connected, under its own role, and goes on after it was killed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.kube_client import CLUSTER, Kube, read_kubeconfig
from tests.audit.conftest import ROOT
from tests.workers.conftest import Staffed

HOW_MANY = (
    "SELECT count(*) FROM inventory_kubeobject WHERE resource = 'configmaps' AND gone_at IS NULL AND name = %(n)s"
)


@pytest.fixture(scope="module")
def yard(staffed) -> Iterator[tuple[Staffed, Kube]]:
    """The sandbox, its cluster's worker at work, and a client of the cluster."""
    staffed.control("start", "worker-cluster")
    yield staffed, read_kubeconfig(ROOT / staffed.environment[CLUSTER])
    staffed.control("end", "worker-cluster")


def make(kube: Kube, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    kube.must("POST", "/api/v1/namespaces/default/configmaps", body)


def test_a_connected_cluster_is_watched_and_its_picture_worked_out(yard):
    staffed, kube = yard
    staffed.until("SELECT count(*) FROM inventory_watch WHERE heard_at IS NULL AND state <> 'not_installed'", 0)
    staffed.until("SELECT count(*) FROM inventory_watch WHERE resource = 'pods' AND state = 'watching'", 1)
    staffed.until("SELECT count(*) FROM inventory_reckoning WHERE at IS NOT NULL", 1)
    staffed.until("SELECT count(*) FROM inventory_clusterlink WHERE trouble = ''", 1)
    make(kube, "seen")
    staffed.until(HOW_MANY, 1, n="seen")


def test_a_killed_worker_goes_on_where_it_was(yard):
    staffed, kube = yard
    staffed.control("kill", "worker-cluster")
    make(kube, "while-nobody-watched")
    kube.must("DELETE", "/api/v1/namespaces/default/configmaps/seen")
    staffed.control("start", "worker-cluster")
    staffed.until(HOW_MANY, 1, n="while-nobody-watched")
    staffed.until(HOW_MANY, 0, n="seen")
    gone = "SELECT count(*) FROM inventory_kubeobject WHERE name = 'seen' AND gone_exact"
    staffed.until(gone, 1)


def test_doctor_finds_the_cluster_well(yard):
    staffed, _ = yard
    told = json.loads(staffed.manage("doctor", "--json", check=False).stdout)
    found = {one["name"]: one for one in told["checks"] if one["name"].startswith("cluster demo")}
    assert found["cluster demo: picture"]["ok"], found["cluster demo: picture"]
