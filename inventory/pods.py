"""What attribution needs to know of the clusters' pods, and no more of them than that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from django.db.models import Q

from inventory.history import FOREVER, SKEW, History
from inventory.lives import Life
from inventory.models import Cluster, Listener, PodLife, ServiceAccount
from inventory.moments import micros, time_of
from inventory.sync_pods import life_of
from inventory.verdict import OUTLIVES, Calibration, World


@dataclass(slots=True)
class Wanted:
    """Which pods matter: holders of addresses, pods of these uids and names, siblings of these service accounts."""

    addresses: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)
    accounts: set[tuple[str, str]] = field(default_factory=set)
    since: int = 0
    until: int = FOREVER


def world_of(
    vault: str, wanted: Wanted, links: dict[str, str] | None = None, known: dict[str, Calibration] | None = None
) -> World:
    """Return the world beside a vault's log as far as it matters here."""
    listener = Listener.objects.filter(vault=vault).first()
    return World(
        histories=histories(wanted, siblings=listener is None),
        accounts=accounts(wanted),
        links=links or {},
        proxies=None if listener is None else frozenset(listener.proxies),
        calibrations=known or {},
    )


def histories(wanted: Wanted, *, siblings: bool) -> dict[str, History]:
    """Return {cluster: its pods that matter}; a cluster without any is there, too.

    The siblings of service accounts matter only where an address may be forged.
    """
    lives: dict[str, list[Life]] = defaultdict(list)
    which = [
        Q(pk__in=PodLife.objects.filter(addresses__address__in=wanted.addresses).values("pk")),
        Q(uid__in=wanted.uids),
        *(_named("name", wanted.names)),
        *(_alive(wanted) & some for some in _named("service_account", wanted.accounts if siblings else ())),
    ]
    rows = PodLife.objects.filter(reduce(or_, which)).select_related("cluster").prefetch_related("addresses")
    for row in rows:
        lives[row.cluster.name].append(life_of(row))
    return {
        one.name: History(
            one.name,
            lives[one.name],
            micros(one.known_until) if one.known_until else 0,
            [(micros(gap.since), micros(gap.until)) for gap in one.gaps.all()],
        )
        for one in Cluster.objects.prefetch_related("gaps")
    }


def _named(column: str, keys: Collection[tuple[str, str]]) -> list[Q]:
    """Return one condition for each namespace."""
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for namespace, name in keys:
        by_namespace[namespace].append(name)
    return [Q(namespace=namespace, **{f"{column}__in": names}) for namespace, names in by_namespace.items()]


def _alive(wanted: Wanted) -> Q:
    grace = SKEW + OUTLIVES
    begun = Q(started__lte=time_of(min(wanted.until + grace, 1 << 57)))
    return begun & (Q(ended=None) | Q(ended__gte=time_of(max(wanted.since - grace, 0))))


def accounts(wanted: Wanted) -> dict[str, tuple[str, str, str]]:
    """Return {uid: (cluster, namespace, name)} of service accounts with these uids or names."""
    which = reduce(or_, [Q(uid__in=wanted.uids), *_named("name", wanted.accounts)])
    rows = ServiceAccount.objects.filter(which).values_list("uid", "cluster__name", "namespace", "name")
    return {uid: (cluster, namespace, name) for uid, cluster, namespace, name in rows}


def state_proxies(vault: str, proxies: Collection[str]) -> None:
    """Write down whose forwarded addresses a vault believes; none at all if the collection is empty."""
    Listener.objects.update_or_create(vault=vault, defaults={"proxies": sorted(proxies)})


def forget_proxies(vault: str) -> None:
    """Forget whose forwarded addresses a vault believes: it is not known any more."""
    Listener.objects.filter(vault=vault).delete()
