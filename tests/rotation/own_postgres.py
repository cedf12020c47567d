"""A second PostgreSQL, which may be stopped and started, and a database engine of the ambient OpenBao on it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from sandbox.bao_http import Bao
from sandbox.places import base_folder, server_account
from sandbox.postgres import Postgres
from vault import enrolment

LOGINS = """
CREATE ROLE vault LOGIN CREATEROLE PASSWORD '{password}';
CREATE ROLE keybook_witness LOGIN PASSWORD '{password}';
CREATE ROLE reading NOLOGIN;
GRANT reading TO vault WITH ADMIN OPTION;
CREATE ROLE payments_report LOGIN;
GRANT payments_report TO vault WITH ADMIN OPTION;
CREATE DATABASE payments;
"""
TELLS = """
CREATE FUNCTION keybook_login_version(login name) RETURNS xid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  AS 'SELECT xmin FROM pg_authid WHERE rolname = login';
REVOKE ALL ON FUNCTION keybook_login_version(name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keybook_login_version(name) TO keybook_witness;
"""
CREATE = """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE reading"""
DROP = 'DROP ROLE IF EXISTS "{{name}}"'


class OwnPostgres:
    """The server; `vault`'s and the witness's log-ins have one password."""

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_hex(12)
        self._loop = asyncio.new_event_loop()
        account = server_account()
        (folder / "pg").mkdir()
        shutil.chown(folder / "pg", account.uid, account.gid)
        self._part = Postgres(folder / "pg", account)
        self.start()
        self._run(self._part.psql(LOGINS.format(password=self.password)))

    def _run(self, what: Any) -> Any:
        return self._loop.run_until_complete(what)

    def start(self) -> None:
        self._run(self._part.start())

    def stop(self) -> None:
        self._run(self._part.end(thrown_away=False))

    def close(self) -> None:
        self._run(self._part.end(thrown_away=True))
        self._loop.close()

    def psql(self, script: str) -> str:
        return self._run(self._part.psql(script, "payments")).strip()

    def address(self, user: str) -> str:
        """Return the libpq address of a log-in with the known password."""
        return f"postgresql://{user}:{self.password}@/payments?host={self._part.folder}"

    def logins(self) -> list[str]:
        """Return the names that Vault made and that can log in."""
        return self.psql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%' AND rolcanlogin").splitlines()

    def enters(self, user: str, password: str) -> bool:
        """Whether somebody gets in with what Vault gave them."""
        try:
            psycopg.connect(f"user={user} password={password} host={self._part.folder} dbname=payments").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Start the server and end it, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="keybook-own-", dir=base_folder(server_account())))
    folder.chmod(0o711)
    made = OwnPostgres(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


class Engine:
    """A database engine at a mount of its own, with a role, and what is enrolled for revoking its leases."""

    def __init__(self, own: OwnPostgres, revoke: str = DROP) -> None:
        self.root = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
        self.name = secrets.token_hex(4)  # of the role: a login's name holds eight signs of it
        self.mount = f"watched-{self.name}"
        self.root.must("POST", f"sys/mounts/{self.mount}", {"type": "database"})
        self.root.must("POST", f"{self.mount}/config/payments", {
            "plugin_name": "postgresql-database-plugin", "allowed_roles": ["*"], "username": "vault",
            "password": own.password, "connection_url":
            f"user={{{{username}}}} password={{{{password}}}} dbname=payments host={own._part.folder}",
        })  # fmt: skip
        self.root.must("POST", f"{self.mount}/roles/{self.name}", {
            "db_name": "payments", "creation_statements": [CREATE], "revocation_statements": [revoke],
            "default_ttl": "1h", "max_ttl": "2h",
        })  # fmt: skip
        one = enrolment.enrolment("lease", "revoke", self.mount)
        self.role = one.name
        self.root.must("PUT", f"sys/policies/acl/{one.name}", {"policy": one.policy()})
        self.root.must("POST", f"auth/token/roles/{one.name}", one.role())

    def take(self) -> tuple[str, str, str]:
        """Return a new lease with its user and password."""
        answer = self.root.must("GET", f"{self.mount}/creds/{self.name}")
        return answer.body["lease_id"], answer.data["username"], answer.data["password"]

    def lists(self, lease: str) -> bool:
        """Whether Vault still lists a lease."""
        return self.root.call("PUT", "sys/leases/lookup", {"lease_id": lease}).status == 200
