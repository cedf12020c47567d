"""The receiver's tests share the past of the audit tests, and have databases for whole modules."""

from __future__ import annotations

import os
import uuid

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from tests.audit.conftest import (
    OwnDatabase,
    empty_past,
    forget_everything,
    own_sandbox,
    past,
    recorded,
    test_database,
    truth,
)

__all__ = ["empty_past", "own_sandbox", "past", "recorded", "test_database", "truth"]


@pytest.fixture(scope="module")
def database(test_database, django_db_blocker):
    """A new database with empty tables, for all tests of a module."""
    with django_db_blocker.unblock():
        forget_everything()
        given = connection.get_connection_params()
        here = {name: value for name, value in given.items() if name in ("host", "port", "user", "password")}
        template = connection.settings_dict["NAME"]
        connection.close()
    name = f"own_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(make_conninfo(dbname="postgres", **here), autocommit=True) as maker:
        maker.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        url = make_conninfo(dbname=name, **here)
        yield OwnDatabase(name, {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"})
        maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
