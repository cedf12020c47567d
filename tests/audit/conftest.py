"""An empty past for each test, recorded and made-up logs to import into it, and databases of one's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard
from django.apps import apps
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.conninfo import make_conninfo

from sandbox.control import STATE, ask
from tests.audit.past import Past
from tests.audit.pictured import forget_pods
from tests.inventory import recording

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "corpus"
PARTITIONED = ["audit_event", "audit_sighting", "audit_told", "audit_block"]
PLAIN = ["audit_pair", "audit_closed", *(f"audit_rollup_{kind}" for kind in ("hour", "day", "total", "address"))]


def forget_everything() -> None:
    """Empty every table of the past and drop its days: in the tests' own database only."""
    assert connection.settings_dict["NAME"].startswith("test_")
    connection.close()  # a test may have left something in the session
    tables = PARTITIONED + PLAIN + [model._meta.db_table for model in apps.get_app_config("audit").get_models()]
    with connection.cursor() as cursor:
        if _is_new(cursor, tables):
            return
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ANY(%s::regclass[])", [PARTITIONED]
        )
        if days := [row[0] for row in cursor.fetchall()]:
            cursor.execute(f"DROP TABLE {', '.join(days)}")
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
        cursor.execute("SELECT setval('audit_event_seq', 1, false), setval('audit_block_seq', 1, false)")


def _is_new(cursor: CursorWrapper, tables: list[str]) -> bool:
    """Tell whether nothing was ever put there since they were emptied: looking costs a twentieth of emptying."""
    rows = " OR ".join(f"EXISTS (SELECT FROM {table})" for table in tables)
    cursor.execute(
        f"""SELECT {rows} OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = ANY(%s::regclass[]))
            OR EXISTS (SELECT FROM pg_sequences WHERE sequencename ~ '^audit_' AND last_value IS NOT NULL)""",
        [PARTITIONED],
    )
    return not cursor.fetchone()[0]


@pytest.fixture(scope="session")
def test_database(django_db_setup):
    """See that the tests' own database exists."""


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


@dataclass
class OwnDatabase:
    """A database of a test's own, for processes that are killed."""

    name: str
    environment: dict[str, str]

    def connect(self) -> psycopg.Connection:
        """Open a connection in autocommit."""
        return psycopg.connect(self.environment["DATABASE_URL"], autocommit=True)

    def run(self, *argv: str, check: bool = True, **more: str) -> subprocess.CompletedProcess:
        """Run a Python program of the project to its end, text in and out."""
        command = [sys.executable, *argv]
        environment = {**self.environment, **more}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def manage(self, *words: str, check: bool = True, **more: str) -> subprocess.CompletedProcess:
        """Run a command of manage.py."""
        return self.run("manage.py", *words, check=check, **more)

    def start(self, *argv: str, **more: Any) -> subprocess.Popen:
        """Start a Python program of the project."""
        return subprocess.Popen([sys.executable, *argv], cwd=ROOT, env=self.environment, text=True, **more)


class OwnSandbox(OwnDatabase):
    """Servers of a test's own, which may be killed, frozen and started without harm to other tests."""

    def control(self, verb: str, part: str = "postgres") -> None:
        """Have the supervisor kill, stop, cont or start a part."""
        ask(verb, part, Path(self.environment[STATE]))

    def empty(self) -> None:
        """Empty every table of the past; the trail of what people did can't be emptied."""
        query = """SELECT string_agg(relname, ', ') FROM pg_class
                   WHERE relname LIKE 'audit\\_%' AND relkind IN ('r', 'p') AND NOT relispartition"""
        with self.connect() as wire:
            wire.execute(f"TRUNCATE {wire.execute(query).fetchone()[0]}")


TELL = """import json, os, signal
print(json.dumps(dict(os.environ)), flush=True)
signal.pause()"""


@pytest.fixture(scope="session")
def own_sandbox(tmp_path_factory) -> Iterator[OwnSandbox]:
    """A sandbox of one's own, with migrated tables and an OpenBao."""
    logs = tmp_path_factory.mktemp("own-logs")
    argv = [str(ROOT / "bin" / "sandbox"), "--vault", "--servers-only", sys.executable, "-c", TELL]
    environment = {**os.environ, "KEYBOOK_LOG_ROOTS": str(logs.parent)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            yield OwnSandbox("keybook", {**told, "DJANGO_SETTINGS_MODULE": "config.settings"})
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def own_database(test_database, django_db_blocker, tmp_path) -> Iterator[OwnDatabase]:
    """A new database with empty tables; logs may lie in the test's folder."""
    with django_db_blocker.unblock():
        forget_everything()
        here = {
            k: v for k, v in connection.get_connection_params().items() if k in ("host", "port", "user", "password")
        }
        template = connection.settings_dict["NAME"]
        connection.close()
    name = f"own_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(make_conninfo(dbname="postgres", **here), autocommit=True) as maker:
        maker.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        environment = {
            **os.environ,
            "DATABASE_URL": make_conninfo(dbname=name, **here),
            "KEYBOOK_LOG_ROOTS": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        yield OwnDatabase(name, environment)
        maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


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


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory):
    """The audit log of the recorded cluster, as a file."""
    file = tmp_path_factory.mktemp("cluster") / "audit.log"
    file.write_bytes(recording.packed("audit.log"))
    return file


@pytest.fixture
def no_pods(past):
    """Clusters and pods are no part of the past."""
    forget_pods()
    yield
    forget_pods()
