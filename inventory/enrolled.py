"""Tells from the mirror what is enrolled for the executor at a vault: pages and plans ask here, without a token."""

from __future__ import annotations

from datetime import datetime

from inventory import holders
from inventory.models import AuthRole, Connection
from vault.enrolment import PREFIX, Covered, Want, covers


def enrolled(connection: Connection, want: Want, at: datetime) -> Covered:
    """Return the role to mint from for a verb at one thing, or why there is none and what to apply.

    It says what the mirror showed last; the worker looks again at the vault itself before anybody may approve.
    """
    rights = holders.rights(connection, at)
    return covers(
        roles_of(connection), rights.readable, want, at=at, namespace=rights.namespace, unreadable=rights.unreadable
    )


def roles_of(connection: Connection) -> list[AuthRole]:
    """Return the token roles that the executor may mint from, by name."""
    ours = AuthRole.objects.filter(connection=connection, type="token", name__startswith=PREFIX, gone_at=None)
    return list(ours.order_by("name"))
