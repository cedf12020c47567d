"""The demo's small company: its services and pods, its people, its secrets and who may read what."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field

NIGHTLY = "nightly-backup"
REPOSITORY = "acme/shop"
PEOPLE = ("alice", "bob")


def uid_of(of: str) -> str:
    """Return the same UUID for the same thing in every run, so that a demo goes on as the same company."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"keybook:{of}"))


@dataclass(frozen=True)
class Pod:
    """One pod: its name, uid and address in the cluster's network."""

    name: str
    uid: str
    address: str


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
    def uid(self) -> str:
        """Return the service account's uid."""
        return uid_of(self.account)

    def pods(self) -> list[Pod]:
        """Return the pods, named and addressed as a cluster would."""
        made = []
        for number in range(1, self.replicas + 1):
            letters = hashlib.sha256(f"{self.account}{number}".encode()).hexdigest()
            name = f"{self.name}-{letters[:9]}-{letters[9:14]}"
            made.append(Pod(name, uid_of(name), f"10.42.{self.number}.{10 + number}"))
        return made


BANK = "secret/prod/ledger/bank-sftp"
ELSEWHERE = "198.51.100.23"  # where nobody of the company is: an address for documentation (RFC 5737)


def _of(service: str, *names: str) -> tuple[str, ...]:
    """Return the secrets of a service on the KV v2 mount."""
    return tuple(f"secret/prod/{service}/{name}" for name in names)


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
