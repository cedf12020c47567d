"""A cluster of a test: the simulated API with its picture in PostgreSQL, and what both hold."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import yaml
from django.db import connection

from cluster.client import Client
from cluster.pace import Pace
from cluster.place import Address
from cluster.resources import RESOURCES
from inventory import cluster_rows, watching
from inventory.cluster_models import ClusterLink, KubeObject, Watch
from inventory.models import Cluster
from inventory.reckoning import Reckoner
from inventory.sync_pods import remember_cluster

HASTY = Pace(
    page=7, first=0.02, most=0.1, calm=0.3, silence=0.5, shortest_watch=30, longest_watch=60, not_permitted=0.1,
    not_installed=0.1,
)  # fmt: skip

PATIENT = replace(HASTY, silence=90.0)  # as in production: no turn is so long that a watch is opened twice in it


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


def opens(kube, read: float = 5.0):
    """What a turn opens instead of a kubeconfig."""
    return lambda _place: Client(Address(kube.url, kube.token), read=read)


def take_turn(kube, link: ClusterLink) -> bool:
    """Take one turn here and now, until every watch is open or has its answer; then work everything out."""
    stop = threading.Event()
    threading.Thread(target=_stop_when_open, args=(kube, link, stop), daemon=True).start()
    taken = _turn(kube, link, stop)
    stop.set()
    if taken:
        Reckoner(link.cluster).reckon()
    return taken


def take_quiet_turn(kube, link: ClusterLink, most: float = 20.0, read: float = 5.0) -> bool:
    """Take a turn that opens each watch once, until every resource that is had was heard of, or for `most` seconds."""
    stop, began = threading.Event(), cluster_rows.now()
    thread = threading.Thread(target=_stop_when_heard, args=(link, stop, began, most))
    thread.start()
    taken = _turn(kube, link, stop, PATIENT, read)
    stop.set()
    thread.join()
    return taken


def _stop_when_heard(link: ClusterLink, stop: threading.Event, began: datetime, most: float) -> None:
    had = Watch.objects.filter(cluster_id=link.cluster_id).exclude(state__in=("not_installed", "not_permitted"))
    ends = time.monotonic() + most
    while time.monotonic() < ends and had.exclude(heard_at__gte=began).exists() and not stop.wait(0.1):
        pass
    stop.set()
    connection.close()


def _turn(kube, link: ClusterLink, stop: threading.Event, pace: Pace = HASTY, read: float = 5.0) -> bool:
    return watching.take_turn(link.cluster_id, seconds=600, pace=pace, open_way=opens(kube, read), stop=stop)


def _stop_when_open(kube, link: ClusterLink, stop: threading.Event, away: float = 2.0) -> None:
    """End a turn when each resource is watched or was refused; where nobody asks, the server is away."""
    began, wanted = time.time(), {one.plural for one in RESOURCES.values() if one.name != "secrets"}
    while not stop.wait(0.05):
        asked = [one for one in list(kube.requests) if one.at >= began and one.code]
        refused = Counter(one.resource or one.path.rpartition("/")[2] for one in asked if one.code in (403, 404))
        open_now = {one.resource for one in asked if one.verb == "watch"}
        if wanted <= open_now | {name for name, times in refused.items() if times > 1}:
            stop.wait(0.5)
            stop.set()
        if not asked and time.time() - began > away:
            stop.set()


@contextmanager
def watched(kube, link: ClusterLink):
    """Hold a turn in another thread while the test does its work; what goes wrong there fails the test."""
    stop, wrong = threading.Event(), []

    def turn():
        try:
            while not _turn(kube, link, stop) and not stop.wait(0.2):
                pass  # the lock of one that was killed goes with its connection, at once or soon
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
