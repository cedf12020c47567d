"""Puts the parts of a yard together and brings them up in the quickest order that is right."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from sandbox.cluster import KNOWN_AS
from sandbox.executor import furnish_executor
from sandbox.furniture import furnish_database, furnish_mounts
from sandbox.openbao import OpenBao
from sandbox.places import Account
from sandbox.postgres import Postgres
from sandbox.programs import Receiver
from sandbox.yard import Yard


def own_folder(folder: Path, name: str, account: Account | None = None) -> Path:
    """Make a part's 0700 folder if it doesn't exist, owned by the account it runs as."""
    made = folder / name
    made.mkdir(mode=0o700, exist_ok=True)
    if account is not None and account.dropped:
        os.chown(made, account.uid, account.gid)
    return made


async def make_ready(yard: Yard, *, migrate: bool) -> None:
    """Start the servers side by side, lay the schema while OpenBao still elects itself, then start our own processes.

    Raises an ExceptionGroup with the YardError of the first that failed.
    """

    async def databases() -> None:
        await yard.start([name for name in ("postgres", "valkey", "cluster") if name in yard.parts])
        if migrate:
            began = time.monotonic()
            said = await yard.ask_all(laying(yard))
            yard.on_step("schema", "Schema", time.monotonic() - began)
            await lines_by_http(yard, said[-1])

    async with asyncio.TaskGroup() as group:
        group.create_task(databases())
        if "openbao" in yard.parts and "receiver" not in yard.parts:
            group.create_task(yard.start_part("openbao"))
    postgres, openbao = yard.parts.get("postgres"), yard.parts.get("openbao")
    if isinstance(openbao, OpenBao):
        await asyncio.to_thread(furnish_mounts, openbao.client)
        await asyncio.to_thread(furnish_executor, openbao.client)
        if isinstance(postgres, Postgres):
            await furnish_database(openbao, postgres)
    await yard.start([part.name for part in yard.parts.values() if part.late])


def laying(yard: Yard) -> list[list[str]]:
    """Return the commands that make the tables and, where processes of Keybook come, their roles and sources."""
    commands = [["migrate", "-v", "0"]]
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
