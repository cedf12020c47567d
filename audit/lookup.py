"""What somebody may mean by a name: secrets, principals, a caller's address, a token; exact ones, else beginnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit import scoping
from audit.closed import BEGIN, END, parts_of, union
from audit.event import ALIVE
from audit.reach import Sql, secret_in

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


def what_is(text: str, *, scope: Scope) -> list[Match]:
    """Return what is named exactly so, or as a path of the vault; nothing means that no name is this one.

    To a limited view only what it shows has a name: secrets in scope, their callers, and where these called from.
    """
    (inner, own), (known, ids) = secret_in(scope, "s"), _known(scope)
    selects = [
        f"{_SECRETS} = ANY(%s){inner} ORDER BY s.id LIMIT {MOST}",
        f"{_PRINCIPALS} = %s{known} ORDER BY p.id LIMIT {MOST}",
    ]
    values: list[Any] = [_spellings(text), *own, text, *ids]
    if scope.everything or _is_seen(text, scope):
        selects.append(f"{_ADDRESSES} = %s")
        values.append(text)
    if token := _digest(text):
        used, covered = _used(scope)
        selects.append(f"{_TOKENS}{used} LIMIT {MOST}")
        values += [token, *covered]
    return _matches(selects, values)


def what_begins(text: str, *, scope: Scope) -> list[Match]:
    """Return some of what begins so, of what the view shows."""
    (inner, own), (known, ids) = secret_in(scope, "s"), _known(scope)
    pattern = "".join(f"\\{char}" if char in "\\%_" else char for char in text) + "%"
    selects = [
        f"{_SECRETS} LIKE %s{inner} ORDER BY s.name, s.id LIMIT {MOST}",
        f"{_PRINCIPALS} LIKE %s{known} ORDER BY p.name, p.id LIMIT {MOST}",
    ]
    return _matches(selects, [pattern, *own, pattern, *ids])


def _known(scope: Scope) -> Sql:
    """Return ` AND ...`, true of principals that ever had an event in scope."""
    if scope.everything:
        return "", []
    return " AND p.id IN (SELECT unnest(%s::int[]))", [scoping.principals_in(scope, BEGIN, END)]


def _used(scope: Scope) -> Sql:
    """Return ` AND ...`, true of tokens with which an event in scope was called."""
    if scope.everything:
        return "", []
    seen, values = scoping.inside(scope).select("1", ("principal = t.principal_id AND token = t.id", []))
    return f" AND EXISTS ({seen})", values


def _is_seen(address: str, scope: Scope) -> bool:
    """Whether a limited view shows an event from an address: the closed days tell whose events to look at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM audit_address WHERE address = %s", [address])
        if (row := cursor.fetchone()) is None:
            return False
        closed = "SELECT principal FROM audit_rollup_address WHERE address = %s AND day >= %s AND day < %s"
        raw = f"SELECT principal FROM audit_event WHERE address = %s AND time >= %s AND time < %s AND {ALIVE}"  # noqa: S608
        cursor.execute(*union(parts_of("a", BEGIN, END), closed, raw, [row[0]]))
        some = list({who for (who,) in cursor.fetchall()})
        where = f"address = %s AND principal = ANY(%s) AND {ALIVE}"
        seen, values = scoping.view_of(scope, some, BEGIN, END).select("1", (where, [row[0], some]), (" LIMIT 1", []))
        cursor.execute(seen, values)
        return cursor.fetchone() is not None


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
