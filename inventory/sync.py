"""Writes what a look at a vault found: the only writer of the inventory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction

from inventory.look import Look
from inventory.models import Alias, CheckLine, Connection, Entity, Mount
from inventory.sync_access import keep_access, methods_gone
from kit.check import Check
from vault import server


def keep(connection: Connection, found: Look) -> None:
    """Keep the result of a look in one transaction; what the vault no longer shows is marked gone, never forgotten."""
    now = datetime.now(UTC)
    with transaction.atomic():
        _connection(connection, found, now)
        keep_lines(connection, found.checks)
        _mounts(connection, found.mounts, now)
        if found.entities is not None:
            _entities(connection, found.entities, now)
        if found.access is not None:
            keep_access(connection, found.access, now)
        if methods := [one.path for one in found.mounts if one.path.startswith("auth/")]:
            methods_gone(connection, methods, now)


def keep_lines(connection: Connection, checks: Sequence[Check]) -> None:
    """Replace the lines of the last look."""
    with transaction.atomic():
        CheckLine.objects.filter(connection=connection).delete()
        CheckLine.objects.bulk_create(
            CheckLine(connection=connection, place=place, name=one.name, ok=one.ok, detail=one.detail, mend=one.mend)
            for place, one in enumerate(checks)
        )
        Connection.objects.filter(pk=connection.pk).update(looked_at=datetime.now(UTC), wanted_at=None)


def _connection(connection: Connection, found: Look, now: datetime) -> None:
    values: dict[str, object] = {}
    if found.health is not None:
        values |= {"version": found.health.version}
        if found.health.cluster_id:
            values |= {"cluster_id": found.health.cluster_id}
    if found.token is not None:
        values["token_until"] = now + timedelta(seconds=found.token.ttl) if found.token.ttl else None
    if values:
        Connection.objects.filter(pk=connection.pk).update(**values)


def _mounts(connection: Connection, seen: Sequence[server.Mount], now: datetime) -> None:
    if not seen:
        return
    for one in seen:
        values = {"type": one.type, "kv_version": one.kv_version, "gone_at": None}
        Mount.objects.update_or_create(
            connection=connection,
            path=one.path,
            accessor=one.accessor,
            defaults=values,
            create_defaults={**values, "seen_first": now},
        )
    there = {(one.path, one.accessor) for one in seen}
    for known in Mount.objects.filter(connection=connection, gone_at=None):
        if (known.path, known.accessor) not in there:
            Mount.objects.filter(pk=known.pk).update(gone_at=now)


def _entities(connection: Connection, seen: Sequence[server.Entity], now: datetime) -> None:
    known = {one.entity_id: one for one in Entity.objects.filter(connection=connection)}
    for one in seen:
        entity = known.get(one.id) or Entity(connection=connection, entity_id=one.id, seen_first=now)
        entity.name, entity.disabled, entity.gone_at = one.name, one.disabled, None
        entity.metadata = dict(one.metadata)
        entity.policies = list(one.policies)
        entity.save()
        _aliases(entity, one.aliases)
    gone = set(known) - {one.id for one in seen}
    Entity.objects.filter(connection=connection, entity_id__in=gone, gone_at=None).update(gone_at=now)


def _aliases(entity: Entity, seen: Sequence[server.Alias]) -> None:
    Alias.objects.filter(entity=entity).delete()
    Alias.objects.bulk_create(
        [Alias(entity=entity, mount_accessor=one.mount_accessor, mount_path=one.mount_path, name=one.name,
               metadata=dict(one.metadata), alias_id=one.id, custom_metadata=dict(one.custom_metadata))
         for one in seen],
        ignore_conflicts=True,
    )  # fmt: skip
