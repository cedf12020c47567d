"""The recorded cluster's pods, written into the inventory as the mirror does."""

from __future__ import annotations

from django.db import connection

from inventory.lives import moment, sight_of
from inventory.models import Cluster
from inventory.pods import state_proxies
from inventory.sync_pods import PodWriter, remember_accounts, remember_cluster
from tests.inventory import recording

TABLES = ", ".join(
    f"inventory_{name}" for name in ("cluster", "podlife", "podaddress", "podgap", "serviceaccount", "listener")
)


def forget_pods() -> None:
    """Empty the tables of clusters and pods: in the tests' own database only."""
    assert connection.settings_dict["NAME"].startswith("test_")
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")


def recorded_cluster() -> Cluster:
    """The recorded cluster with its service accounts, before its first pod."""
    cluster = remember_cluster("east", recording.truth()["meta"]["cluster_uid"])
    metas = [one["metadata"] for one in recording.objects("ServiceAccount")]
    remember_accounts(cluster, [(one["uid"], one["namespace"], one["name"]) for one in metas])
    return cluster


def replay(cluster: Cluster, until: int = 1 << 60, *, step: int = 50) -> None:
    """Replay the recorded watch up to a moment, in transactions of some events."""
    writer = PodWriter(cluster)
    for number, event in enumerate(recording.watched()):
        at, pod = moment(event["at"]), event["object"]
        if at > until:
            break
        writer.see(at, sight_of(pod))
        if event["type"] == "DELETED":
            writer.gone(at, pod["metadata"]["uid"])
        if number % step == step - 1:
            writer.flush(at)
    writer.flush(until if until < 1 << 60 else moment(recording.truth()["meta"]["ended"]) + 60_000_000)


def told_proxies(vault: str = "demo") -> None:
    """No proxy stands before the recorded vault."""
    state_proxies(vault, [])
