"""The areas of a limited view as conditions: on the rows of the secrets, and on the names of the vaults."""

from __future__ import annotations

from typing import Any

from accounts.scope import Area, Scope

Sql = tuple[str, list[Any]]


def secret_in(scope: Scope, alias: str = "audit_secret") -> Sql:
    """Return ` AND ...`, true of the rows of `audit_secret` that the scope covers; nothing where all are covered.

    It says in SQL what `Scope.covers(vault, namespace, name without the namespace)` says.
    """
    parts, values = [], []
    for group in scope.groups:
        areas = [_area(area, alias) for area in group]
        parts.append(f" AND ({' OR '.join(sql for sql, _ in areas) or 'false'})")
        values += [value for _, own in areas for value in own]
    return "".join(parts), values


def _area(area: Area, alias: str) -> Sql:
    namespace = f"btrim({alias}.namespace, '/')"
    # The name begins with the namespace and a slash, where there is one.
    path = f"btrim(substr({alias}.name, 1 + CASE {namespace} WHEN '' THEN 0 ELSE length({namespace}) + 1 END), '/')"
    told = [
        (f"{alias}.vault_id = (SELECT id FROM audit_vault WHERE name = %s)", area.vault, ""),  # noqa: S608 - our own text
        (f"starts_with({namespace} || '/', %s)", area.namespace, "/"),  # a segment ends where the area does
        (f"starts_with({path} || '/', %s)", area.prefix, "/"),
    ]
    given = [(sql, text + end) for sql, text, end in told if text]
    return f"({' AND '.join(sql for sql, _ in given) or 'true'})", [value for _, value in given]


def vaults_of(scope: Scope) -> list[str] | None:
    """Return the names of the vaults whose health a scope shows; None means all: some area names no vault."""
    found: set[str] | None = None
    for group in scope.groups:
        named = {area.vault for area in group}
        if "" not in named:
            found = named if found is None else found & named
    return None if found is None else sorted(found)
