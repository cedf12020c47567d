"""Takes a cluster's turn: for some seconds all its watches are open, and what they show is written down.

One turn at a time for each cluster, by a lock of PostgreSQL; the next one begins where this one was by its rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
from django.conf import settings
from django.db import connection as database

from cluster import turn
from cluster.client import Client
from cluster.decoding import Unreadable, decode_page
from cluster.errors import Away, ClusterError, Refused
from cluster.kinds.platform import Namespace
from cluster.pace import Pace
from cluster.place import Place
from cluster.resources import RESOURCES, Resource
from inventory import cluster_rows, deliveries
from inventory.cluster_models import ClusterLink
from inventory.kubeconfigs import UnusableSetting, place_of
from inventory.models import Cluster
from inventory.sync_cluster import ClusterSink

SECONDS = 50.0
PACE = Pace(longest_list=180.0)  # so that a turn with a long list ends before its worker's child is ended
_LOCK = 0x6B62_0005
Open = Callable[[Place], Client]


class AnotherCluster(Exception):
    """Another cluster answers than the one that was connected under this name; nothing of it was kept."""


def take_turn(
    cluster_id: int, *, seconds: float = SECONDS, pace: Pace = PACE, stop: threading.Event | None = None,
    open_way: Open = Client,
) -> bool:  # fmt: skip
    """Watch a cluster for some seconds; False when there was nothing to hold: another has it, or it can't begin.

    Raises what the database raises; whatever is wrong with the cluster is kept beside it.
    """
    link = ClusterLink.objects.select_related("cluster").filter(cluster_id=cluster_id).first()
    if link is None:
        return False
    with _alone(cluster_id) as alone:
        return alone and _turn(link, seconds, pace, stop, open_way)


@contextmanager
def _alone(cluster_id: int) -> Iterator[bool]:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, cluster_id])
        got = bool(cursor.fetchone()[0])
    try:
        yield got
    finally:
        if got and database.connection is not None and not database.connection.closed:
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, cluster_id])


def _turn(link: ClusterLink, seconds: float, pace: Pace, stop: threading.Event | None, open_way: Open) -> bool:
    try:
        client = open_way(place_of(link.cluster.name, settings.KEYBOOK.kubeconfig))
        must_be(client, link.cluster)
    except (ClusterError, UnusableSetting, AnotherCluster) as error:
        _note(link, str(error))
        return False
    _note(link, "")
    resources = watched(link)
    cluster_rows.let_go(link.cluster, [one.name for one in resources])
    sink = ClusterSink(link.cluster)
    turn.hold(client, resources, sink, seconds=seconds, pace=pace, stop=stop)
    sink.commit()
    cluster_rows.forget(cluster_rows.now(), timedelta(days=settings.KEYBOOK.retention_days))
    deliveries.forget(cluster_rows.now(), timedelta(days=settings.KEYBOOK.retention_days))
    return True


def watched(link: ClusterLink) -> list[Resource]:
    """Return the resources of a cluster that are watched: Secrets only where that was wished."""
    return [one for one in RESOURCES.values() if link.secrets or one.name != "secrets"]


def must_be(client: Client, cluster: Cluster) -> None:
    """Raise `AnotherCluster` unless the one that answers is the one that was connected; one that is away may be."""
    try:
        found = identity(client)
    except (Away, Refused):
        return  # each watch tells it for itself
    if found and found != cluster.uid:
        raise AnotherCluster(
            f"{client.address} is another cluster than the one that was connected as {cluster.name} (its kube-system "
            f"has the uid {found}, not {cluster.uid}). Correct KEYBOOK_KUBECONFIG, or connect it under another name."
        )


def identity(client: Client) -> str:
    """Return the uid of kube-system, which tells clusters apart; "" if it is not shown. Raises `ClusterError`."""
    namespaces = RESOURCES["namespaces"]
    try:
        page = decode_page(namespaces, client.page(namespaces, limit=1, fieldSelector="metadata.name=kube-system"))
    except (Unreadable, msgspec.MsgspecError):
        return ""
    return next((one.metadata.uid for one in page.items if isinstance(one, Namespace)), "")


def _note(link: ClusterLink, trouble: str) -> None:
    now = cluster_rows.now()
    ClusterLink.objects.filter(pk=link.pk).update(trouble=trouble, turn_at=now)
