"""A real OpenBao asks the simulated Kubernetes API whose a token is, as it asks a real one."""

from __future__ import annotations

import os
import time

import pytest

from sandbox.bao_http import Bao
from sandbox.kube_access import REVIEWER
from sandbox.kube_resources import kind_of
from sandbox.kubeapi import KubeApi

pytestmark = pytest.mark.live
POD = kind_of("pods")


@pytest.fixture(scope="module")
def root():
    return Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])


@pytest.fixture(scope="module")
def cluster():
    """Yield a cluster with one pod whose tokens are void at once when it is gone."""
    with KubeApi() as api:
        api.tokens.outlives = 0.0
        api.access.enter("shop", "app")
        yield api


@pytest.fixture
def pod(cluster):
    """Put the pod in."""
    spec = {"serviceAccountName": "app", "containers": [], "nodeName": "n1"}
    metadata = {"name": "web-1", "namespace": "shop"}
    found = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}
    return cluster.store.put(found)


@pytest.fixture(scope="module")
def login(root, cluster):
    """Return a function that logs in with a token, at a mount that asks the cluster."""
    mount = "kubernetes-sandbox"
    root.must("POST", f"sys/auth/{mount}", {"type": "kubernetes"})
    config = {"kubernetes_host": cluster.url, "kubernetes_ca_cert": "none", "disable_local_ca_jwt": True}
    config["token_reviewer_jwt"] = cluster.access.enter("openbao", "openbao", REVIEWER)
    root.must("POST", f"auth/{mount}/config", config)
    role = {"bound_service_account_names": ["app"], "bound_service_account_namespaces": ["shop"]}
    root.must("POST", f"auth/{mount}/role/app", role)
    root.must("POST", f"auth/{mount}/role/vault", {**role, "audience": "vault"})
    yield lambda token, role="app": Bao(root.url).call("POST", f"auth/{mount}/login", {"role": role, "jwt": token})
    root.must("DELETE", f"sys/auth/{mount}")


def test_a_pods_token_logs_in_as_its_service_account(cluster, pod, login):
    answer = login(cluster.tokens.issue("shop", "app", pod="web-1"))
    assert answer.status == 200, answer.body
    metadata = answer.body["auth"]["metadata"]
    assert (metadata["service_account_name"], metadata["service_account_namespace"]) == ("app", "shop")
    asked = next(request for request in reversed(cluster.requests) if request.resource == "tokenreviews")
    assert (asked.user, asked.code) == ("system:serviceaccount:openbao:openbao", 201)


def test_the_token_of_a_pod_that_is_gone_does_not(cluster, pod, login):
    token = cluster.tokens.issue("shop", "app", pod="web-1")
    cluster.store.drop(pod)
    assert login(token).status == 403


def test_one_that_nobody_issued_does_not(cluster, pod, login):
    good = cluster.tokens.issue("shop", "app", pod="web-1")
    assert login(good[:-8] + "AAAAAAAA").status == 403


def test_the_audience_of_the_role_must_be_the_tokens(cluster, pod, login):
    assert login(cluster.tokens.issue("shop", "app", pod="web-1", audiences=("vault",)), "vault").status == 200
    assert login(cluster.tokens.issue("shop", "app", pod="web-1"), "vault").status == 403


def test_a_cluster_that_is_away_lets_nobody_in_and_everybody_again_when_it_is_back(cluster, pod, login):
    token = cluster.tokens.issue("shop", "app", pod="web-1")
    cluster.go_away()
    try:
        assert login(token).status == 403
    finally:
        cluster.come_back()
    deadline = time.monotonic() + 10
    while login(token).status != 200:
        assert time.monotonic() < deadline
