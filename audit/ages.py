"""How old secrets are by the record: which of them could be rotated, and when their value was last seen to change."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

from django.db import connection

from audit.closed import END
from audit.event import ALIVE
from audit.operations import OPERATIONS
from inventory.sightings import Rotatable, Rotated
from vault.reads import Outcome

# By target: the engine, how the path of such a secret begins, and the calls below the mount that give another value.
_KINDS = {
    "kv": ("KV v2", "", "^data/"),
    "database_role": ("database", "static-creds/", "^rotate-role/"),
    "transit": ("transit", "keys/", "^keys/[^/]+/rotate$"),
}
_CHANGES = [OPERATIONS.index(name) for name in ("create", "update", "patch")]
_KNOWN = """
    SELECT v.name, s.name, min(p.first) FROM audit_secret s JOIN audit_vault v ON v.id = s.vault_id
    LEFT JOIN audit_pair p ON p.secret = s.id
    WHERE s.engine = %s AND s.path LIKE %s AND s.name LIKE %s AND (%s = '' OR v.name = %s)
    GROUP BY v.name, s.name ORDER BY v.name, s.name
"""
_LAST = f"""
    SELECT e.time, e.version, p.name, e.id
    FROM audit_event e JOIN audit_path a ON a.id = e.path JOIN audit_principal p ON p.id = e.principal
    JOIN audit_secret s ON s.id = e.secret
    WHERE e.secret = ANY(ARRAY(SELECT s.id FROM audit_secret s JOIN audit_vault v ON v.id = s.vault_id
                               WHERE v.name = %s AND s.name = %s))
          AND e.secret > 0 AND e.time >= %s AND e.time < %s AND e.operation = ANY(%s) AND e.outcome = %s
          AND e.{ALIVE} AND substr(a.path, length(s.mount) + 1) ~ %s
    ORDER BY e.time DESC, e.id DESC LIMIT 1
"""  # noqa: S608 - our own text


def rotatable(target: str, pattern: str, vault: str = "") -> list[Rotatable]:
    """Return the known secrets of a target that a glob fits, by vault and name; none for a target without a record."""
    if target not in _KINDS:
        return []
    engine, begins, _ = _KINDS[target]
    plain = pattern[: min((at for at in map(pattern.find, "*?[") if at >= 0), default=len(pattern))]
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [engine, f"{_like(begins)}%", f"{_like(plain)}%", vault, vault])
        return [Rotatable(*row) for row in cursor.fetchall() if fnmatchcase(row[1], pattern)]


def rotated(target: str, vault: str, name: str, since: datetime) -> Rotated | None:
    """Return the last call since a moment that gave a secret another value; None where the record shows none."""
    if target not in _KINDS:
        return None
    with connection.cursor() as cursor:
        calls = _KINDS[target][2]
        cursor.execute(_LAST, [vault, name, since, END, _CHANGES, Outcome.OK.value, calls])
        row = cursor.fetchone()
    return Rotated(*row) if row else None


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
