"""`make demo` and `make up`: the whole product on embedded parts, kept between two runs, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import time
from hashlib import sha256
from pathlib import Path

from sandbox import history, identities
from sandbox.assembly import connect_vault, make_ready, own_folder
from sandbox.cluster import Cluster
from sandbox.company import BANK, ELSEWHERE, OLD
from sandbox.control import STATE
from sandbox.errors import BAD_INPUT, YardError, first_trouble
from sandbox.executor import Operations
from sandbox.guardian import Guardian
from sandbox.home import Home, tidy
from sandbox.openbao import OpenBao
from sandbox.places import Account, server_account, take_folder
from sandbox.ports import free_port
from sandbox.postgres import Postgres
from sandbox.programs import Health, Receiver, Web, beat, cluster, ingest, listen, notices, story
from sandbox.valkey import Valkey
from sandbox.yard import Yard

SERVERS = ("postgres", "openbao")  # whose data are worth a place in the printed line
TRY = """
Open  {url}{link}
      It lets you in once, within 15 minutes; `bin/keybook demo_link` makes another.

Try   1  who read the bank's log-in:   {url}/secrets/?q={secret}
         in a second terminal:   bin/keybook who_read {secret}
         and where a stolen token was used:   {url}/events/?q=address:{elsewhere}
      2  which pod is stuck, and why:   {url}/pods/?troubled=yes
         and which is on an old version:   {url}/secrets/?q={old}
         and which lease outlives its pod, a minute from now:   {url}/leases/?orphaned=yes
      3  approve a rotation that ann asked for, and watch it to its proof:   {url}/changes/
         and what the playbook for a leaked secret would do:   {url}/playbooks/leaked-static-secret/?secret={secret}
         in a second terminal:   bin/keybook playbook plan leaked-static-secret --input secret={secret}

Ctrl-C stops everything; `make demo` goes on with these data, `make demo RESET=1` starts afresh.
"""
READY = """
Open  {url}

Sign  `bin/keybook create_user NAME --role ROLE` makes a person who may sign in.

Ctrl-C stops everything; `bin/keybook help` lists the commands for a second terminal.
"""


def say(text: str) -> None:
    """Print at once, for the reader may be a pipe."""
    print(text, flush=True)


def port_from(environment: dict[str, str]) -> int:
    """Return PORT, 8000 by default. Raises YardError when it isn't a port."""
    text = environment.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise YardError(f"PORT is {text!r}: give a number from 1 to 65535.", BAD_INPUT)
    return int(text)


class Show:
    """One run of the demo (or of `up`: then without OpenBao and story, and on what the environment names)."""

    def __init__(self, home: Home, folder: Path, guardian: Guardian, account: Account, door: socket.socket) -> None:
        """Put the yard together."""
        self.home = home
        self.demo = home.kind == "demo"
        logs = home.folder("logs")
        openbao = OpenBao(home.folder("openbao"), logs / "openbao.log", vault="demo") if self.demo else None
        self.yard = Yard(folder, guardian, self._settings(openbao), thrown_away=False)
        self.yard.on_step = self._tell
        if self._embeds("DATABASE_URL"):
            data = home.postgres_data(account)
            self.yard.add(Postgres(own_folder(folder, "pg", account), account, data, logs / "postgres.log"))
        if self._embeds("REDIS_URL"):
            self.yard.add(Valkey(own_folder(folder, "valkey"), logs / "valkey.log"))
        if openbao:
            self.cluster = Cluster(home.folder("cluster"), home.cluster_port(), logs / "cluster.log")
            self.yard.add(self.cluster, openbao, story(logs / "story.log", self.yard.product_environment))
        as_ = self.yard.environment_of
        self.receiver = Receiver(self._receiver_port(), logs / "receiver.log", as_(identities.RECEIVER))
        self.yard.add(self.receiver)
        self.yard.add(ingest(logs / "worker-ingest.log", as_(identities.INGEST)))
        if self.demo or "KEYBOOK_KUBECONFIG" in os.environ:
            self.yard.add(cluster(logs / "worker-cluster.log", as_(identities.CLUSTER)))
        if self.demo or "KEYBOOK_EXECUTOR" in os.environ:
            self.yard.add(Operations(logs / "worker-operations.log", as_(identities.OPERATIONS), openbao))
        self.yard.add(notices(logs / "worker-notices.log", as_(identities.NOTICES)))
        self.yard.add(beat(logs / "beat.log", as_(identities.BEAT)))
        self.health = Health(free_port(9001), logs / "health.log", as_(identities.HEALTH))
        self.web = Web(door, logs / "web.log", as_(identities.WEB))
        self.yard.add(self.health, self.web)

    def _settings(self, openbao: OpenBao | None) -> dict[str, str]:
        """Return Keybook's settings: fixed in the demo, while in `up` what the environment names stands."""
        found = {"KEYBOOK_SECURE_COOKIES": "false", "KEYBOOK_SECRET_KEY": self.home.secret_key()}
        own = sha256(f"notices {found['KEYBOOK_SECRET_KEY']}".encode()).hexdigest()
        found["KEYBOOK_NOTICE_KEY"] = own
        found["KEYBOOK_EMBEDDED"] = str(self._embeds("DATABASE_URL") or self._embeds("REDIS_URL")).lower()
        if self._embeds("DATABASE_URL"):  # of another database the heads would be another's
            found["KEYBOOK_ANCHOR"] = str(self.home.folder("anchor") / "trail.jsonl")
        if openbao:
            token = f"{openbao.vault}={self._token_file()}@{openbao.client.url}"
            found["KEYBOOK_REQUIRE_MFA"] = "false"  # the demo's person sees the settings at once
            found["KEYBOOK_MAY_GENERATE"] = f"{openbao.vault}:secret/*"
            return found | {"KEYBOOK_LOG_ROOTS": str(openbao.audit_log.parent), "KEYBOOK_VAULT_TOKEN_FILES": token}
        return found | {name: os.environ[name] for name in found if name in os.environ}

    def _receiver_port(self) -> int:
        return self.home.receiver_port() if self.demo else free_port(8090)

    def _embeds(self, name: str) -> bool:
        """Tell whether a part is embedded: always in the demo, in `up` when the environment doesn't name another."""
        return self.demo or not os.environ.get(name)

    def _tell(self, name: str, title: str, seconds: float) -> None:
        """Print one aligned line: which part answered after how long, and where it is."""
        listening = {
            "web": self.web.url,
            "health": f"http://{self.health.address}/metrics",
            "receiver": f"http://{self.receiver.address}/audit",
        }
        if name == "cluster":
            listening["cluster"] = f"http://{self.cluster.address}   simulated"
        listening["history"] = f"7 days, simulated: device {history.DEVICE!r}"
        where = listening.get(name) or (tidy(self.yard.parts[name].data()) if name in SERVERS else "")
        say(f"  {title:<12} {seconds:5.2f} s   {where}".rstrip())

    async def bring_up(self) -> None:
        """Start everything, tell bin/keybook where it is, and people what to do."""
        openbao, began = self._openbao(), time.monotonic()
        if openbao is not None:
            await asyncio.to_thread(self._token_file().touch, 0o600)
        await make_ready(self.yard, migrate=True)
        if openbao is not None and not (self.home.folder("history") / "told").exists():
            await self._tell_history(openbao)
        self.home.write_env(self.yard.product_environment())
        link = await self.yard.ask("demo_link", "--role", "administrator") if self.demo else ""
        if not self.yard.interrupted:
            say(f"\nReady after {time.monotonic() - began:.1f} s.")
            words = {"url": self.web.url, "link": link, "secret": BANK, "elsewhere": ELSEWHERE, "old": OLD}
            say((TRY if self.demo else READY).format(**words))
        if openbao is not None:
            await self._connect(openbao)

    def _openbao(self) -> OpenBao | None:
        openbao = self.yard.parts.get("openbao")
        return openbao if isinstance(openbao, OpenBao) else None

    def _token_file(self) -> Path:
        return self.home.folder("openbao") / "keybook.token"

    async def _connect(self, openbao: OpenBao) -> None:
        """Connect OpenBao; people are at work on the pages already."""
        try:
            await connect_vault(self.yard, openbao)
            await self.yard.ask("demo_changes", "--vault", openbao.vault, "--secret", BANK, "--json")
        except YardError as trouble:
            say(f"Connecting OpenBao did not work; `bin/keybook doctor` says more. {trouble}")

    async def _tell_history(self, openbao: OpenBao) -> None:
        """Make a week of simulated history once, and import it as a device of its own that says what it is."""
        began, folder = time.monotonic(), self.home.folder("history")
        made = folder / "week.log.zst"
        if self.yard.interrupted:
            return
        if not made.exists():
            await asyncio.to_thread(history.make, openbao.audit_log, made)
        await self.yard.ask("ingest_file", str(made), "--vault", openbao.vault, "--device", history.DEVICE)
        if not self.yard.interrupted:
            (folder / "told").touch()
            self._tell("history", "History", time.monotonic() - began)

    async def run(self) -> None:
        """Show the product until a signal comes; everything has ended when this returns."""
        try:
            if await self.yard.unless_interrupted(self.bring_up()):
                await self.yard.until_interrupted()
        finally:
            say("\nStopping ...")
            await self.yard.end()
            say(f"Stopped; the data stay in {tidy(self.home.top)}.")


def main() -> int:
    """Run one show; 0 after Ctrl-C, 125 when a part failed, 2 for bad input."""
    kind = sys.argv[1] if sys.argv[1:] else "demo"
    try:
        account = server_account()
        door = listen(port_from(dict(os.environ)))
        home = Home(kind)
        try:
            run(home, account, door)
        finally:
            home.release()
    except* YardError as group:
        trouble = first_trouble(group)
        print(f"make {kind}: {trouble}", file=sys.stderr)
        sys.exit(trouble.code)
    return 0


def run(home: Home, account: Account, door: socket.socket) -> None:
    """Run one show in a fresh folder for its sockets."""
    if os.environ.get("RESET") == "1":
        home.reset()
    folder, lock = take_folder(account)
    guardian = Guardian(folder, f"{STATE}={folder / 'state.json'}", keep=False)
    say(f"Keybook, {home.kind}: data in {tidy(home.top)}\n")

    async def show() -> None:
        await Show(home, folder, guardian, account, door).run()

    try:
        asyncio.run(show())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        guardian.release()
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
