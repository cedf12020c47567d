"""An audit log of a month, written as OpenBao writes it, for browsers to look at: busy, holed and hostile."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BUSY = "secret/prod/ledger/bank-sftp"
QUIET = ["secret/prod/ledger/db-url", "secret/prod/ledger/hsm-pin", "secret/prod/payments-api/stripe-live",
         "secret/prod/checkout/session-key", "secret/prod/observability/grafana/oauth-client-secret"]  # fmt: skip
HOSTILE = [
    "secret/prod/<script>alert(1)</script>",
    'secret/prod/"><img src=x onerror=alert(1)>',
    "secret/prod/\u202egnp.exe",
    "secret/prod/" + "a" * 180,
    "secret/prod/<button hx-get='/sign-out/' hx-trigger='load'>",
    "secret/prod/{{ 7|add:7 }}",
    "secret/prod/שלום/עולם",
]
# who, how often, from where
CAST = [
    ("service_account", "payments", "ledger", 46),
    ("service_account", "payments", "settlement", 14),
    ("service_account", "vault-secrets-operator-system", "vault-secrets-operator-controller-manager", 5),
    ("human", "", "mira.holt", 2),
    ("ci", "", "acme/ledger", 1),
    ("approle", "", "legacy-ledger", 1),
]
DENIED = ("service_account", "checkout", "checkout", 2)


def _hmac(text: str) -> str:
    return "hmac-sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _auth(kind: str, namespace: str, name: str) -> dict[str, Any]:
    """Return the `auth` of a line, as each auth method fills it."""
    metadata, shown = {
        "service_account": (
            {"role": name, "service_account_name": name, "service_account_namespace": namespace,
             "service_account_uid": hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()},
            f"kubernetes-{namespace}-{name}",
        ),
        "human": ({"username": name}, f"userpass-{name}"),
        "ci": ({"repository": name, "role": "deploy"}, f"github-actions-repo:{name}:ref:refs/heads/main"),
        "approle": ({"role_name": name}, "approle"),
    }[kind]  # fmt: skip
    return {
        "client_token": _hmac(f"token {namespace}/{name}"),
        "accessor": _hmac(f"accessor {namespace}/{name}"),
        "display_name": shown,
        "policies": ["default", f"{name}-read"],
        "metadata": metadata,
        "entity_id": hashlib.md5(f"{kind}{namespace}{name}".encode(), usedforsecurity=False).hexdigest(),
        "token_type": "service",
    }


class Log:
    """Lines of a KV v2 mount at `secret/`, in the order in which they are asked for."""

    def __init__(self, seed: int = 7) -> None:
        self.dice = random.Random(seed)
        self.lines: list[tuple[datetime, str]] = []

    def read(
        self, secret: str, when: datetime, who: tuple[str, str, str, int], version: int = 14, denied: bool = False
    ):
        """Write the two lines of a read."""
        mount, _, rest = secret.partition("/")
        number = len(self.lines)
        request = {
            "id": f"{self.dice.getrandbits(32):08x}-2a91-4c11-9e0d-{self.dice.getrandbits(48):012x}",
            "operation": "read",
            "mount_point": f"{mount}/",
            "mount_type": "kv",
            "mount_accessor": "kv_95d17722",
            "namespace": {"id": "root"},
            "path": f"{mount}/data/{rest}",
            "remote_address": f"10.42.{len(who[2])}.{10 + number % 6 // 2}",
            "remote_port": 40000 + number % 20000,
        }
        common = {"auth": _auth(*who[:3]), "request": request}
        answer: dict[str, Any] = {
            "mount_type": "kv",
            "data": {"data": {"password": _hmac(secret)}, "metadata": {"version": version, "destroyed": False}},
        }
        error = {}
        if denied:
            answer, error = (
                {"data": {"error": _hmac("denied")}},
                {"error": "1 error occurred:\n\t* permission denied\n\n"},
            )
        for kind, more, later in (("request", {}, 0), ("response", {"response": answer, **error}, 2)):
            moment = when + timedelta(milliseconds=later)
            line = {"time": moment.isoformat().replace("+00:00", "Z"), "type": kind, **common, **more}
            self.lines.append((moment, json.dumps(line, ensure_ascii=False)))

    def write(self, *paths: Path, without: tuple[datetime, datetime] | None = None) -> None:
        """Write the log in order of time into each file; lines within `without` are in none of them."""
        kept = [(at, text) for at, text in sorted(self.lines) if not (without and without[0] <= at < without[1])]
        middle = next((i for i, (at, _) in enumerate(kept) if without and at >= without[1]), len(kept))
        for path, part in zip(paths, (kept[:middle], kept[middle:]) if len(paths) == 2 else (kept,), strict=True):
            path.write_text("".join(text + "\n" for _, text in part), encoding="utf-8")


def month(now: datetime | None = None, reads: int = 1500) -> Log:
    """Return a log of the last 30 days: one busy secret, some quiet ones, and hostile names."""
    now, log = now or datetime.now(UTC), Log()
    weights = [weight for *_, weight in CAST]
    for _ in range(reads):
        hours = log.dice.choice(range(24 * 30)) + log.dice.random()
        ago = timedelta(hours=max(0.02, hours))
        who = log.dice.choices(CAST, weights)[0]
        log.read(BUSY, now - ago, who, 13 if ago > timedelta(days=3) else 14)
    for _ in range(23):
        log.read(BUSY, now - timedelta(hours=log.dice.uniform(20, 32)), DENIED, denied=True)
    for secret in QUIET:
        for _ in range(log.dice.randrange(2, 30)):
            log.read(secret, now - timedelta(hours=log.dice.uniform(1, 700)), log.dice.choice(CAST), 3)
    for secret in HOSTILE:
        log.read(secret, now - timedelta(minutes=log.dice.uniform(1, 60)), CAST[0], 1)
    return log
