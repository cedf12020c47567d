"""Which containers hold an old version of a secret by a copy that they got at their start, by record and picture.

The record tells when versions were written, a cluster's picture when containers started: a version that was written
after a container had got its copy is not in it. A version whose write is not in the record is taken to have been there
always, so that nobody is called old by a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audit.closed import BEGIN, END
from audit.event import ALIVE
from audit.operations import OPERATIONS
from cluster.held import Held
from cluster.versions import Version
from inventory.cluster_models import SecretConsumer
from inventory.holding import held_of
from kit.arrays import numbers
from vault.reads import Outcome

_DELETE = OPERATIONS.index("delete")
_WRITES = [OPERATIONS.index(name) for name in ("create", "update", "patch")]
_WRITTEN = numbers(_WRITES)


@dataclass(frozen=True, slots=True)
class OldCopy:
    """A container on an old version: it holds `version`, or if not `sure` that or an older one.

    `since` is when the first version that it does not hold was written.
    """

    row: SecretConsumer
    version: int
    sure: bool
    since: datetime
    why: str


def versions_made(secret_id: int, path: str, newest: int) -> list[Version]:
    """Return the versions that a KV v2 secret's newest calls name or write, with when each was written, if it is sure.

    `path` is how the vault's API names the secret. What a write says of its number is left out, for older records lack
    it: see `number`.
    """
    return versions_of({secret_id: path}, newest)[secret_id]


def versions_of(paths: Mapping[int, str], newest: int) -> dict[int, list[Version]]:
    """Return the same of several secrets, whose paths are given by key, in one question."""
    sql = f"""
        SELECT s.id, e.time, e.version, e.operation
        FROM unnest(%s::int[], %s::text[], %s::text[]) AS s(id, path, metadata) CROSS JOIN LATERAL (
            SELECT time, CASE WHEN operation = ANY('{_WRITTEN}') THEN 0 ELSE version END AS version, operation, path,
                   outcome FROM audit_event
            WHERE secret = s.id AND secret > 0 AND time >= %s AND time < %s AND {ALIVE} ORDER BY time DESC LIMIT %s) e
        JOIN audit_path a ON a.id = e.path
        WHERE e.version > 0 OR e.outcome = {Outcome.OK.value} AND (
              e.operation = ANY(%s) AND a.path = s.path OR e.operation = {_DELETE} AND a.path = s.metadata)
        ORDER BY e.time
    """  # noqa: S608 - our own text
    metadata = [path.replace("/data/", "/metadata/", 1) for path in paths.values()]
    values: list[Any] = [list(paths), list(paths.values()), metadata, BEGIN, END, newest, _WRITES]
    calls: dict[int, list[tuple[datetime, int, int]]] = {key: [] for key in paths}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for key, *call in cursor.fetchall():
            calls[key].append((call[0], call[1], call[2]))
    return {key: number(some) for key, some in calls.items()}


def number(calls: Iterable[tuple[datetime, int, int]]) -> list[Version]:
    """Return the versions that calls of (time, version, operation), the oldest first, tell of.

    A write has the number after that of the newest read before it; the first read names what was written last. Where a
    read then names a later one, writes are missing, and nothing written until then has a sure time; where it names an
    earlier one, the writes since do not count. What no read names is not counted as a version.
    """
    made: dict[int, datetime | None] = {}
    newest = named = 0
    last: datetime | None = None
    for at, version, operation in calls:
        if version > newest:
            made = {**dict.fromkeys((*made, max(version - 1, 1))), version: None if newest else last}
            newest = version
        elif operation in _WRITES:
            last = at
            if newest:
                newest += 1
                made[newest] = at
        elif operation == _DELETE:  # of all versions and their numbers
            made, newest, named, last = {}, 0, 0, None
        elif 0 < version < newest:
            made.setdefault(version, None)
            if named < newest:  # what was counted as a write may have been none
                newest = max(named, version)
                made = {one: when for one, when in made.items() if one <= newest}
        named = max(named, version)
    return [Version(one, made[one]) for one in sorted(made) if one <= named]


def old_copies(consumers: Sequence[SecretConsumer], path: str, versions: Sequence[Version]) -> list[OldCopy]:
    """Return which of a secret's consumers hold an old version, by namespace and pod."""
    if not any(one.created for one in versions[1:]):
        return []
    rows = {(one.cluster_id, one.pod_uid, one.container): one for one in consumers if one.path == path}
    found = [
        _old(rows[key], one, versions)
        for cluster in {one.cluster_id: one.cluster for one in rows.values()}.values()
        for one in held_of(cluster, path, versions)
        if one.stale and (key := (cluster.pk, one.pod.uid, one.container)) in rows
    ]
    return sorted(found, key=lambda one: (one.row.namespace, one.row.pod_name, one.row.container))


def _old(row: SecretConsumer, held: Held, versions: Sequence[Version]) -> OldCopy:
    made = {one.number: one.created for one in versions}
    since = min(when for number, when in made.items() if number > held.newest and when is not None)
    sure = held.newest == 1 or (held.version is not None and made[held.newest] is not None)
    return OldCopy(row, held.newest, sure, since, held.why)
