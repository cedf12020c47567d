"""The real OpenBao of the sandbox as a runner meets it in tests, and its audit log as an independent witness."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from inventory.sightings import Reach
from vault.answered import moment_of
from vault.operating import Operator

POLICY = """
path "secret/data/*" { capabilities = ["create", "update", "patch"] }
path "secret/metadata/*" { capabilities = ["read"] }
path "secret/subkeys/*" { capabilities = ["read"] }
path "secret/destroy/*" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
"""
ROLE = "keybook-op-tests-kv"


def enrol(bao: Any) -> None:
    """Give the role of the tests what a KV rotation needs, and not to read a value."""
    bao.must("PUT", "sys/policies/acl/keybook-op-tests-kv", {"policy": POLICY})
    bao.must("POST", f"auth/token/roles/{ROLE}", {
        "allowed_policies": ["keybook-op-tests-kv"], "orphan": True, "renewable": False, "token_explicit_max_ttl": 600,
        "token_no_default_policy": True,
    })  # fmt: skip


@dataclass(frozen=True)
class LiveDoors:
    """Doors whose tokens name the change and the step, as the product's do."""

    server: Operator
    change: str
    step: int

    @contextmanager
    def vault(self, vault: str, namespace: str, role: str, uses: int) -> Iterator[Operator]:
        """Mint, lend and revoke."""
        meta = {"keybook_change": self.change, "keybook_step": str(self.step), "keybook_plan": "0" * 64}
        with self.server.minted(role, meta, 30, uses) as operator:
            yield operator

    def logins(self, *_: str) -> None:
        """No witness watches the database."""


@dataclass
class LogWitness:
    """Reads the file device's own log, line by line, without Keybook's ingestion."""

    log: Path
    _seen: list[dict[str, Any]] = field(default_factory=list)
    _offset: int = 0

    def _lines(self) -> list[dict[str, Any]]:
        with self.log.open("rb") as file:
            file.seek(self._offset)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._seen += [one for line in whole.splitlines() if (one := json.loads(line)).get("type") == "response"]
        return self._seen

    def written(self, vault: str, namespace: str, mount: str, path: str, since: datetime) -> list[Any]:
        """Return the writes of a secret."""
        return [
            SimpleNamespace(
                did="write", version=one["response"]["data"]["version"], change=_meta(one).get("keybook_change", ""),
                principal=(one.get("auth") or {}).get("display_name", ""),
                call=SimpleNamespace(step=_meta(one).get("keybook_step", ""), minted=1),
            )
            for one in self._lines()
            if one["request"]["path"] == f"{mount}/data/{path}" and not one.get("error")
            and one["request"]["operation"] in ("create", "update", "patch")
        ]  # fmt: skip

    def calls(self, change: str) -> list[Any]:
        """Return what tokens did that name a change."""
        return [
            SimpleNamespace(
                path=one["request"]["path"], step=_meta(one).get("keybook_step", ""), happened=not one.get("error"),
                minted=1, at=moment_of(one["time"]),
            )
            for one in self._lines() if _meta(one).get("keybook_change") == change
        ]  # fmt: skip

    def reach(self, vault: str, since: datetime) -> Reach:
        """The file device writes a line before the answer goes out."""
        return Reach(datetime.now(UTC) - timedelta(seconds=1))


def _meta(line: dict[str, Any]) -> dict[str, str]:
    return (line.get("auth") or {}).get("metadata") or {}
