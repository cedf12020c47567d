"""Changes' tests share the databases and servers of the audit tests."""

from __future__ import annotations

import pytest

from config import roles
from tests.audit.conftest import own_database, own_sandbox, past, test_database

__all__ = ["own_database", "own_sandbox", "past", "test_database"]


@pytest.fixture(scope="session")
def made_roles(django_db_setup, django_db_blocker):
    """Make PostgreSQL's roles with their rights on the tests' database, once for all tests that ask for them."""
    with django_db_blocker.unblock():
        roles.make()
