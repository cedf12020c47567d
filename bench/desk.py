"""A place to measure at: databases of our own in the sandbox's PostgreSQL, and the real path of ingestion.

No table outside of databases that this module made is ever touched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from audit.ingest import Report, Turn, connect, find_generation, turn
from audit.models import Device, Vault
from audit.sources.file import LogFile, open_log
from bench import machine

ROOT = Path(__file__).parents[1]
# As in the reference measurements: room for what is written in one run, so that checkpoints don't fall into it.
SERVER = "-c shared_buffers=4GB -c max_wal_size=8GB -c wal_compression=pglz"


def options(about: str, *, events: int, rounds: int = 5) -> argparse.ArgumentParser:
    """Return the options that every measurement has, with its usual size."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--events", type=int, default=events, help=f"calls in the log, two lines each ({events})")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often all is measured ({rounds})")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a quiet machine (180)")
    return parser


def in_sandbox(module: str, *extra: str) -> None:
    """Start this measurement again within bin/sandbox unless it runs in one."""
    if "KEYBOOK_SANDBOX_STATE" in os.environ:
        return
    os.environ.setdefault("KEYBOOK_PG_OPTIONS", SERVER)
    os.chdir(ROOT)
    os.execv(
        ROOT / "bin" / "sandbox", ["bin/sandbox", "--no-migrate", *extra, sys.executable, "-m", module, *sys.argv[1:]]
    )


class Desk:
    """Fresh databases on request, a folder for logs, and a connection as Keybook opens it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._url = os.environ["DATABASE_URL"]
        self._number = 0
        self._template = f"bench_{os.getpid()}"
        self._made: list[str] = []
        self._make(self._template, os.environ.get("KEYBOOK_BENCH_TEMPLATE") or "template0")
        self._enter(self._template)
        call_command("migrate", verbosity=0)
        self._leave()

    def fresh(self) -> None:
        """Go to an empty migrated database; the one before is dropped, and what was written is on the disk."""
        self._leave()
        for name in [name for name in self._made if name != self._template]:
            self._drop(name)
        self._number += 1
        name = f"{self._template}_{self._number}"
        self._make(name, self._template)
        self._enter(name)

    @property
    def url(self) -> str:
        """The libpq URL of the database that we are in."""
        return self._of(connections["default"].settings_dict["NAME"])

    def settle(self) -> None:
        """Have the server write out what lies in its memory, so that it does not do so in the next measurement."""
        self._as_superuser(sql.SQL("CHECKPOINT"))

    def close(self) -> None:
        """Drop every database that we made."""
        self._leave()
        for name in reversed(self._made.copy()):
            self._drop(name)

    def _enter(self, name: str) -> None:
        connections["default"].settings_dict["NAME"] = name

    def _leave(self) -> None:
        connections.close_all()

    def _make(self, name: str, template: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER keybook")
        self._as_superuser(statement.format(sql.Identifier(name), sql.Identifier(template)))
        self._made.append(name)

    def _drop(self, name: str) -> None:
        self._as_superuser(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        self._made.remove(name)

    def _as_superuser(self, statement: sql.Composable) -> None:
        """Run what the application's role may not: an autovacuum worker in a database to be dropped is the server's."""
        with psycopg.connect(self._of("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _of(self, database: str, user: str = "keybook") -> str:
        parts = {**conninfo_to_dict(self._url), "dbname": database, "user": user}
        return f"postgresql:///{database}?" + urlencode({k: v for k, v in parts.items() if k != "dbname"})


@contextmanager
def desk() -> Iterator[Desk]:
    """Open a desk with a folder of its own; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="keybook-bench-"))
    made: Desk | None = None
    try:
        made = Desk(folder)
        yield made
    finally:
        if made is not None:
            made.close()
        shutil.rmtree(folder)


@contextmanager
def own_turn(path: Path, device: str) -> Iterator[tuple[Turn, LogFile, Any]]:
    """Open a log as a device's, which is made if new, and hold a turn over it at its cursor."""
    vault, _ = Vault.objects.get_or_create(name="bench")
    one, _ = Device.objects.get_or_create(vault=vault, name=device)
    log = open_log(path)
    try:
        with turn(one.pk) as work:
            yield work, log, find_generation(work.looker, one.pk, log)
    finally:
        log.close()


def ingest(path: Path, *, device: str = "file", after_batch: Callable[[], None] | None = None) -> Report:
    """Read one log file to its end by the path that `import_files` and `follow` take; returns what it did.

    `after_batch` is called when a batch was handed to PostgreSQL.
    """
    with own_turn(path, device) as (work, log, start):
        end = work.read(log, start, at_end=True, watch=(lambda _: after_batch()) if after_batch else None)
        work.accept_unanswered(end, older_than=0)
        work.wait()
        return work.report


def header() -> None:
    """Print what every result needs beside it: date, machine, versions, settings."""
    with connect() as connection:
        machine.header(connection)
