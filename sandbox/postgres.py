"""PostgreSQL 18 from a wheel: socket only, peer authentication, checksums, durable as in production."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shlex
import signal
import struct
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sandbox.binaries import postgres_bin
from sandbox.errors import BAD_INPUT, YardError
from sandbox.part import Part, run_quietly
from sandbox.places import LONGEST_SOCKET, Account
from sandbox.process import plain_environment
from sandbox.seed import copy

MAJOR = "18"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",  # the folder's mode is the door, peer authentication the lock
    "max_connections": "100",
    "max_locks_per_transaction": "256",  # a question over a year of days locks each of them and its indexes
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "dynamic_shared_memory_type": "mmap",  # lies in the data folder, so that a SIGKILL leaves nothing in /dev/shm
}
# The application's database `payments` is where the demo's dynamic credentials work; they come with passwords.
# Each process of Keybook comes under its own role (`manage.py make_roles` makes them).
ROLES = ("keybook_web", "keybook_receiver", "keybook_ingest", "keybook_cluster", "keybook_operations",
         "keybook_notices", "keybook_beat", "keybook_health")  # fmt: skip
HBA = f"""\
local all keybook,postgres,{",".join(ROLES)} peer map=keybook
local payments all scram-sha-256
"""
FURNITURE = """\
SELECT 'CREATE ROLE keybook LOGIN CREATEDB CREATEROLE'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keybook') \\gexec
SELECT 'CREATE DATABASE keybook OWNER keybook'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'keybook') \\gexec
"""


class Postgres(Part):
    """The embedded PostgreSQL; `data` may lie elsewhere than the socket, which needs a short path."""

    name = "postgres"
    title = "PostgreSQL"
    gentle = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    abrupt = signal.SIGQUIT  # "immediate": no checkpoint, but no shared memory left behind either

    def __init__(
        self,
        folder: Path,
        account: Account,
        data: Path | None = None,
        log: Path | None = None,
        seed: Path | None = None,
    ) -> None:
        """Place the socket in `folder`, the data in `data` or there too; new data begin as a copy of `seed`."""
        super().__init__(folder, account, log)
        self.seed = seed
        self.keep: Path | None = None  # a folder for a copy of the data before anything was made in them
        self._owner = account
        self._data = data or folder / "data"
        self._socket = folder / ".s.PGSQL.5432"
        if len(os.fsencode(self._socket)) > LONGEST_SOCKET:
            raise YardError(
                f"The socket path {self._socket} is longer than {LONGEST_SOCKET} bytes; use a short folder."
            )
        self._bin = postgres_bin(account)

    def data(self) -> Path:
        """Return the data folder."""
        return self._data

    def argv(self) -> Sequence[str | Path]:
        """Return the server's command line; KEYBOOK_PG_OPTIONS comes last and so wins."""
        files = {"hba_file": self.folder / "pg_hba.conf", "ident_file": self.folder / "pg_ident.conf"}
        places = {"unix_socket_directories": self.folder}
        settings = [f"--{key}={value}" for key, value in {**SETTINGS, **files, **places}.items()]
        return [
            self._bin / "postgres",
            "-D",
            self._data,
            *settings,
            *shlex.split(os.environ.get("KEYBOOK_PG_OPTIONS", "")),
        ]

    def environment(self) -> dict[str, str]:
        """Return DATABASE_URL, and the programs' folder for pg_dump and psql."""
        return {"DATABASE_URL": self.url("keybook"), "KEYBOOK_PG_BIN": str(self._bin)}

    def url(self, user: str, database: str = "keybook") -> str:
        """Return the libpq URL of a role that peer authentication lets in."""
        return f"postgresql:///{database}?host={quote(str(self.folder), safe='/')}&user={user}"

    async def prepare(self) -> None:
        """Initialise the data folder if it is new, refuse one of another version, write who may enter."""
        self._write_doors()
        version = self._data / "PG_VERSION"
        if not version.exists():
            await self._initialise()
        elif version.read_text().strip() != MAJOR:
            raise YardError(
                f"The data in {self._data} are of PostgreSQL {version.read_text().strip()}, this is {MAJOR}: dump them "
                "with that version's pg_dump, start afresh (RESET=1) and restore.",
                BAD_INPUT,
            )

    def _write_doors(self) -> None:
        own = pwd.getpwuid(os.geteuid()).pw_name
        people = dict.fromkeys((own, self._owner.name))
        roles = ("keybook", "postgres", *ROLES)
        lines = [f'keybook "{person}" {role}\n' for person in people for role in roles]
        (self.folder / "pg_hba.conf").write_text(HBA)
        (self.folder / "pg_ident.conf").write_text("".join(lines))
        for file in ("pg_hba.conf", "pg_ident.conf"):
            os.chown(self.folder / file, self._owner.uid, self._owner.gid)

    async def _initialise(self) -> None:
        """Run initdb beside the final place and rename, so that a half-made folder is never taken for a whole one."""
        if self.seed:
            await copy(self.seed, self._data)
            return
        making = self._data.with_name(f"{self._data.name}.{secrets.token_hex(4)}")
        command: list[str | Path] = [self._bin / "initdb", "-D", making]
        command += [
            *("-U", "postgres", "--auth=peer", "--data-checksums"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *("--no-instructions", "--no-sync"),
        ]
        await run_quietly(command, what="initdb", env=plain_environment(), account=self._owner)
        making.rename(self._data)
        if self.keep:
            await copy(self._data, self.keep)

    async def answers(self) -> bool:
        """Say hello in the wire protocol (version 3.0, "Message Formats"); ready when it says ReadyForQuery."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return False
        try:
            body = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
            writer.write(struct.pack("!i", len(body) + 4) + body)
            return await asyncio.wait_for(_ready_for_query(reader), 5)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            return False
        finally:
            writer.close()

    async def furnish(self) -> None:
        """Make the role and the database `keybook` where they don't exist."""
        await self.psql(FURNITURE)

    async def psql(self, script: str, database: str = "postgres") -> str:
        """Run a psql script as the superuser and return its output."""
        command: list[str | Path] = [self._bin / "psql", "-h", self.folder, "-U", "postgres", "-d", database]
        command += ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        return await run_quietly(command, what="psql", env=plain_environment(), text=script)


async def _ready_for_query(reader: asyncio.StreamReader) -> bool:
    """Read messages (type byte, length) until ReadyForQuery; an ErrorResponse means "not yet"."""
    while True:
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        await reader.readexactly(length - 4)
        if kind in (b"Z", b"E"):
            return bool(kind == b"Z")
