"""The demo's small company: its services and pods, its people, its secrets and who may read what."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field

NIGHTLY = "nightly-backup"
REPOSITORY = "acme/shop"
PEOPLE = ("alice", "bob")
NODES = ("node-1", "node-2", "node-3")


def uid_of(of: str) -> str:
    """Return the same UUID for the same thing in every run, so that a demo goes on as the same company."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"keybook:{of}"))


_DELIVERY = {
    **dict.fromkeys(("search", "etl", "exports", "month-end"), "direct"),
    **dict.fromkeys(("invoicing", "catalog", "forecast"), "vso"),
    "reports": "eso",
    "notifications": "csi",
}


@dataclass(frozen=True)
class Pod:
    """One pod: its name, uid and address in the cluster's network, and the node that it runs on."""

    name: str
    uid: str
    address: str
    node: str = ""


@dataclass(frozen=True)
class Service:
    """One service with its own service account: the KV secrets and database roles that it may read."""

    namespace: str
    name: str
    number: int
    replicas: int
    secrets: tuple[str, ...]
    database: tuple[str, ...] = ()
    curious: tuple[str, ...] = field(default=())  # what it asks for and isn't given

    @property
    def account(self) -> str:
        """Return namespace/name, as a principal prints."""
        return f"{self.namespace}/{self.name}"

    @property
    def delivery(self) -> str:
        """Return how they reach it: by injector, csi, vso or eso, or direct (it asks the vault itself)."""
        return _DELIVERY.get(self.name, "injector")

    @property
    def uid(self) -> str:
        """Return the service account's uid."""
        return uid_of(self.account)

    def pods(self) -> list[Pod]:
        """Return the pods that it begins with, named and addressed as a cluster would."""
        made = []
        for number in range(1, self.replicas + 1):
            letters = hashlib.sha256(f"{self.account}{number}".encode()).hexdigest()
            name = f"{self.name}-{letters[:9]}-{letters[9:14]}"
            node = NODES[(self.number + number - 1) % len(NODES)]
            made.append(Pod(name, uid_of(name), f"10.42.{self.number}.{10 + number}", node))
        return made


@dataclass(frozen=True)
class Operator:
    """A pod (or one on each node) that reads the vault for others; its label is `app.kubernetes.io/name: NAME`."""

    namespace: str
    name: str
    number: int
    everywhere: bool = False

    def pods(self) -> list[Pod]:
        """Return its pods."""
        nodes = NODES if self.everywhere else NODES[:1]
        made = []
        for number, node in enumerate(nodes, 1):
            letters = hashlib.sha256(f"{self.namespace}/{self.name}{number}".encode()).hexdigest()
            name = f"{self.name}-{letters[:5]}" if self.everywhere else f"{self.name}-{letters[:9]}-{letters[9:14]}"
            made.append(Pod(name, uid_of(name), f"10.42.{self.number}.{10 + number}", node))
        return made


BANK = "secret/prod/ledger/bank-sftp"
ELSEWHERE = "198.51.100.23"  # where nobody of the company is: an address for documentation (RFC 5737)


def _of(service: str, *names: str) -> tuple[str, ...]:
    """Return the secrets of a service on the KV v2 mount."""
    return tuple(f"secret/prod/{service}/{name}" for name in names)


# What reads the vault for others, by the way of delivery.
OPERATORS = {
    "vso": Operator("vault-secrets-operator-system", "vault-secrets-operator", 20),
    "eso": Operator("external-secrets", "external-secrets", 21),
    "csi": Operator("csi", "vault-csi-provider", 22, everywhere=True),
}
# What Keybook is there to find. A pod that never gets past its init container: the role names another account than its.
STUCK = Service("payments", "disputes", 15, 1, _of("disputes", "case-api", "evidence-key"))
STUCK_ROLE_TAKES = "dispute-desk"
# A job that took a log-in for three days and is gone after a minute, without giving it back.
ORPHAN = Service("payments", "month-end", 16, 1, (), ("payments-close",))
# The pod that got OLD as an environment variable at its start, and that nobody restarts when it changes.
OLD = "secret/prod/invoicing/erp-api"
OLD_SERVICE = "payments/invoicing"
SERVICES = (
    Service("payments", "ledger", 1, 3, (BANK, *_of("ledger", "signing", "audit-seal")), ("payments-rw",)),
    Service("payments", "payout", 2, 2, (BANK, *_of("payout", "psp-key", "iban-check")), ("payments-rw",)),
    Service("payments", "fraud", 3, 2, _of("fraud", "scoring-api", "model-store", "blocklist"), ("payments-ro",)),
    Service("storefront", "web", 4, 3, (*_of("web", "session-key", "csrf-key"), "legacy/prod/web/captcha")),
    Service("storefront", "checkout", 5, 2, (*_of("checkout", "psp-key", "tax-api"), "legacy/prod/checkout/smtp")),
    Service("storefront", "search", 6, 1, _of("search", "index-key", "synonyms-api"), (), _of("web", "session-key")),
    Service("analytics", "etl", 7, 2, _of("etl", "s3-key", "warehouse", "sftp-partner"), ("payments-ro",)),
    Service("analytics", "reports", 8, 1, _of("reports", "smtp", "chart-api"), (), (BANK,)),
    Service("payments", "refunds", 9, 2, _of("refunds", "psp-key", "case-api", "webhook"), ("payments-rw",)),
    Service("payments", "invoicing", 10, 1, _of("invoicing", "pdf-signing", "erp-api", "smtp")),
    Service("storefront", "catalog", 11, 2, (*_of("catalog", "cdn-key", "supplier-api"), "legacy/prod/catalog/ftp")),
    Service("storefront", "notifications", 12, 2, _of("notifications", "sms-api", "push-key", "mail-api", "webhook")),
    Service(
        "analytics", "forecast", 13, 1, _of("forecast", "weather-api", "model-store", "notebook"), ("payments-ro",)
    ),
    Service("analytics", "exports", 14, 1, _of("exports", "partner-a", "partner-b", "pgp-key"), (), (BANK,)),
)
BACKED_UP = ("secret/prod/ledger/signing", "secret/prod/etl/s3-key")
DEPLOYED = ("secret/prod/web/session-key", "secret/prod/checkout/psp-key")


def all_secrets() -> list[str]:
    """Return every KV secret's name, once."""
    return list(dict.fromkeys(name for service in SERVICES for name in service.secrets))


def api_path(name: str) -> str:
    """Return the API path of a KV secret's name: version 2 has `data` in it."""
    mount, _, rest = name.partition("/")
    return f"secret/data/{rest}" if mount == "secret" else name


def policy(reads: tuple[str, ...], database: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> str:
    """Return a policy in HCL that allows exactly this."""
    rules = {api_path(name): '"read"' for name in reads}
    rules.update({f"database/creds/{role}": '"read"' for role in database})
    rules.update({api_path(name): '"create", "update", "read"' for name in writes})
    return "".join(f'path "{path}" {{ capabilities = [{verbs}] }}\n' for path, verbs in rules.items())
