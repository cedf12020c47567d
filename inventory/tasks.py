"""What workers do for the present when a bell rings: hold a cluster's watches for a turn, find whose turn it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import psycopg
from celery import shared_task
from celery.exceptions import OperationalError as BrokerError
from django.db import Error, connection

from inventory.cluster_models import ClusterLink
from inventory.watching import take_turn

BELL_LIVES = 10.0  # seconds: the sweep has rung again before
_log = logging.getLogger("keybook.inventory")


class Bell(Protocol):
    """A task as we use it: called in place, or rung with one primary key."""

    def __call__(self, *key: int) -> None:
        """Do the work here and now."""

    def apply_async(self, args: tuple[int, ...], **options: Any) -> object:
        """Send the message."""


def doorbell(name: str) -> Callable[[Callable[..., None]], Bell]:
    """Return the decorator that makes a function the task `name`."""
    return cast("Callable[[Callable[..., None]], Bell]", shared_task(name=name))


def ring(bell: Bell, *key: int) -> None:
    """Ring for a row; a broker that is away only means that the sweep has to find the row."""
    try:
        bell.apply_async(key, expires=BELL_LIVES, headers={"rung": time.time()})
    except (BrokerError, OSError):
        _log.warning("The broker took no message; the sweep rings again when it is back.")


@doorbell("inventory.sweep_clusters")
def sweep() -> None:
    """Ring for every connected cluster; one whose watches are held already lets the bell pass."""
    with _the_database_may_be_away("The sweep of clusters"):
        for key in ClusterLink.objects.order_by("pk").values_list("cluster_id", flat=True):
            ring(watch_cluster, key)


@doorbell("inventory.watch_cluster")
def watch_cluster(cluster_id: int) -> None:
    """Hold a cluster's watches for one turn, and ring for the next; a fault of ours is kept beside the cluster."""
    with _the_database_may_be_away(f"The turn of cluster {cluster_id}"):
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


@contextmanager
def _the_database_may_be_away(what: str) -> Iterator[None]:
    """Say in one line that PostgreSQL is away; the next bell tries again from what was committed."""
    try:
        yield
    except (Error, psycopg.Error) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        _log.warning("%s ended: PostgreSQL said: %s. It is taken up from what was committed.", what, said)
        connection.close()  # the lock of a turn goes with it
