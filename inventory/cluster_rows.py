"""Objects of a cluster as rows, and back: slim structs as JSON, each with when it was seen or gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from django.db import transaction
from django.db.models import Q

from cluster.decoding import Broken
from cluster.kinds.platform import ClusterEvent, Secret
from cluster.kinds.store_csi import SecretProviderClassPodStatus
from cluster.resources import SHAPES
from inventory import bulk, fitting
from inventory.cluster_models import ClusterWarning, ContentChange, KubeObject, Watch
from inventory.models import Cluster

_encode = msgspec.json.encode
_decoders = {name: msgspec.json.Decoder(shape).decode for name, shape in SHAPES.items()}
_WARNED = ["times", "last_at", "message", "reason"]
_MOST_TIMES = 2_147_483_647
BATCH = 1_000
KEPT = timedelta(days=30)  # objects that are gone, and warnings
EVENTS_KEPT = timedelta(hours=1)  # Events that are gone: the warnings among them are kept for themselves


def uid_of(found: Any) -> str:
    """Return what an object is known by; one that can't be read and has no uid, by its name."""
    uid = found.uid if isinstance(found, Broken) else found.metadata.uid
    return str(uid) or "/".join(name_of(found))


def name_of(found: Any) -> tuple[str, str]:
    """Return (namespace, name)."""
    meta = found if isinstance(found, Broken) else found.metadata
    return meta.namespace, meta.name


def version_of(found: Any) -> str:
    """Return the object's own version."""
    return str(found.resource_version if isinstance(found, Broken) else found.metadata.resource_version)


class Row(NamedTuple):
    """One object as it is written: the columns of `KubeObject`."""

    cluster_id: int
    resource: str
    uid: str
    namespace: str
    name: str
    version: str
    data: bytes
    broken: str
    seen_at: datetime
    gone_at: datetime | None
    gone_exact: bool


def row_of(cluster: Cluster, resource: str, found: Any, at: datetime, *, gone: bool = False) -> Row:
    """Return the row of an object that was seen at a time, or whose delete was."""
    broken = isinstance(found, Broken)
    data, why = (b"", found.why) if broken else (_encode(found), "")
    names, end = name_of(found), at if gone else None
    return Row(cluster.pk, resource, uid_of(found), *names, version_of(found), data, why, at, end, gone)


def object_of(resource: str, data: bytes | memoryview[int]) -> Any:
    """Return the struct that was kept; raises `msgspec.MsgspecError` for what another version of Keybook kept."""
    return _decoders[resource](bytes(data))


def write(rows: Iterable[Row]) -> None:
    """Write rows, over those of the same objects."""
    bulk.put(KubeObject, Row._fields, rows, key=Row._fields[:3], update=Row._fields[3:])


def mark_gone(cluster: Cluster, resource: str, uids: Iterable[str], at: datetime) -> None:
    """Mark objects gone that a list did not show: they went before `at`, nobody saw when."""
    there = KubeObject.objects.filter(cluster=cluster, resource=resource, uid__in=list(uids), gone_at=None)
    there.update(gone_at=at, gone_exact=False)


def versions(cluster: Cluster, resource: str) -> dict[str, str]:
    """Return {uid: version} of the objects that exist."""
    there = KubeObject.objects.filter(cluster=cluster, resource=resource, gone_at=None)
    return dict(there.values_list("uid", "version"))


def objects(cluster: Cluster, *which: Q) -> Iterator[Any]:
    """Give the structs of the objects that exist, and that all conditions fit; what can't be read is left out."""
    there = KubeObject.objects.filter(*which, cluster=cluster, gone_at=None, broken="")
    for resource, data in there.values_list("resource", "data").iterator(chunk_size=2_000):
        if resource in _decoders:
            try:
                yield object_of(resource, data)
            except msgspec.MsgspecError:
                continue  # the next list writes it anew


def warning_of(cluster: Cluster, event: ClusterEvent, at: datetime) -> ClusterWarning:
    """Return the unsaved row of a warning Event."""
    about = event.involved_object
    return ClusterWarning(
        cluster=cluster, uid=event.metadata.uid, about_uid=fitting.text(about.uid), kind=fitting.text(about.kind),
        namespace=fitting.text(about.namespace), name=fitting.text(about.name), reason=event.reason,
        message=event.message, times=min(event.times(), _MOST_TIMES), first_at=event.first() or at,
        last_at=event.at() or at,
    )  # fmt: skip


def content_of(found: Any) -> tuple[datetime | None, str] | None:
    """Return when, and a mark of how, the content was written last, for objects whose changes of content count."""
    if isinstance(found, Secret):
        at = found.metadata.data_written()
        return at, str(at or "")
    if isinstance(found, SecretProviderClassPodStatus):
        return found.metadata.status_written(), repr([(one.id, one.version) for one in found.status.objects])
    return None


def write_changes(cluster: Cluster, changes: Iterable[tuple[str, datetime]]) -> None:
    """Write down when contents changed; a change that is known already stays one."""
    rows = [ContentChange(cluster=cluster, uid=uid, at=at) for uid, at in changes]
    ContentChange.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)


def changes_seen(cluster: Cluster) -> dict[str, list[datetime]]:
    """Return by uid when a watch saw contents change, as `cluster.held` takes it."""
    found: dict[str, list[datetime]] = {}
    for uid, at in ContentChange.objects.filter(cluster=cluster).order_by("at").values_list("uid", "at"):
        found.setdefault(uid, []).append(at)
    return found


def write_warnings(rows: list[ClusterWarning]) -> None:
    """Write warnings, over what was known of the same ones."""
    ClusterWarning.objects.bulk_create(
        rows, batch_size=BATCH, update_conflicts=True, unique_fields=["cluster", "uid"], update_fields=_WARNED
    )


def let_go(cluster: Cluster, resources: Sequence[str]) -> None:
    """Forget what was seen of resources that are watched no more, such as Secrets that nobody wishes to see."""
    with transaction.atomic():
        Watch.objects.filter(cluster=cluster).exclude(resource__in=resources).delete()
        KubeObject.objects.filter(cluster=cluster).exclude(resource__in=resources).delete()


def forget(at: datetime, retention: timedelta) -> None:
    """Forget what is past its time: gone objects, gone Events sooner, old warnings; changes of content last longest."""
    gone = KubeObject.objects.exclude(gone_at=None)
    gone.filter(gone_at__lt=at - min(KEPT, retention)).delete()
    gone.filter(resource="events", gone_at__lt=at - EVENTS_KEPT).delete()
    ClusterWarning.objects.filter(last_at__lt=at - min(KEPT, retention)).delete()
    ContentChange.objects.filter(at__lt=at - retention).delete()


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
