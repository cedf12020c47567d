"""An empty past for each test, recorded and made-up logs to import into it, and databases of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from django.apps import apps
from django.db import connection
from django.test.utils import setup_databases, teardown_databases

from tests.audit.past import Past

DATA = Path(__file__).parents[1] / "data" / "corpus"
PARTITIONED = ["audit_event", "audit_sighting", "audit_block"]
PLAIN = ["audit_pair", "audit_rollup_hour", "audit_rollup_day", "audit_closed"]


def forget_everything() -> None:
    """Empty every table of the past and drop its days."""
    tables = PARTITIONED + PLAIN + [model._meta.db_table for model in apps.get_app_config("audit").get_models()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ANY(%s::regclass[])", [PARTITIONED]
        )
        if days := [row[0] for row in cursor.fetchall()]:
            cursor.execute(f"DROP TABLE {', '.join(days)}")
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
        cursor.execute("SELECT setval('audit_event_seq', 1, false), setval('audit_block_seq', 1, false)")


@pytest.fixture(scope="session")
def test_database(django_db_setup, django_db_blocker):
    """See that the tests' own database exists; pytest-django makes it only where a test wants a rollback of its own."""
    with django_db_blocker.unblock():
        made = connection.settings_dict["NAME"].startswith("test_")
        old = [] if made else setup_databases(verbosity=0, interactive=False, aliases={"default"})
        yield
        teardown_databases(old, verbosity=0)


@contextmanager
def _empty_past(blocker) -> Iterator[Past]:
    with blocker.unblock():
        forget_everything()
        try:
            yield Past()
        finally:
            forget_everything()


@pytest.fixture
def past(test_database, django_db_blocker) -> Iterator[Past]:
    """An empty past; what it then holds can be asked of it."""
    with _empty_past(django_db_blocker) as one:
        yield one


@pytest.fixture(scope="session")
def empty_past(test_database, django_db_blocker):
    """The context manager of an empty past, for a module that imports once and asks often."""
    return lambda: _empty_past(django_db_blocker)


@pytest.fixture(scope="session")
def recorded():
    """A function that gives a recorded file's bytes."""
    kept: dict[str, bytes] = {}

    def unpacked(name: str) -> bytes:
        with (DATA / f"{name}.zst").open("rb") as file:
            return zstandard.ZstdDecompressor().stream_reader(file).read()

    return lambda name: kept.setdefault(name, unpacked(name))


@pytest.fixture(scope="session")
def truth(recorded):
    """What happened in the recorded logs, from the callers' side."""
    return json.loads(recorded("truth.json"))
