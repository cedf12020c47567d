"""Changes' tests share the databases and servers of the audit tests, two people and a yard with a workload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import User
from config import roles
from sandbox.kubeapi import KubeApi
from tests.audit.conftest import own_database, own_sandbox, past, test_database
from tests.rotation.asked import person
from tests.rotation.farm import Farm

__all__ = ["own_database", "own_sandbox", "past", "test_database"]


@pytest.fixture(scope="session")
def made_roles(django_db_setup, django_db_blocker):
    """Make PostgreSQL's roles with their rights on the tests' database, once for all tests that ask for them."""
    with django_db_blocker.unblock():
        roles.make()


@pytest.fixture
def eve() -> User:
    """Return eve of the cast, an administrator."""
    return person("eve")


@pytest.fixture
def mia() -> User:
    """Return another administrator."""
    return person("mia", role="administrator")


@pytest.fixture
def farm(monkeypatch) -> Iterator[Farm]:
    """A yard whose workload gets the secret."""
    with KubeApi() as kube:
        made = Farm(kube)
        made.take_over(monkeypatch)
        made.furnish(monkeypatch)
        yield made
