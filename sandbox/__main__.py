"""`bin/sandbox [--vault] [--cluster] [--web] COMMAND...`: runs COMMAND among embedded servers and ends them with it."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from pathlib import Path

from sandbox.control import STATE, Controls
from sandbox.errors import BAD_INPUT, YardError
from sandbox.furniture import furnish_database, furnish_mounts
from sandbox.guardian import Guardian
from sandbox.openbao import OpenBao
from sandbox.part import Part
from sandbox.places import Account, server_account, take_folder
from sandbox.postgres import Postgres
from sandbox.valkey import Valkey
from sandbox.yard import ROOT, Yard


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the options before COMMAND; everything from COMMAND on is its own."""
    parser = argparse.ArgumentParser(prog="bin/sandbox", description=__doc__)
    parser.add_argument("--vault", action="store_true", help="add OpenBao with a file audit device")
    parser.add_argument("--cluster", action="store_true", help="add the simulated Kubernetes API (not built yet)")
    parser.add_argument("--web", action="store_true", help="add the web server and the ingest loop")
    parser.add_argument("--no-migrate", action="store_true", help="leave the database empty")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        options.command = options.command[1:]
    if options.cluster:
        raise YardError("--cluster is not built yet: there is no simulated Kubernetes API to start.", BAD_INPUT)
    if not options.command:
        raise YardError(
            "bin/sandbox needs a COMMAND to run, for example: bin/sandbox .venv/bin/python -m pytest", BAD_INPUT
        )
    return options


def own_folder(folder: Path, name: str, account: Account | None = None) -> Path:
    """Make a part's 0700 folder, owned by the account it runs as."""
    made = folder / name
    made.mkdir(mode=0o700)
    if account is not None and account.dropped:
        os.chown(made, account.uid, account.gid)
    return made


def parts_of(options: argparse.Namespace, folder: Path, account: Account) -> list[Part]:
    """Return the parts that the options ask for."""
    parts: list[Part] = [Postgres(own_folder(folder, "pg", account), account), Valkey(own_folder(folder, "valkey"))]
    if options.vault:
        parts.append(OpenBao(own_folder(folder, "openbao")))
    return parts


async def make_ready(yard: Yard, *, migrate: bool) -> None:
    """Start everything side by side; the schema is laid while OpenBao still elects itself."""

    async def database() -> None:
        await yard.start(["postgres", "valkey"])
        if migrate:
            await yard.run(
                [sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0"], yard.environment(), quiet=True
            )

    async with asyncio.TaskGroup() as group:
        group.create_task(database())
        if "openbao" in yard.parts:
            group.create_task(yard.start_part("openbao"))
    postgres, openbao = yard.parts["postgres"], yard.parts.get("openbao")
    if isinstance(openbao, OpenBao) and isinstance(postgres, Postgres):
        await asyncio.to_thread(furnish_mounts, openbao.client)
        await furnish_database(openbao, postgres)


async def sandbox(options: argparse.Namespace, folder: Path, guardian: Guardian, account: Account) -> int:
    """Start the parts, migrate, run COMMAND; everything has ended when this returns."""
    yard = Yard(folder, guardian, parts_of(options, folder, account), thrown_away=True)
    controls = Controls(yard)
    try:
        await controls.open()
        await make_ready(yard, migrate=not options.no_migrate)
        return await yard.run(options.command, yard.environment())
    except* YardError as several:
        raise several.exceptions[0] from None
    finally:
        controls.close()
        await yard.end()


def main() -> int:
    """Run one sandbox; the exit code is COMMAND's, 125 when the sandbox itself failed, 2 for bad input."""
    try:
        options = parse(sys.argv[1:])
        account = server_account()
        folder, lock = take_folder(account)
        guardian = Guardian(folder, f"{STATE}={folder / 'state.json'}", keep=False)
        try:
            return asyncio.run(sandbox(options, folder, guardian, account))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            guardian.release()
            os.close(lock)
    except YardError as trouble:
        print(f"bin/sandbox: {trouble}", file=sys.stderr)
        return trouble.code


if __name__ == "__main__":
    sys.exit(main())
