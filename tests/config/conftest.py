"""A database of a test's own, with Keybook's roles in it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.audit.conftest import OwnDatabase, own_database, test_database

__all__ = ["own_database", "test_database"]


@pytest.fixture
def roles(own_database: OwnDatabase):
    """Return a function that opens a connection as one of Keybook's roles."""
    own_database.manage("make_roles")

    def enter(role: str) -> psycopg.Connection:
        url = make_conninfo(own_database.environment["DATABASE_URL"], user=role)
        return psycopg.connect(url, autocommit=True)

    enter.database = own_database
    return enter
