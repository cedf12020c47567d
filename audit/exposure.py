"""What an incident asks the record: who was given a secret since then, what a pod was given, and with which tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from audit import pods
from audit.answers import Reader
from audit.event import ALIVE
from audit.grades import grade
from audit.models import Principal
from inventory.sightings import Had, HeldToken, Taken

MOST = 2_000


def had(secrets: Sequence[int], since: datetime, until: datetime) -> list[Had]:
    """Return who was given one of these secrets or was denied it in [since, until), most reads first."""
    rows = [_had(one) for key in secrets for one in pods.readers_by_pod(key, since, until)]
    return sorted(rows, key=lambda one: (-one.reads, -one.denied, one.principal, one.pod))[:MOST]


def _had(one: Reader) -> Had:
    return Had(one.principal, one.kind, one.pod or "", one.grade, one.delivered_by, one.count, one.denied, one.first,
               one.last, tuple(one.versions))  # fmt: skip


# A pod's calls are those of the tokens and addresses, in the stretches, that attribution gave to it.
_OF_POD = """
    FROM audit_attribution t JOIN audit_tokenuse u ON u.id = t.use_id JOIN audit_token k ON k.id = u.token_id
    JOIN audit_event e ON e.principal = k.principal_id AND e.token = k.id AND e.address = u.address_id
         AND e.time >= t.since AND e.time < t.until
    JOIN audit_principal p ON p.id = e.principal JOIN audit_vault v ON v.id = p.vault_id
    WHERE t.pod_uid = %s AND t.pod_uid <> ''
"""
_OF_PRINCIPAL = """
    FROM audit_event e JOIN audit_principal p ON p.id = e.principal JOIN audit_vault v ON v.id = p.vault_id
    LEFT JOIN audit_token k ON k.id = e.token
    LEFT JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
    LEFT JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
    WHERE e.principal IN (SELECT id FROM audit_principal WHERE name = %s)
"""
_TAKEN = f"""
    SELECT v.name, s.name, s.engine, p.kind, coalesce(c.grade, ''), count(*), min(c.time), max(c.time), max(c.version)
    FROM (SELECT e.*, t.grade {{of}} AND e.time >= %s AND e.time < %s AND e.secret > 0 AND e.disclosed > 0
          AND e.{ALIVE}) c
    JOIN audit_principal p ON p.id = c.principal JOIN audit_secret s ON s.id = c.secret
    JOIN audit_vault v ON v.id = s.vault_id GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 5 LIMIT {MOST}
"""  # noqa: S608 - our own text
_TOKENS = f"""
    SELECT v.name, k.accessor, p.name, p.entity_id, p.kind, coalesce(max(t.grade), ''), min(e.time), max(e.time) {{of}}
    AND e.time >= %s AND e.time < %s AND e.{ALIVE}
    GROUP BY v.name, k.accessor, p.name, p.entity_id, p.kind ORDER BY 1, 2, 3, 4 LIMIT {MOST}
"""


def taken(since: datetime, until: datetime, *, pod: str = "", principal: str = "") -> list[Taken]:
    """Return which secrets a pod (by uid) or a principal (by name) was given in [since, until), each grade apart."""
    rows = _rows(_TAKEN.format(of=_OF_POD if pod else _OF_PRINCIPAL), [pod or principal, since, until])
    return [Taken(vault, name, engine, grade(kind, told), *rest) for vault, name, engine, kind, told, *rest in rows]


def tokens(since: datetime, until: datetime, *, pod: str = "", principal: str = "") -> list[HeldToken]:
    """Return with which tokens a pod (by uid) or a principal (by name) called in [since, until)."""
    rows = _rows(_TOKENS.format(of=_OF_POD if pod else _OF_PRINCIPAL), [pod or principal, since, until])
    return [
        HeldToken(vault, accessor or "", name, entity, grade(kind, told), first, last)
        for vault, accessor, name, entity, kind, told, first, last in rows
    ]


def entities(vault: str, principal: str) -> list[str]:
    """Return the ids of the entities that principals of a name ever were in a vault."""
    some = Principal.objects.filter(vault__name=vault, name=principal)
    return sorted(set(some.exclude(entity_id="").values_list("entity_id", flat=True)))


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
