"""Keeps for whom operators read a vault, and answers which copies and pods one of their reads was for.

Exact is what the operator itself wrote down (the read's request or lease), or the only resource that fits the service
account, role, mount and path, if all that there was then is known; else all that fit are likely, as a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec
from django.db.models import Q, QuerySet

from cluster import deliveries
from cluster.scene import Scene
from inventory import bulk, fitting
from inventory.cluster_rows import KEPT
from inventory.delivery_models import Delivery, DeliveryAccount, DeliveryPod
from inventory.models import Cluster, PodLife

SLACK = timedelta(minutes=1)  # by which the picture of resources may lag behind what an operator does with them
_COLUMNS = (
    "namespace", "k8s_secret", "method", "path", "vault_namespace", "auth_mount", "role", "account_namespace",
    "account_name", "lease_id", "request_id", "made_by_kind", "made_by_name", "made_by_uid",
)  # fmt: skip
_pack = msgspec.msgpack.Encoder().encode
_MOST = 500
_ACCOUNT = 300  # bytes: Kubernetes' names have 253 at most, whatever an operator's resource claims


def keep(cluster: Cluster, scene: Scene, found: Sequence[deliveries.Delivery], at: datetime) -> None:
    """Write what is new, and mark what is no more; in the caller's transaction."""
    table = Delivery.objects.filter(cluster=cluster)
    _keep_accounts(cluster, deliveries.accounts(scene, found))
    fresh = {_digest(_row(one)): one for one in found}
    there = dict(_digests(table.filter(Q(gone_at=None) | Q(digest__in=list(fresh)))))
    over = [digest for digest, gone in there.items() if gone is None and digest not in fresh]
    table.filter(digest__in=over).update(gone_at=at)
    again = [digest for digest in fresh if there.get(digest) is not None]
    table.filter(digest__in=again).update(gone_at=None)
    _add(cluster, {digest: one for digest, one in fresh.items() if digest not in there}, at)
    _keep_pods(table, fresh)


def _keep_accounts(cluster: Cluster, named: set[tuple[str, str]]) -> None:
    columns = ["cluster_id", "namespace", "name"]
    known = set(DeliveryAccount.objects.filter(cluster=cluster).values_list("namespace", "name"))
    fit = {(fitting.text(space, _ACCOUNT), fitting.text(name, _ACCOUNT)) for space, name in named}
    bulk.put(DeliveryAccount, columns, ((cluster.pk, *one) for one in sorted(fit - known)))


def _digests(some: QuerySet[Delivery]) -> Iterator[tuple[bytes, datetime | None]]:
    for digest, gone in some.values_list("digest", "gone_at"):
        yield bytes(digest), gone


def _add(cluster: Cluster, new: dict[bytes, deliveries.Delivery], at: datetime) -> None:
    """Add rows: one of a resource that was not known was so from its making, of a known one that changed from now."""
    makers = {one.source.made_by.uid for one in new.values() if one.source.made_by is not None}
    some = Delivery.objects.filter(cluster=cluster, made_by_uid__in=makers)
    known = set(some.values_list("made_by_uid", flat=True).distinct())
    rows = ((cluster.pk, digest, *_row(one), _since(one, known, at)) for digest, one in new.items())
    bulk.put(Delivery, ["cluster_id", "digest", *_COLUMNS, "since"], rows)


def _keep_pods(table: QuerySet[Delivery], fresh: dict[bytes, deliveries.Delivery]) -> None:
    keys = {bytes(digest): key for digest, key in table.filter(gone_at=None).values_list("digest", "pk")}
    there = set(DeliveryPod.objects.filter(delivery__in=keys.values()).values_list("delivery_id", "uid"))
    rows = [
        (keys[digest], fitting.text(to.pod.uid), to.pod.namespace, fitting.text(to.pod.name), to.made_at)
        for digest, one in fresh.items()
        for to in one.pods
        if (keys[digest], fitting.text(to.pod.uid)) not in there
    ]
    bulk.put(DeliveryPod, ["delivery_id", "uid", "namespace", "name", "made_at"], rows)


def _row(one: deliveries.Delivery) -> tuple[str, ...]:
    source, by = one.source, one.source.made_by
    space, account = one.account or ("", "")
    texts = (
        one.namespace, one.k8s_secret, source.method, source.path, source.vault_namespace.strip("/"),
        source.auth_mount, source.role, fitting.text(space, _ACCOUNT), fitting.text(account, _ACCOUNT),
        source.lease_id, source.request_id,
        by.kind if by else "", by.name if by else "", by.uid if by else "",
    )  # fmt: skip
    return tuple(map(fitting.text, texts))


def _digest(row: tuple[str, ...]) -> bytes:
    return blake2b(_pack(row), digest_size=16).digest()


def _since(one: deliveries.Delivery, known: set[str], at: datetime) -> datetime:
    uid = one.source.made_by.uid if one.source.made_by else ""
    return at if one.made_at is None or uid in known else min(one.made_at, at)


def forget(at: datetime, retention: timedelta) -> None:
    """Forget what has ended too long ago."""
    Delivery.objects.filter(gone_at__lt=at - min(KEPT, retention)).delete()


@dataclass(frozen=True, slots=True)
class Read:
    """One read of an operator's or provider's pod (`pod_uid`), as the log shows it; "" for what it does not show."""

    cluster: str
    pod_uid: str
    at: datetime
    path: str
    vault_namespace: str = ""
    account: tuple[str, str] = ("", "")
    role: str = ""
    mount: str = ""
    request_id: str = ""
    lease_id: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What one read was for: a resource, the Kubernetes Secret that it fills ("" for none), and the pods that get it.

    `pods` are (uid, namespace, name) of those that had not ended by then, as far as the picture knew them.
    """

    kind: str
    namespace: str
    name: str
    k8s_secret: str
    pods: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """For whom a read was: `grade` is exact or likely, "" with nothing known; `why` says by what."""

    grade: str = ""
    why: str = ""
    targets: tuple[Target, ...] = ()


NOBODY = Delivered()
WHY = {
    "written": "The operator wrote down this read's own request or lease.",
    "one": "One resource alone has it read with this service account, role, mount and path.",
    "several": "Several fit: it was for one or more of them.",
    "unseen": "This fits, but what else there was then is not known.",
}


def delivered(read: Read) -> Delivered:
    """Return for whom an operator's pod made a read."""
    cluster = Cluster.objects.filter(name=read.cluster).select_related("reckoning").first()
    if cluster is None:
        return NOBODY
    table = Delivery.objects.filter(cluster=cluster).prefetch_related("pods")
    written = _written(table, read)
    rows = written or _fitting(table, read)
    if not rows:
        return NOBODY
    reader = PodLife.objects.filter(cluster=cluster, uid=read.pod_uid).first()
    targets = _targets(cluster, rows, read, reader.node if reader is not None else "")
    if not targets:
        return NOBODY
    why = "written" if written else _how_sure(cluster, targets, rows, read, reader)
    return Delivered("exact" if why in ("written", "one") else "likely", WHY[why], targets)


def _written(table: QuerySet[Delivery], read: Read) -> list[Delivery]:
    """Return what names this read by its own number: one resource, or nothing."""
    which = [
        Q(**{name: value}) for name, value in (("request_id", read.request_id), ("lease_id", read.lease_id)) if value
    ]
    found: list[Delivery] = []
    for one in which:
        found = found or list(table.filter(one)[:_MOST])
    return found if len({one.made_by_uid for one in found}) == 1 else []


def _fitting(table: QuerySet[Delivery], read: Read) -> list[Delivery]:
    paths = [fitting.text(one) for one in (read.path, *_above(read.path))]
    near = table.filter(
        Q(gone_at=None) | Q(gone_at__gte=read.at - SLACK), since__lte=read.at + SLACK, path__in=paths,
        account_namespace=read.account[0], account_name=read.account[1],
    ).exclude(account_name="")  # fmt: skip
    return [one for one in near.order_by("pk")[:_MOST] if _same_login(one, read)]


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join([*parts[:number], "*"]) for number in range(1, len(parts))]


def _same_login(one: Delivery, read: Read) -> bool:
    pairs = ((one.role, read.role), (one.auth_mount, read.mount), (one.vault_namespace, read.vault_namespace))
    return all(mine == its or not mine or not its for mine, its in pairs)


def _targets(cluster: Cluster, rows: Sequence[Delivery], read: Read, node: str) -> tuple[Target, ...]:
    """Put the rows of one resource together; of a mount only pods of the provider's node that were there then."""
    lives = PodLife.objects.filter(cluster=cluster, uid__in={pod.uid for row in rows for pod in row.pods.all()})
    known = {one.uid: one for one in lives}
    found: dict[tuple[str, str, str, str], dict[tuple[str, str, str], None]] = {}
    for row in rows:
        pods = [pod for pod in row.pods.all() if _got(row, pod, known.get(pod.uid), read.at, node)]
        if pods or row.k8s_secret:
            mine = found.setdefault((row.made_by_kind, row.namespace, row.made_by_name, row.k8s_secret), {})
            mine.update(dict.fromkeys((pod.uid, pod.namespace, pod.name) for pod in pods))
    return tuple(Target(*key, tuple(sorted(pods))) for key, pods in found.items())


def _got(row: Delivery, pod: DeliveryPod, life: PodLife | None, at: datetime, node: str) -> bool:
    if life is not None and life.ended is not None and life.ended + timedelta(seconds=5) < at:
        return False
    if row.k8s_secret:
        return True  # whoever starts later uses the same copy
    begun = pod.made_at is None or pod.made_at <= at + timedelta(seconds=5)
    return begun and (life is None or not node or life.node in ("", node))


def _how_sure(
    cluster: Cluster, targets: Sequence[Target], rows: Sequence[Delivery], read: Read, reader: PodLife | None
) -> str:
    own = [one for one in targets if not one.k8s_secret]
    if len(targets) > 1 or any(len(one.pods) > 1 for one in own):
        return "several"
    began = getattr(getattr(cluster, "reckoning", None), "whole_since", None)
    if began is None or read.at < began:
        return "unseen"
    return "unseen" if own and _others(cluster, own[0], rows[0], read, reader) else "one"


def _others(cluster: Cluster, target: Target, row: Delivery, read: Read, reader: PodLife | None) -> bool:
    """Whether another pod of this account, that may have mounted the same, was on the provider's node then."""
    alive = PodLife.objects.filter(
        Q(ended=None) | Q(ended__gte=read.at - timedelta(seconds=5)), cluster=cluster,
        namespace=row.account_namespace, service_account=row.account_name,
        seen_at__isnull=False, started__lte=read.at + SLACK,
    ).exclude(uid__in=[uid for uid, _, _ in target.pods])  # fmt: skip
    return any(reader is None or one.node in ("", reader.node) for one in alive)
