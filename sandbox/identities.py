"""What each of Keybook's processes gets to know: its own PostgreSQL role and the settings that it reads, no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# What any Python process needs of the terminal that started us.
TERMINAL = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
# Variables of the tools, which are none of the product's business.
TOOLS = ("KEYBOOK_HOME", "KEYBOOK_SANDBOX_", "KEYBOOK_AUDIT_LOG", "KEYBOOK_PG_", "KEYBOOK_AUDIT_HTTP",
         "KEYBOOK_CHROMIUM", "KEYBOOK_PYTHON", "KEYBOOK_URL", "KEYBOOK_BENCH", "KEYBOOK_ANCHOR",
         "KEYBOOK_VAULT_TOKEN_FILES", "KEYBOOK_KUBECONFIG", "KEYBOOK_EXECUTOR", "KEYBOOK_RESTARTER",
         "KEYBOOK_WITNESS", "KEYBOOK_SEAL", "KEYBOOK_SMTP_")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """A process's PostgreSQL role and the settings that it reads; `pages`: all but the vault's and the broker's."""

    role: str
    settings: tuple[str, ...] = ()
    pages: bool = False

    def environment(self, whole: Mapping[str, str], url: Callable[[str], str] | None) -> dict[str, str]:
        """Return this process's part of the whole environment; `url` gives an embedded PostgreSQL's address for a role.

        Without one the address stands as the environment names it: whose role it is, the operator has decided.
        """
        wanted = {name: whole[name] for name in (*TERMINAL, *self.settings) if name in whole}
        if self.pages:
            wanted |= {name: value for name, value in whole.items() if _of_the_pages(name)}
        if "DATABASE_URL" in whole:
            wanted["DATABASE_URL"] = url(self.role) if url else whole["DATABASE_URL"]
        return wanted


def _of_the_pages(name: str) -> bool:
    return name.startswith("KEYBOOK_") and not name.startswith(TOOLS)


WEB = Identity("keybook_web", pages=True)
RECEIVER = Identity(
    "keybook_receiver",
    ("KEYBOOK_RECEIVER", "KEYBOOK_RECEIVER_DEADLINE_MS", "KEYBOOK_RECEIVER_BODY", "KEYBOOK_MAX_LINE"),
)
INGEST = Identity(
    "keybook_ingest",
    (
        "REDIS_URL",
        "KEYBOOK_ANCHOR",
        "KEYBOOK_LOG_ROOTS",
        "KEYBOOK_MAX_LINE",
        "KEYBOOK_RETENTION_DAYS",
        "KEYBOOK_PULSE",
        "KEYBOOK_VAULT_TOKEN_FILES",
    ),
)
CLUSTER = Identity("keybook_cluster", ("REDIS_URL", "KEYBOOK_PULSE", "KEYBOOK_KUBECONFIG", "KEYBOOK_RETENTION_DAYS"))
OPERATIONS = Identity(
    "keybook_operations",
    (
        "REDIS_URL",
        "KEYBOOK_PULSE",
        "KEYBOOK_EXECUTOR",
        "KEYBOOK_RESTARTER",
        "KEYBOOK_WITNESS",
        "KEYBOOK_SEAL",
        "KEYBOOK_URL",
        "KEYBOOK_MAY_GENERATE",
    ),
)
# It speaks to addresses that people typed, so it holds no door to a vault or a cluster.
NOTICES = Identity(
    "keybook_notices",
    (
        "REDIS_URL",
        "KEYBOOK_PULSE",
        "KEYBOOK_URL",
        "KEYBOOK_NOTICE_KEY",
        "KEYBOOK_NOTICE_INSIDE",
        "KEYBOOK_NOTICE_DAYS",
        "KEYBOOK_SMTP_HOST",
        "KEYBOOK_SMTP_PORT",
        "KEYBOOK_SMTP_TLS",
        "KEYBOOK_SMTP_USER",
        "KEYBOOK_SMTP_PASSWORD",
        "KEYBOOK_MAIL_FROM",
    ),
)
BEAT = Identity("keybook_beat", ("REDIS_URL", "KEYBOOK_PULSE"))
HEALTH = Identity("keybook_health", ("REDIS_URL", "KEYBOOK_INTERNAL", "KEYBOOK_RECEIVER"))
