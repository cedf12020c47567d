"""`bin/sandbox [--vault] [--cluster] [--web] COMMAND...`: runs COMMAND among embedded servers and ends them with it."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import sys
from pathlib import Path

from sandbox import identities
from sandbox.assembly import connect_vault, make_ready, own_folder, token_file
from sandbox.cluster import Cluster
from sandbox.control import STATE
from sandbox.controls import Controls
from sandbox.errors import BAD_INPUT, YardError, first_trouble
from sandbox.executor import Operations
from sandbox.guardian import Guardian
from sandbox.openbao import OpenBao
from sandbox.places import Account, server_account, take_folder
from sandbox.ports import take_port
from sandbox.postgres import Postgres
from sandbox.programs import Health, Receiver, Web, beat, cluster, ingest, listen, notices
from sandbox.seed import SEED, seed
from sandbox.valkey import Valkey
from sandbox.yard import Yard


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the options before COMMAND; everything from COMMAND on is its own."""
    parser = argparse.ArgumentParser(prog="bin/sandbox", description=__doc__, allow_abbrev=False)
    parser.add_argument("--vault", action="store_true", help="add OpenBao with audit devices, and what ingests them")
    parser.add_argument("--cluster", action="store_true", help="add the simulated Kubernetes API")
    parser.add_argument("--web", action="store_true", help="add web, the worker, beat and the internal listener")
    parser.add_argument("--named", action="store_true", help="serve pages at localhost, where browsers give passkeys")
    parser.add_argument("--workers", action="store_true", help="add the receiver, the worker and beat")
    parser.add_argument("--servers-only", action="store_true", help="leave out every process of Keybook")
    parser.add_argument("--no-migrate", action="store_true", help="leave the database empty")
    parser.add_argument("--seed", action="store_true", help="have sandboxes within COMMAND copy the tables")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["--"]:
        options.command = options.command[1:]
    if not options.command:
        raise YardError("it needs a COMMAND to run, for example: bin/sandbox pytest tests/audit", BAD_INPUT)
    return options


def furnished(yard: Yard, options: argparse.Namespace, account: Account) -> Yard:
    """Add the parts that the options ask for."""
    folder = yard.folder
    beginning = seed(laid=not options.no_migrate)
    yard.add(Postgres(own_folder(folder, "pg", account), account, seed=beginning), Valkey(own_folder(folder, "valkey")))
    openbao = OpenBao(own_folder(folder, "openbao")) if options.vault else None
    if openbao:
        yard.add(openbao)
    if options.cluster:
        yard.add(Cluster(own_folder(folder, "cluster"), take_port()))
    # Without tables there is nothing that they could do.
    if not options.servers_only and not options.no_migrate:
        staff(yard, options, openbao)
    return yard


def staff(yard: Yard, options: argparse.Namespace, openbao: OpenBao | None) -> None:
    """Add Keybook's own processes: what ingests where there is a vault, all of them with --web."""
    folder, as_ = yard.folder, yard.environment_of
    if options.workers or openbao:
        yard.add(Receiver(take_port(), folder / "receiver.log", as_(identities.RECEIVER)))
    if options.web or options.workers or openbao:
        yard.add(ingest(folder / "worker-ingest.log", as_(identities.INGEST)))
        yard.add(beat(folder / "beat.log", as_(identities.BEAT)))
    if options.cluster and (options.web or options.workers):
        yard.add(cluster(folder / "worker-cluster.log", as_(identities.CLUSTER)))
    if options.web:
        yard.add(Operations(folder / "worker-operations.log", as_(identities.OPERATIONS), openbao))
        yard.add(notices(folder / "worker-notices.log", as_(identities.NOTICES)))
        yard.add(Health(take_port(), folder / "health.log", as_(identities.HEALTH)))
        host = "localhost" if options.named else "127.0.0.1"
        yard.add(Web(listen(0), folder / "web.log", as_(identities.WEB), host))


def settings(folder: Path) -> dict[str, str]:
    """Return Keybook's settings in a sandbox; audit files may lie in it, and where they may without it."""
    named = os.environ.get("KEYBOOK_LOG_ROOTS") or "/var/log/vault:/var/log/openbao"
    return {
        "KEYBOOK_EMBEDDED": "true",
        "KEYBOOK_SECURE_COOKIES": "false",
        "KEYBOOK_SECRET_KEY": secrets.token_urlsafe(48),
        "KEYBOOK_LOG_ROOTS": f"{folder}:{named}",
        "KEYBOOK_ANCHOR": str(folder / "trail.anchor"),
        "KEYBOOK_MAY_GENERATE": "*",
        "KEYBOOK_NOTICE_KEY": secrets.token_urlsafe(48),
        "KEYBOOK_NOTICE_INSIDE": "127.0.0.0/8",
    }


async def sandbox(options: argparse.Namespace, folder: Path, guardian: Guardian, account: Account) -> int:
    """Start the parts, migrate, run COMMAND; everything has ended when this returns."""
    given = settings(folder)
    yard = Yard(folder, guardian, given, thrown_away=True)
    furnished(yard, options, account)
    openbao = yard.parts.get("openbao")
    if isinstance(openbao, OpenBao) and options.web:
        given["KEYBOOK_VAULT_TOKEN_FILES"] = f"{openbao.vault}={token_file(openbao)}@{openbao.client.url}"
    controls = Controls(yard)
    try:
        await controls.open()
        keep = own_folder(folder, "seed") if options.seed else None
        if not await yard.unless_interrupted(make_ready(yard, migrate=not options.no_migrate, keep=keep)):
            return yard.interrupted
        if isinstance(openbao, OpenBao) and options.web:
            await connect_vault(yard, openbao)
            await yard.ask("set_up_approvals", "--proof", "api_token", "--json")
        return await yard.run(options.command, yard.environment() | ({SEED: str(keep)} if keep else {}))
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
    except* YardError as group:
        trouble = first_trouble(group)
    print(f"bin/sandbox: {trouble}", file=sys.stderr)
    return trouble.code


if __name__ == "__main__":
    sys.exit(main())
