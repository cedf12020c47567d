"""What each of some pods holds, secret by secret, as a map shows it: versions and leases, with the grade of proof.

A version is what the pod read last, else the copy that it got; a lease is the newest that it took and that may live.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from accounts.scope import Scope
from audit import lease_questions
from audit.closed import BEGIN, END
from audit.consuming import within
from audit.event import ALIVE
from audit.lease_questions import LeaseRow, Wish
from audit.models import Secret
from audit.pod_holdings import copies_of, secrets_of
from inventory.cluster_models import PodState, SecretConsumer
from inventory.leases import OPEN
from inventory.verdict import Grade

COLUMNS = 10
_LOOKED_AT = 2_000  # of so many newest calls of each secret it is told which version a pod read last
_ROWS = 5_000  # consumers that are read
Pod = tuple[int, str]  # cluster and uid


@dataclass(frozen=True, slots=True)
class Column:
    """A secret of the map; `id` is 0 for a path that no call of the record names."""

    name: str
    id: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What a pod holds of a secret: a lease, or a version (an older one may be meant where not `sure`), or unknown.

    `grade` is how well it is proven that it is this pod.
    """

    grade: str
    lease: LeaseRow | None = None
    version: int = 0
    sure: bool = True
    old: bool = False
    why: str = ""

    @property
    def known(self) -> bool:
        """Whether anything tells what it holds."""
        return bool(self.version or self.lease)


@dataclass(frozen=True, slots=True)
class PodMap:
    """Cells by pod and column; `more` counts secrets that have no column, because fewer pods hold them."""

    columns: Sequence[Column]
    cells: dict[Pod, dict[Column, Cell]]
    more: int


@dataclass(frozen=True, slots=True)
class _Read:
    version: int
    grade: str
    newest: int


def pod_map(pods: Sequence[PodState], now: datetime, *, scope: Scope) -> PodMap:
    """Return what these pods hold of the secrets that most of them hold."""
    uids = [one.uid for one in pods]
    rows = list(SecretConsumer.objects.filter(within(scope), pod_uid__in=uids, ended=False).exclude(path="")[:_ROWS])
    held = _held(uids, now, scope)
    secrets = secrets_of(rows, scope)
    wanted: dict[Column, set[str]] = defaultdict(set)
    for row in rows:
        wanted[_column(row.path, secrets.get(row.path))].add(row.pod_uid)
    for uid, column in held:
        wanted[column].add(uid)
    most = Counter({column: len(who) for column, who in wanted.items()}).most_common(COLUMNS)
    columns = sorted((column for column, _ in most), key=lambda one: one.name)
    kv = {path: one for path, one in secrets.items() if one.engine == "KV v2" and _column(path, one) in columns}
    leases = _leases([key for (_, column), key in held.items() if column in columns], now, scope)
    cells = _cells(pods, rows, columns, (secrets, kv, leases))
    return PodMap(columns, cells, len(wanted) - len(columns))


_Facts = tuple[dict[str, Secret], dict[str, Secret], Sequence[LeaseRow]]


def _cells(
    pods: Sequence[PodState], rows: Sequence[SecretConsumer], columns: Sequence[Column], facts: _Facts
) -> dict[Pod, dict[Column, Cell]]:
    secrets, kv, leases = facts
    reads = _reads([one.pk for one in kv.values()], [one.uid for one in pods])
    copies = copies_of(pods, kv)
    keys = {one.uid: (one.cluster_id, one.uid) for one in pods}
    cells: dict[Pod, dict[Column, Cell]] = {key: {} for key in keys.values()}
    for row in rows:
        secret = secrets.get(row.path)
        column = _column(row.path, secret)
        if column not in columns or row.pod_uid not in keys:
            continue
        cell = Cell(Grade.UNKNOWN)
        read = reads.get((row.pod_uid, column.id))
        copy = copies.get((row.pod_uid, row.container, row.path))
        if row.pinned:
            cell = Cell(Grade.EXACT, version=row.pinned, why="The source asks for this version.")
        elif read and not row.k8s_secret:
            cell = Cell(read.grade, version=read.version, old=read.version < read.newest, why="It read this last.")
        elif copy and copy.version:
            cell = Cell(Grade.EXACT, version=copy.version, sure=copy.sure, old=copy.old, why=copy.why)
        here = cells[keys[row.pod_uid]]
        here[column] = max(here.get(column, cell), cell, key=lambda one: (one.old, one.known))
    for lease in leases:
        if lease.pod_uid not in keys:  # it was attributed anew a moment ago
            continue
        cells[keys[lease.pod_uid]][Column(lease.secret, lease.secret_id)] = Cell(lease.grade, lease=lease)
    return cells


def _column(path: str, secret: Secret | None) -> Column:
    return Column(secret.name, secret.pk) if secret else Column(path, 0)


def _held(uids: Sequence[str], now: datetime, scope: Scope) -> dict[tuple[str, Column], int]:
    """Return by pod and column the key of the newest lease that may live."""
    some = lease_questions.leases(Wish(), scope=scope, now=now).filter(pod_uid__in=uids, state__in=list(OPEN))
    newest = some.exclude(pod_uid="").order_by("pod_uid", "secret_id", "-pk").distinct("pod_uid", "secret_id")
    found = newest.values_list("pod_uid", "secret__name", "secret_id", "pk")
    return {(uid, Column(name, secret)): key for uid, name, secret, key in found}


def _leases(keys: Sequence[int], now: datetime, scope: Scope) -> list[LeaseRow]:
    some = lease_questions.leases(Wish(), scope=scope, now=now).filter(pk__in=keys)
    return lease_questions.shown(some, now)


_READS = f"""
    WITH e AS MATERIALIZED (
        SELECT s.id AS secret, c.* FROM unnest(%s::int[]) AS s(id) CROSS JOIN LATERAL (
            SELECT time, token, address, version, disclosed FROM audit_event
            WHERE secret = s.id AND secret > 0 AND time >= %s AND time < %s AND {ALIVE} ORDER BY time DESC LIMIT %s) c
        WHERE c.version > 0),
    newest AS (SELECT secret, max(version) AS version FROM e GROUP BY 1)
    SELECT DISTINCT ON (t.pod_uid, e.secret) t.pod_uid, e.secret, e.version, t.grade, n.version
    FROM e JOIN newest n USING (secret) JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
    JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
         AND t.pod_uid = ANY(%s) AND t.pod_uid <> '' AND t.delivered_by = ''
    WHERE e.disclosed > 0 ORDER BY t.pod_uid, e.secret, e.time DESC
"""  # noqa: S608 - our own text


def _reads(secrets: Sequence[int], uids: Iterable[str]) -> dict[tuple[str, int], _Read]:
    """Return by pod and secret the version that the pod read last."""
    if not secrets:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_READS, [list(secrets), BEGIN, END, _LOOKED_AT, list(uids)])
        return {(uid, secret): _Read(version, grade, newest) for uid, secret, version, grade, newest in cursor}
