"""The rows of what was worked out of a cluster's objects; those that are as they were are not written again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from cluster.consumption import Consumer, Trouble
from cluster.kinds.meta import moment
from cluster.kinds.pod import ContainerStatus, Pod
from cluster.kinds.workload import WORKLOADS, CronJob, DaemonSet, Job
from cluster.scene import Ref, Scene, has_ended
from inventory import bulk, fitting
from inventory.cluster_models import PodState, Reckoned, SecretConsumer, SecretTrouble, Workload
from inventory.models import Cluster
from inventory.reckoned_rows import ConsumerRow, PodRow, Shape, TroubleRow, WorkloadRow

RUNNING, NOT_READY, STARTING, ENDING, ENDED = "running", "not ready", "starting", "ending", "ended"


@dataclass(slots=True)
class Tally:
    """What hangs on one pod or workload."""

    methods: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    troubles: int = 0


def keep(cluster: Cluster, scene: Scene, consumers: Sequence[Consumer], troubles: Sequence[Trouble]) -> bool:
    """Write what differs; tells whether a pod is on its way, so that time alone may change the answer."""
    tallies = _tallies(consumers, troubles)
    pods = [_pod(scene, one, tallies[one.metadata.uid]) for one in scene.all(Pod)]
    _keep_by_uid(cluster, PodState, pods)
    _keep_by_uid(cluster, Workload, _workloads(scene, pods, troubles, tallies))
    _replace(cluster, SecretConsumer, map(_consumer, consumers))
    _replace(cluster, SecretTrouble, map(_trouble, troubles))
    return any(one.state in (STARTING, NOT_READY, ENDING) for one in pods)


def _keep_by_uid(
    cluster: Cluster, model: type[PodState] | type[Workload], rows: Iterable[PodRow | WorkloadRow]
) -> None:
    """Write the rows that are new or other than before; a row keeps its key as long as its object lives."""
    table = model._default_manager.filter(cluster=cluster)
    there: dict[str, bytes] = {uid: bytes(digest) for uid, digest in table.values_list("uid", "digest")}
    fresh = {row.uid: row for row in map(fitting.row, rows)}
    table.filter(uid__in=there.keys() - fresh.keys()).delete()
    told = ((cluster.pk, _digest(row), *row) for row in fresh.values())
    columns = _columns(PodRow if model is PodState else WorkloadRow)
    new = [row for row in told if there.get(str(row[_UID])) != row[1]]
    bulk.put(model, columns, new, key=("cluster_id", "uid"), update=[one for one in columns if one not in _KEY])


def _replace(cluster: Cluster, model: type[Reckoned], rows: Iterable[ConsumerRow | TroubleRow]) -> None:
    """Delete the rows that are no more, and add those that are new: a row that has changed is both."""
    fresh = {_digest(row): row for row in map(fitting.row, rows)}
    table = model._default_manager.filter(cluster=cluster)
    there: dict[bytes, int] = {bytes(digest): key for key, digest in table.values_list("pk", "digest")}
    table.filter(pk__in=[key for digest, key in there.items() if digest not in fresh]).delete()
    new = [(cluster.pk, digest, *row) for digest, row in fresh.items() if digest not in there]
    bulk.put(model, _columns(ConsumerRow if model is SecretConsumer else TroubleRow), new)


def _columns(shape: type[Shape]) -> list[str]:
    return ["cluster_id", "digest", *shape._fields]


def _digest(row: Shape) -> bytes:
    return blake2b(_pack(row), digest_size=16).digest()


_pack = msgspec.msgpack.Encoder().encode
_KEY = ("cluster_id", "uid")
_UID = 2  # where a row has its uid: after the cluster and the digest


def _tallies(consumers: Sequence[Consumer], troubles: Sequence[Trouble]) -> dict[str, Tally]:
    """Return by uid of a pod or workload what hangs on it."""
    found: dict[str, Tally] = defaultdict(Tally)
    for one in consumers:
        for uid in {one.pod.uid, one.workload.uid}:
            found[uid].methods.add(one.method)
            found[uid].paths.add(one.path)
    for trouble in troubles:
        for uid in {trouble.workload.uid, *(pod.uid for pod in trouble.pods)}:
            found[uid].troubles += 1
    return found


def _pod(scene: Scene, pod: Pod, tally: Tally) -> PodRow:
    workload, meta = scene.workload(pod), pod.metadata
    state, reason = _state(pod)
    return PodRow(
        namespace=meta.namespace, uid=meta.uid, name=meta.name, state=state, reason=reason, node=pod.spec.node_name,
        service_account=pod.spec.service_account_name or "default",
        restarts=sum(one.restart_count for one in pod.status.container_statuses),
        made_at=moment(meta.creation_timestamp), workload_kind=workload.kind, workload_name=workload.name,
        workload_uid=workload.uid, methods=sorted(tally.methods), secrets=len(tally.paths), troubles=tally.troubles,
    )  # fmt: skip


def _state(pod: Pod) -> tuple[str, str]:
    """Return the state of a pod and the kubelet's word for why."""
    reason = pod.status.reason or _why_waiting(pod)
    if has_ended(pod):
        return ENDED, pod.status.reason or pod.status.phase
    if pod.metadata.deletion_timestamp is not None:
        return ENDING, reason
    if any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions):
        return RUNNING, ""
    return (NOT_READY if pod.status.phase == "Running" else STARTING), reason


def _why_waiting(pod: Pod) -> str:
    every: list[ContainerStatus] = [*pod.status.init_container_statuses, *pod.status.container_statuses]
    waiting = [one.state.waiting.reason for one in every if one.state.waiting is not None]
    told = [reason for reason in waiting if reason not in ("PodInitializing", "ContainerCreating", "")]
    return next(iter(told or waiting), "")


def _workloads(
    scene: Scene, pods: Sequence[PodRow], troubles: Sequence[Trouble], tallies: dict[str, Tally]
) -> Iterator[WorkloadRow]:
    """Give each workload that has pods, secrets or troubles, or that could have pods."""
    count, ready = Counter[str](), Counter[str]()
    accounts: dict[str, str] = {}
    refs: dict[str, Ref] = {ref.uid: ref for ref in _templated(scene)}
    for trouble in troubles:
        refs.setdefault(trouble.workload.uid, trouble.workload)
    for pod in pods:
        uid = pod.workload_uid
        refs.setdefault(uid, Ref(pod.workload_kind, pod.namespace, pod.workload_name, uid))
        count[uid] += pod.state != ENDED
        ready[uid] += pod.state == RUNNING
        accounts[uid] = pod.service_account
    for uid, ref in refs.items():
        tally = tallies[uid]
        yield WorkloadRow(
            namespace=ref.namespace, uid=uid, kind=ref.kind, name=ref.name, wanted=_wanted(scene.by_uid(uid)),
            pods=count[uid], ready=ready[uid], service_account=accounts.get(uid, ""), methods=sorted(tally.methods),
            secrets=len(tally.paths), troubles=tally.troubles,
        )  # fmt: skip


def _templated(scene: Scene) -> Iterator[Ref]:
    """Give the workloads that exist and belong to no other: a CronJob's Jobs are its own."""
    for kind in WORKLOADS:
        for one in scene.all(kind):
            if not any(owner.controller for owner in one.metadata.owner_references):
                meta = one.metadata
                yield Ref(kind.__name__, meta.namespace, meta.name, meta.uid)


def _wanted(found: Any) -> int | None:
    if isinstance(found, DaemonSet):
        return found.status.desired_number_scheduled
    if isinstance(found, Job | CronJob) or found is None or not hasattr(found.spec, "replicas"):
        return None
    wanted: int | None = found.spec.replicas
    return 1 if wanted is None else wanted


def _consumer(one: Consumer) -> ConsumerRow:
    source, by = one.source, one.source.made_by
    return ConsumerRow(
        namespace=one.pod.namespace, pod_uid=one.pod.uid, pod_name=one.pod.name, container=one.container,
        workload_kind=one.workload.kind, workload_name=one.workload.name, workload_uid=one.workload.uid,
        method=source.method, path=source.path, credential=source.credential, address=source.address,
        vault_namespace=source.vault_namespace, auth_mount=source.auth_mount, auth_method=source.auth_method,
        role=source.role, service_account=source.service_account,
        refresh_seconds=None if source.refresh is None else source.refresh.total_seconds(),
        last_sync=source.last_sync, fingerprint=source.fingerprint, pinned=source.pinned, lease_id=source.lease_id,
        request_id=source.request_id, lease_seconds=source.lease_seconds, made_by_kind=by.kind if by else "",
        made_by_namespace=by.namespace if by else "", made_by_name=by.name if by else "",
        made_by_uid=by.uid if by else "", k8s_secret=one.k8s_secret, uses=list(one.uses),
        needs_restart=one.needs_restart, why=one.why, restarted_by=one.restarted_by, ended=one.ended,
    )  # fmt: skip


def _trouble(one: Trouble) -> TroubleRow:
    return TroubleRow(
        namespace=one.workload.namespace or one.object.namespace, symptom=one.symptom, cause=one.cause,
        object_kind=one.object.kind, object_name=one.object.name, object_uid=one.object.uid,
        workload_kind=one.workload.kind, workload_name=one.workload.name, workload_uid=one.workload.uid,
        says=one.says, mend=one.mend, sure=one.sure, also=list(one.also), evidence=one.evidence,
        pods=[pod.uid for pod in one.pods],
    )  # fmt: skip
