"""Writes down what the watches of a cluster see: the sink of `cluster.turn`, and the only writer of its objects.

What came since the last commit goes into one transaction together with the versions up to which it reaches, so a turn
that ends anywhere, by a kill too, is taken up by the next one from its rows, and nothing is lost or told twice.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from cluster.decoding import Broken, Event
from cluster.kinds.platform import ClusterEvent, ServiceAccount
from cluster.kinds.pod import Pod
from cluster.resources import Resource
from cluster.watch import LISTING, NOT_INSTALLED, NOT_PERMITTED, WATCHING
from inventory import cluster_rows as rows
from inventory.cluster_models import ClusterWarning, Watch
from inventory.models import Cluster
from inventory.moments import micros
from inventory.reckoning import Reckoner
from inventory.sights import sight
from inventory.sync_pods import PodWriter, remember_accounts

EVERY, MOST = 0.2, 500  # seconds, and objects, that wait for a commit
LONGER, MORE = 1.0, 2_500  # the same while a list comes in: it counts at its end alone, and each commit has its price
STOOD = timedelta(seconds=1)  # a watch that stood so long has given what had changed before it was opened
MARKED = frozenset({"secrets", "secretproviderclasspodstatuses"})
QUIET = frozenset({"nodes"})  # whose changes (a heartbeat every few minutes) change nothing that is worked out
_TOLD = ["version", "state", "detail", "since", "heard_at", "listed_at", "event_at", "bookmark_at"]


class ClusterSink:
    """Takes what the watches of one cluster hand over. One thread calls it; raises what the database raises."""

    def __init__(
        self, cluster: Cluster, *, clock: Callable[[], datetime] = rows.now, reckoner: Reckoner | None = None
    ) -> None:
        self.cluster, self._clock = cluster, clock
        self._watches = {one.resource: one for one in Watch.objects.filter(cluster=cluster)}
        self._known: dict[str, dict[str, str]] = {}  # by resource: the version of each object that exists, by uid
        self._listing: dict[str, tuple[datetime, set[str]]] = {}  # since when, and the uids that were shown
        self._marks: dict[str, str] = {}  # of the contents that were seen last, by uid
        self._pods = PodWriter(cluster)
        self._reckoner = reckoner or Reckoner(cluster, clock=clock)
        self._opened: dict[str, datetime] = {}  # since when each watch stands that has said nothing yet
        self._committed = time.monotonic()
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[tuple[str, str], rows.Row] = {}
        self._gone: dict[str, set[str]] = defaultdict(set)
        self._warnings: dict[str, ClusterWarning] = {}
        self._changes: set[tuple[str, datetime]] = set()
        self._accounts: dict[str, tuple[str, str, str]] = {}
        self._moved: set[str] = set()
        self._pods_known = 0
        self._relevant = False

    # What the watches say ---------------------------------------------------------------------------------------

    def resume(self, resource: Resource) -> str:
        """Return the version from which to watch; empty when a list has never been whole."""
        self._known[resource.name] = rows.versions(self.cluster, resource.name)
        if resource.name in MARKED:
            for found in rows.objects(self.cluster, Q(resource=resource.name)):
                self._note_content(found, None)
        return self._watch(resource).version

    def begin(self, resource: Resource) -> int:
        """Begin to list; what is known stays until the list is whole."""
        self._watch(resource).version = ""
        self._moved.add(resource.name)
        self._listing[resource.name] = self._clock(), set()
        return 1

    def page(self, resource: Resource, generation: int, items: Sequence[Any]) -> None:
        """Take objects of a list; those that have not changed since are not written again."""
        at, known = self._clock(), self._known.setdefault(resource.name, {})
        for found in items:
            uid = rows.uid_of(found)
            self._listing[resource.name][1].add(uid)
            if isinstance(found, Pod):
                self._pods.see(micros(at), sight(found))
            if not rows.version_of(found) or known.get(uid) != rows.version_of(found):
                self._take(resource, uid, found, at)
        self._perhaps_commit()

    def listed(self, resource: Resource, generation: int, resource_version: str) -> None:
        """Mark gone what the list did not show, and watch from its version."""
        began, shown = self._listing.pop(resource.name)
        self._lose(resource, set(self._known.get(resource.name, {})) - shown)
        watch = self._watch(resource)
        if resource.name == "pods":
            self._pods.listed(micros(self._clock()), shown, micros(watch.heard_at) if watch.heard_at else 0)
        watch.version, watch.listed_at = resource_version, began
        self._hear(watch, began)
        self.commit()

    def event(self, resource: Resource, event: Event) -> None:
        """Take a change, and its version with it."""
        at, watch = self._clock(), self._watch(resource)
        if event.type == "BOOKMARK":
            watch.bookmark_at = at
        elif event.object is not None:
            watch.event_at = at
            gone = event.type == "DELETED"
            self._take(resource, rows.uid_of(event.object), event.object, at, gone=gone, watched=True)
            if isinstance(event.object, Pod):
                self._pods.see(micros(at), sight(event.object))
            if event.type == "DELETED" and resource.name == "pods":
                self._pods.gone(micros(at), rows.uid_of(event.object))
        watch.version = event.resource_version
        self._hear(watch, at)
        self._perhaps_commit()

    def state(self, resource: Resource, state: str, detail: str) -> None:
        """Keep the state of a watch; a resource that is not installed has no objects.

        That one which is not had is tried again, as each turn does, is no other state until it is had.
        """
        at, watch = self._clock(), self._watch(resource)
        if state == LISTING and watch.state in (NOT_INSTALLED, NOT_PERMITTED):
            return
        if (watch.state, watch.detail) != (state, detail):
            watch.since = watch.since if watch.state == state else at
            watch.state, watch.detail = state, detail
            self._moved.add(resource.name)
        if state == NOT_INSTALLED:
            self._lose(resource, set(self._known.get(resource.name, {})))
        self.cut(resource)
        if state == WATCHING:
            self._opened[resource.name] = at

    def cut(self, resource: Resource) -> None:
        """Let the watch's opening count if it stood for long enough, and else for nothing."""
        self._note_standing(self._clock())
        self._opened.pop(resource.name, None)

    def settle(self) -> None:
        """Commit what waits, when it has waited long enough; then work out anew what has to be."""
        self._note_standing(self._clock())
        self._perhaps_commit()
        if not self._waiting:
            self._reckoner.perhaps(self._watches)

    # How it is kept ---------------------------------------------------------------------------------------------

    def _watch(self, resource: Resource) -> Watch:
        if resource.name not in self._watches:
            self._watches[resource.name] = Watch(cluster=self.cluster, resource=resource.name, since=self._clock())
        return self._watches[resource.name]

    def _note_standing(self, now: datetime) -> None:
        """Count the opening of each quiet watch that stood since then; its silence afterwards shows nothing.

        A server may send no bookmark at all of what does not change, so to have answered to the opening is its sign:
        the picture was whole then. Not at once: what had changed since the version that was asked for comes first.
        """
        for name, opened in [(name, at) for name, at in self._opened.items() if now - at >= STOOD]:
            self._hear(self._watches[name], opened)

    def _hear(self, watch: Watch, at: datetime) -> None:
        watch.heard_at = at
        self._opened.pop(watch.resource, None)
        self._moved.add(watch.resource)
        if watch.resource == "pods" and watch.version:
            self._pods_known = micros(at)

    def _take(
        self, resource: Resource, uid: str, found: Any, at: datetime, *, gone: bool = False, watched: bool = False
    ) -> None:  # fmt: skip
        self._rows[resource.name, uid] = rows.row_of(self.cluster, resource.name, found, at, gone=gone)
        known = self._known.setdefault(resource.name, {})
        self._gone[resource.name].discard(uid)
        if gone:
            known.pop(uid, None)
        else:
            known[uid] = rows.version_of(found)
        self._relevant |= resource.name not in QUIET
        if not isinstance(found, Broken):
            self._also(found, at, gone=gone, watched=watched)

    def _also(self, found: Any, at: datetime, *, gone: bool, watched: bool) -> None:
        if isinstance(found, ClusterEvent) and found.type == "Warning" and not gone:
            self._warnings[found.metadata.uid] = rows.warning_of(self.cluster, found, at)
        elif not gone:
            self._note_content(found, at if watched else None)
        if isinstance(found, ServiceAccount):
            meta = found.metadata
            self._accounts[meta.uid] = meta.uid, meta.namespace, meta.name

    def _note_content(self, found: Any, at: datetime | None) -> None:
        """Write down that a content is not the one that was seen last.

        The time is the one that the object tells, else `at`, when a watch saw it; a list (None) saw no time.
        """
        told = rows.content_of(found)
        if told is not None:
            uid, (written, mark) = found.metadata.uid, told
            when = written or at
            if when is not None and self._marks.get(uid, mark) != mark:
                self._changes.add((uid, when))
            self._marks[uid] = mark

    def _lose(self, resource: Resource, uids: set[str]) -> None:
        for uid in uids:
            self._known[resource.name].pop(uid, None)
            self._rows.pop((resource.name, uid), None)
        if uids:
            self._gone[resource.name] |= uids
            self._relevant |= resource.name not in QUIET

    @property
    def _waiting(self) -> bool:
        return bool(self._rows or self._moved or any(self._gone.values()))

    def _perhaps_commit(self) -> None:
        every, most = (LONGER, MORE) if self._listing else (EVERY, MOST)
        if len(self._rows) >= most or (self._waiting and time.monotonic() - self._committed >= every):
            self.commit()

    def commit(self) -> None:
        """Write everything that waits, in one transaction with the versions up to which it reaches."""
        with transaction.atomic():
            rows.write(self._rows.values())
            for resource, uids in self._gone.items():
                rows.mark_gone(self.cluster, resource, uids, self._clock())
            rows.write_changes(self.cluster, self._changes)
            rows.write_warnings(list(self._warnings.values()))
            if self._accounts:
                remember_accounts(self.cluster, self._accounts.values())
            if self._pods.lives.changed or self._pods_known:
                self._pods.flush(self._pods_known)
            self._write_watches()
            if self._relevant:
                self._reckoner.note_change()
        self._committed = time.monotonic()
        self._forget()

    def _write_watches(self) -> None:
        Watch.objects.bulk_create(
            [self._watches[name] for name in sorted(self._moved)], update_conflicts=True,
            unique_fields=["cluster", "resource"], update_fields=_TOLD,
        )  # fmt: skip
