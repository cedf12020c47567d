"""PostgreSQL: whether it answers, is laid out, keeps what it is given, and has room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from audit import partitions
from audit.ingest import connect
from audit.models import Source
from audit.store import Connection
from kit.check import Check

LITTLE_ROOM = 0.10  # of the disk, or
LEAST_ROOM = 2 * 1024**3  # bytes, below which there is no time left to react


def postgres() -> Check:
    """Whether PostgreSQL answers, and is new enough."""
    try:
        with connect() as own:
            row = own.execute(
                "SELECT current_setting('server_version'), current_setting('server_version_num')"
            ).fetchone()
    except (psycopg.Error, OSError) as error:
        why = str(error).strip().split("\n")[0]
        return Check("postgresql", False, why, "Start PostgreSQL or correct DATABASE_URL.")
    version, number = row or ("unknown", "0")
    old = int(number) < 150000
    return Check("postgresql", not old, f"PostgreSQL {version} answers", "Use PostgreSQL 15 or newer." if old else "")


def tables() -> Iterator[Check]:
    """Whether every migration is applied."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    detail = f"{len(missing)} migrations are not applied" if missing else "every migration is applied"
    yield Check("migrations", not missing, detail, "Run manage.py migrate." if missing else "")


def durability() -> Iterator[Check]:
    """Whether a commit reaches the disk."""
    with connect() as own:
        rows = own.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')"
        ).fetchall()
    off = [name for name, setting in rows if setting == "off"]
    detail = f"{' and '.join(off)} off: a crash may lose events" if off else "commits reach the disk"
    yield Check("durability", not off, detail, "Set fsync and synchronous_commit to on." if off else "")


def days() -> Iterator[Check]:
    """Whether tomorrow's partitions are there."""
    with connect() as own:
        kept = partitions.days_kept(own)
    ahead = bool(kept) and kept[-1] > datetime.now(UTC).date()
    if not Source.objects.exists():
        ahead = True  # nothing is followed, so no event of tomorrow is expected
    detail = f"{len(kept)} days, the newest {kept[-1]}" if kept else "none yet"
    mend = "Run beat and the ingest worker, or manage.py follow: they make partitions a week ahead."
    yield Check("partitions", ahead, detail, "" if ahead else mend)


def room() -> Iterator[Check]:
    """How much room PostgreSQL has left, where we may know its folder and see it from here."""
    with connect() as own:
        row = own.execute("SELECT pg_database_size(current_database())").fetchone()
        size = int(row[0]) if row else 0
        folder = data_folder(own)
    takes = f"the database takes {_bytes(size)}"
    try:
        disk = shutil.disk_usage(folder) if folder else None
    except OSError:
        disk = None
    if disk is None:
        yield Check("disk", True, f"{takes}; how much is free can't be seen from here, so watch PostgreSQL's disk")
        return
    short = disk.free < max(LEAST_ROOM, LITTLE_ROOM * disk.total)
    detail = f"{takes}; {_bytes(disk.free)} of {_bytes(disk.total)} are free on its disk"
    mend = "Make room, or lower KEYBOOK_RETENTION_DAYS: without room ingestion stops and nothing is lost meanwhile."
    yield Check("disk", not short, detail, mend if short else "")


def data_folder(own: Connection) -> str | None:
    """Return PostgreSQL's folder; None where our role may not know it (it needs pg_read_all_settings)."""
    try:
        row = own.execute("SELECT current_setting('data_directory')").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return str(row[0]) if row else None


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
