"""A simulated Kubernetes API for every test that asks, in a thread, and the grounds of the suite marked realkube."""

from __future__ import annotations

from uuid import uuid4

import pytest

from sandbox.kubeapi import KubeApi
from tests.cluster.grounds import GIVEN, Ground, real_speaker
from tests.cluster.speaking import Speaker


@pytest.fixture
def kube():
    """Yield a simulated Kubernetes API: `url`, `token`, `store`, `faults`, `requests` and what may happen to it."""
    with KubeApi() as api:
        yield api


@pytest.fixture(scope="session")
def running_kube():
    """Return a simulated cluster with controllers that many tests share."""
    with KubeApi() as api:
        api.controllers.start()
        yield api


@pytest.fixture(params=GIVEN)
def ground(request):
    """Yield a namespace of its own, on the simulated API and on the real one if there is one."""
    real = request.param == "real"
    if real:
        speak = real_speaker()
    else:
        api = request.getfixturevalue("running_kube")
        speak = Speaker(api.url, api.token)
    name = f"keybook-test-{uuid4().hex[:8]}"
    made = speak.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    assert made.status_code == 201, made.text
    found = Ground(speak, name, real, 90.0 if real else 10.0)
    found.until(lambda: speak.get(found.path("serviceaccounts", "", "default")).ok, "the default service account")
    yield found
    speak.delete(f"/api/v1/namespaces/{name}")
