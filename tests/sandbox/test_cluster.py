"""`bin/sandbox --cluster`: a simulated cluster beside the other servers, with a kubeconfig, that goes with them."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from sandbox import control
from sandbox.control import STATE
from sandbox.kube_client import read_kubeconfig
from sandbox.process import alive


@pytest.fixture(scope="module")
def cluster(running):
    with running("--cluster") as found:
        yield found


@pytest.fixture
def kube_of(cluster):
    """Return a client of the sandbox's cluster."""
    return read_kubeconfig(Path(cluster.environment["KUBECONFIG"]))


def test_the_kubeconfig_is_the_owners_alone_and_opens_the_cluster(cluster, kube_of):
    place = Path(cluster.environment["KUBECONFIG"])
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert json.loads(place.read_text())["clusters"][0]["cluster"]["server"].startswith("http://127.0.0.1:")
    assert kube_of.must("GET", "/version")["gitVersion"].startswith("v1.")


def test_the_company_is_in_it_and_its_workloads_are_complete(kube_of, until):
    deployments = kube_of.must("GET", "/apis/apps/v1/deployments")["items"]
    assert {d["metadata"]["namespace"] for d in deployments} > {"payments", "storefront", "analytics"}

    def complete() -> bool:
        found = kube_of.must("GET", "/apis/apps/v1/deployments")["items"]
        lacking = [d for d in found if d["status"].get("availableReplicas") != d["spec"]["replicas"]]
        return [d["metadata"]["name"] for d in lacking] == ["disputes"]

    until(complete, "every deployment complete but the one whose agent is refused")
    pods = kube_of.must("GET", "/api/v1/namespaces/payments/pods?labelSelector=app%3Dledger")["items"]
    assert [pod["status"]["podIP"] for pod in pods] == ["10.42.1.11", "10.42.1.12", "10.42.1.13"] or len(pods) == 3
    assert all(pod["spec"]["serviceAccountName"] == "ledger" for pod in pods)


def test_its_identity_its_pods_and_its_address_are_the_same_after_a_crash_and_its_versions_go_on(
    cluster, kube_of, monkeypatch
):
    monkeypatch.setenv(STATE, cluster.environment[STATE])

    def facts() -> tuple[str, set[str], int]:
        own = kube_of.must("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
        pods = kube_of.must("GET", "/api/v1/pods")
        return own, {p["metadata"]["uid"] for p in pods["items"]}, int(pods["metadata"]["resourceVersion"])

    own, pods, version = facts()
    control.ask("kill", "cluster")
    control.ask("start", "cluster")
    own_after, pods_after, version_after = facts()
    assert (own, pods) == (own_after, pods_after)
    assert version_after > version


def test_nothing_of_it_survives_the_supervisor(running, gone):
    with running("--cluster") as found:
        pids = found.all_pids()
        assert alive(found.pids["cluster"])
        found.process.kill()
    gone(pids)


def test_a_sandbox_without_it_names_no_cluster_of_its_own(sandbox):
    ask = "import os; print(os.environ.get('KUBECONFIG'), os.environ.get('KEYBOOK_SANDBOX_CLUSTER'))"
    done = sandbox("--no-migrate", sys.executable, "-c", ask, env={"KUBECONFIG": "/somebodys/own"})
    assert done.stdout.strip() == "/somebodys/own None"
