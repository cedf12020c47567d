"""Puts the parts of a yard together and brings them up in the quickest order that is right."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from sandbox.furniture import furnish_database, furnish_mounts
from sandbox.openbao import OpenBao
from sandbox.places import Account
from sandbox.postgres import Postgres
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
        await yard.start([name for name in ("postgres", "valkey") if name in yard.parts])
        if migrate:
            began = time.monotonic()
            await yard.ask("migrate", "-v", "0")
            yard.on_step("schema", "Schema", time.monotonic() - began)

    async with asyncio.TaskGroup() as group:
        group.create_task(databases())
        if "openbao" in yard.parts:
            group.create_task(yard.start_part("openbao"))
    postgres, openbao = yard.parts.get("postgres"), yard.parts.get("openbao")
    if isinstance(openbao, OpenBao):
        await asyncio.to_thread(furnish_mounts, openbao.client)
        if isinstance(postgres, Postgres):
            await furnish_database(openbao, postgres)
    await yard.start([part.name for part in yard.parts.values() if part.late])
