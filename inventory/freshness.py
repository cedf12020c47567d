"""Whether the picture of a cluster is current, for each resource and as a whole: until when, or since when not and why.

A picture is current only while its API server keeps showing that: what is not heard of for `STALE_AFTER` is stale,
whatever the last state was, so a worker that has stopped makes a stale picture, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inventory.cluster_models import ClusterLink, Reckoning, Watch

STALE_AFTER = timedelta(minutes=3)  # each turn opens every watch anew, which counts where no bookmark comes
CURRENT, STALE, ABSENT, NEVER = "current", "stale", "absent", "never"
_NOT_HAD = {
    "not_permitted": "Keybook has no right to list it",
    "not_installed": "it is not installed in this cluster",
}
# Without any one of these the picture of who gets which secret is not whole.
NEEDED = ("pods", "namespaces", "serviceaccounts")
# What tells nothing of who gets which secret.
_BESIDE = frozenset({"events", "nodes", "endpointslices", "poddisruptionbudgets"})


@dataclass(frozen=True, slots=True)
class Freshness:
    """One resource, or a cluster: `current` as of `at`; `stale` since `at`; `absent` on purpose; or seen `never`.

    `why` is a sentence without its stop for all but what is current.
    """

    name: str
    state: str
    at: datetime | None
    why: str = ""

    @property
    def says(self) -> str:
        """The state in words, for a strip or a line."""
        when = f"{self.at:%Y-%m-%d %H:%M:%S} UTC" if self.at else ""
        if self.state == CURRENT:
            return f"current as of {when}"
        if self.state == STALE:
            return f"stale since {when}: {self.why}"
        return f"{'not there' if self.state == ABSENT else 'never seen'}: {self.why}"


@dataclass(frozen=True, slots=True)
class ClusterFreshness:
    """A cluster as a whole, as old as the oldest of what is needed, and each resource; `reckoned_at`: see Reckoning."""

    cluster_id: int
    whole: Freshness
    resources: Sequence[Freshness]
    reckoned_at: datetime | None

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.whole.name


def clusters(now: datetime | None = None) -> list[ClusterFreshness]:
    """Return every connected cluster by name."""
    at, links = now or datetime.now(UTC), list(ClusterLink.objects.select_related("cluster").order_by("cluster__name"))
    if not links:
        return []
    watches: dict[int, list[Watch]] = {}
    for one in Watch.objects.order_by("resource"):
        watches.setdefault(one.cluster_id, []).append(one)
    reckoned = dict(Reckoning.objects.values_list("cluster_id", "at"))
    return [_cluster(one, watches.get(one.cluster_id, []), reckoned.get(one.cluster_id), at) for one in links]


def behind(now: datetime | None = None) -> list[Freshness]:
    """Return the clusters whose picture of who gets which secret is not current, by name: stale, or never seen."""
    return [found for one in clusters(now) if (found := _behind(one)) is not None]


def _behind(one: ClusterFreshness) -> Freshness | None:
    if one.whole.state == NEVER:
        return one.whole
    stale = [each for each in one.resources if each.state == STALE and each.name not in _BESIDE]
    if not stale:
        return None
    worst = min(stale, key=lambda each: each.at or datetime.max.replace(tzinfo=UTC))
    return Freshness(one.name, STALE, worst.at, f"{_named(stale)}: {worst.why}")


def _cluster(link: ClusterLink, watches: Iterable[Watch], reckoned: datetime | None, now: datetime) -> ClusterFreshness:
    found = [_resource(one, link.trouble, now) for one in watches]
    return ClusterFreshness(link.cluster_id, _whole(link, found), found, reckoned)


def _resource(watch: Watch, trouble: str, now: datetime) -> Freshness:
    name, heard = watch.resource, watch.heard_at
    if watch.state in _NOT_HAD and (watch.state == "not_installed" or heard is None):
        return Freshness(name, ABSENT, heard, _NOT_HAD[watch.state])
    if heard is None:
        return Freshness(name, NEVER, None, trouble or watch.detail or "it is being listed for the first time")
    if watch.state == "not_permitted":
        return Freshness(name, STALE, heard, f"{_NOT_HAD[watch.state]} any more")
    if now - heard <= STALE_AFTER and not trouble:
        return Freshness(name, CURRENT, heard)
    silent = "nobody watches it: see that the worker `cluster` runs, and beat"
    return Freshness(name, STALE, heard, trouble or (watch.detail if watch.state == "away" else "") or silent)


def _whole(link: ClusterLink, found: Sequence[Freshness]) -> Freshness:
    """A cluster is as good as the worst of its resources that are there; what is needed may not be missing."""
    name, known = link.cluster.name, {one.name: one for one in found}
    for resource in NEEDED:
        one = known.get(resource)
        if one is None or one.state in (NEVER, ABSENT):
            why = f"{resource}: {one.why}" if one else link.trouble or "no turn has begun yet: see that the worker runs"
            return Freshness(name, NEVER, None, why)
    there = [one for one in found if one.at is not None and one.state in (CURRENT, STALE)]
    stale = [one for one in there if one.state == STALE]
    worst = min(stale or there, key=lambda one: one.at or datetime.max.replace(tzinfo=UTC))
    why = worst.why if not stale or link.trouble else f"{_named(stale)}: {worst.why}"
    return Freshness(name, worst.state, worst.at, why)


def _named(stale: Sequence[Freshness]) -> str:
    names = [one.name for one in stale]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
