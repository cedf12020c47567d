"""Which pod made a call, as attribution has worked it out: asked for one event, and for the readers of a secret."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit import scoping
from audit.answers import Reader, ReaderPod, WhoRead
from audit.closed import BEGIN, END
from audit.event import ALIVE
from audit.grades import grade
from inventory.deliveries import NOBODY, Delivered, Read, delivered
from inventory.models import Cluster
from vault.reads import Outcome

_JOIN = """
    LEFT JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
    LEFT JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
"""
_COLUMNS = (
    "coalesce(t.grade, ''), coalesce(t.cluster, ''), coalesce(t.pod_uid, ''), coalesce(t.pod_namespace, ''), "
    "coalesce(t.pod_name, ''), coalesce(t.delivered_by, '')"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """Which pod made a call, how well that is proven (`grade`), and by what.

    `candidates` are pods as dicts of cluster, uid, namespace and name; `rule` is the version of the rules, 0 when the
    call has not been attributed yet. `delivered` tells for whom an operator read.
    """

    grade: str
    pod: str | None = None
    cluster: str = ""
    pod_uid: str = ""
    delivered_by: str = ""
    reasons: Sequence[str] = ()
    sentence: str = ""
    candidates: Sequence[dict[str, str]] = field(default_factory=list)
    rule: int = 0
    delivered: Delivered = NOBODY


def proof_of(event_id: int, *, scope: Scope) -> Proof | None:
    """Return what is known of one event's pod; None for an event that is out of the scope, redacted or gone.

    An event beside a limited view shows who and from where, and no more: its pod would tell more.
    """
    seen, values = scoping.inside(scope).select("id, time, principal, token, address", ("id = %s", [event_id]))
    rows = _rows(
        f"""SELECT p.kind, {_COLUMNS}, t.evidence, coalesce(t.rule, 0) FROM ({seen}) e
            JOIN audit_principal p ON p.id = e.principal {_JOIN} LIMIT 1""",  # noqa: S608 - our own text
        values,
    )
    if not rows:
        return None
    proof = _proof(*rows[0])
    return replace(proof, delivered=_delivered(event_id, proof)) if proof.delivered_by else proof


_KNOWN = f"""
    SELECT e.id, p.kind, {_COLUMNS} FROM unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::int[], %s::int[])
        AS e(id, time, principal, token, address) JOIN audit_principal p ON p.id = e.principal {_JOIN}
    WHERE t.grade IS NOT NULL
"""  # noqa: S608 - our own text


def known_pods(calls: Sequence[tuple[int, datetime, int, int, int]]) -> dict[int, tuple[str, ...]]:
    """Return {event: grade, cluster, uid, namespace, name, operator} of those of the calls that were attributed.

    A call is (event, time, principal, token, address). Whoever asks was let see the events whole.
    """
    if not calls:
        return {}
    columns = list(map(list, zip(*calls, strict=True)))
    return {event: (grade(kind, told), *pod) for event, kind, told, *pod in _rows(_KNOWN, columns)}


_READ = """
    SELECT e.time, a.path, a.namespace, e.request_id::text, coalesce(l.lease_id, ''), b.account_namespace,
           b.account_name, coalesce(b.claims->>'role', ''), b.mount
    FROM audit_event e JOIN audit_path a ON a.id = e.path JOIN audit_bearer b ON b.token_id = e.token
    LEFT JOIN audit_leaseissue l ON l.event_id = e.id WHERE e.id = %s LIMIT 1
"""


def _delivered(event_id: int, proof: Proof) -> Delivered:
    """Return for whom an operator's pod made a call."""
    for at, path, namespace, request, lease, space, name, role, mount in _rows(_READ, [event_id]):
        return delivered(Read(
            cluster=proof.cluster, pod_uid=proof.pod_uid, at=at, path=path, vault_namespace=namespace.strip("/"),
            account=(space, name), role=role, mount=_mount(mount, namespace), request_id=request, lease_id=lease,
        ))  # fmt: skip
    return NOBODY


def _mount(told: str, namespace: str) -> str:
    """Return an auth mount as resources name it: without its accessor, its namespace and `auth/`."""
    return told.partition(" ")[0].removeprefix(namespace).strip("/").removeprefix("auth/")


def _proof(
    kind: str, told: str, cluster: str, uid: str, namespace: str, name: str, delivered_by: str, evidence: Any, rule: int
) -> Proof:
    evidence = json.loads(evidence) if evidence else {}  # a plain cursor of Django gives JSON as text
    return Proof(
        grade(kind, told), f"{namespace}/{name}" if uid else None, cluster, uid, delivered_by,
        evidence.get("reasons", ()), evidence.get("sentence", ""), evidence.get("candidates", ()), rule,
    )  # fmt: skip


def readers_by_pod(secret_id: int, since: datetime | None, until: datetime | None) -> list[Reader]:
    """Return who read a secret or was denied in [since, until), by principal, pod and grade, most reads first.

    Every event of the secret in that time is looked at.
    """
    sql = f"""
        SELECT x.principal, p.name, p.kind, p.entity_id, grade, cluster, uid, space, pod, delivered_by, reads,
               denied, first, last, ARRAY(SELECT address FROM audit_address WHERE id = ANY(ids) ORDER BY address),
               coalesce(versions, '{{}}') FROM (
            SELECT e.principal, {_COLUMNS}, count(*) FILTER (WHERE e.disclosed > 0),
                   count(*) FILTER (WHERE e.outcome = {Outcome.DENIED.value}),
                   min(e.time) FILTER (WHERE e.disclosed > 0), max(e.time) FILTER (WHERE e.disclosed > 0),
                   array_agg(DISTINCT e.address),
                   array_agg(DISTINCT e.version) FILTER (WHERE e.version > 0 AND e.disclosed > 0)
            FROM audit_event e {_JOIN}
            WHERE e.secret = %s AND e.time >= %s AND e.time < %s AND e.{ALIVE}
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        ) x (principal, grade, cluster, uid, space, pod, delivered_by, reads, denied, first, last, ids, versions)
        JOIN audit_principal p ON p.id = x.principal WHERE reads > 0 OR denied > 0
    """  # noqa: S608 - only our own text is put together
    return _merged([_reader(row) for row in _rows(sql, [secret_id, since or BEGIN, until or END])])


def _reader(row: tuple[Any, ...]) -> Reader:
    who, name, kind, entity, told, cluster, uid, namespace, pod, by, count, denied, first, last, whence, versions = row
    return Reader(
        principal_id=who, principal=name, kind=kind, pod=f"{namespace}/{pod}" if uid else None,
        grade=grade(kind, told), count=count, denied=denied, first=first, last=last, addresses=sorted(whence),
        versions=sorted(versions), entity_id=entity, cluster=cluster, pod_uid=uid, delivered_by=by,
    )  # fmt: skip


def _merged(readers: Sequence[Reader]) -> list[Reader]:
    """Put readers together that differ in nothing but whether their calls were attributed yet; in a lasting order."""
    found: dict[tuple[Any, ...], Reader] = {}
    for one in readers:
        key = (one.principal_id, one.pod_uid, one.cluster, one.grade, one.delivered_by)
        found[key] = _together(found[key], one) if key in found else one
    return sorted(found.values(), key=lambda one: (-one.count, -one.denied, one.principal, one.principal_id,
                                                   one.pod or "", one.pod_uid, one.grade))  # fmt: skip


def _together(one: Reader, other: Reader) -> Reader:
    first = [moment for moment in (one.first, other.first) if moment is not None]
    last = [moment for moment in (one.last, other.last) if moment is not None]
    return Reader(
        principal_id=one.principal_id, principal=one.principal, kind=one.kind, pod=one.pod, grade=one.grade,
        count=one.count + other.count, denied=one.denied + other.denied, first=min(first, default=None),
        last=max(last, default=None), addresses=sorted({*one.addresses, *other.addresses}),
        versions=sorted({*one.versions, *other.versions}), entity_id=one.entity_id, cluster=one.cluster,
        pod_uid=one.pod_uid, delivered_by=one.delivered_by,
    )  # fmt: skip


def pods_of(answer: WhoRead, principals: Sequence[int], newest: int) -> dict[int, list[ReaderPod]]:
    """Return by which pods these principals read a secret or were denied, by its newest calls, most calls first.

    Nothing is known of pods before there is a cluster.
    """
    if not principals or not Cluster.objects.exists():
        return {}
    sql = f"""
        WITH e AS MATERIALIZED (
            SELECT principal, token, address, time, disclosed, outcome FROM audit_event
            WHERE secret = %s AND time >= %s AND time < %s AND {ALIVE} ORDER BY time DESC LIMIT %s)
        SELECT e.principal, p.kind, {_COLUMNS}, count(*) FROM e JOIN audit_principal p ON p.id = e.principal {_JOIN}
        WHERE e.principal = ANY(%s) AND (e.disclosed > 0 OR e.outcome = {Outcome.DENIED.value})
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY count(*) DESC, 3, 4, 5
    """  # noqa: S608 - only our own text is put together
    values = [answer.secret.id, answer.since or BEGIN, answer.until or END, newest, list(principals)]
    found: dict[int, list[ReaderPod]] = {}
    for who, kind, told, cluster, uid, namespace, name, by, calls in _rows(sql, values):
        pod = f"{namespace}/{name}" if uid else None
        found.setdefault(who, []).append(ReaderPod(pod, uid, cluster, grade(kind, told), by, calls))
    return found


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """The version of a secret that one pod was last given, when, and how well it is proven that it was this pod."""

    uid: str
    cluster: str
    namespace: str
    pod: str
    version: int
    at: datetime
    grade: str


_PROVEN = "('exact', 'strong', 'likely')"


def versions_by_pod(secret_id: int, newest: int) -> tuple[int, datetime | None, dict[str, HeldVersion]]:
    """Return the newest version that a call named, when one first did, and by uid what each pod last read.

    Only the secret's newest calls are looked at; a version that none of them names is 0. What an operator reads for
    others is no pod's version.
    """
    sql = f"""
        WITH e AS MATERIALIZED (
            SELECT time, token, address, version, disclosed FROM audit_event
            WHERE secret = %s AND time >= %s AND time < %s AND {ALIVE} ORDER BY time DESC LIMIT %s),
        newest AS (SELECT version, min(time) AS first FROM e WHERE version > 0 GROUP BY 1 ORDER BY 1 DESC LIMIT 1)
        SELECT DISTINCT ON (uid) newest.version, newest.first, t.pod_uid AS uid, t.cluster, t.pod_namespace, t.pod_name,
               e.version, e.time, t.grade
        FROM newest LEFT JOIN (e JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
             JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND t.until > e.time
                  AND t.pod_uid <> '' AND t.delivered_by = '' AND t.grade IN {_PROVEN})
             ON e.version > 0 AND e.disclosed > 0
        ORDER BY uid, e.time DESC
    """  # noqa: S608 - only our own text is put together
    rows = _rows(sql, [secret_id, BEGIN, END, newest])
    found = {row[2]: HeldVersion(*row[2:]) for row in rows if row[2]}
    return (rows[0][0], rows[0][1], found) if rows else (0, None, {})


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
