"""A simulated Kubernetes API for every test that asks, in a thread."""

from __future__ import annotations

import pytest

from sandbox.kubeapi import KubeApi


@pytest.fixture
def kube():
    """Yield a simulated Kubernetes API: `url`, `token`, `store`, `faults`, `requests` and what may happen to it."""
    with KubeApi() as api:
        yield api
