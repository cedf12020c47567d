"""Hears in the record that somebody changed who may do what, and rings for a look at that vault."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection as database

from audit.operations import OPERATIONS
from inventory.models import Connection
from vault.reads import Outcome

_WRITES = [OPERATIONS.index(one) for one in ("create", "update", "patch", "delete")]
_AT_MOST = 200_000  # events in one hearing: after a long silence the hourly look is soon enough
# What is written when policies, roles, groups, entities or mounts change; a login and a token are none of them.
_PATHS = (
    r"^(sys/(policy|policies|auth|mounts|remount)(/|$)|identity/(entity|group|entity-alias|group-alias)(/|$)|"
    r"auth/.+/(role|roles|users|groups|certs)/[^/]+(/policies)?$)"
)
_HEARD = """
    WITH newest AS (SELECT coalesce(max(id), 0) AS id FROM audit_event),
         fresh AS (SELECT DISTINCT e.path FROM audit_event e, newest
                   WHERE e.id > greatest(%(heard)s, newest.id - %(most)s) AND e.id <= newest.id
                     AND e.vault = (SELECT id FROM audit_vault WHERE name = %(vault)s)
                     AND e.operation = ANY(%(writes)s) AND e.outcome = %(ok)s)
    SELECT (SELECT id FROM newest),
           EXISTS (SELECT FROM fresh JOIN audit_path p ON p.id = fresh.path WHERE p.path ~ %(paths)s)
"""


def hear_changes() -> int:
    """Set `wanted_at` of each connection whose vault's record shows such a change; returns how many.

    Only events that came since the last hearing are looked at, by their number, which is the order of commits.
    """
    return sum(_hear(one) for one in Connection.objects.all())


def _hear(one: Connection) -> bool:
    given: dict[str, Any] = {
        "heard": one.heard,
        "vault": one.vault,
        "most": _AT_MOST,
        "writes": _WRITES,
        "ok": int(Outcome.OK),
    }
    with database.cursor() as cursor:
        cursor.execute(_HEARD, given | {"paths": _PATHS})
        newest, changed = cursor.fetchone()
    values: dict[str, object] = {"heard": newest}
    if changed:
        values["wanted_at"] = datetime.now(UTC)
    if newest != one.heard:
        Connection.objects.filter(pk=one.pk).update(**values)
    return bool(changed)
