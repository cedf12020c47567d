"""Puts the parts of a yard together and brings them up in the quickest order that is right."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from sandbox.cluster import KNOWN_AS
from sandbox.executor import furnish_executor
from sandbox.furniture import furnish_database, furnish_mounts, furnish_reader
from sandbox.openbao import OpenBao
from sandbox.places import Account
from sandbox.postgres import Postgres
from sandbox.programs import Receiver
from sandbox.seed import BLANK, copy
from sandbox.yard import Yard

MIGRATE = ["migrate", "-v", "0"]


def own_folder(folder: Path, name: str, account: Account | None = None) -> Path:
    """Make a part's 0700 folder if it doesn't exist, owned by the account it runs as."""
    made = folder / name
    made.mkdir(mode=0o700, exist_ok=True)
    if account is not None and account.dropped:
        os.chown(made, account.uid, account.gid)
    return made


async def make_ready(yard: Yard, *, migrate: bool, keep: Path | None = None) -> None:
    """Start the servers side by side, lay the schema while OpenBao still elects itself, then start our own processes.

    In the folder `keep` are left copies of the data, for sandboxes within this one.
    Raises an ExceptionGroup with the YardError of the first that failed.
    """
    postgres, openbao = yard.parts.get("postgres"), yard.parts.get("openbao")

    async def databases() -> None:
        if keep and isinstance(postgres, Postgres):
            await keep_seeds(yard, postgres, keep)
        await yard.start([name for name in ("postgres", "valkey", "cluster") if name in yard.parts])
        if migrate:
            began = time.monotonic()
            commands = laying(yard)
            said = await yard.ask_all(commands) if commands else [""]
            yard.on_step("schema", "Schema", time.monotonic() - began)
            await lines_by_http(yard, said[-1])

    async with asyncio.TaskGroup() as group:
        group.create_task(databases())
        if "openbao" in yard.parts and "receiver" not in yard.parts:
            group.create_task(yard.start_part("openbao"))
    if isinstance(openbao, OpenBao):
        await asyncio.to_thread(furnish_mounts, openbao.client)
        await asyncio.to_thread(furnish_executor, openbao.client)
        if isinstance(postgres, Postgres):
            await furnish_database(openbao, postgres)
    await yard.start([part.name for part in yard.parts.values() if part.late])


async def keep_seeds(yard: Yard, postgres: Postgres, folder: Path) -> None:
    """Lay the schema, stop the server and copy its data, from which it goes on as others may begin."""
    postgres.keep = folder / "empty"
    await yard.start_part(postgres.name)
    await yard.ask_all([MIGRATE])
    await postgres.psql(f"CREATE DATABASE {BLANK} OWNER keybook TEMPLATE keybook")
    await postgres.end(thrown_away=False)
    postgres.seed = folder / "laid"
    await copy(postgres.data(), postgres.seed)


def laying(yard: Yard) -> list[list[str]]:
    """Return the commands that make the tables and, where processes of Keybook come, their roles and sources."""
    postgres = yard.parts.get("postgres")
    commands = [] if isinstance(postgres, Postgres) and postgres.seed else [MIGRATE]
    if any(part.late for part in yard.parts.values()) and "postgres" in yard.parts:
        commands.append(["make_roles"])
    if "cluster" in yard.parts and "worker-cluster" in yard.parts:
        commands.append(["connect", "--cluster", KNOWN_AS, "--accept-rights"])
    openbao = yard.parts.get("openbao")
    if isinstance(openbao, OpenBao) and "worker-ingest" in yard.parts:
        openbao.begin_log()
        path = str(openbao.audit_log)
        commands.append(["follow", "--add-only", "--path", path, "--vault", openbao.vault, "--device", "file"])
        if "receiver" in yard.parts and not openbao.token():
            commands.append(["receiver_token", "--vault", openbao.vault, "--device", "http", "--json"])
    return commands


async def lines_by_http(yard: Yard, said: str) -> None:
    """Start the receiver and then OpenBao, whose http device has to be taken from its first line on.

    `said` is what the last command printed: the device's token as JSON when it is new.
    """
    receiver, openbao = yard.parts.get("receiver"), yard.parts.get("openbao")
    if not isinstance(receiver, Receiver):
        return
    await yard.start_part("receiver")
    if isinstance(openbao, OpenBao):
        if not openbao.token():
            openbao.token(str(json.loads(said)["token"]))
        openbao.posts_to = f"http://{receiver.address}/audit"
        await yard.start_part("openbao")


def token_file(openbao: OpenBao) -> Path:
    """Return where the token lies that Keybook looks at the embedded OpenBao with."""
    return openbao.folder / "keybook.token"


async def connect_vault(yard: Yard, openbao: OpenBao) -> None:
    """Connect OpenBao as a newcomer would, with the printed policy. Raises YardError."""
    file = token_file(openbao)
    if not file.exists() or not file.read_text():
        file.touch(mode=0o600)
        file.write_text(await asyncio.to_thread(furnish_reader, openbao.client))
    words = ["--vault", openbao.vault, "--addr", openbao.client.url, "--token-file", str(file)]
    await yard.ask("connect", *words, "--timeout", "20", "--json")
    # Its listener believes the address that each of the company's callers says it comes from.
    await yard.ask("listener", "--vault", openbao.vault, "--proxy", "127.0.0.1", "--json")
