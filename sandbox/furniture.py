"""What stands in the embedded OpenBao from the start: KV mounts and a database engine on the embedded PostgreSQL."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.bao_http import Bao
from sandbox.openbao import OpenBao
from sandbox.postgres import Postgres
from vault import policy

MOUNTS: dict[str, dict[str, Any]] = {
    "secret/": {"type": "kv", "options": {"version": "2"}},
    "legacy/": {"type": "kv", "options": {"version": "1"}},
    "database/": {"type": "database"},
}
# The application's database and the two roles that its services get for a while; `vault` makes and drops the log-ins.
# `payments_report` is a log-in that stays, whose password `vault` changes.
APPLICATION = """\
SELECT 'CREATE ROLE vault LOGIN CREATEROLE' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vault') \\gexec
SELECT 'CREATE ROLE payments_report LOGIN' WHERE NOT EXISTS
 (SELECT FROM pg_roles WHERE rolname = 'payments_report') \\gexec
SELECT format('CREATE ROLE %I NOLOGIN', name) FROM unnest(ARRAY['payments_ro', 'payments_rw']) AS wanted(name)
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \\gexec
GRANT payments_ro, payments_rw, payments_report TO vault WITH ADMIN OPTION;
GRANT payments_ro TO payments_report;
SELECT 'CREATE DATABASE payments' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'payments') \\gexec
"""
TABLES = """\
CREATE TABLE IF NOT EXISTS transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cents bigint NOT NULL);
GRANT SELECT ON transfer TO payments_ro, payments_rw;
GRANT INSERT, UPDATE, DELETE ON transfer TO payments_rw;
"""
ROLES = {  # role: the rights of its log-ins, how long they live, and how long at most
    "payments-ro": ("payments_ro", "1h", "24h"),
    "payments-rw": ("payments_rw", "1h", "24h"),
    "payments-close": ("payments_ro", "72h", "72h"),
}
STATIC = "payments-report"
LOGIN = """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE """


def furnish_mounts(bao: Bao) -> None:
    """Enable the mounts that are missing and wait until KV v2 has finished its own upgrade."""
    present = bao.must("GET", "sys/mounts").data
    for path, mount in MOUNTS.items():
        if path not in present:
            bao.must("POST", f"sys/mounts/{path.rstrip('/')}", mount)
    for _ in range(500):  # "Upgrading from non-versioned to versioned data" answers 400 for some milliseconds
        if bao.call("GET", "secret/config").status == 200:
            return
    bao.must("GET", "secret/config")


def furnish_reader(bao: Bao) -> str:
    """Apply the policy that Keybook prints, and return a token with it and no other."""
    bao.must("PUT", f"sys/policies/acl/{policy.NAME}", {"policy": policy.hcl()})
    wanted = {"policies": [policy.NAME], "no_default_policy": True, "no_parent": True, "period": "768h"}
    return str(bao.must("POST", "auth/token/create", wanted).body["auth"]["client_token"])


async def furnish_database(openbao: OpenBao, postgres: Postgres) -> None:
    """Give OpenBao a log-in at PostgreSQL (a new password each time) and its roles."""
    password = secrets.token_hex(24)
    await postgres.psql(APPLICATION + f"ALTER ROLE vault PASSWORD '{password}';\n")
    await postgres.psql(TABLES, "payments")
    bao = openbao.client
    bao.must(
        "POST",
        "database/config/payments",
        {
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": [*ROLES, STATIC],
            "connection_url": f"user={{{{username}}}} password={{{{password}}}} dbname=payments host={postgres.folder}",
            "username": "vault",
            "password": password,
        },
    )
    for role, (rights, life, longest) in ROLES.items():
        bao.must(
            "POST",
            f"database/roles/{role}",
            {
                "db_name": "payments",
                "creation_statements": [LOGIN + rights],
                "revocation_statements": ['DROP ROLE IF EXISTS "{{name}}"'],
                "default_ttl": life,
                "max_ttl": longest,
            },
        )
    if bao.call("GET", f"database/static-roles/{STATIC}").status == 404:  # making it changes the password
        wanted = {"db_name": "payments", "username": "payments_report", "rotation_period": "720h"}
        bao.must("POST", f"database/static-roles/{STATIC}", wanted)
