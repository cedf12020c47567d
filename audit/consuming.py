"""Which pods and workloads somebody may see, what each of them gets and reads, and who gets one secret.

Whoever is limited sees the pods that get a secret in their scope, with those secrets and no word of the others: a pod's
troubles and warnings may name what lies outside, so they are not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.scope import Area, Scope
from audit import scoping
from audit.event import ALIVE
from audit.models import Secret, Vault
from audit.native import ENGINE as NATIVE
from audit.pod_tables import VaultCalibration
from inventory import cluster_questions, freshness
from inventory.cluster_models import PodState, SecretConsumer, Workload
from inventory.cluster_questions import Filter, Listing, Place, PodView, WorkloadView
from inventory.freshness import ClusterFreshness
from inventory.models import Cluster, Connection
from vault.reads import Outcome

MOST = 500
Row = TypeVar("Row", PodState, Workload)


@dataclass(frozen=True, slots=True)
class PodRead:
    """What a pod did with one secret: how often it got it, the version that it got last, and the newest one known.

    `grade` is how well it is proven that it was this pod; `delivered_by` says that an operator read it for others.
    """

    secret_id: int
    secret: str
    grade: str
    delivered_by: str
    reads: int
    denied: int
    first: datetime
    last: datetime
    event_id: int
    version: int
    newest: int

    @property
    def old(self) -> bool:
        """Whether a newer version is known than the one that it read last."""
        return 0 < self.version < self.newest


def within(scope: Scope) -> Q:
    """Return the condition that a row of `SecretConsumer` names a secret in scope; true of all without limits."""
    groups = [reduce(or_, map(_in_area, group), Q(pk__in=[])) for group in scope.groups]
    return reduce(and_, groups, Q()) & ~Q(path="") if groups else Q()


def _in_area(area: Area) -> Q:
    found = Q()
    if area.vault:
        found &= _of_vault(area.vault)
    if area.namespace:
        space = area.namespace
        found &= Q(vault_namespace__in=[space, f"{space}/"]) | Q(vault_namespace__startswith=f"{space}/")
    if area.prefix:
        below = (Q(path=one) | Q(path__startswith=f"{one}/") for one in _as_asked(area.prefix))
        found &= reduce(or_, below)
    return found


def _of_vault(vault: str) -> Q:
    """Return the condition that a row surely is of a vault: by its address, or because it can be no other's.

    Pods call a vault by an address of their own, which mostly nobody told Keybook. Then it is the one vault that there
    is, or the one in which the cluster's pods log in, by the record.
    """
    known = list(Connection.objects.values_list("vault", "address"))
    own = {address for name, address in known if name == vault}
    foreign = ~Q(address__in={address for _, address in known} - own)
    if _sole(vault, {name for name, _ in known}):
        return foreign
    links = dict(VaultCalibration.objects.values_list("vault__name", "links"))
    others = {cluster for name, some in links.items() if name != vault for cluster in some.values()}
    return Q(address__in=own) | (Q(cluster__name__in=set(links.get(vault, {}).values()) - others) & foreign)


def _sole(vault: str, connected: set[str]) -> bool:
    """Whether no other vault was ever seen; a cluster whose audit log is read stands among the vaults of the record."""
    clusters = set(Cluster.objects.values_list("name", flat=True)) - connected
    every = connected | set(Vault.objects.values_list("name", flat=True))
    return vault in every and every - clusters <= {vault}


def _as_asked(prefix: str) -> list[str]:
    """Return how the API of a vault may name what lies below a path: with `data` after any mount, or without."""
    parts = prefix.split("/")
    return [prefix, *("/".join([*parts[:at], "data", *parts[at:]]) for at in range(1, len(parts)))]


def as_named(path: str) -> list[str]:
    """Return the names that a secret may have which the API of a vault names so: without `data` after any mount."""
    parts = path.split("/")
    return ["/".join([*parts[:at], *parts[at + 1 :]]) for at in range(1, len(parts) - 1) if parts[at] == "data"]


def _seen(rows: QuerySet[Row], scope: Scope, column: str) -> QuerySet[Row]:
    if scope.everything:
        return rows
    same = {"cluster": OuterRef("cluster"), column: OuterRef("uid")}
    return rows.filter(Exists(SecretConsumer.objects.filter(within(scope), **same)))


def _asked(which: Filter, scope: Scope) -> Filter:
    """Return the question without the parts that would tell of what lies outside of a limited view."""
    return which if scope.everything else replace(which, troubled=False, old=False, method="", state="")


def pod_rows(which: Filter, *, scope: Scope) -> QuerySet[PodState]:
    """Return the pods that are asked for and may be seen, unordered."""
    return _seen(cluster_questions.pod_rows(_asked(which, scope)), scope, "pod_uid")


def workload_rows(which: Filter, *, scope: Scope) -> QuerySet[Workload]:
    """Return the workloads that are asked for and may be seen, unordered."""
    return _seen(cluster_questions.workload_rows(_asked(which, scope)), scope, "workload_uid")


def pods(which: Filter, after: Place | None, limit: int, *, scope: Scope) -> Listing:
    """Return pods by namespace and name, after a place."""
    return cluster_questions.part(pod_rows(which, scope=scope), after, limit)


def workloads(which: Filter, after: Place | None, limit: int, *, scope: Scope) -> Listing:
    """Return workloads by namespace and name, after a place."""
    return cluster_questions.part(workload_rows(which, scope=scope), after, limit)


def pod(cluster: str, uid: str, *, scope: Scope) -> PodView:
    """Return one pod of a cluster, by their names; raises `LookupError` for one that is not to be seen."""
    home = Cluster.objects.filter(name=cluster).first()
    found = cluster_questions.pod(home.pk, uid) if home else None
    if found is None:
        raise LookupError(f"No pod {uid} of {cluster} was ever seen.")
    if scope.everything:
        return found
    mine = list(cluster_questions.consumers_of_pod(found.cluster_id, uid).filter(within(scope)))
    if not mine:
        raise LookupError(f"No pod {uid} of {cluster} was ever seen.")
    return replace(found, consumers=mine, troubles=[], warnings=[])


def workload(cluster: str, uid: str, *, scope: Scope) -> WorkloadView:
    """Return one workload that exists; raises `LookupError` for one that is not to be seen."""
    home = Cluster.objects.filter(name=cluster).first()
    found = cluster_questions.workload(home.pk, uid) if home else None
    if found is None:
        raise LookupError(f"There is no workload {uid} in {cluster}.")
    if scope.everything:
        return found
    mine = SecretConsumer.objects.filter(within(scope), cluster_id=found.row.cluster_id, workload_uid=uid)
    some = list(mine.order_by("pod_name", "container", "path", "id")[:MOST])
    if not some:
        raise LookupError(f"There is no workload {uid} in {cluster}.")
    seen = pods(Filter(cluster_id=found.row.cluster_id, workload_uid=uid), None, MOST, scope=scope)
    return replace(found, pods=seen, consumers=some, troubles=[])


def consumers_of(secret_id: int, *, scope: Scope) -> list[SecretConsumer]:
    """Return who gets a secret, by what the clusters show; whoever asks was let see the secret."""
    secret = Secret.objects.select_related("vault").get(pk=secret_id)
    if secret.engine == NATIVE:
        namespace, _, name = secret.path.rpartition("/")
        some = SecretConsumer.objects.select_related("cluster").filter(cluster__name=secret.vault.name)
        found = some.filter(namespace=namespace, k8s_secret=name).order_by("namespace", "pod_name", "container", "id")
        return list(found[:MOST])
    path = cluster_questions.api_path(secret.mount, secret.path, 2 if secret.engine == "KV v2" else 0)
    rows = cluster_questions.consumers_of(secret.vault.name, path, namespace=secret.namespace)
    return shown(rows, secret.vault.name, scope=scope)


def shown(rows: Sequence[SecretConsumer], vault: str, *, scope: Scope) -> list[SecretConsumer]:
    """Return those of who gets a secret of a vault that somebody may see: in the view of one vault, no other's pods."""
    if not any(area.vault for group in scope.groups for area in group):
        return list(rows)
    sure = SecretConsumer.objects.filter(_of_vault(vault), pk__in=[one.pk for one in rows])
    mine = set(sure.values_list("pk", flat=True))
    return [one for one in rows if one.pk in mine]


def pictures(rows: Sequence[SecretConsumer], *, scope: Scope) -> list[ClusterFreshness]:
    """Return how old the clusters' pictures are: in a limited view of those alone that these pods are in."""
    mine = {one.cluster_id for one in rows}
    return [one for one in freshness.clusters() if scope.everything or one.cluster_id in mine]


def reads_of(cluster: str, uid: str, account: str, *, scope: Scope) -> list[PodRead]:
    """Return what a pod's calls did with each secret, as attribution has worked it out; the latest first.

    `account` is the pod's service account, `namespace/name`: its calls are looked for among those of that name.
    """
    seen, values = scoping.inside(scope).select(
        "id, time, token, address, secret, version, disclosed, outcome",
        (f"secret > 0 AND {ALIVE} AND {_LIKELY}", [account]),
    )
    with connection.cursor() as cursor:
        cursor.execute(_READS.format(seen=seen), [uid, cluster, *values])
        rows: list[Any] = cursor.fetchall()
        newest = _newest([row[0] for row in rows if row[9]])
    return [PodRead(*[*row, max(newest.get(row[0], 0), row[9])]) for row in rows]


def _newest(secrets: list[int]) -> dict[int, int]:
    """Return the newest version of each secret that its last calls show."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [secrets])
        return dict(cursor.fetchall())


_LIKELY = (
    "principal IN (SELECT id FROM audit_principal WHERE name = %s) AND token IN (SELECT token FROM uses) "
    "AND time >= (SELECT min(since) FROM uses) AND time < (SELECT max(until) FROM uses)"
)
_READS = f"""
    WITH uses AS MATERIALIZED (
        SELECT u.token_id AS token, u.address_id AS address, t.since, t.until, t.grade, t.delivered_by
        FROM audit_attribution t JOIN audit_tokenuse u ON u.id = t.use_id
        WHERE t.pod_uid = %s AND t.pod_uid <> '' AND t.cluster = %s),
    calls AS (
        SELECT e.*, x.grade, x.delivered_by FROM ({{seen}}) e
        JOIN uses x ON x.token = e.token AND x.address = e.address AND x.since <= e.time AND x.until > e.time)
    SELECT c.secret, s.name, c.grade, c.delivered_by, count(*) FILTER (WHERE c.disclosed > 0),
           count(*) FILTER (WHERE c.outcome = {Outcome.DENIED.value}), min(c.time), max(c.time), max(c.id),
           coalesce((array_agg(c.version ORDER BY c.time DESC)
                     FILTER (WHERE c.version > 0 AND c.disclosed > 0))[1], 0)
    FROM calls c JOIN audit_secret s ON s.id = c.secret
    GROUP BY 1, 2, 3, 4 ORDER BY max(c.time) DESC, 1 LIMIT {MOST}
"""  # noqa: S608 - our own text
_NEWEST = f"""
    SELECT one.id, max(last.version) FROM unnest(%s::int[]) AS one(id) CROSS JOIN LATERAL (
        SELECT version FROM audit_event WHERE secret = one.id AND secret > 0 AND {ALIVE} ORDER BY time DESC LIMIT 200
    ) last GROUP BY 1
"""  # noqa: S608 - our own text
