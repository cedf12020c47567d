"""PostgreSQL's roles, one for each process, and the least that each may do: a table of rights by table name.

Rights on partitions are not needed: whoever goes through the parent is judged by the parent. The three parents belong
to the ingest role, because only an owner may attach a day or drop one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg import sql

WEB, RECEIVER, INGEST, CLUSTER, OPERATIONS, NOTICES, BEAT, HEALTH = ROLES = (
    "keybook_web",
    "keybook_receiver",
    "keybook_ingest",
    "keybook_cluster",
    "keybook_operations",
    "keybook_notices",
    "keybook_beat",
    "keybook_health",
)
READ, ADD, ALL = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE, DELETE"
COUNT = "SELECT (id, device_id, received_at)"
ENTRY = (  # all of an entry but its key
    "at, actor_id, actor_name, verb, subject_kind, subject_id, subject_text, details, address, session, position, "
    "previous, hash"
)
DECIDED = (  # of a change, what people's verbs write
    "state, says, cancel_wanted, pause_before, paused_by, due_at, approved_at, ended_at, reviewed_at, reviewed_by, "
    "review_note, review_due"
)
SCHEDULED = (  # of a schedule, all but its key and when it was made
    'name, target, pattern, args, vault, days, lead_hours, "window", reason, owner_id, owner_name, enabled, edition, '
    "changed_at, ended_at, says"
)
PARTITIONED = ("audit_event", "audit_sighting", "audit_told", "audit_block")
STATEMENT_TIMEOUT = {WEB: "5s", BEAT: "10s", HEALTH: "5s"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What each role may do with the tables whose whole name the pattern fits; who is not named may do nothing."""

    tables: str
    rights: Mapping[str, str]


# The first rule that fits counts.
RULES = (
    Rule("django_migrations", {WEB: READ, HEALTH: READ, INGEST: READ, CLUSTER: READ, OPERATIONS: READ, BEAT: READ}),
    Rule("django_content_type", {WEB: ADD}),
    # The trail only grows: nobody but the owner of the schema can change or remove what stands in it. Nor does anybody
    # choose an entry's key: one that is taken ahead of the sequence would stop the verb that draws it.
    # The ingest worker reads it, to keep its head in the anchor.
    Rule(
        "accounts_trailentry", {WEB: f"SELECT, INSERT ({ENTRY})", OPERATIONS: f"SELECT, INSERT ({ENTRY})", INGEST: READ}
    ),
    # A token's limits stay what they were when it was made: pages and the API only note its use and its end.
    Rule(
        "accounts_apitoken",
        {
            WEB: f"{ADD}, UPDATE (used, revoked, refused, refused_why, refused_from)",
            OPERATIONS: "SELECT (id, owner_id, scopes, revoked)",
        },
    ),
    Rule("accounts_tokenarea", {WEB: ADD}),
    # The worker that runs changes judges approvals itself: by roles, addresses and subjects, never by a password.
    # It gives a role where a change says so.
    Rule(
        "accounts_user",
        {
            WEB: ALL,
            OPERATIONS: "SELECT (id, username, role, is_active, email, epoch), UPDATE (role, epoch)",
            NOTICES: "SELECT (id, username, role, is_active, email)",
        },
    ),
    # A mail tells nobody more than they may see; a schedule asks within the view of its owner.
    Rule("accounts_personarea", {WEB: ALL, NOTICES: READ, OPERATIONS: READ}),
    Rule("socialaccount_socialaccount", {WEB: ALL, OPERATIONS: "SELECT (id, user_id, uid, extra_data)"}),
    Rule("(accounts|account|auth|axes|mfa|socialaccount|usersessions)_.*|django_session|django_site", {WEB: ALL}),
    # Partitions belong to the ingest role, and are reached through their parents.
    Rule(rf"({'|'.join(PARTITIONED)})_\d{{8}}", {}),
    # Events and lines: the ingest role owns the parents, pages read them.
    Rule("audit_(event|sighting|told)", {WEB: READ, OPERATIONS: READ, HEALTH: READ}),
    # The worker tells by a lease's own line which login it came with.
    Rule("audit_block", {WEB: READ, OPERATIONS: READ}),
    # What people add on the pages: sources, and the vaults and devices that they belong to. Whose events are whose
    # hangs on these, so pages change none; locking a device's row takes the right on a column, and its key can't move.
    Rule("audit_source", {WEB: ALL, INGEST: ALL, OPERATIONS: READ, BEAT: READ, HEALTH: READ}),
    Rule("audit_vault", {WEB: ADD, INGEST: ALL, OPERATIONS: READ, RECEIVER: READ, HEALTH: READ}),
    Rule("audit_device", {WEB: f"{ADD}, UPDATE (id)", INGEST: ALL, OPERATIONS: READ, RECEIVER: READ, HEALTH: READ}),
    # The receiver adds records to the spool, ingestion takes them away; pages and metrics count them.
    Rule("audit_spool", {RECEIVER: "INSERT", INGEST: ALL, WEB: COUNT, HEALTH: COUNT}),
    Rule("audit_receivertoken", {WEB: f"{ADD}, UPDATE (revoked_at)", RECEIVER: "SELECT, UPDATE (used_at)"}),
    # A mount's KV version decides under which secret a read is filed, and which numbers are kept.
    Rule("audit_mount", {WEB: READ, INGEST: ALL, OPERATIONS: READ, RECEIVER: READ, HEALTH: READ}),
    # Requests without their response yet, as masked lines: only ingestion needs them.
    Rule("audit_pending", {INGEST: ALL, WEB: READ, HEALTH: READ}),
    Rule("audit_.*", {WEB: READ, INGEST: ALL, OPERATIONS: READ, HEALTH: READ}),
    # People add a vault's address on a page; what exists there is written by who holds its token.
    Rule("inventory_connection", {WEB: ALL, INGEST: ALL, OPERATIONS: READ, BEAT: READ, HEALTH: READ}),
    # The picture of clusters is written by who watches them, and read by the others; beat finds whom to ring for.
    Rule(
        "inventory_(cluster|clusterlink)",
        {WEB: READ, CLUSTER: ALL, INGEST: READ, OPERATIONS: READ, BEAT: READ, HEALTH: READ},
    ),
    Rule(
        "inventory_(clusterline|watch|kubeobject|clusterwarning|reckoning|podstate|workload|secretconsumer|secrettrouble"
        "|contentchange|delivery|deliveryaccount|deliverypod)",
        {WEB: READ, CLUSTER: ALL, INGEST: READ, OPERATIONS: READ, HEALTH: READ},
    ),
    Rule(
        "inventory_(podlife|podaddress|podgap|serviceaccount)",
        {WEB: READ, CLUSTER: ALL, INGEST: READ, OPERATIONS: READ, HEALTH: READ},
    ),
    Rule("inventory_.*", {WEB: READ, INGEST: ALL, OPERATIONS: READ, HEALTH: READ}),
    # People ask and decide on pages; what was done, and who may decide what, is written by who does it.
    Rule(
        "rotation_change",
        {
            WEB: f"{ADD}, UPDATE ({DECIDED})",
            OPERATIONS: "SELECT, INSERT, UPDATE",
            NOTICES: READ,
            BEAT: READ,
            HEALTH: READ,
        },
    ),
    # People say what is to be asked for again and again. What was asked for, who asks writes: the worker, or a person
    # who wants it at once. How old a secret is, the worker alone says.
    Rule(
        "rotation_schedule",
        {WEB: f"{ADD}, UPDATE ({SCHEDULED})", OPERATIONS: "SELECT, UPDATE (says, looked_at, kept_by)"},
    ),
    Rule("rotation_asking", {WEB: f"{ADD}, UPDATE (passed_at, passed_by)", OPERATIONS: ADD}),
    Rule("rotation_age", {WEB: READ, OPERATIONS: "SELECT, INSERT, UPDATE"}),
    Rule("rotation_verdict", {WEB: ADD, OPERATIONS: "SELECT, UPDATE (void)", HEALTH: READ}),
    # What the web process takes from people it can only add, sealed for the worker, which empties it.
    Rule("rotation_handed", {WEB: ADD, OPERATIONS: "SELECT, UPDATE", HEALTH: READ}),
    # Who owns the web process can end a passkey, which only takes power away; a trigger lets none stand again.
    Rule(
        "rotation_approverkey",
        {WEB: "SELECT, UPDATE (ended_at)", OPERATIONS: "SELECT, INSERT, UPDATE (ended_at)", HEALTH: READ},
    ),
    Rule("rotation_freeze", {WEB: ADD, OPERATIONS: "SELECT, INSERT, UPDATE", HEALTH: READ}),
    # A notice is written with the verb that it tells of, by whoever does that; another process delivers it.
    Rule("rotation_answer", {WEB: ADD, OPERATIONS: READ, HEALTH: READ}),
    Rule("rotation_notice", {WEB: ADD, OPERATIONS: ADD, NOTICES: f"{ADD}, UPDATE (spread_at), DELETE", HEALTH: READ}),
    Rule("rotation_channel", {WEB: f"{ADD}, UPDATE (ended_at)", NOTICES: READ, HEALTH: READ}),
    # Pages make what a webhook is signed with, and never read it again.
    Rule(
        "rotation_channelsecret",
        {WEB: "SELECT (id, channel_id, made_at, ended_at), INSERT, UPDATE (ended_at)", NOTICES: READ},
    ),
    Rule("rotation_(delivery|try)", {WEB: READ, NOTICES: "SELECT, INSERT, UPDATE, DELETE", HEALTH: READ}),
    # What is found to disagree stays: people only note that they looked into it.
    Rule(
        "rotation_(mismatch|executortrouble)",
        {WEB: "SELECT, UPDATE (ended_at, ended_by, note)", OPERATIONS: "SELECT, INSERT, UPDATE", HEALTH: READ},
    ),
    Rule("rotation_.*", {WEB: READ, OPERATIONS: "SELECT, INSERT, UPDATE", HEALTH: READ}),
)


class UnknownTable(Exception):
    """A table that no rule names: nobody would get any right on it."""


def rights(table: str) -> Mapping[str, str]:
    """Return {role: privileges} for a table. Raises `UnknownTable`."""
    for rule in RULES:
        if re.fullmatch(rule.tables, table):
            return rule.rights
    raise UnknownTable(f"No rule of config/roles.py says who may use the table {table}: add one.")


def make(passwords: Path | None = None) -> list[str]:
    """Make the roles that are missing and give every role exactly its rights; returns what was done, as sentences.

    Needs the owner of the schema with CREATEROLE, or roles that were made before and that the owner is a member of.
    `passwords` is a folder with a file per role that gets a password. Running it again changes nothing.
    """
    with connection.cursor() as cursor:
        made = [f"made the role {role}" for role in ROLES if _make_role(cursor, role)]
        _database(cursor)
        _partitions(cursor)
        _tables(cursor)
        if passwords is not None:
            made += [f"set the password of {role}" for role in ROLES if _password(cursor, role, passwords / role)]
    return made


def _run(cursor: CursorWrapper, statement: str, *names: str) -> None:
    cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _column(cursor: CursorWrapper, query: str, *values: str | list[str]) -> list[str]:
    cursor.execute(query, values)
    return [row[0] for row in cursor.fetchall()]


def _make_role(cursor: CursorWrapper, role: str) -> bool:
    """Make a role unless there is one; tells whether it was made. A statement of it may not run for ever."""
    new = not _column(cursor, "SELECT rolname FROM pg_roles WHERE rolname = %s", role)
    if new:
        _run(cursor, "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", role)
    if role in STATEMENT_TIMEOUT:
        _run(cursor, f"ALTER ROLE {{}} SET statement_timeout = '{STATEMENT_TIMEOUT[role]}'", role)
    return new


def _password(cursor: CursorWrapper, role: str, place: Path) -> bool:
    if not place.is_file():
        return False
    secret = sql.Literal(place.read_text().strip())
    cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), secret))
    return True


def _database(cursor: CursorWrapper) -> None:
    """Let the roles in, and nobody else; only the ingest role may make tables: its partitions."""
    database = _column(cursor, "SELECT current_database()")[0]
    _run(cursor, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    _run(cursor, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    for role in ROLES:
        _run(cursor, "GRANT CONNECT ON DATABASE {} TO {}", database, role)
        _run(cursor, "GRANT USAGE ON SCHEMA public TO {}", role)
    _run(cursor, "GRANT TEMPORARY ON DATABASE {} TO {}", database, CLUSTER)  # where thousands of rows come first
    _run(cursor, "GRANT CREATE ON SCHEMA public TO {}", INGEST)


def _tables(cursor: CursorWrapper) -> None:
    """Give each role its rights on each table, and take what it had besides; sequences follow their tables."""
    tables = _column(cursor, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    for table in tables:
        given = rights(table)
        owned = table.startswith(PARTITIONED)
        others = sql.SQL(", ").join(sql.Identifier(role) for role in ROLES if not (owned and role == INGEST))
        cursor.execute(sql.SQL("REVOKE ALL ON TABLE {} FROM {}").format(sql.Identifier(table), others))
        for role, privileges in given.items():
            _run(cursor, f"GRANT {privileges} ON TABLE {{}} TO {{}}", table, role)
            if "INSERT" in privileges:
                for sequence in _column(cursor, _SEQUENCES, table):
                    _run(cursor, "GRANT USAGE ON SEQUENCE {} TO {}", sequence, role)
    for sequence in ("audit_event_seq", "audit_block_seq"):
        _run(cursor, "GRANT SELECT, UPDATE, USAGE ON SEQUENCE {} TO {}", sequence, INGEST)
        _run(cursor, "GRANT SELECT ON SEQUENCE {} TO {}", sequence, WEB)


_SEQUENCES = """
    SELECT s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.refobjid = %s::regclass AND d.deptype IN ('a', 'i')
"""


def _partitions(cursor: CursorWrapper) -> None:
    """Hand the partitioned tables with their days to the ingest role, of which the schema's owner becomes a member."""
    member = _column(cursor, "SELECT rolname FROM pg_roles WHERE rolname = current_user "
                             "AND NOT pg_has_role(current_user, %s, 'USAGE')", INGEST)  # fmt: skip
    if member:
        _run(cursor, "GRANT {} TO {}", INGEST, member[0])
    names = _column(
        cursor,
        """SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
           AND (c.relname = ANY(%s)
                OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY(%s::regclass[])))
           AND c.relkind IN ('r', 'p') AND pg_get_userbyid(c.relowner) <> %s""",
        list(PARTITIONED),
        list(PARTITIONED),
        INGEST,
    )
    for name in names:
        _run(cursor, "ALTER TABLE {} OWNER TO {}", name, INGEST)
