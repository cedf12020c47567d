"""What pages and the API ask about clusters: pods, workloads, who gets a secret, and what keeps them from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Func, IntegerField, Q, QuerySet
from django.db.models.expressions import RawSQL

from cluster.kinds.pod import Container, ContainerStatus, Pod
from cluster.kinds.workload import Templated
from inventory.cluster_models import (
    ClusterWarning,
    KubeObject,
    PodState,
    SecretConsumer,
    SecretTrouble,
    Workload,
)
from inventory.cluster_rows import object_of
from inventory.models import Connection, PodAddress, PodLife

MOST = 500
WARNINGS = 50
Place = tuple[str, str, int]  # namespace, name, key: where a reader of a list stands


@dataclass(frozen=True, slots=True)
class Filter:
    """Which pods or workloads; what is empty does not narrow. `text` is a part of the name."""

    cluster_id: int = 0
    namespace: str = ""
    namespaces: Sequence[str] | None = None
    workload_uid: str = ""
    service_account: str = ""
    state: str = ""
    method: str = ""
    troubled: bool = False
    text: str = ""
    old: bool = False  # pods that were found on an old version of a secret


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of a list, and where the next one begins; None at the end."""

    rows: Sequence[Any]
    after: Place | None


_OLD = "SELECT unnest(pods) FROM inventory_oldholding"


def pod_rows(which: Filter) -> QuerySet[PodState]:
    """Return the pods that exist, unordered."""
    found = _narrowed(PodState.objects.select_related("cluster"), which)
    if which.workload_uid:
        found = found.filter(workload_uid=which.workload_uid)
    if which.old:
        found = found.exclude(state="ended").filter(uid__in=RawSQL(_OLD, ()))  # noqa: S611 - our own text
    return found.filter(state=which.state) if which.state else found


def workload_rows(which: Filter) -> QuerySet[Workload]:
    """Return the workloads that exist, unordered."""
    return _narrowed(Workload.objects.select_related("cluster"), which)


def _narrowed(found: QuerySet[Any], which: Filter) -> QuerySet[Any]:
    wanted: dict[str, Any] = {
        "cluster_id": which.cluster_id, "namespace": which.namespace, "service_account": which.service_account,
        "name__icontains": which.text,
    }  # fmt: skip
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    if which.namespaces is not None:
        found = found.filter(namespace__in=which.namespaces)
    if which.method:
        found = found.filter(methods__contains=[which.method])
    return found.filter(troubles__gt=0) if which.troubled else found


def pods(which: Filter, after: Place | None = None, limit: int = 50) -> Listing:
    """Return pods by namespace and name, after a place; at most 500."""
    return part(pod_rows(which), after, limit)


def workloads(which: Filter, after: Place | None = None, limit: int = 50) -> Listing:
    """Return workloads by namespace and name, after a place; at most 500."""
    return part(workload_rows(which), after, limit)


def part(found: QuerySet[Any], after: Place | None, limit: int) -> Listing:
    """Return what comes after a place, by namespace and name; at most 500."""
    if after is not None:  # a comparison of rows, which an index answers
        own = found.model._meta.db_table  # the joined cluster has a name, too
        columns = ", ".join(f"{own}.{column}" for column in ("namespace", "name", "id"))
        past = RawSQL(f"({columns}) > (%s, %s, %s)", after)  # noqa: S611 - our own text
        found = found.annotate(past=past).filter(past=True)
    size = max(1, min(limit, MOST))
    rows = list(found.order_by("namespace", "name", "id")[: size + 1])
    last = rows[size - 1] if len(rows) > size else None
    return Listing(rows[:size], (last.namespace, last.name, last.pk) if last is not None else None)


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container of a pod; `kind` is init, sidecar, app or debug, `state` waiting, running, ended or unknown."""

    name: str
    kind: str
    image: str
    state: str
    reason: str
    ready: bool
    restarts: int
    since: str | None


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod; `state` is None when it is gone, `life` None when it was never seen with a life of its own."""

    cluster_id: int
    uid: str
    state: PodState | None
    life: PodLife | None
    addresses: Sequence[PodAddress]
    containers: Sequence[ContainerView]
    consumers: Sequence[SecretConsumer]
    troubles: Sequence[SecretTrouble]
    warnings: Sequence[ClusterWarning]
    namesakes: Sequence[PodLife] = field(default_factory=tuple)  # earlier and later pods of the same name


def pod(cluster_id: int, uid: str) -> PodView | None:
    """Return one pod that exists or existed; None when no pod of this uid was ever seen."""
    state = PodState.objects.select_related("cluster").filter(cluster_id=cluster_id, uid=uid).first()
    life = PodLife.objects.filter(cluster_id=cluster_id, uid=uid).prefetch_related("addresses").first()
    known = state or life
    if known is None:
        return None
    others = PodLife.objects.filter(cluster_id=cluster_id, namespace=known.namespace, name=known.name)
    return PodView(
        cluster_id,
        uid,
        state,
        life,
        sorted(life.addresses.all(), key=lambda one: one.started) if life else [],
        list(_containers(cluster_id, uid)),
        list(consumers_of_pod(cluster_id, uid)),
        list(troubles_of(cluster_id, pod_uid=uid)),
        list(warnings_about(cluster_id, uid)),
        list(others.exclude(uid=uid).order_by("-started")[:20]),
    )


def _containers(cluster_id: int, uid: str) -> Iterator[ContainerView]:
    """Give the containers as the object that was kept tells them, also of a pod that is gone."""
    row = KubeObject.objects.filter(cluster_id=cluster_id, resource="pods", uid=uid, broken="").first()
    if row is None:
        return
    found: Pod = object_of("pods", row.data)
    fare = {one.name: one for one in (*found.status.init_container_statuses, *found.status.container_statuses)}
    for kind, members in (
        ("init", found.spec.init_containers),
        ("app", found.spec.containers),
        ("debug", found.spec.ephemeral_containers),
    ):
        for one in members:
            yield _container("sidecar" if kind == "init" and one.restart_policy == "Always" else kind, one, fare)


def _container(kind: str, one: Container, fare: dict[str, ContainerStatus]) -> ContainerView:
    status = fare.get(one.name, ContainerStatus())
    now = status.state
    if now.running is not None:
        state, reason, since = "running", "", now.running.started_at
    elif now.terminated is not None:
        state, reason, since = "ended", now.terminated.reason, now.terminated.finished_at
    elif now.waiting is not None:
        state, reason, since = "waiting", now.waiting.reason, None
    else:
        state, reason, since = "unknown", "", None
    return ContainerView(one.name, kind, one.image, state, reason, status.ready, status.restart_count, since)


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """One workload with its first pods; `strategy` is how its pods are replaced, "" where it does not say."""

    row: Workload
    pods: Listing
    consumers: Sequence[SecretConsumer]
    troubles: Sequence[SecretTrouble]
    strategy: str


def workload(cluster_id: int, uid: str) -> WorkloadView | None:
    """Return one workload that exists, or None."""
    row = Workload.objects.select_related("cluster").filter(cluster_id=cluster_id, uid=uid).first()
    if row is None:
        return None
    found = SecretConsumer.objects.filter(cluster_id=cluster_id, workload_uid=uid)
    return WorkloadView(
        row,
        pods(Filter(cluster_id=cluster_id, workload_uid=uid), limit=MOST),
        list(found.order_by("pod_name", "container", "path", "id")[: 4 * MOST]),
        list(troubles_of(cluster_id, workload_uid=uid)),
        _strategy(cluster_id, uid),
    )


def _strategy(cluster_id: int, uid: str) -> str:
    kinds = ("deployments", "statefulsets", "daemonsets", "rollouts")
    row = KubeObject.objects.filter(cluster_id=cluster_id, resource__in=kinds, uid=uid, gone_at=None, broken="").first()
    if row is None:
        return ""
    found: Templated = object_of(row.resource, row.data)
    told = getattr(found.spec, "strategy", None) or getattr(found.spec, "update_strategy", None)
    return told.type if told is not None else ""


def consumers_of_pod(cluster_id: int, uid: str) -> QuerySet[SecretConsumer]:
    """Return what one pod gets."""
    return SecretConsumer.objects.filter(cluster_id=cluster_id, pod_uid=uid).order_by("container", "path", "id")


def api_path(mount: str, path: str, kv_version: int = 0) -> str:
    """Return the path by which the vault's API names a secret of a mount: `kv/` and `live/x` give `kv/data/live/x`."""
    parts = [mount.strip("/"), "data" if kv_version == 2 else "", path.strip("/")]
    return "/".join(part for part in parts if part)


def consumers_of(vault: str, path: str, *, namespace: str = "", limit: int = MOST) -> list[SecretConsumer]:
    """Return who gets a secret, by its path as the vault's API names it (see `api_path`) in a namespace of the vault.

    Pods name a vault by an address of their own, so those count whose address is not known to be another vault's.
    """
    path = path.strip("/")
    found = SecretConsumer.objects.select_related("cluster").filter(path__in=[path, *_above(path)])
    found = found.filter(Q(vault_namespace=namespace.strip("/")) | Q(vault_namespace=f"{namespace.strip('/')}/"))
    foreign = foreign_addresses({vault})[vault]
    if foreign:
        found = found.exclude(address__in=foreign)
    return list(found.order_by("namespace", "pod_name", "container", "id")[:limit])


def foreign_addresses(vaults: Collection[str]) -> dict[str, set[str]]:
    """Return of each of these vaults the addresses that are known to be another's."""
    known = list(Connection.objects.values_list("vault", "address")) if vaults else []
    own = {vault: {address for name, address in known if name == vault} for vault in vaults}
    return {vault: {address for _, address in known} - own[vault] for vault in vaults}


def _above(path: str) -> list[str]:
    """Return what stands for this path when a source takes everything below a place."""
    parts = path.split("/")
    return ["/".join([*parts[:place], "*"]) for place in range(1, len(parts))]


def troubles_of(
    cluster_id: int = 0, *, namespace: str = "", workload_uid: str = "", pod_uid: str = ""
) -> QuerySet[SecretTrouble]:
    """Return what keeps workloads from their secrets, by namespace and workload."""
    wanted: dict[str, Any] = {"cluster_id": cluster_id, "namespace": namespace, "workload_uid": workload_uid}
    found = SecretTrouble.objects.filter(**{name: value for name, value in wanted.items() if value})
    if pod_uid:
        found = found.filter(pods__contains=[pod_uid])
    return found.select_related("cluster").order_by("namespace", "workload_name", "symptom", "cause", "id")


def troubles_of_pods(uids: Sequence[str]) -> QuerySet[SecretTrouble]:
    """Return what keeps any of these pods from its secrets."""
    return SecretTrouble.objects.filter(pods__overlap=list(uids)).order_by("symptom", "cause", "id")


@dataclass(frozen=True, slots=True)
class Stuck:
    """How many pods something keeps from their secrets, and what does so most often; `says` is empty without any."""

    pods: int
    says: str


def stuck() -> Stuck:
    """Return how many pods something keeps from their secrets, in all clusters."""
    count = pod_rows(Filter(troubled=True)).count()
    most = SecretTrouble.objects.annotate(many=Func("pods", function="cardinality", output_field=IntegerField()))
    first = most.filter(many__gt=0).order_by("-many", "id").first() if count else None
    return Stuck(count, first.says if first else "")


def warnings_about(cluster_id: int, uid: str) -> QuerySet[ClusterWarning]:
    """Return the newest warnings about one object, as many as a page shows."""
    found = ClusterWarning.objects.filter(cluster_id=cluster_id, about_uid=uid)
    return found.order_by(F("last_at").desc(), "id")[:WARNINGS]
