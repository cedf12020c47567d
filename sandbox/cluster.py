"""The simulated Kubernetes API as a part of a yard: its process, its kubeconfig and what COMMAND is told of it."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.kube_client import CLUSTER, kubeconfig, read_kubeconfig
from sandbox.part import Part
from sandbox.process import plain_environment
from sandbox.programs import ROOT, answers_at

KNOWN_AS = "demo"


class Cluster(Part):
    """A cluster whose objects live as long as its process; address and token stay the same in one folder."""

    name = "cluster"
    title = "Kubernetes"
    cwd = ROOT

    def __init__(self, folder: Path, port: int, log: Path | None = None) -> None:
        """Listen at this port of 127.0.0.1; `folder` holds the kubeconfig."""
        super().__init__(folder, log=log)
        self.kubeconfig = folder / "kubeconfig"
        self.address = f"127.0.0.1:{port}"

    def argv(self) -> Sequence[str | Path]:
        """Return the server's command line."""
        return [sys.executable, "-m", "sandbox.kube_serve", self.kubeconfig]

    def server_environment(self) -> Mapping[str, str]:
        """Return a plain environment: it needs nothing of ours."""
        return plain_environment()

    def environment(self) -> dict[str, str]:
        """Return KUBECONFIG, and the same for our own story, which must never take somebody's real cluster.

        The workers that watch it and that change it know it by the name `demo`.
        """
        own = {"KUBECONFIG": str(self.kubeconfig), CLUSTER: str(self.kubeconfig)}
        named = f"{KNOWN_AS}={self.kubeconfig}"
        return own | {"KEYBOOK_KUBECONFIG": named, "KEYBOOK_RESTARTER": named}

    async def prepare(self) -> None:
        """Write the kubeconfig (0600); the token of an older one stays."""
        token = read_kubeconfig(self.kubeconfig).token if self.kubeconfig.exists() else secrets.token_urlsafe(24)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(kubeconfig(f"http://{self.address}", token))

    async def answers(self) -> bool:
        """Ask whether it is ready."""
        return await asyncio.to_thread(answers_at, self.address, "/readyz", 200)
