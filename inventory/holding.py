"""Which version of a secret each pod holds, and who is still on an old one, as far as a cluster's picture shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Q

from cluster import delivery
from cluster.held import Held, held
from cluster.scene import Scene
from cluster.versions import Version
from inventory import cluster_rows
from inventory.cluster_models import PodState, SecretConsumer, Watch
from inventory.holding_models import OldHolding
from inventory.models import Cluster

# What delivers secrets to other namespaces than its own; all else belongs to the namespace of the pod.
WIDE = ("daemonsets", "csidrivers", "clustersecretstores", "vaultauths", "vaultauthglobals", "vaultconnections")
OPERATORS = Q(resource="deployments", name__startswith="vault-secrets-operator")


def held_of(cluster: Cluster, path: str, versions: Sequence[Version]) -> list[Held]:
    """Return what each consumer of a secret can hold, by its path as the vault's API names it and its versions.

    As of the last sign of the API server: a stale picture says what was true then (see `freshness`).
    """
    rows = SecretConsumer.objects.filter(cluster=cluster, path=path)
    spaces = list(rows.values_list("namespace", flat=True).distinct())
    if not spaces or not versions:
        return []
    heard = Watch.objects.filter(cluster=cluster, resource="pods").values_list("heard_at", flat=True).first()
    near = Q(namespace__in=spaces) | Q(resource__in=WIDE) | OPERATORS
    scene = Scene(cluster_rows.objects(cluster, near), heard)
    found = [one for one in delivery.consumers(scene) if one.path == path]
    return held(scene, found, {path: versions}, cluster_rows.changes_seen(cluster))


def held_by_pods(pods: Sequence[PodState], versions: Mapping[str, Sequence[Version]]) -> list[Held]:
    """Return what the containers of some pods can hold, by the versions of each path; see `held_of`."""
    found: list[Held] = []
    for cluster in {one.cluster_id: one.cluster for one in pods}.values() if versions else ():
        mine = [one for one in pods if one.cluster_id == cluster.pk]
        heard = Watch.objects.filter(cluster=cluster, resource="pods").values_list("heard_at", flat=True).first()
        near = Q(namespace__in={one.namespace for one in mine}) | Q(resource__in=WIDE) | OPERATORS
        scene = Scene(cluster_rows.objects(cluster, near), heard)
        some = [one for one in delivery.consumers(scene) if one.path in versions]
        uids = {one.uid for one in mine}
        every = held(scene, some, versions, cluster_rows.changes_seen(cluster))
        found += [one for one in every if one.pod.uid in uids]
    return found


def secrets_by_old_pod(uids: Sequence[str]) -> dict[str, list[int]]:
    """Return of each of these pods, by uid, the secrets of which it was found to hold an old version."""
    found: dict[str, list[int]] = {}
    for secret, pods in (
        OldHolding.objects.filter(pods__overlap=list(uids)).order_by("secret").values_list("secret", "pods")
    ):
        for uid in set(pods).intersection(uids):
            found.setdefault(uid, []).append(secret)
    return found


def keep_old(secret: int, pods: Iterable[str], at: datetime) -> None:
    """Keep which pods, by uid, hold an old version of a secret, by its key in the record."""
    OldHolding.objects.update_or_create(secret=secret, defaults={"pods": sorted(set(pods)), "at": at})


def keep_no_other(secrets: Sequence[int]) -> None:
    """Forget what was kept of all other secrets."""
    OldHolding.objects.exclude(secret__in=secrets).delete()


def old_by_secret() -> list[tuple[int, int]]:
    """Return (secret, pods) for each secret of which pods that exist hold an old version, most pods first."""
    sql = """
        SELECT h.secret, count(DISTINCT p.uid) FROM inventory_oldholding h
        JOIN inventory_podstate p ON p.uid = ANY(h.pods) AND p.state <> 'ended'
        WHERE h.pods <> '{}' GROUP BY 1 ORDER BY 2 DESC, 1
    """
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [(secret, pods) for secret, pods in cursor.fetchall()]
