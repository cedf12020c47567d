"""Writes what a look found of policies, roles and groups; what was not seen stays, what went is marked gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db.models import Model

from inventory.look_access import Access
from inventory.models import AuthRole, Connection, Group, Policy, Unseen
from vault import server
from vault.hcl import UnreadableText
from vault.policy_print import printed
from vault.policy_text import rules

_Rows = Mapping[tuple[str, ...], Mapping[str, Any]]


def keep_access(connection: Connection, found: Access, now: datetime) -> None:
    """Keep a deep look's result; the caller holds the transaction."""
    if found.policies is not None:
        _keep(Policy, connection, {}, ("name",), {(one.name,): _policy(one) for one in found.policies}, now)
    for method, seen in found.roles.items():
        _keep(AuthRole, connection, {"method": method}, ("name",), {(one.name,): _role(one) for one in seen}, now)
    if found.groups is not None:
        _keep(Group, connection, {}, ("group_id",), {(one.id,): _group(one) for one in found.groups}, now)
    Unseen.objects.filter(connection=connection).delete()
    Unseen.objects.bulk_create(Unseen(connection=connection, path=path, why=why) for path, why in found.unseen.items())
    Connection.objects.filter(pk=connection.pk).update(access_at=now)


def methods_gone(connection: Connection, methods: Iterable[str], now: datetime) -> None:
    """Mark the roles of auth methods that are no longer mounted as gone."""
    there = AuthRole.objects.filter(connection=connection, gone_at=None)
    there.exclude(method__in=list(methods)).update(gone_at=now)


def _keep(
    model: type[Model],
    connection: Connection,
    among: Mapping[str, Any],
    key: tuple[str, ...],
    seen: _Rows,
    now: datetime,
) -> None:
    """Add what is new, update what differs, mark what is missing; a row that stays as it is is not written."""
    rows = model._default_manager.filter(connection=connection, **among)
    known = {tuple(getattr(one, name) for name in key): one for one in rows}
    for names, values in seen.items():
        row = known.get(names)
        if row is None:
            fresh = dict(zip(key, names, strict=True)) | dict(values) | {"seen_first": now, "changed_at": now}
            model._default_manager.create(connection=connection, **among, **fresh)
        elif any(getattr(row, name) != value for name, value in values.items()):
            rows.filter(pk=row.pk).update(**values, changed_at=now)
    gone = [row.pk for names, row in known.items() if names not in seen]
    rows.filter(pk__in=gone, gone_at=None).update(gone_at=now)


def _policy(one: server.PolicyText) -> dict[str, Any]:
    text, why = "", ""
    try:
        text = printed(rules(one.text))
    except UnreadableText as error:
        why = str(error)
    digest = sha256(one.text.encode("utf-8", "surrogatepass")).hexdigest()
    free = {"slashes": one.slashes, "wildcards": one.wildcards, "expires": _moment(one.expires)}
    return {"text": text, "sha256": digest, "unreadable": why, "gone_at": None, **free}


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text[:19] + "+00:00").astimezone(UTC) if text else None
    except ValueError:
        return None


def _role(one: server.AuthRole) -> dict[str, Any]:
    binds = {name: list(values) for name, values in one.binds.items()}
    policies = list(one.policies)
    return {"type": one.type, "policies": policies, "no_default": one.no_default, "binds": binds, "gone_at": None}


def _group(one: server.Group) -> dict[str, Any]:
    lists = {"policies": list(one.policies), "entities": list(one.entities), "groups": list(one.groups)}
    return {"name": one.name, "type": one.type, "metadata": dict(one.metadata), "gone_at": None, **lists}
