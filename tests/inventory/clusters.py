"""A cluster of a test: the simulated API with its picture in PostgreSQL, and what both hold."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import yaml
from django.db import connection

from cluster.client import Client
from cluster.pace import Pace
from cluster.place import Address
from inventory import cluster_rows, watching
from inventory.cluster_models import ClusterLink, KubeObject
from inventory.models import Cluster
from inventory.sync_pods import remember_cluster

HASTY = Pace(
    page=7, first=0.02, most=0.1, calm=0.3, silence=0.5, shortest_watch=30, longest_watch=60, not_permitted=0.1,
    not_installed=0.1,
)  # fmt: skip


def forget_clusters() -> None:
    """Empty every table that hangs on a cluster: in the tests' own database only."""
    assert connection.settings_dict["NAME"].startswith("test_")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE inventory_cluster CASCADE")


def connected(kube, name: str = "prod", *, secrets: bool = False) -> ClusterLink:
    """Connect the simulated cluster, without looking at its rights."""
    found = next(one for one in kube.store.objects("namespaces") if one["metadata"]["name"] == "kube-system")
    cluster = remember_cluster(name, found["metadata"]["uid"])
    return ClusterLink.objects.create(
        cluster=cluster, address=kube.url, secrets=secrets, connected_at=cluster_rows.now()
    )


def opens(kube):
    """What a turn opens instead of a kubeconfig."""
    return lambda _place: Client(Address(kube.url, kube.token), read=5)


def take_turn(kube, link: ClusterLink, seconds: float = 1.0, **more) -> bool:
    """Take one turn here and now."""
    return watching.take_turn(link.cluster_id, seconds=seconds, pace=HASTY, open_way=opens(kube), **more)


@contextmanager
def watched(kube, link: ClusterLink, seconds: float = 600.0):
    """Hold a turn in another thread while the test does its work; what goes wrong there fails the test."""
    stop, wrong = threading.Event(), []

    def turn():
        try:
            assert take_turn(kube, link, seconds, stop=stop)
        except BaseException as error:
            wrong.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive(), "the turn did not end"
    if wrong:
        raise wrong[0]


def eventually(true, seconds: float = 20.0):
    """Wait for a fact and return it."""
    ends = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < ends, f"this did not become true: {true.__doc__ or true}"
        time.sleep(0.02)
    return found


def served(kube, resource: str, group: str = "") -> dict[str, str]:
    """What the server holds: each object's version by uid."""
    found = kube.store.objects(resource, group)
    return {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in found}


def pictured(cluster: Cluster, resource: str) -> dict[str, str]:
    """What the picture holds: each object's version by uid."""
    return cluster_rows.versions(cluster, resource)


def gone(cluster: Cluster, resource: str) -> dict[str, bool]:
    """The deletes that were recorded: by uid, whether the time is exact."""
    found = KubeObject.objects.filter(cluster=cluster, resource=resource, gone_at__isnull=False)
    return dict(found.values_list("uid", "gone_exact"))


def kubeconfig(kube, folder: Path, token: str = "", **cluster: object) -> Path:
    """A kubeconfig as kubectl has it."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "there",
        "clusters": [{"name": "c", "cluster": {"server": kube.url, **cluster}}],
        "users": [{"name": "u", "user": {"token": token or kube.token}}],
        "contexts": [{"name": "there", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(config))
    return path
