"""A second database that is filled with the lines of a log that somebody may see, and no others.

What the definition of a limited view leaves of an event beside the scope is written into its lines before they are
read, and what a line can't be without (an id, an operation) is emptied in the row. A name, an event and a principal
keep the numbers that they have in the first database, so that two answers can be compared as they are.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo

from accounts.scope import EVERYTHING, Scope
from audit import rollups
from audit.event import AMENDS
from audit.scoping import HIDDEN
from tests.audit.past import Past
from tests.audit.wide import Seen, Stored

# What tells one row of a dictionary from another.
KEYS = {
    "audit_vault": "name",
    "audit_device": "vault_id, name",
    "audit_principal": "vault_id, kind, name, namespace, entity_id",
    "audit_secret": "vault_id, namespace, mount, mount_accessor, path",
    "audit_path": "vault_id, namespace, path",
    "audit_address": "address",
    "audit_token": "device_id, hmac",
}
# What is copied of the first database besides. Which engines a vault has decides how a line of it is read.
WHOLE = {"audit_event": "id, vault, request_id, flags, principal, path, secret"} | dict.fromkeys(
    (
        "audit_path",
        "audit_secret",
        "audit_vault",
        "audit_mount",
        "audit_device",
        "audit_generation",
        "audit_gap",
        "audit_quarantine",
        "audit_alarm",
    ),
    "*",
)
# How far a vault's record reaches is told of it as a whole, so that is as the first database has it.
HEALTH = ("audit_quarantine", "audit_alarm", "audit_gap", "audit_generation")
KNOWN = "{} IN (SELECT id FROM audit_device)"
OF = dict.fromkeys(HEALTH, KNOWN.format("device_id")) | {
    "audit_quarantine": f"generation_id IN (SELECT id FROM first.audit_generation WHERE {KNOWN.format('device_id')})",
}
AS_FIRST = f"""
    {"".join(f"DELETE FROM {table};" for table in HEALTH)}
    {"".join(f"INSERT INTO {table} SELECT * FROM first.{table} WHERE {OF[table]};" for table in HEALTH)}
    UPDATE audit_device SET last_time = of_first.last_time, seen_at = of_first.seen_at
    FROM first.audit_device of_first WHERE of_first.id = audit_device.id"""
NUMBERS_OF_THE_FIRST = """
    CREATE FUNCTION first_number() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE known bigint;
    BEGIN
        EXECUTE format('SELECT id FROM first.%1$I WHERE (%2$s) = (SELECT %2$s FROM (SELECT ($1).*) new)',
                       TG_TABLE_NAME, TG_ARGV[0]) INTO known USING NEW;
        NEW.id := coalesce(known, NEW.id);
        RETURN NEW;
    END $$"""
NUMBER_EVENTS = f"""
    CREATE TEMP TABLE number ON COMMIT DROP AS
        SELECT own.id AS own, of_first.id AS first FROM audit_event own JOIN first.audit_event of_first
        ON own.request_id = of_first.request_id AND own.vault = of_first.vault
        AND own.flags & {AMENDS} = of_first.flags & {AMENDS};
    UPDATE audit_sighting SET event_id = -number.first FROM number WHERE event_id = number.own;
    UPDATE audit_sighting SET event_id = -event_id WHERE event_id < 0;
    UPDATE audit_leaseissue SET event_id = number.first FROM number WHERE event_id = number.own;
    UPDATE audit_event SET id = number.first FROM number WHERE id = number.own"""
# Who made a denied call without a name is known by a login that may lie outside of what is seen, and of nobody's call
# the path is kept as a mere `secret/*`: both are as the first database, which has that login, tells them.
OTHERS = """SELECT of_first.* FROM first.audit_event of_first JOIN audit_event own ON own.id = of_first.id
    WHERE of_first.principal <> own.principal AND own.id <> ALL(%s)"""
NAMED_AS_FIRST = f"""
    CREATE TEMP TABLE other ON COMMIT DROP AS {OTHERS};
    INSERT INTO audit_path SELECT * FROM first.audit_path WHERE id IN (SELECT path FROM other) ON CONFLICT DO NOTHING;
    INSERT INTO audit_secret SELECT * FROM first.audit_secret WHERE id IN (SELECT secret FROM other)
        ON CONFLICT DO NOTHING;
    UPDATE audit_event SET (principal, flags, path, secret) = (other.principal, other.flags, other.path, other.secret)
    FROM other WHERE other.id = audit_event.id"""
# The columns that a redacted event still has are `id, time, vault, principal, address, outcome`.
EMPTY = f"""
    UPDATE audit_event SET request_id = gen_random_uuid(), token = 0, path = 0, secret = 0,
        version = 0, duration = -1, block = 0, device = 0, operation = {HIDDEN}, disclosed = 0, flags = 0, line = 0,
        principal = of_first.principal
    FROM first.audit_event of_first WHERE of_first.id = audit_event.id AND audit_event.id = ANY(%s)"""
TABLES = r"""
    SELECT relname FROM pg_class WHERE relname LIKE 'audit\_%' AND relkind IN ('r', 'p') AND NOT relispartition
    AND relnamespace = 'public'::regnamespace"""
PLAIN = "audit_closed, audit_rollup_hour, audit_rollup_total, audit_rollup_day, audit_rollup_address"
FORGET_WHAT_NO_EVENT_HAS = f"""
    TRUNCATE {PLAIN};
    DELETE FROM audit_path WHERE id NOT IN (SELECT path FROM audit_event);
    DELETE FROM audit_principal WHERE id NOT IN
        (SELECT principal FROM audit_event UNION SELECT principal_id FROM audit_token)"""
# Somebody without limits never sees an event without a path and a device, so these have rows, without a name.
NAMELESS = """
    INSERT INTO audit_path (id, vault_id, namespace, path)
        SELECT 0, min(id), '', NULL FROM audit_vault HAVING count(*) > 0;
    INSERT INTO audit_device (id, vault_id, name) SELECT 0, min(id), '' FROM audit_vault HAVING count(*) > 0"""
Lines = dict[tuple[str, str], list[tuple[str, bytes]]]


def lines_of(files: dict[tuple[str, str], Path]) -> Lines:
    """Return {(vault, device): [(request id, line)]} of logs; what is no audit line is left out."""
    return {device: list(_lines(file.read_bytes())) for device, file in files.items()}


def _lines(log: bytes) -> Iterator[tuple[str, bytes]]:
    for line in log.splitlines():
        try:
            yield json.loads(line)["request"]["id"], line
        except ValueError:
            continue


ENDS = {"denied": "permission denied", "error": "an error"}


def redacted(line: bytes, outcome: str) -> bytes:
    """Return a line that tells when, how it ended and from where. Who called stands in the row: it may be a login."""
    entry = json.loads(line)
    request = {name: entry["request"].get(name, "") for name in ("id", "remote_address")}
    request |= {"operation": "read" if outcome == "not_found" else "update", "path": "hidden"}
    told = {"time": entry["time"], "type": entry["type"], "auth": {}, "request": request}
    if outcome in ENDS:
        told["error"] = ENDS[outcome]
    return json.dumps(told | ({"response": {}} if entry["type"] == "response" else {})).encode()


class Second:
    """The second database, of the same server as the first; `asked` makes it the default one."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder

    @contextmanager
    def asked(self) -> Iterator[Past]:
        """Let every question be asked of it."""
        first = connection.settings_dict["NAME"]
        self._turn_to(self.name)
        try:
            yield Past()
        finally:
            self._turn_to(first)

    def _turn_to(self, name: str) -> None:
        connection.close()
        connection.settings_dict["NAME"] = name

    def number_as(self, first: Past) -> None:
        """Copy the numbers of the first database, and have names that are inserted take theirs."""
        columns = {table: f"id, {key}" for table, key in KEYS.items()} | WHOLE
        tables = {table: first.rows(f"SELECT {listed} FROM {table}") for table, listed in columns.items()}
        with self.asked(), connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA first")
            cursor.execute(NUMBERS_OF_THE_FIRST)
            cursor.execute("ALTER TABLE audit_path ALTER path DROP NOT NULL")
            for table, rows in tables.items():
                cursor.execute(f"CREATE TABLE first.{table} AS SELECT {columns[table]} FROM {table} LIMIT 0")
                with cursor.copy(f"COPY first.{table} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
                if table in KEYS:
                    cursor.execute(
                        f"CREATE TRIGGER as_first BEFORE INSERT ON {table} FOR EACH ROW"
                        f" EXECUTE FUNCTION first_number('{KEYS[table]}')"
                    )

    def fill(self, log: Lines, events: Iterable[Stored], shown: Iterable[Seen], scope: Scope = EVERYTHING) -> None:
        """Empty it, and import of a log only what may be seen of it: these events, whole or redacted.

        Vaults and devices that a scope can reach are known before any line of them is.
        """
        requests = {one.seen.id: one.seen.request_id for one in events}
        seen = {requests[one.id]: one for one in shown}
        with self.asked() as past:
            self._forget([vault for vault in {name for name, _ in log} if reaches(scope, vault)])
            for (vault, device), lines in log.items():
                file = self.folder / f"{uuid.uuid4()}.log"
                file.write_bytes(b"".join(_seen_of(lines, seen)))
                if file.stat().st_size:
                    past.take(file, vault=vault, device=device)
            self._empty([one.id for one in seen.values() if one.hidden])

    def _forget(self, vaults: list[str]) -> None:
        """Empty all tables of the past (their keys are looked at when all is done), and number new names from afar."""
        of = "WHERE {} IN (SELECT id FROM first.audit_vault WHERE name = ANY(%s))"
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TABLES)
            cursor.execute("".join(f"DELETE FROM {table};" for (table,) in cursor.fetchall()))
            for table in KEYS:
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 30000)")
            for table, key in (("vault", "id"), ("device", "vault_id"), ("mount", "vault_id")):
                whole = f"INSERT INTO audit_{table} SELECT * FROM first.audit_{table} "
                cursor.execute(whole + of.format(key), [vaults])
            cursor.execute(NAMELESS)

    def _empty(self, hidden: list[int]) -> None:
        """Number events as the first database does, take from these what is hidden, and count all anew."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(NUMBER_EVENTS)
            cursor.execute(NAMED_AS_FIRST, [hidden])
            cursor.execute(EMPTY, [hidden])
            assert cursor.rowcount == len(hidden)
            cursor.execute("DELETE FROM audit_sighting WHERE event_id = ANY(%s)", [hidden])
            cursor.execute(FORGET_WHAT_NO_EVENT_HAS)
            cursor.execute(AS_FIRST)
        rollups.close()


def reaches(scope: Scope, vault: str) -> bool:
    """Whether a scope could ever hold a secret of a vault: each group has an area of it, or of any."""
    return all(any(area.vault in ("", vault) for area in group) for group in scope.groups)


def _seen_of(lines: list[tuple[str, bytes]], seen: dict[str, Seen]) -> Iterator[bytes]:
    for request, line in lines:
        if one := seen.get(request):
            yield (redacted(line, one.outcome) if one.hidden else line) + b"\n"


@contextmanager
def second_database(folder: Path) -> Iterator[Second]:
    """Make a second database as the default one is now, and drop it at the end."""
    here = {k: v for k, v in connection.get_connection_params().items() if k in ("host", "port", "user", "password")}
    template, name = connection.settings_dict["NAME"], f"test_second_{uuid.uuid4().hex[:12]}"
    connection.close()
    with psycopg.connect(make_conninfo(dbname="postgres", **here), autocommit=True) as maker:
        maker.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield Second(name, folder)
        maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
