"""What workers do for the present when a bell rings: hold a cluster's watches for a turn, find whose turn it is."""

from __future__ import annotations

import logging

import psycopg
from django.db import Error

from inventory.bells import database_may_be_away, doorbell, ring
from inventory.cluster_models import ClusterLink
from inventory.watching import take_turn

_log = logging.getLogger("keybook.inventory")


@doorbell("inventory.sweep_clusters")
def sweep() -> None:
    """Ring for every connected cluster; one whose watches are held already lets the bell pass."""
    with database_may_be_away("The sweep of clusters", _log):
        for key in ClusterLink.objects.order_by("pk").values_list("cluster_id", flat=True):
            ring(watch_cluster, key)


@doorbell("inventory.watch_cluster")
def watch_cluster(cluster_id: int) -> None:
    """Hold a cluster's watches for one turn, and ring for the next; a fault of ours is kept beside the cluster."""
    with database_may_be_away(f"The turn of cluster {cluster_id}", _log):
        if _turn(cluster_id):
            ring(watch_cluster, cluster_id)


def _turn(cluster_id: int) -> bool:
    try:
        return take_turn(cluster_id)
    except (Error, psycopg.Error):
        raise
    except Exception as error:  # a fault of ours at one cluster must not stop the others
        kind = type(error).__name__
        _log.exception("Keybook failed on cluster %s (%s).", cluster_id, kind)
        trouble = f"Keybook itself failed on this cluster ({kind}); the next turn tries again. Report it."
        ClusterLink.objects.filter(cluster_id=cluster_id).update(trouble=trouble)
        return False
