"""A database for a whole module, with Keybook's roles in it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.audit.conftest import OwnDatabase, test_database
from tests.receiver.conftest import database

__all__ = ["database", "test_database"]


@pytest.fixture(scope="module")
def roles(database: OwnDatabase):
    """Return a function that opens a connection as one of Keybook's roles."""
    database.manage("make_roles")

    def enter(role: str) -> psycopg.Connection:
        url = make_conninfo(database.environment["DATABASE_URL"], user=role)
        return psycopg.connect(url, autocommit=True)

    enter.database = database
    return enter
