"""Asks a PostgreSQL which logins it has; any role that may connect can do so, and needs no right on a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg

from rotation.logins import Away, Login, Logins

SCHEMES = ("postgresql", "postgres")
_SECONDS = 5
_LOGINS = """
    SELECT rolname, oid::bigint, rolcanlogin AND coalesce(rolvaliduntil > now(), true),
           CASE WHEN isfinite(rolvaliduntil) THEN extract(epoch FROM rolvaliduntil)::float8 END
    FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY oid
"""
# A function that an administrator may make for the witness: which transaction changed a role last, and no password.
_TELLS = "SELECT to_regprocedure('keybook_login_version(name)') IS NOT NULL"
_VERSIONS = "SELECT rolname, keybook_login_version(rolname)::text FROM pg_roles WHERE rolname !~ '^pg_'"
_OPEN = "SELECT usesysid::bigint, count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL GROUP BY 1"


def look(address: str) -> Logins:
    """Return the roles that are there now, and how many sessions each has open; raises `Away`.

    What PostgreSQL says of a failure may hold parts of the address, so that only its kind is told.
    """
    trouble = ""
    try:
        with psycopg.connect(address, connect_timeout=_SECONDS, application_name="keybook witness") as wire:
            return _look(wire)
    except psycopg.Error as error:
        trouble = error.sqlstate or type(error).__name__
    raise Away(f"the database gave no answer ({trouble})")


def _look(wire: psycopg.Connection[Any]) -> Logins:
    wire.read_only = True
    wire.execute(f"SET LOCAL statement_timeout = '{_SECONDS}s'")
    at: datetime = wire.execute("SELECT clock_timestamp()").fetchall()[0][0]
    versions = dict(wire.execute(_VERSIONS).fetchall()) if wire.execute(_TELLS).fetchall()[0][0] else {}
    logins = [
        Login(name, number, can, datetime.fromtimestamp(ends, UTC) if ends is not None else None,
              versions.get(name) or "")
        for name, number, can, ends in wire.execute(_LOGINS).fetchall()
    ]  # fmt: skip
    return Logins(at, logins, dict(wire.execute(_OPEN).fetchall()))
