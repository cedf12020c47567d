"""Works out of a cluster's objects what pages ask for: pods, workloads, consumers of secrets, troubles.

Everything is worked out together, for a secret may come by objects of any namespace; only rows that differ are written.
It takes at most about a tenth of the time: whoever has just worked out a large cluster waits before doing it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction

from cluster import delivery
from cluster.deliveries import RESOURCES as ASKING
from cluster.deliveries import deliveries as deliveries_of
from cluster.scene import Scene
from cluster.watch import NOT_INSTALLED, NOT_PERMITTED
from inventory import cluster_rows, deliveries, reckoned
from inventory.cluster_models import Reckoning, Watch
from inventory.models import Cluster

SHARE = 10  # times as long as it took, before it is done again
SOONEST = 1.0  # seconds
WAITING = timedelta(seconds=20)  # how soon to look again at what becomes a trouble by lasting
GRACE = timedelta(minutes=1)  # how long the first picture waits for a resource that gives no answer


class Reckoner:
    """Works out one cluster when something has changed, and when time alone may have made a trouble."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], datetime] = cluster_rows.now) -> None:
        self.cluster, self._clock = cluster, clock
        self._row, _ = Reckoning.objects.get_or_create(cluster=cluster)
        self._not_before = 0.0

    def note_change(self) -> None:
        """Write down, in the caller's transaction, that something has changed since."""
        if self._row.changed_at is None:
            self._row.changed_at = self._clock()
            self._row.save(update_fields=["changed_at"])

    def perhaps(self, watches: Mapping[str, Watch]) -> bool:
        """Work everything out if it is due and the picture is whole enough; tells whether it was done."""
        again = self._row.again_at
        due = self._row.changed_at is not None or (again is not None and again <= self._clock())
        if not due or time.monotonic() < self._not_before or not self._whole(watches):
            return False
        self.reckon()
        return True

    def _whole(self, watches: Mapping[str, Watch]) -> bool:
        """Whether every resource was listed once, or is known not to be had: half a picture shows false troubles."""
        return bool(watches) and all(
            one.listed_at or one.state in (NOT_PERMITTED, NOT_INSTALLED) or one.since < self._clock() - GRACE
            for one in watches.values()
        )

    def reckon(self) -> None:
        """Work everything out and write what differs, in one transaction."""
        began, at = time.monotonic(), self._clock()
        with transaction.atomic():
            scene = Scene(cluster_rows.objects(self.cluster), at)
            consumers, troubles = delivery.consumers(scene), delivery.troubles(scene)
            starting = reckoned.keep(self.cluster, scene, consumers, troubles)
            deliveries.keep(self.cluster, scene, deliveries_of(scene, consumers), at)
            took = time.monotonic() - began
            self._row.changed_at, self._row.at, self._row.took = None, at, took
            self._row.again_at = at + WAITING if starting or troubles else None
            whole = _all_asked_is_seen(Watch.objects.filter(cluster=self.cluster))
            self._row.whole_since = (self._row.whole_since or at) if whole else None
            self._row.save()
        self._not_before = time.monotonic() + max(SOONEST, SHARE * took)


def _all_asked_is_seen(watches: Iterable[Watch]) -> bool:
    """Whether everything that asks operators to deliver is seen, or is known not to be installed."""
    by_name = {one.resource: one for one in watches}
    wanted = [by_name.get(name) for name in ("pods", *ASKING)]
    return all(
        one is not None and (one.state == NOT_INSTALLED or (one.state != NOT_PERMITTED and one.listed_at is not None))
        for one in wanted
    )
