"""What the record proves of a secret's versions: who reads one, who wrote one, and how far all this is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from accounts.scope import EVERYTHING
from audit import coverage, our_calls, queries
from audit.answers import Gap
from audit.closed import END
from audit.event import ALIVE
from audit.grades import grade
from audit.models import Secret, Vault
from audit.operations import OPERATIONS
from audit.principal import Kind as Who
from inventory.sightings import OurCall, Reach, VersionRead, Written
from vault.reads import Outcome

MOST_READERS, MOST_WRITES = 5_000, 500
_WRITES = [OPERATIONS.index(name) for name in ("create", "update", "patch", "delete")]
_MAY_HAVE = [Outcome.OK.value, Outcome.ERROR.value, Outcome.NO_RESPONSE.value]
_BELOW = {"delete": "delete", "undelete": "undelete", "destroy": "destroy"}


def secret_ids(vault: str, namespace: str, mount: str, path: str) -> list[int]:
    """Return the keys of a secret by its names, several where its mount was made anew; none that was never called."""
    space = namespace.strip("/")
    asked = Q(vault__name=vault, namespace=f"{space}/" if space else "", mount=f"{mount.strip('/')}/", path=path)
    return list(Secret.objects.filter(asked).order_by("pk").values_list("pk", flat=True))


def reach(vault: str, since: datetime, now: datetime | None = None) -> Reach:
    """Return how far the record of a vault is known, with the holes of [since, now)."""
    one = Vault.objects.filter(name=vault).first()
    if one is None:
        return Reach(troubles=(f"No audit log of {vault} was ever read.",))
    until = now or datetime.now(UTC)
    records = coverage.vault_records(since, until, [one.pk], scope=EVERYTHING)
    holes = [hole for record in records for hole in (*_holes(record), *_unread(record, since, until))]
    troubles = [f"{device.name}: {said}" for record in records for device in record.devices for said in device.troubles]
    return Reach(queries.complete_until(one.pk), tuple(holes), tuple(troubles))


def _holes(record: coverage.VaultRecord) -> list[str]:
    """Return the gaps of a vault's devices that no other of its devices fills, as sentences."""
    return [
        f"{device.name}: {gap.detail or gap.kind}"
        for device in record.devices
        for gap in device.gaps
        if not any(other is not device and _fills(other, gap) for other in record.devices)
    ]


def _unread(record: coverage.VaultRecord, since: datetime, until: datetime) -> list[str]:
    """Return the times of [since, until) that no file of a vault covers and no gap tells, as sentences."""
    told = [(gap.start, gap.end) for gap in record.gaps if gap.start and gap.end]
    some = [(max(end, since), min(start, until)) for end, start in record.lapses(since)]
    holes = [
        f"no audit data from {_shown(low)} to {_shown(high)} UTC"
        for low, high in some
        if low < high and not any(start <= low and high <= end for start, end in told)
    ]
    if record.first and since < record.first:
        holes.insert(0, f"no audit data before {_shown(min(record.first, until))} UTC")
    return holes


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _fills(device: coverage.DeviceRecord, gap: Gap) -> bool:
    """Whether a device covers all of another's gap, and has none of its own there."""
    start, end = gap.start, gap.end
    if start is None or end is None or not any(low <= start and end <= high for low, high in device.covered):
        return False
    return not any(
        (one.start is None or one.start < end) and (one.end is None or one.end > start) for one in device.gaps
    )


# --- who reads a version


_READS = f"""
    SELECT p.kind, p.name, coalesce(t.grade, ''), coalesce(t.cluster, ''), coalesce(t.pod_uid, ''),
           coalesce(t.pod_namespace, ''), coalesce(t.pod_name, ''), coalesce(t.delivered_by, ''), count(*),
           min(e.time), max(e.time), min(e.id), e.version
    FROM audit_event e JOIN audit_principal p ON p.id = e.principal
    LEFT JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
    LEFT JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
    WHERE e.secret = ANY(%s) AND e.secret > 0 AND e.time >= %s AND e.time < %s AND e.version >= %s AND e.disclosed > 0
          AND e.{ALIVE}
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, p.id, e.version ORDER BY min(e.id) LIMIT {MOST_READERS}
"""  # noqa: S608 - our own text


def reads_from_version(secrets: Sequence[int], version: int, since: datetime) -> list[VersionRead]:
    """Return who read a version of a secret or a newer one since a moment, by pod and grade, the first one first.

    Calls that attribution has not looked at yet are there without their pod: it is a minute or two behind.
    """
    return [_version_read(*row) for row in _rows(_READS, [list(secrets), since, END, version])]


def _version_read(
    kind: str, name: str, told: str, cluster: str, uid: str, namespace: str, pod: str, by: str, *rest: Any
) -> VersionRead:
    sort = "operator" if by else "pod" if uid else "account" if kind == Who.SERVICE_ACCOUNT else "other"
    return VersionRead(sort, cluster, uid, namespace, pod, grade(kind, told), by, name, kind, *rest)


# --- who wrote one


_WRITTEN = f"""
    SELECT e.id, e.time, e.operation, a.path, e.outcome, p.name, p.kind, e.version, s.mount, c.event_id
    FROM audit_event e JOIN audit_path a ON a.id = e.path JOIN audit_principal p ON p.id = e.principal
    JOIN audit_secret s ON s.id = e.secret
    LEFT JOIN audit_ourcall c ON c.secret_id = e.secret AND c.time = e.time AND c.request_id = e.request_id
    WHERE e.secret = ANY(%s) AND e.secret > 0 AND e.time >= %s AND e.time < %s AND e.operation = ANY(%s)
          AND e.outcome = ANY(%s) AND e.{ALIVE}
    ORDER BY e.time DESC, e.id DESC LIMIT %s
"""  # noqa: S608 - our own text


def written_versions(secrets: Sequence[int], since: datetime, most: int = MOST_WRITES) -> list[Written]:
    """Return what changed a KV secret since a moment, or may have, the oldest first; at most the newest so many.

    A version that was written without a call of ours is drift.
    """
    rows = _rows(_WRITTEN, [list(secrets), since, END, _WRITES, _MAY_HAVE, most])
    ours = our_calls.calls_by_event([row[-1] for row in rows if row[-1] is not None])
    found = [_written(row, ours.get(row[-1])) for row in reversed(rows)]
    return [one for one in found if one is not None]


def _written(row: tuple[Any, ...], call: OurCall | None) -> Written | None:
    event, at, operation, path, outcome, who, kind, version, mount, _ = row
    did = _did(path.removeprefix(mount), OPERATIONS[operation])
    if not did:
        return None
    named = call.versions if call else ()
    made = version if did == "write" else 0
    return Written(did, made, named, who, kind, at, event, Outcome(outcome).label, call.change if call else "", call)


def _did(rest: str, operation: str) -> str:
    """Return what a call of KV v2 did to a secret; "" for one that changed no version."""
    place, _, _ = rest.partition("/")
    if place == "data":
        return "delete" if operation == "delete" else "write"
    if place == "metadata":
        return "delete_all" if operation == "delete" else ""
    return _BELOW.get(place, "")


def newest_version(secrets: Sequence[int]) -> int:
    """Return the newest version of a secret that its last calls and writes show, 0 where none does."""
    rows = _rows(
        f"""SELECT coalesce(max(version), 0) FROM unnest(%s::int[]) AS one(id) CROSS JOIN LATERAL (
            SELECT version FROM audit_event WHERE secret = one.id AND secret > 0 AND {ALIVE}
            ORDER BY time DESC LIMIT 200) last""",  # noqa: S608 - our own text
        [list(secrets)],
    )
    last = written_versions(secrets, datetime(1970, 1, 1, tzinfo=UTC), most=3)
    if last and last[-1].did == "delete_all":
        return 0
    return max([int(rows[0][0]), *(one.version for one in last)])


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
