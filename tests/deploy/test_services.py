"""Each of Keybook's services in docker-compose.yml starts with its own command, settings and secrets, and gets healthy.

Containers are not needed for that: the command runs here, at the sandbox's PostgreSQL and Valkey, with its ports, its
places and the folder of its secrets put elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from sandbox.ports import take_port
from tests.audit.conftest import ROOT

STAYING = (
    "web",
    "receiver",
    "worker-ingest",
    "worker-cluster",
    "worker-operations",
    "worker-notices",
    "beat",
    "health",
)


class Service:
    """One service, run as compose would, but here."""

    def __init__(self, name: str, service: dict, folder: Path, secrets: dict[str, str]) -> None:
        self.name, self.service, self.folder = name, service, folder
        self.ports: dict[str, str] = {}
        self.secrets = folder / f"{name}-secrets"
        self.secrets.mkdir()
        for one in service.get("secrets", ()):
            (self.secrets / one["target"]).write_text(secrets[one["source"]] + "\n")

    def here(self, text: str) -> str:
        """Put what is said of a container's ports and places elsewhere."""
        text = text.replace("/run/secrets", str(self.secrets)).replace("/tmp/", f"{self.folder}/{self.name}-")
        return re.sub(r"(0\.0\.0\.0|127\.0\.0\.1):(\d+)", lambda m: f"127.0.0.1:{self._port(m[2])}", text)

    def _port(self, port: str) -> str:
        return self.ports.setdefault(port, str(take_port()))

    @property
    def environment(self) -> dict[str, str]:
        own = {name: self.here(str(value)) for name, value in self.service.get("environment", {}).items()}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
        return {"PATH": path, "HOME": str(self.folder), "KEYBOOK_SECRETS": str(self.secrets), **own}

    def argv(self, words: list[str]) -> list[str]:
        return [self.here(str(word)) for word in words]

    def start(self) -> subprocess.Popen:
        log = (self.folder / f"{self.name}.log").open("wb")
        with log:
            return subprocess.Popen(
                self.argv(self.service["command"]), cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def is_healthy(self) -> bool:
        kind, *words = self.service["healthcheck"]["test"]
        argv = ["sh", "-c", self.here(words[0])] if kind == "CMD-SHELL" else self.argv(words)
        return subprocess.run(argv, cwd=ROOT, env=self.environment, capture_output=True, check=False).returncode == 0


@pytest.fixture
def services(ours, own_database, tmp_path):
    """Return the services with secrets that fit the sandbox; `setup` has run, as compose has it."""
    url = own_database.environment["DATABASE_URL"]
    secrets = {"owner_database_url": url, "secret_key": "x" * 50, "notice_key": "y" * 50, "smtp_password": ""}
    secrets["redis_url"] = os.environ["REDIS_URL"].rpartition("/")[0] + "/5"
    for role in ("web", "receiver", "ingest", "cluster", "operations", "notices", "beat", "health"):
        secrets[f"{role}_database_url"] = make_conninfo(url, user=f"keybook_{role}")
        secrets[f"{role}_password"] = f"password of {role}"
    found = {name: Service(name, service, tmp_path, secrets) for name, service in ours.items()}
    with found["setup"].start() as process:
        assert process.wait(120) == 0, (tmp_path / "setup.log").read_text()
    return found


def test_every_service_becomes_healthy(services):
    assert set(services) == {"setup", *STAYING}
    running = {name: services[name].start() for name in STAYING}
    try:
        deadline = time.monotonic() + 90
        ill = set(STAYING)
        while ill and time.monotonic() < deadline:
            for name, process in running.items():
                log = services[name].folder / f"{name}.log"
                assert process.poll() is None, f"{name} ended: {log.read_text()}"
            ill = {name for name in ill if not services[name].is_healthy()}
        assert not ill
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(60)


def test_a_service_whose_process_is_gone_is_not_healthy(services):
    assert not any(services[name].is_healthy() for name in STAYING)
