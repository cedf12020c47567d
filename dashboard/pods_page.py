"""What the lists of workloads and of pods show: those that their address asks for, by namespace and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlencode

from django.urls import reverse

from accounts.scope import Scope
from audit import consuming, old_holders
from cluster.delivery import methods
from dashboard import cluster_words
from dashboard.closing import Closing
from dashboard.cluster_words import Picture
from dashboard.lease_words import Said
from dashboard.words import counted
from inventory import cluster_questions, freshness
from inventory.cluster_models import PodState, SecretTrouble, Workload
from inventory.cluster_questions import Filter, Listing, Place
from inventory.models import Cluster

SHOWN = 100
LONGEST = 300
FIELDS = {"cluster": "cluster", "namespace": "namespace", "name": "name has", "account": "service account",
          "method": "delivered by", "state": "state", "troubled": "only", "old": "only"}  # fmt: skip
ONLY = {"troubled": "those in trouble", "old": "those on an old version"}


@dataclass(frozen=True, slots=True)
class Chip:
    """One part of the question; `without` is the same page without it."""

    field: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class PodItem:
    """A pod as a row shows it; `stuck` is the first thing that keeps it from its secrets.

    `old` are the secrets of which it was found to hold an old version.
    """

    row: PodState
    state: Said
    methods: str
    stuck: SecretTrouble | None
    old: Sequence[old_holders.OldIn] = ()


@dataclass(frozen=True, slots=True)
class WorkloadItem:
    """A workload as a row shows it; `short` when fewer pods are ready than are wanted."""

    row: Workload
    methods: str
    short: bool


@dataclass
class ClusterList:
    """The question as its address says it, and the state of the pictures that answer it."""

    asked: dict[str, str]
    after: Place | None
    now: datetime
    scope: Scope

    name = ""
    noun = ""

    @classmethod
    def read(cls, query: Mapping[str, str], now: datetime, scope: Scope) -> Self:
        """Read a page's query."""
        given = {name: str(query.get(name, "")).replace("\0", "").strip()[:LONGEST] for name in FIELDS}
        given |= {name: "yes" for name in ONLY if given[name]}
        asked = {name: value for name, value in given.items() if value}
        return cls(asked, _place(str(query.get("after", ""))), now, scope)

    @cached_property
    def clusters(self) -> list[str]:
        """Return the names of the clusters that were ever connected."""
        return list(Cluster.objects.order_by("name").values_list("name", flat=True))

    @cached_property
    def pictures(self) -> list[Picture]:
        """Return how old the picture of each cluster is."""
        return [cluster_words.picture(one, self.now) for one in freshness.clusters(self.now)]

    @property
    def stale(self) -> list[Picture]:
        """Return those that may not be taken as current."""
        wanted = self.asked.get("cluster")
        return [one for one in self.pictures if one.stale and wanted in (None, one.cluster)]

    @property
    def wish(self) -> Filter:
        """Return the question that the inventory understands; a cluster that is not there has nothing."""
        asked = self.asked
        known = Cluster.objects.filter(name=asked["cluster"]).first() if "cluster" in asked else None
        return Filter(
            cluster_id=known.pk if known else -1 if "cluster" in asked else 0, namespace=asked.get("namespace", ""),
            service_account=asked.get("account", ""), state=asked.get("state", ""), method=asked.get("method", ""),
            troubled="troubled" in asked, text=asked.get("name", ""), old="old" in asked,
        )  # fmt: skip

    @property
    def states(self) -> list[str]:
        """Return the states that a pod may have."""
        return list(cluster_words.STATES)

    @property
    def methods(self) -> list[tuple[str, str]]:
        """Return the ways by which secrets come: key and words."""
        return [(name, cluster_words.method(name)) for name in sorted(methods())]

    @property
    def chips(self) -> list[Chip]:
        """Return each part of the question."""
        told = {**self.asked, **{name: words for name, words in ONLY.items() if name in self.asked}}
        if "method" in told:
            told["method"] = cluster_words.method(told["method"])
        return [Chip(FIELDS[name], value, self._at(**{name: ""})) for name, value in told.items()]

    def _listing(self) -> Listing:
        raise NotImplementedError

    @cached_property
    def listing(self) -> Listing:
        """Return this page's rows."""
        return self._listing()

    @property
    def more(self) -> str:
        """Return the address of what follows, empty where nothing does."""
        after = self.listing.after
        return self._at(after="\n".join(map(str, after))) if after else ""

    @property
    def first(self) -> str:
        """Return the address of the first page, empty on it."""
        return self._at() if self.after else ""

    @property
    def counts(self) -> str:
        """Return the count in front of the closing line."""
        return f"{counted(len(self.listing.rows), self.noun)}."

    @property
    def closing(self) -> Closing:
        """Return the closing line: whether these are all, and since when a picture is stale."""
        notes = [one.note for one in self.stale]
        if self.more or self.first:
            return Closing(False, "More follow." if self.more else "These are the last.", notes)
        if notes:
            return Closing(False, "Not complete: a picture is stale.", notes)
        return Closing(True, "These are all that fit." if self.chips else "These are all.", notes)

    @property
    def troubled_url(self) -> str:
        """Return the address of those in trouble."""
        return f"{reverse(self.name)}?troubled=yes"

    def _at(self, **more: str) -> str:
        """Return the address of this question with other parts; an empty one drops."""
        pairs = {name: value for name, value in {**self.asked, **more}.items() if value}
        return f"?{urlencode(pairs)}" if pairs else reverse(self.name)


@dataclass
class PodList(ClusterList):
    """The pods that exist."""

    name = "pod-list"
    noun = "pod"

    def _listing(self) -> Listing:
        return consuming.pods(self.wish, self.after, SHOWN, scope=self.scope)

    @cached_property
    def items(self) -> list[PodItem]:
        """Return this page's pods."""
        whole = self.scope.everything
        stuck, old = (self._stuck, old_holders.of_pods([row.uid for row in self.listing.rows])) if whole else ({}, {})
        return [
            PodItem(row, cluster_words.state(row), _methods(row.methods), stuck.get((row.cluster_id, row.uid)),
                    old.get(row.uid, ()))
            for row in self.listing.rows
        ]  # fmt: skip

    @cached_property
    def _stuck(self) -> dict[tuple[int, str], SecretTrouble]:
        uids = [row.uid for row in self.listing.rows if row.troubles]
        found = cluster_questions.troubles_of_pods(uids) if uids else []
        return {(one.cluster_id, uid): one for one in reversed(list(found)) for uid in one.pods}


@dataclass
class WorkloadList(ClusterList):
    """The workloads that exist."""

    name = "workload-list"
    noun = "workload"

    def _listing(self) -> Listing:
        return consuming.workloads(self.wish, self.after, SHOWN, scope=self.scope)

    @cached_property
    def items(self) -> list[WorkloadItem]:
        """Return this page's workloads."""
        return [
            WorkloadItem(row, _methods(row.methods), row.wanted is not None and row.ready < row.wanted)
            for row in self.listing.rows
        ]


def _methods(names: Sequence[str]) -> str:
    return ", ".join(cluster_words.method(name) for name in names)


def _place(text: str) -> Place | None:
    """Return the place that an address carries; None where it carries none."""
    parts: list[Any] = text.replace("\0", "").split("\n")
    if len(parts) != 3 or not parts[2].isascii() or not parts[2].isdecimal() or len(parts[2]) > 18:
        return None
    return parts[0], parts[1], int(parts[2])
