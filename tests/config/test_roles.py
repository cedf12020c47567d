"""Each process's PostgreSQL role may do what its process does, and nothing else: tried on real PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from config import roles as rules
from sandbox import identities
from sandbox.postgres import ROLES
from tests.audit.lines import calls, log

TRAIL = "accounts_trailentry"
FORBIDDEN = {
    "keybook_web": (
        "INSERT INTO audit_event SELECT * FROM audit_event",
        "UPDATE audit_event SET outcome = 0",
        "DELETE FROM audit_event",
        "UPDATE audit_generation SET position = 0",
        "DELETE FROM audit_quarantine",
        "DELETE FROM inventory_kubeobject",
        "UPDATE inventory_podlife SET ended = NULL",
        "UPDATE audit_pair SET first = now()",
        "SELECT setval('audit_event_seq', 1)",
        "INSERT INTO audit_spool DEFAULT VALUES",
        "SELECT line FROM audit_spool",
        "DELETE FROM audit_receivertoken",
        "UPDATE audit_receivertoken SET digest = ''",
        "UPDATE audit_receivertoken SET device_id = 1",
        "UPDATE audit_device SET vault_id = 1",
        "UPDATE audit_device SET name = 'other'",
        "UPDATE audit_vault SET name = 'other'",
        "UPDATE audit_mount SET kv_version = 2",
        "INSERT INTO audit_mount DEFAULT VALUES",
        f"UPDATE {TRAIL} SET id = id",
        f"INSERT INTO {TRAIL} (id) VALUES (1)",
        f"DELETE FROM {TRAIL}",
        f"TRUNCATE {TRAIL}",
        "SELECT accounts_trail_append(1)",
        "DROP TABLE audit_event",
        "CREATE TABLE mine (x int)",
        "DELETE FROM django_migrations",
        "ALTER ROLE keybook_web CREATEROLE",
        "SET ROLE keybook_ingest",
        "SELECT sealed FROM rotation_channelsecret",
        "UPDATE rotation_channelsecret SET sealed = ''",
        "UPDATE rotation_channel SET address = ''",
        "UPDATE rotation_delivery SET state = 'sent'",
        "UPDATE rotation_notice SET told = '{}'",
        "UPDATE rotation_mismatch SET says = ''",
        "DELETE FROM rotation_mismatch",
        "UPDATE rotation_answer SET word = 'go_on'",
    ),
    "keybook_receiver": (
        "SELECT id FROM audit_spool",
        "DELETE FROM audit_spool",
        "UPDATE audit_spool SET line = ''",
        "SELECT 1 FROM audit_event",
        "INSERT INTO audit_receivertoken DEFAULT VALUES",
        "UPDATE audit_receivertoken SET digest = ''",
        "UPDATE audit_receivertoken SET revoked_at = NULL",
        "UPDATE audit_device SET name = ''",
        "SELECT 1 FROM accounts_user",
        "SELECT 1 FROM django_session",
        "CREATE TABLE mine (x int)",
    ),
    "keybook_ingest": (
        "SELECT 1 FROM accounts_user",
        "UPDATE accounts_user SET is_active = true",
        f"INSERT INTO {TRAIL} DEFAULT VALUES",
        f"UPDATE {TRAIL} SET hash = ''",
        f"DELETE FROM {TRAIL}",
        "SELECT 1 FROM django_session",
        "SELECT 1 FROM audit_receivertoken",
        "UPDATE inventory_kubeobject SET gone_at = NULL",
        "DELETE FROM inventory_podlife",
        "DROP TABLE audit_source",
        "SET ROLE keybook",
    ),
    "keybook_cluster": (
        "SELECT 1 FROM audit_event",
        "SELECT 1 FROM audit_block",
        "SELECT 1 FROM accounts_user",
        f"SELECT 1 FROM {TRAIL}",
        "SELECT 1 FROM audit_spool",
        "SELECT 1 FROM inventory_entity",
        "CREATE TABLE mine (x int)",
    ),
    "keybook_operations": (
        "UPDATE audit_event SET outcome = 0",
        "INSERT INTO audit_event SELECT * FROM audit_event",
        "DELETE FROM audit_block",
        "SELECT line FROM audit_spool",
        "SELECT 1 FROM audit_pending",
        "UPDATE inventory_connection SET address = ''",
        "UPDATE inventory_kubeobject SET gone_at = NULL",
        "SELECT 1 FROM django_session",
        "SELECT password FROM accounts_user",
        "UPDATE accounts_user SET is_active = true",
        "SELECT sha256 FROM accounts_apitoken",
        f"UPDATE {TRAIL} SET hash = ''",
        f"DELETE FROM {TRAIL}",
        "DELETE FROM rotation_change",
        "INSERT INTO rotation_verdict DEFAULT VALUES",
        "INSERT INTO rotation_answer DEFAULT VALUES",
        "SELECT 1 FROM rotation_channelsecret",
        "CREATE TABLE mine (x int)",
        "SET ROLE keybook_web",
    ),
    "keybook_notices": (
        "SELECT 1 FROM audit_event",
        "SELECT 1 FROM inventory_connection",
        "SELECT password FROM accounts_user",
        "UPDATE accounts_user SET email = ''",
        f"SELECT 1 FROM {TRAIL}",
        "SELECT 1 FROM django_session",
        "UPDATE rotation_change SET state = 'approved'",
        "SELECT 1 FROM rotation_verdict",
        "INSERT INTO rotation_channel DEFAULT VALUES",
        "UPDATE rotation_channel SET address = ''",
        "UPDATE rotation_notice SET told = '{}'",
        "CREATE TABLE mine (x int)",
    ),
    "keybook_beat": (
        "SELECT 1 FROM inventory_kubeobject",
        "SELECT 1 FROM audit_event",
        "SELECT 1 FROM audit_spool",
        "UPDATE audit_source SET trouble = ''",
        "INSERT INTO audit_source DEFAULT VALUES",
        "SELECT 1 FROM accounts_user",
    ),
    "keybook_health": (
        "SELECT body FROM audit_block",
        "SELECT line FROM audit_spool",
        "SELECT 1 FROM accounts_user",
        f"SELECT 1 FROM {TRAIL}",
        "UPDATE audit_source SET trouble = ''",
        "DELETE FROM audit_gap",
    ),
}
ALLOWED = {
    "keybook_web": (
        "SELECT count(*) FROM audit_event JOIN audit_block ON audit_block.id = audit_event.block",
        "SELECT count(id), min(received_at) FROM audit_spool",
        "INSERT INTO django_session VALUES ('key', 'data', now())",
        "INSERT INTO audit_vault (name) VALUES ('new')",
        "SELECT name FROM audit_device FOR UPDATE",
        "UPDATE audit_receivertoken SET revoked_at = now() WHERE id = 0",
        f"SELECT count(*) FROM {TRAIL}",
    ),
    "keybook_receiver": (
        "INSERT INTO audit_spool (device_id, key, micros, sha256, length, line, findings, reason, received_at) "
        "VALUES (1, gen_random_uuid(), 0, '', 0, '', '', '', now())",
        "SELECT digest, device_id FROM audit_receivertoken WHERE revoked_at IS NULL",
        "UPDATE audit_receivertoken SET used_at = now() WHERE id = 0",
        "SELECT kv_version FROM audit_mount",
        "SELECT vault_id FROM audit_device",
    ),
    "keybook_ingest": (
        "SELECT line FROM audit_spool",
        "DELETE FROM audit_spool",
        "SELECT * FROM audit_source",
        f"SELECT position, hash FROM {TRAIL}",
    ),
    "keybook_cluster": (
        "SELECT id FROM inventory_clusterlink",
        "UPDATE inventory_cluster SET change = change + 1",
        "INSERT INTO inventory_clusterwarning (cluster_id, uid, about_uid, kind, namespace, name, reason, message, "
        "times, first_at, last_at) SELECT id, '', '', '', '', '', '', '', 1, now(), now() FROM inventory_cluster",
        "DELETE FROM inventory_kubeobject",
        "SELECT pg_advisory_xact_lock(1, 2)",
    ),
    "keybook_operations": (
        "SELECT address FROM inventory_connection",
        "SELECT count(*) FROM inventory_authrole",
        "SELECT count(*) FROM inventory_podlife",
        "SELECT count(*) FROM audit_event",
        "UPDATE rotation_change SET state = state",
    ),
    "keybook_notices": (
        "SELECT username, email FROM accounts_user",
        "SELECT sealed FROM rotation_channelsecret",
        "SELECT id FROM rotation_notice FOR UPDATE SKIP LOCKED",
        "UPDATE rotation_delivery SET tries = tries",
        "SELECT verb FROM rotation_change",
    ),
    "keybook_beat": ("SELECT id FROM audit_source", "SELECT cluster_id FROM inventory_clusterlink"),
    "keybook_health": ("SELECT count(*) FROM audit_quarantine", "SELECT count(id), min(received_at) FROM audit_spool"),
}


def test_every_role_is_refused_what_is_not_its_work(roles):
    for role, statements in FORBIDDEN.items():
        with roles(role) as wire:
            for statement in statements:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    wire.execute(statement)
                    pytest.fail(f"{role} may {statement}")


def test_every_role_may_do_its_work(roles):
    for role, statements in ALLOWED.items():
        with roles(role) as wire:
            for statement in statements:
                with wire.transaction(force_rollback=True):
                    wire.execute(statement)


def test_ingestion_works_and_forgets_under_its_own_role_whoever_made_the_days(roles, tmp_path):
    database = roles.database
    database.environment["KEYBOOK_LOG_ROOTS"] = str(tmp_path)
    for name in ("old", "new"):
        (tmp_path / f"{name}.log").write_bytes(log(calls(20)))
    database.manage("ingest_file", str(tmp_path / "old.log"), "--vault", "demo")  # the owner makes the day
    ours = type(database)(database.name, {**database.environment})
    ours.environment["DATABASE_URL"] = make_conninfo(database.environment["DATABASE_URL"], user="keybook_ingest")
    ours.manage("ingest_file", str(tmp_path / "new.log"), "--vault", "demo", "--device", "second")
    with database.connect() as wire:
        assert wire.execute("SELECT count(*) FROM audit_event").fetchone() == (20,)
        assert wire.execute("SELECT count(*) FROM audit_sighting").fetchone() == (20,)
    ours.run("-c", KEEP_HOUSE, KEYBOOK_RETENTION_DAYS="1")
    with database.connect() as wire:
        assert wire.execute("SELECT count(*) FROM audit_event").fetchone() == (0,)
        days = wire.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_event'::regclass").fetchone()
        assert days == (8,)


KEEP_HOUSE = """
import django
django.setup()
from audit import actions
actions.keep_house()
"""
RIGHTS = """
    SELECT relname, relacl::text, pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT attrelid::regclass::text || attname, attacl::text, '' FROM pg_attribute WHERE attacl IS NOT NULL
    ORDER BY 1
"""


def test_making_roles_again_changes_nothing_and_takes_back_what_was_given_besides(roles):
    database = roles.database
    database.manage("make_roles")  # of days that were made since the first time, too
    with database.connect() as wire:
        before = wire.execute(RIGHTS).fetchall()
        wire.execute("GRANT DELETE ON audit_gap TO keybook_web")
        wire.execute("GRANT UPDATE (trouble) ON audit_source TO keybook_beat")
    database.manage("make_roles")
    with database.connect() as wire:
        assert wire.execute(RIGHTS).fetchall() == before


def test_the_owner_can_still_migrate_and_strangers_cannot_enter(roles):
    with roles.database.connect() as wire:
        with wire.transaction(force_rollback=True):
            wire.execute("ALTER TABLE audit_event ADD COLUMN later int")
            wire.execute("CREATE INDEX ON audit_event (later)")
        assert wire.execute("SELECT has_database_privilege('public', current_database(), 'CONNECT')").fetchone() == (
            False,
        )


def test_a_table_that_no_rule_names_is_refused(roles):
    with roles.database.connect() as wire:
        wire.execute("CREATE TABLE stranger (x int)")
        done = roles.database.manage("make_roles", check=False)
        wire.execute("DROP TABLE stranger")
    assert done.returncode and "the table stranger" in done.stderr


def test_a_role_gets_the_password_of_its_file_and_nobody_sees_it(roles, tmp_path):
    (tmp_path / "keybook_web").write_text("hush-hush\n")
    done = roles.database.manage("make_roles", "--passwords", str(tmp_path))
    assert done.stdout == "set the password of keybook_web\n" and "hush" not in done.stdout + done.stderr


def test_several_may_make_them_at_once(roles, tmp_path):
    (tmp_path / "keybook_web").write_text("hush-hush\n")
    some = [roles.database.start("manage.py", "make_roles", "--passwords", str(tmp_path)) for _ in range(4)]
    assert [one.wait(60) for one in some] == [0, 0, 0, 0]


def test_sandbox_and_product_name_the_same_roles():
    named = {one.role for one in vars(identities).values() if isinstance(one, identities.Identity)}
    assert set(ROLES) == set(rules.ROLES) == named == set(FORBIDDEN)
