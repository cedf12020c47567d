"""OpenBao from a wheel: one raft node, unsealed by us, with a file audit device declared in its configuration."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.bao_http import Bao
from sandbox.binaries import bao
from sandbox.errors import YardError
from sandbox.part import Part
from sandbox.ports import Port

# Raft, although memory would start in 0.1 s: a killed OpenBao must come back with its data. Multiplier 1 makes the only
# node elect itself after 1 to 2 s when it is new (the default 5 takes 8 s), and at once when it starts again.
# OpenBao >= 2.3.2 refuses audit devices by its API, so they are declared here. Forwarded addresses are believed from
# loopback, so that the demo's clients have addresses of their own in the audit log.
CONFIGURATION = """\
storage "raft" {{
  path = "{data}"
  node_id = "keybook"
  performance_multiplier = "1"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
  x_forwarded_for_authorized_addrs = "127.0.0.1/32"
  x_forwarded_for_reject_not_present = false
  x_forwarded_for_reject_not_authorized = false
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
audit "file" "file" {{
  options = {{ file_path = "{log}", mode = "0640" }}
}}
"""
# An http device posts each entry and waits for the answer; KEYBOOK_AUDIT_HTTP names another taker than our receiver.
HTTP_DEVICE = """\
audit "http" "http" {{
  options = {{ uri = "{uri}", headers = "{{\\"Authorization\\": [\\"Bearer {token}\\"]}}" }}
}}
"""


@dataclass(frozen=True)
class Keys:
    """What opens this OpenBao: kept in a 0600 file beside its data, because an embedded vault guards nothing real."""

    unseal: str
    root: str


class OpenBao(Part):
    """The embedded OpenBao; `folder` holds its configuration, data, keys and the folder `audit`."""

    name = "openbao"
    title = "OpenBao"

    def __init__(self, folder: Path, log: Path | None = None, *, vault: str = "sandbox") -> None:
        """Take two ports; `vault` is the name under which Keybook knows it."""
        super().__init__(folder, log=log)
        self._program = bao()
        self._port, self._cluster_port = Port(), Port()
        self._keys: Keys | None = None
        self.vault = vault
        self.posts_to = ""
        self.audit_log = folder / "audit" / "audit.log"

    @property
    def client(self) -> Bao:
        """Return a client with the root token."""
        return Bao(f"http://127.0.0.1:{self._port.number}", self._keys.root if self._keys else "")

    def data(self) -> Path:
        """Return raft's folder."""
        return self.folder / "data"

    def argv(self) -> Sequence[str | Path]:
        """Return the server's command line."""
        return [self._program, "server", f"-config={self.folder / 'openbao.hcl'}"]

    def environment(self) -> dict[str, str]:
        """Return the address, the root token and the audit log."""
        return {
            "VAULT_ADDR": self.client.url,
            "VAULT_TOKEN": self.client.token,
            "KEYBOOK_AUDIT_LOG": str(self.audit_log),
        }

    def begin_log(self) -> None:
        """Make the audit log, empty, if there is none: a source is added before OpenBao's first line."""
        self.audit_log.parent.mkdir(mode=0o750, exist_ok=True)
        self.audit_log.touch(mode=0o640)

    def token(self, fresh: str = "") -> str:
        """Return the http device's token for the receiver, kept in a 0600 file; `fresh` becomes it if there is none."""
        place = self.folder / "receiver-token"
        if fresh and not place.exists():
            place.touch(mode=0o600)
            place.write_text(fresh)
        return place.read_text() if place.exists() else ""

    async def prepare(self) -> None:
        """Write the configuration and make the folders."""
        self.data().mkdir(mode=0o700, exist_ok=True)
        self.begin_log()
        text = CONFIGURATION.format(
            data=self.data(), port=self._port.number, cluster_port=self._cluster_port.number, log=self.audit_log
        )
        if uri := os.environ.get("KEYBOOK_AUDIT_HTTP") or self.posts_to:
            text += HTTP_DEVICE.format(uri=uri, token=self.token())
        place = self.folder / "openbao.hcl"
        place.unlink(missing_ok=True)
        place.touch(mode=0o600)
        place.write_text(text)

    async def answers(self) -> bool:
        """Ask whether it is sealed; any answer will do, for we unseal it ourselves."""
        try:
            return (await asyncio.to_thread(self.client.call, "GET", "sys/seal-status")).status == 200
        except OSError:
            return False

    async def furnish(self) -> None:
        """Initialise it when it is new, unseal it and wait until it is active."""
        self._keys = await asyncio.to_thread(self._known_keys)
        await asyncio.to_thread(self.client.must, "PUT", "sys/unseal", {"key": self._keys.unseal})
        for _ in range(3000):
            if (await asyncio.to_thread(self.client.call, "GET", "sys/health")).status == 200:
                return
            await asyncio.sleep(0.01)
        raise YardError(f"OpenBao was unsealed but did not become active within 30 s; its log is {self.log}.")

    def _known_keys(self) -> Keys:
        """Return the keys of the file, or initialise OpenBao and write them."""
        place = self.folder / "keys.json"
        if place.exists():
            return Keys(**json.loads(place.read_text()))
        if self.client.must("GET", "sys/init").body["initialized"]:
            raise YardError(
                f"{place} is gone, and without it the OpenBao in {self.folder} stays sealed: RESET=1 starts afresh."
            )
        made = self.client.must("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}).body
        keys = Keys(unseal=made["keys"][0], root=made["root_token"])
        place.touch(mode=0o600)
        place.write_text(json.dumps({"unseal": keys.unseal, "root": keys.root}))
        return keys
