"""Writes pod lives down as a watch tells them: one writer for each cluster, in transactions that readers can follow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import F, Q
from psycopg.types.json import Jsonb

from inventory import bulk
from inventory.lives import Life, Lives, Sight, Span
from inventory.models import Cluster, PodAddress, PodGap, PodLife, ServiceAccount
from inventory.moments import micros, micros_or_none, time_of, time_or_none
from kit.arrays import numbers

KEPT = timedelta(days=1)  # how long an ended life is remembered, because a watch that is taken up repeats itself
_LIFE = ("cluster_id", "uid", "namespace", "name", "service_account", "node", "host_network", "started", "seen_at",
         "ended", "ended_uncertain", "labels", "change")  # fmt: skip
_NO_ADDRESSES = f"DELETE FROM {PodAddress._meta.db_table} WHERE life_id = ANY(%s::bigint[])"  # noqa: S608
_json = msgspec.json.Encoder().encode
_ADDRESS = ("life_id", "address", "started", "ended", "sure_until")


def remember_cluster(name: str, uid: str) -> Cluster:
    """Return the cluster with this uid, made if it is new."""
    return Cluster.objects.get_or_create(uid=uid, defaults={"name": name})[0]


class PodWriter:
    """Takes what a watch of pods tells, and writes what changed when it is told to (`flush`)."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        recent = Q(ended=None) | Q(ended__gte=datetime.now(UTC) - KEPT)
        known = PodLife.objects.filter(recent, cluster=cluster).prefetch_related("addresses")
        self.lives = Lives(map(life_of, known))

    def see(self, at: int, sight: Sight) -> None:
        """Note a pod as it was shown at a moment (µs since 1970)."""
        self.lives.see(at, sight)

    def gone(self, at: int, uid: str) -> None:
        """Note that a pod was deleted."""
        self.lives.gone(at, uid)

    def listed(self, at: int, uids: Iterable[str], known_until: int = 0) -> None:
        """Note that a whole list, begun after `known_until`, shows these pods and no others (as `Lives.listed`)."""
        self.lives.listed(at, uids, known_until)

    def flush(self, known_until: int = 0) -> int:
        """Write what changed, and that all pods are known until a moment; returns how many lives were written.

        The cluster's row is locked until the commit, so that a lower `change` is never seen after a higher one.
        """
        changed, gaps = self.lives.take(), self.lives.take_gaps()
        with transaction.atomic():
            one = Cluster.objects.select_for_update().get(pk=self.cluster.pk)
            if changed:
                one.change = F("change") + 1
            if known_until:
                one.known_until = max(time_of(known_until), one.known_until or time_of(0))
            one.save(update_fields=["change", "known_until"])
            one.refresh_from_db()
            self._write(changed, one.change)
            PodGap.objects.bulk_create(
                PodGap(cluster=one, since=time_of(since), until=time_of(until)) for since, until in gaps
            )
        return len(changed)

    def _write(self, changed: list[Life], change: int) -> None:
        rows = [_row(self.cluster, life, change) for life in changed]
        keys = dict(bulk.put(PodLife, _LIFE, rows, key=_LIFE[:2], update=_LIFE[2:], giving=("uid", "id")))
        with connection.cursor() as cursor:  # one text: a thousand parameters would cost more than the delete itself
            cursor.execute(_NO_ADDRESSES, [numbers([*keys.values()])])
        bulk.put(PodAddress, _ADDRESS, [_address(keys[life.uid], span) for life in changed for span in life.spans])


def remember_accounts(cluster: Cluster, accounts: Iterable[tuple[str, str, str]]) -> None:
    """Write down service accounts as (uid, namespace, name); one that is gone stays, for its tokens are in the log."""
    with transaction.atomic():
        Cluster.objects.select_for_update().get(pk=cluster.pk)
        rows = [ServiceAccount(cluster=cluster, uid=uid, namespace=space, name=name) for uid, space, name in accounts]
        ServiceAccount.objects.bulk_create(rows, batch_size=1_000, ignore_conflicts=True)


def life_of(row: PodLife) -> Life:
    """Return a life as the pure modules know it."""
    spans = [
        Span(one.address, micros(one.started), micros_or_none(one.ended), micros_or_none(one.sure_until))
        for one in row.addresses.all()
    ]
    return Life(
        row.uid, row.namespace, row.name, row.service_account, row.node, row.host_network, micros(row.started),
        micros(row.seen_at), micros_or_none(row.ended), row.ended_uncertain, row.labels, spans,
    )  # fmt: skip


def _row(cluster: Cluster, life: Life, change: int) -> tuple[Any, ...]:
    return (
        cluster.pk, life.uid, life.namespace, life.name, life.service_account, life.node, life.host_network,
        time_of(life.start), time_of(life.seen), time_or_none(life.end), life.uncertain, Jsonb(life.labels, _json),
        change,
    )  # fmt: skip


def _address(life: int, span: Span) -> tuple[Any, ...]:
    return life, span.address, time_of(span.start), time_or_none(span.end), time_or_none(span.sure)
