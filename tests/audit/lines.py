"""Audit lines as a vault writes them, with known truth: calls of service accounts that read KV v2 secrets."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def hmac(device: str, value: str) -> str:
    """Return what a device writes for a value: each device has its own salt."""
    return "hmac-sha256:" + sha256(f"{device} {value}".encode()).hexdigest()


def written(entry: dict[str, Any]) -> bytes:
    """Return an entry as the vault writes it, without its newline."""
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Call:
    """One call: who read what, when; its lines differ from device to device."""

    number: int
    who: int = 0
    secret: str = "prod/app/key"
    at: datetime = START
    seed: str = ""
    address: str = "10.0.0.1"

    @property
    def id(self) -> str:
        """Return the request id."""
        return str(uuid.UUID(bytes=sha256(f"{self.seed} {self.number}".encode()).digest()[:16], version=4))

    @property
    def name(self) -> str:
        """Return the service account."""
        return f"shop/app-{self.who}"

    def request(self, device: str = "file", **changes: Any) -> bytes:
        """Return the request line of a device."""
        return written(self._entry("request", device, self.at, changes))

    def response(self, device: str = "file", data: Any = None, **changes: Any) -> bytes:
        """Return the response line of a device, 2 ms later; it discloses the secret unless `data` says otherwise."""
        entry = self._entry("response", device, self.at + timedelta(milliseconds=2), changes)
        read = {
            "data": {"password": hmac(device, "a password")},
            "metadata": {
                "created_time": "2026-03-01T00:00:00.5Z",
                "custom_metadata": None,
                "deletion_time": hmac(device, ""),
                "destroyed": False,
                "version": 3,
            },
        }
        asked = entry["request"]
        mount = {name: asked[name] for name in ("mount_point", "mount_type") if asked.get(name)}
        mount |= {"mount_accessor": f"{mount['mount_type']}_0a1b2c3d"} if mount else {}
        entry["response"] = {**mount, "data": read} if data is None else {**mount, **({"data": data} if data else {})}
        return written(entry)

    def lines(self, device: str = "file") -> list[bytes]:
        """Return both lines."""
        return [self.request(device), self.response(device)]

    def _entry(self, kind: str, device: str, at: datetime, changes: dict[str, Any]) -> dict[str, Any]:
        token = hmac(device, f"token of {self.who}")
        entry = {
            "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "type": kind,
            "auth": {
                "client_token": token,
                "accessor": hmac(device, f"accessor of {self.who}"),
                "display_name": f"kubernetes-shop-app-{self.who}",
                "policies": ["default", "shop"],
                "token_policies": ["default", "shop"],
                "policy_results": {
                    "allowed": True,
                    "granting_policies": [{"type": ""}, {"name": "shop", "type": "acl"}],
                },
                "metadata": {
                    "role": "shop",
                    "service_account_name": f"app-{self.who}",
                    "service_account_namespace": "shop",
                    "service_account_secret_name": "",
                    "service_account_uid": str(uuid.UUID(int=self.who + 1)),
                },
                "entity_id": str(uuid.UUID(int=self.who + 1000)),
                "token_type": "service",
                "token_ttl": 3600,
                "token_issue_time": "2026-03-14T08:00:00Z",
            },
            "request": {
                "id": self.id,
                "client_id": str(uuid.UUID(int=self.who + 1000)),
                "operation": "read",
                "mount_point": "secret/",
                "mount_type": "kv",
                "mount_class": "secret",
                "client_token": token,
                "client_token_accessor": hmac(device, f"accessor of {self.who}"),
                "namespace": {"id": "root"},
                "path": f"secret/data/{self.secret}",
                "remote_address": self.address,
                "remote_port": 40_000 + self.number % 20_000,
            },
        }
        for name, value in changes.items():
            above, _, below = name.partition("__")
            if below:
                entry[above][below] = value
            else:
                entry[above] = value
        return entry


def calls(count: int, *, seed: str = "", first: int = 0, people: int = 5, secrets: int = 7) -> list[Call]:
    """Return calls 10 ms apart by several service accounts to several secrets."""
    return [
        Call(n, n % people, f"prod/app/key-{n % secrets}", START + timedelta(milliseconds=10 * n), seed)
        for n in range(first, first + count)
    ]


def log(some: list[Call], device: str = "file") -> bytes:
    """Return the log of these calls."""
    return b"".join(line + b"\n" for call in some for line in call.lines(device))
