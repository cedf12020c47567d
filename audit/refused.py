"""Which of a pod's log-ins a vault refused, by the vault's own lines: what a cluster alone can only guess.

A refused login names nobody, and its role is hashed. It is the pod's where it came from an address that was then this
pod's alone, to the auth mount that the pod is told to use, with the role that it is told to use: that shows in the
error's text, by the same hash in a login of that role that succeeded, or because the pod uses one role there alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection
from django.db.models import Q

from audit.bearers import Call, lines_of
from audit.event import ALIVE, OPERATIONS
from inventory.cluster_models import SecretConsumer
from inventory.cluster_questions import PodView
from inventory.models import PodAddress
from vault.audit_line import EMPTY, Line
from vault.reads import Outcome

MOST = 20
_BACK = timedelta(days=1)  # a pod that is stuck tries again all the time
_WRITES = f"({OPERATIONS.index('create')}, {OPERATIONS.index('update')})"
_REFUSED = f"""
    SELECT e.id, e.time, e.vault, e.token, e.address, e.block, e.line, e.flags, true, v.name, a.namespace, a.path,
           w.address, e.device
    FROM audit_event e JOIN audit_vault v ON v.id = e.vault JOIN audit_address w ON w.id = e.address
    JOIN audit_path a ON a.id = e.path
    WHERE e.principal = ANY(ARRAY(SELECT id FROM audit_principal WHERE kind = 'anonymous')) AND e.time >= %s
    AND e.address = ANY(ARRAY(SELECT id FROM audit_address WHERE address = ANY(%s))) AND e.{ALIVE}
    AND e.operation IN {_WRITES} AND e.outcome IN ({Outcome.DENIED.value}, {Outcome.ERROR.value})
    AND starts_with(a.path, 'auth/') AND a.path LIKE '%%/login' ORDER BY e.time DESC LIMIT {MOST}
"""  # noqa: S608 - our own text
_LOGGED_IN = f"""
    SELECT e.id, e.time, e.vault, e.token, e.address, e.block, e.line, e.flags, true
    FROM audit_bearer b JOIN audit_token k ON k.id = b.token_id
    JOIN audit_event e ON e.principal = k.principal_id AND e.time = b.login_at AND e.vault = b.vault_id
         AND e.device = k.device_id AND e.outcome = {Outcome.OK.value}
    WHERE b.vault_id = %s AND k.device_id = %s AND b.claims->>'role' = %s ORDER BY b.login_at DESC LIMIT 3
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True)
class Refused:
    """One refused login from a pod's address; `error` is the vault's own text.

    `alone` says that the address was this pod's alone then, `fits` that it was to the mount and with the role that the
    pod is told to use; None where the role can't be compared.
    """

    event_id: int
    at: datetime
    vault: str
    path: str
    address: str
    error: str
    role: str
    alone: bool
    fits: bool | None

    @property
    def proves(self) -> bool:
        """Whether it is certain that this was the pod's own login."""
        return self.alone and self.fits is True


def refused_logins(view: PodView) -> list[Refused]:
    """Return the refused log-ins of the last day from a pod's addresses, newest first, at most 20.

    Whoever asks sees everything: a refused login is of no secret, so no area covers it.
    """
    told = [one for one in view.consumers if one.role and one.auth_mount]
    if view.life is None or not view.addresses:
        return []
    since = max(view.life.started, view.life.seen_at - _BACK)
    rows = _rows(_REFUSED, [since, [one.address for one in view.addresses]])
    calls = [(Call(*row[:9]), *row[9:]) for row in rows]
    lines = lines_of([call for call, *_ in calls])
    others = _others(view)
    found = []
    for call, vault, namespace, path, address, device in calls:
        line = lines.get(call.id)
        if line is None or not _had(view.addresses, address, call.time):
            continue
        mine = [one for one in told if _to(one, namespace, path)]
        fits, role = _fits(mine, line, call.vault, device)
        alone = not _had(others, address, call.time)
        found.append(Refused(call.id, call.time, vault, path, address, line.error, role, alone, fits))
    return found


def _had(addresses: Sequence[PodAddress], address: str, at: datetime) -> bool:
    return any(
        one.address == address and one.started <= at and (one.ended is None or at < one.ended) for one in addresses
    )


def _others(view: PodView) -> list[PodAddress]:
    """Return the stretches in which other pods had an address of this pod, of whatever cluster."""
    assert view.life is not None  # noqa: S101 - refused_logins asked
    same = PodAddress.objects.filter(address__in=[one.address for one in view.addresses]).exclude(life=view.life)
    return list(same.filter(Q(ended=None) | Q(ended__gt=view.life.started))[:1_000])


def _to(one: SecretConsumer, namespace: str, path: str) -> bool:
    mount = one.auth_mount.strip("/").removeprefix("auth/")
    return path == f"auth/{mount}/login" and one.vault_namespace.strip("/") == namespace.strip("/")


def _fits(mine: Sequence[SecretConsumer], line: Line, vault: int, device: int) -> tuple[bool | None, str]:
    """Return whether a refused login was with a role of these, and which; None where nothing tells its role.

    Where no hash can be compared, it is the one role that the pod uses at that mount.
    """
    roles = sorted({one.role for one in mine})
    shown, unknown = _role(line), []
    for role in roles:
        if f'"{role}"' in line.error or shown == role:
            return True, role
        hashes = _hashes(vault, device, role)
        if shown and shown in hashes:
            return True, role
        unknown += [] if hashes else [role]
    if len(roles) == 1 and unknown and '"' not in line.error:
        return True, roles[0]
    return (None if unknown else False), ", ".join(roles)


def _hashes(vault: int, device: int, role: str) -> set[str]:
    """Return how a device shows a role, by log-ins with it that succeeded."""
    calls = [Call(*row) for row in _rows(_LOGGED_IN, [vault, device, role])]
    return {_role(one) for one in lines_of(calls).values()}


def _role(line: Line) -> str:
    """Return a login's role as the line shows it: hashed, unless the device was told not to."""
    if line.request.data is EMPTY:
        return ""
    try:
        told = msgspec.json.decode(bytes(line.request.data))
    except msgspec.DecodeError:
        return ""
    role = told.get("role") if isinstance(told, dict) else None
    return role if isinstance(role, str) else ""


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
