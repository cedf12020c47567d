"""Watches of the simulated Kubernetes API: events from a version on, bookmarks, and the errors that end them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

from sandbox.kube_call import Call
from sandbox.kube_resources import Kind
from sandbox.kube_selectors import Test, selector
from sandbox.kube_status import Refusal, too_old
from sandbox.kube_store import Change, Shelf, Store, Stored, encode

LAST_BOOKMARKS = (2.0, 1.0)  # seconds before the end at which a bookmark is tried again
LOOK = 0.5  # seconds between two looks whether the other side is still there
NO_PROGRESS = "required storage feature RequestWatchProgress is disabled"


@dataclass
class Manners:
    """How this API server treats watches; tests change it."""

    bookmark_every: float = 60.0
    progress: bool = False  # bookmarks of quiet resources, as with etcd's progress notification
    watch_list: bool = True  # False: sendInitialEvents and watches from 0 get the error of an old etcd
    asked: int = 0  # how often a bookmark was asked for at once
    stopping: Event = field(default_factory=Event)  # another one after every restart


def event(kind: bytes, body: bytes) -> bytes:
    """Return one line of a watch."""
    return b'{"type":"%s","object":%s}\n' % (kind, body)


def error(refusal: Refusal) -> bytes:
    """Return the ERROR line."""
    return event(b"ERROR", encode(refusal.status()))


class Watch:
    """One watch while it is open; the version of its bookmarks is that of the last event really sent."""

    def __init__(self, store: Store, kind: Kind, namespace: str, call: Call, manners: Manners) -> None:
        """Read what is asked. Raises Refusal (400, 406)."""
        self.store = store
        self.kind = kind
        self.shelf: Shelf = store.shelf(kind)
        self.namespace = namespace
        self.form = call.form()
        self.test: Test = selector(kind, call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""))
        self.version = call.number("resourceVersion") or 0
        self.from_cache = call.query.get("resourceVersion") == "0"
        self.initial = call.flag("sendInitialEvents")
        self.bookmarks = call.flag("allowWatchBookmarks")
        self.manners = manners
        self.stopping = manners.stopping
        lasting = call.number("timeoutSeconds") or random.uniform(1800, 3600)  # noqa: S311 (no secret)
        self.until = time.monotonic() + lasting
        self.sent = self.version
        if self.initial and call.query.get("resourceVersionMatch") != "NotOlderThan":
            raise Refusal(422, "resourceVersionMatch: Forbidden: sendInitialEvents requires NotOlderThan")

    # What an event says -----------------------------------------------------------------------------------------

    def _fits(self, stored: Stored | None) -> bool:
        if stored is None or (self.namespace and stored.key[0] != self.namespace):
            return False
        return self.test(stored.object)

    def _line(self, kind: bytes, stored: Stored) -> bytes:
        return event(kind, stored.slim() if self.form else stored.full())

    def _say(self, change: Change) -> bytes:
        """Return the event of a change as this selector sees it, empty when it doesn't.

        A watch from a version that is still to come stays silent until then.
        """
        if change.version <= self.version:
            return b""
        before, after = self._fits(change.before), not change.gone and self._fits(change.after)
        if after:
            return self._line(b"MODIFIED" if before else b"ADDED", change.after)
        if before and change.before is not None:
            if change.gone:
                return self._line(b"DELETED", change.after)
            metadata = {**change.before.object["metadata"], "resourceVersion": str(change.version)}
            left = Stored(self.kind, {**change.before.object, "metadata": metadata}, change.version)
            return self._line(b"DELETED", left)
        return b""

    def _bookmark(self, *, end: bool = False) -> bytes:
        metadata: dict[str, object] = {"resourceVersion": str(self.sent)}
        if not self.form:
            metadata["creationTimestamp"] = None
        if end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self.form:
            return event(
                b"BOOKMARK",
                b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%s}' % encode(metadata),
            )
        return event(b"BOOKMARK", self.kind.opening + b'"metadata":%s}' % encode(metadata))

    # The stream -------------------------------------------------------------------------------------------------

    def pieces(self) -> Iterator[bytes]:
        """Yield the lines of the stream, several at a time; b"" when nothing came for a while."""
        if not self.manners.watch_list and (self.initial or self.from_cache):
            yield error(Refusal(500, NO_PROGRESS))
            return
        if self.form == "PartialObjectMetadataList":
            yield from self._trap()
            return
        with self.store.lock:
            oldest = self.shelf.floor
            if self.version and self.version < oldest and not self.initial:
                place, first = -1, []
            elif self.initial or not self.version:
                place, first = self.shelf.end, [stored for stored in self.shelf.ordered() if self._fits(stored)]
                self.sent = self.version = self.store.version
            else:
                place, first = self.shelf.place_after(self.version), []
        if place < 0:
            yield error(too_old(self.version, oldest))
            return
        for begin in range(0, len(first), 100):
            yield b"".join(self._line(b"ADDED", stored) for stored in first[begin : begin + 100])
        if self.initial and self.bookmarks:
            yield self._bookmark(end=True)
        yield from self._live(place)

    def _trap(self) -> Iterator[bytes]:
        """Stay silent and end at the first event: a list form was asked of a watch; only the server's log says why."""
        yield b""
        place = self.shelf.end
        while self.shelf.end == place and time.monotonic() < self.until and not self.stopping.is_set():
            with self.store.lock:
                self.shelf.changed.wait(LOOK)
            yield b""

    def _live(self, place: int) -> Iterator[bytes]:
        due, asked = self._next_bookmark(time.monotonic()), self.manners.asked
        while not self.stopping.is_set() and time.monotonic() < self.until:
            with self.store.lock:
                changes = self.shelf.since(place)
                if not changes:
                    self.shelf.changed.wait(max(0.0, min(due, self.until, time.monotonic() + LOOK) - time.monotonic()))
                    changes = self.shelf.since(place)
                if self.manners.progress and changes == []:
                    self.sent = self.store.version
            if changes is None:
                return  # too slow: the window has moved past this watch
            place += len(changes)
            lines = b"".join(map(self._say, changes))
            if lines:
                self.sent = changes[-1].version
            yield lines
            if time.monotonic() >= due or asked != self.manners.asked:
                if self.bookmarks and self.sent != self.version:
                    yield self._bookmark()
                due, asked = self._next_bookmark(time.monotonic()), self.manners.asked

    def _next_bookmark(self, at: float) -> float:
        """Return when a bookmark is due: every minute, and shortly before the end."""
        last = [self.until - before for before in LAST_BOOKMARKS if self.until - before > at + 0.05]
        return min([at + self.manners.bookmark_every, *last])
