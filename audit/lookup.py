"""What somebody may mean by a name: secrets, principals, a caller's address, a token; exact ones, else beginnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

MOST = 20


@dataclass(frozen=True, slots=True)
class Match:
    """One thing of this name: `sort` is secret, principal, address or token; a token's key is its principal's."""

    sort: str
    id: int
    name: str
    kind: str  # of a principal, or a secret's engine
    vault: str


_SECRETS = """SELECT 'secret', s.id, s.name, s.engine, v.name FROM audit_secret s
              JOIN audit_vault v ON v.id = s.vault_id WHERE s.name"""
_PRINCIPALS = """SELECT 'principal', p.id, p.name, p.kind, v.name FROM audit_principal p
                 JOIN audit_vault v ON v.id = p.vault_id WHERE p.name"""
_ADDRESSES = "SELECT 'address', id::int, address, '', '' FROM audit_address WHERE address"
_TOKENS = """SELECT 'token', p.id, p.name, p.kind, v.name FROM audit_token t
             JOIN audit_principal p ON p.id = t.principal_id JOIN audit_vault v ON v.id = p.vault_id
             WHERE t.device_id IN (SELECT id FROM audit_device) AND t.hmac = %s"""


def what_is(text: str) -> list[Match]:
    """Return what is named exactly so, or as a path of the vault; nothing means that no name is this one."""
    token = _digest(text)
    selects = [f"{_SECRETS} = ANY(%s) LIMIT {MOST}", f"{_PRINCIPALS} = %s LIMIT {MOST}", f"{_ADDRESSES} = %s"]
    values: list[Any] = [_spellings(text), text, text]
    if token:
        selects.append(f"{_TOKENS} LIMIT {MOST}")
        values.append(token)
    return _matches(selects, values)


def what_begins(text: str) -> list[Match]:
    """Return some of what begins so."""
    pattern = "".join(f"\\{char}" if char in "\\%_" else char for char in text) + "%"
    selects = [f"{_SECRETS} LIKE %s ORDER BY s.name LIMIT {MOST}", f"{_PRINCIPALS} LIKE %s LIMIT {MOST}"]
    return _matches(selects, [pattern, pattern])


def _spellings(text: str) -> list[str]:
    """Return the names that a pasted path may mean: without `/v1/`, and without a KV v2 mount's `data/`."""
    plain = text.strip("/").removeprefix("v1/")
    parts = plain.split("/")
    without = (
        [*parts[:n], *parts[n + 1 :]] if (n := next((i for i, p in enumerate(parts) if p in _INNER), 0)) else parts
    )
    return list(dict.fromkeys((plain, "/".join(without))))


_INNER = {"data", "metadata"}


def _digest(text: str) -> bytes:
    """Return the bytes of `hmac-sha256:<hex>`; empty when it is none."""
    try:
        digest = bytes.fromhex(text.removeprefix("hmac-sha256:"))
    except ValueError:
        return b""
    return digest if len(digest) == 32 else b""


def _matches(selects: list[str], values: list[Any]) -> list[Match]:
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"({one})" for one in selects), values)
        return list(dict.fromkeys(Match(*row) for row in cursor.fetchall()))
