"""Tells by the mirror whether the executor is enrolled for a verb at a place, and what to apply where it is not."""

from __future__ import annotations

from datetime import datetime

from inventory.holders import rights
from inventory.models import AuthRole, Connection
from vault.enrolment import Covered, Want, covers


def covered(connection: Connection, want: Want, at: datetime) -> Covered:
    """Return the token role that covers what is wanted, or why none does and what would."""
    roles = AuthRole.objects.filter(connection=connection, type="token", gone_at=None).order_by("name")
    known = rights(connection, at)
    return covers(
        list(roles), known.readable, want, at=at, namespace=known.namespace, unreadable=known.unreadable
    )  # fmt: skip
