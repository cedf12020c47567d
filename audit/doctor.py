"""Looks at every connection, permission and lag of the past, and says how to mend what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from audit import partitions
from audit.ingest import connect
from audit.models import Alarm, Device, Gap, Pending, Quarantine, Source
from audit.sources.file import UnusableFile, open_log

LAG = 30
DAYS = 7  # what is older was seen by whoever looks at doctor weekly; pages and tables keep it
_ALARMS = {
    "plain token": "Revoke those tokens, set log_raw=false, and upgrade a Vault that logs tokens (CVE-2024-8365).",
    "duplicate keys": "A vault writes no key twice: find out who else writes to this log.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `mend` says what to do when it is not well."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def examine() -> list[Check]:
    """Run every check; when PostgreSQL does not answer, the others are not tried."""
    first = _postgres()
    if not first.ok:
        return [first]
    looks: tuple[Callable[[], Iterator[Check]], ...] = (_tables, _durability, _partitions, _sources, _findings)
    checks = [first]
    for look in looks:
        checks += look()
        if not checks[-1].ok and look is _tables:
            break
    return checks


def _postgres() -> Check:
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


def _tables() -> Iterator[Check]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    detail = f"{len(missing)} migrations are not applied" if missing else "every migration is applied"
    yield Check("migrations", not missing, detail, "Run manage.py migrate." if missing else "")


def _durability() -> Iterator[Check]:
    with connect() as own:
        rows = own.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')"
        ).fetchall()
    off = [name for name, setting in rows if setting == "off"]
    detail = f"{' and '.join(off)} off: a crash may lose events" if off else "commits reach the disk"
    yield Check("durability", not off, detail, "Set fsync and synchronous_commit to on." if off else "")


def _partitions() -> Iterator[Check]:
    with connect() as own:
        days = partitions.days_kept(own)
    ahead = bool(days) and days[-1] > datetime.now(UTC).date()
    if not Source.objects.exists():
        ahead = True  # nothing is followed, so no event of tomorrow is expected
    detail = f"{len(days)} days, the newest {days[-1]}" if days else "none yet"
    yield Check("partitions", ahead, detail, "" if ahead else "Run manage.py follow: it makes partitions a week ahead.")


def _sources() -> Iterator[Check]:
    sources = Source.objects.select_related("device__vault")
    if not sources:
        mend = "Run manage.py ingest_file PATH --vault NAME, or manage.py follow --path PATH --vault NAME."
        yield Check("sources", bool(Device.objects.exists()), "no log is followed", mend)
    for source in sources:
        yield _source(source)


def _source(source: Source) -> Check:
    path, name = str(source.settings.get("path", "")), f"source {source.device}"
    try:
        open_log(path, settings.KEYBOOK.log_roots.split(":")).close()
    except UnusableFile as error:
        return Check(
            name, False, str(error), "Mend the path or its permission; nothing is lost while the file is kept."
        )
    if source.trouble:
        return Check(name, False, source.trouble, "See the sentence; ingestion goes on by itself when it is mended.")
    if source.drained_at is None:
        return Check(name, False, f"{path} was never read to its end", "Run manage.py follow.")
    lag = datetime.now(UTC) - source.drained_at
    late = lag > timedelta(seconds=LAG)
    detail = f"{path} was last read to its end {int(lag.total_seconds())} s ago"
    return Check(name, not late, detail, "Is manage.py follow running? See its log." if late else "")


def _lately() -> datetime:
    return datetime.now(UTC) - timedelta(days=DAYS)


def _quarantine() -> Check:
    bad = Quarantine.objects.filter(at__gt=_lately()).select_related("generation").order_by("-pk")
    if not bad:
        old = Quarantine.objects.count()
        return Check("quarantine", True, f"nothing new in {DAYS} days; {old} stretches of bytes from before are kept")
    newest = bad[0]
    place = f"{newest.length} bytes at {newest.position} of {newest.generation.path}: {newest.reason}"
    detail = f"{len(bad)} stretches of bytes are no audit line; the newest: {place}"
    return Check("quarantine", False, detail, "Look at that place of the file; a full disk or a crash tears lines.")


def _gaps() -> Check:
    lost = Gap.objects.exclude(kind="missed").filter(start__gt=_lately()).order_by("-pk")
    if not lost:
        old = Gap.objects.exclude(kind="missed").count()
        return Check("gaps", True, f"nothing lost in {DAYS} days; {old} gaps from before are kept")
    detail = f"{len(lost)} stretches may be lost; the newest: {lost[0].detail}"
    return Check("gaps", False, detail, "Import the missing file if it exists; the gap stays as a note of the time.")


def _findings() -> Iterator[Check]:
    yield _quarantine()
    yield _gaps()
    missed = Gap.objects.filter(kind="missed", start__gt=_lately()).values_list("device__name", flat=True).distinct()
    none = f"no device missed in {DAYS} days what another has"
    detail = f"{', '.join(sorted(missed))} missed entries" if missed else none
    yield Check(
        "devices", not missed, detail, "Look at that device: disk full, or its receiver was away." if missed else ""
    )
    for alarm in Alarm.objects.filter(last_at__gt=_lately()).select_related("device__vault"):
        since = f"{alarm.count} times since {alarm.first_at:%Y-%m-%d %H:%M} UTC"
        yield Check(f"{alarm.kind} {alarm.device}", False, f"{since}: {alarm.detail}", _ALARMS.get(alarm.kind, ""))
    waiting = Pending.objects.filter(received_at__lt=datetime.now(UTC) - timedelta(minutes=5)).count()
    mend = "Run manage.py follow: it accepts them as without response." if waiting else ""
    yield Check("unanswered", not waiting, f"{waiting} requests wait for a response for over 5 min", mend)
