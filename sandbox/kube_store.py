"""The objects of the simulated Kubernetes API, their versions, and the window of changes that watches read."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from sandbox.kube_resources import BY_NAME, KINDS, Kind, kind_of
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal, already_exists, not_found, stale

WINDOW = 4096  # changes of one resource that watches may still ask for
encode = msgspec.json.encode
decode = msgspec.json.decode
METADATA = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'
Key = tuple[str, str]


def now() -> str:
    """Return the time as Kubernetes prints it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def thaw(found: Object) -> Object:
    """Return a deep copy that may be changed."""
    copied: Object = decode(encode(found))
    return copied


class Stored:
    """One version of an object, with its bytes made once. Nobody changes `object` after this was made."""

    __slots__ = ("_body", "_slim", "kind", "object", "version")

    def __init__(self, kind: Kind, found: Object, version: int) -> None:
        """Keep the object as it is; it belongs to the store from here on."""
        self.kind = kind
        self.object = found
        self.version = version
        self._body = b""
        self._slim = b""

    @property
    def key(self) -> Key:
        """Return (namespace, name), by which lists are sorted."""
        metadata = self.object["metadata"]
        return metadata.get("namespace", ""), metadata["name"]

    def item(self) -> bytes:
        """Return the object as lists hold it: without kind and version, unless it is a custom one."""
        if not self._body:
            self._body = encode({name: value for name, value in self.object.items() if name not in TYPE})
        return self.full() if self.kind.custom else self._body

    def full(self) -> bytes:
        """Return the object as it is answered alone and in watches."""
        if not self._body:
            self._body = encode({name: value for name, value in self.object.items() if name not in TYPE})
        return self.kind.opening + self._body[1:]

    def slim(self) -> bytes:
        """Return its metadata alone (PartialObjectMetadata)."""
        if not self._slim:
            self._slim = METADATA + encode(self.object["metadata"]) + b"}"
        return self._slim


TYPE = ("kind", "apiVersion")


class Change:
    """One change: before is None for a new object; `after` of a deleted one is its last state at the new version."""

    __slots__ = ("after", "before", "gone", "version")

    def __init__(self, before: Stored | None, after: Stored, *, gone: bool = False) -> None:
        """Keep both states."""
        self.before = before
        self.after = after
        self.gone = gone
        self.version = after.version


class Shelf:
    """The objects of one resource and the changes that are still known."""

    def __init__(self, kind: Kind, lock: threading.RLock, window: int) -> None:
        """Start empty; the lock is the store's."""
        self.kind = kind
        self.found: dict[Key, Stored] = {}
        self.changed = threading.Condition(lock)
        self.window = window
        self.floor = 0  # from this version on nothing is forgotten
        self._changes: list[Change] = []
        self._dropped = 0
        self._sorted: list[Stored] | None = None
        self._past: tuple[int, list[Stored]] = (-1, [])

    def note(self, change: Change) -> None:
        """Take a change into the shelf and the window, and wake the watches."""
        if change.gone:
            del self.found[change.after.key]
        else:
            self.found[change.after.key] = change.after
        self._sorted = None
        self._changes.append(change)
        if len(self._changes) > 2 * self.window:
            self.forget(len(self._changes) - self.window)
        self.changed.notify_all()

    def forget(self, count: int) -> None:
        """Drop the oldest changes from the window."""
        if count > 0:
            self.floor = max(self.floor, self._changes[count - 1].version)
            del self._changes[:count]
            self._dropped += count

    def restart(self, version: int) -> None:
        """Forget every change, as an API server that has just started."""
        self.forget(len(self._changes))
        self.floor = version

    @property
    def end(self) -> int:
        """Return the number of the change that comes next."""
        return self._dropped + len(self._changes)

    def place_after(self, version: int) -> int:
        """Return the number of the first change after a version that is not older than the floor."""
        return self._dropped + bisect_right(self._changes, version, key=lambda change: change.version)

    def since(self, number: int, most: int = 256) -> list[Change] | None:
        """Return the next changes from a number on, None when some were forgotten already."""
        place = number - self._dropped
        return None if place < 0 else self._changes[place : place + most]

    def ordered(self) -> list[Stored]:
        """Return the objects by namespace and name."""
        if self._sorted is None:
            self._sorted = sorted(self.found.values(), key=lambda stored: stored.key)
        return self._sorted

    def at(self, version: int) -> list[Stored]:
        """Return the objects as they were at a version that is not older than the floor, in order."""
        later = self._changes[self.place_after(version) - self._dropped :]
        if not later:
            return self.ordered()
        if self._past[0] == version:
            return self._past[1]
        found = dict(self.found)
        for change in reversed(later):
            if change.before is not None:
                found[change.before.key] = change.before
            else:
                del found[change.after.key]
        self._past = version, sorted(found.values(), key=lambda stored: stored.key)
        return self._past[1]


class Store:
    """All shelves under one lock and one counter of versions; every write makes one change."""

    def __init__(self, window: int = WINDOW) -> None:
        """Start with the namespaces that every cluster has; the cluster's identity is the uid of kube-system."""
        self.lock = threading.RLock()
        self.version = 1
        self.shelves = {kind.key: Shelf(kind, self.lock, window) for kind in KINDS}
        self.listeners: list[Callable[[Change], None]] = []
        self.admissions: list[Callable[[Kind, Object], None]] = []  # may change a new object, as webhooks may
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.namespace(name)

    def shelf(self, kind: Kind) -> Shelf:
        """Return a resource's shelf."""
        return self.shelves[kind.key]

    def get(self, kind: Kind, namespace: str, name: str) -> Stored:
        """Return an object. Raises Refusal (404)."""
        found = self.shelf(kind).found.get((namespace, name))
        if found is None:
            raise not_found(kind.plural, kind.group, name)
        return found

    def objects(self, plural: str, group: str = "") -> list[Object]:
        """Return all objects of a resource, in order; they are to be read only."""
        with self.lock:
            return [stored.object for stored in self.shelf(kind_of(plural, group)).ordered()]

    # Writes -----------------------------------------------------------------------------------------------------

    def namespace(self, name: str) -> None:
        """Make a namespace with its default service account unless it is there."""
        with self.lock:
            if ("", name) not in self.shelf(kind_of("namespaces")).found:
                self.create(
                    kind_of("namespaces"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                )

    def put(self, found: Object) -> Stored:
        """Store an object as it is (status, uid, times), in place of an older one; its version is the next of ours.

        What is missing of uid, creationTimestamp and namespace is made. The object belongs to the store afterwards.
        """
        kind = BY_NAME[found["apiVersion"], found["kind"]]
        with self.lock:
            metadata = found["metadata"]
            if kind.namespaced:
                self.namespace(metadata.setdefault("namespace", "default"))
            before = self.shelf(kind).found.get((metadata.get("namespace", ""), metadata["name"]))
            if (
                before is not None
                and metadata.get("uid", before.object["metadata"]["uid"]) == (before.object["metadata"]["uid"])
            ):
                metadata = found["metadata"] = {**_identity(before.object), **metadata}
            elif before is not None:
                self.drop(before)
                before = None
            metadata.setdefault("uid", str(uuid4()))
            metadata.setdefault("creationTimestamp", now())
            if kind.has_generation:
                metadata.setdefault("generation", 1)
            return self._commit(kind, before, found)

    def drop(self, stored: Stored, found: Object | None = None) -> Stored:
        """Remove an object for good; watches see `found` (or its last state) as DELETED at a new version."""
        with self.lock:
            last = dict(found or stored.object)
            return self._commit(stored.kind, stored, last, gone=True)

    def create(self, kind: Kind, found: Object, *, dry_run: bool = False) -> Stored:
        """Store a new object. Raises Refusal: 404 without its namespace, 409 when the name is taken."""
        with self.lock:
            metadata = found["metadata"]
            namespace, name = metadata.get("namespace", ""), metadata["name"]
            if namespace:
                self.get(kind_of("namespaces"), "", namespace)
            if (namespace, name) in self.shelf(kind).found:
                raise already_exists(kind.plural, kind.group, name)
            for admit in self.admissions:
                admit(kind, found)
            metadata.update(uid=str(uuid4()), creationTimestamp=now())
            if kind.has_generation:
                metadata["generation"] = 1
            if dry_run:
                return self._dry(kind, found)
            if kind.name == "Namespace":
                return self._new_namespace(kind, found)
            return self._commit(kind, None, found)

    def _new_namespace(self, kind: Kind, found: Object) -> Stored:
        """Store a namespace and make its default service account."""
        name = found["metadata"]["name"]
        found["metadata"]["labels"] = {**found["metadata"].get("labels", {}), "kubernetes.io/metadata.name": name}
        stored = self._commit(
            kind, None, {**found, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        )
        account = {"name": "default", "namespace": name}
        self.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        return stored

    def write(self, before: Stored, found: Object, *, dry_run: bool = False) -> Stored:
        """Store a new state of an object; the same state again changes nothing. Raises Refusal (409) when stale.

        The generation grows when anything but metadata and status differs.
        """
        kind = before.kind
        with self.lock:
            if self.shelf(kind).found.get(before.key) is not before:
                raise stale(kind.plural, kind.group, before.key[1])
            found["metadata"].update(_identity(before.object))
            if found == before.object:
                return before
            if kind.has_generation and _wish(found) != _wish(before.object):
                found["metadata"]["generation"] = before.object["metadata"].get("generation", 0) + 1
            if dry_run:
                return self._dry(kind, found)
            if _is_over(found["metadata"]):
                return self.drop(before, found)
            return self._commit(kind, before, found)

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Object], None]) -> Stored:
        """Change an object in one step, status and all. Raises Refusal (404) when it isn't there."""
        with self.lock:
            before = self.get(kind, namespace, name)
            found = thaw(before.object)
            change(found)
            return self.write(before, found)

    def _dry(self, kind: Kind, found: Object) -> Stored:
        return Stored(kind, found, self.version)

    def _commit(self, kind: Kind, before: Stored | None, found: Object, *, gone: bool = False) -> Stored:
        self.version += 1
        found["metadata"] = {**found["metadata"], "resourceVersion": str(self.version)}
        stored = Stored(kind, found, self.version)
        change = Change(before, stored, gone=gone)
        self.shelf(kind).note(change)
        for listener in self.listeners:
            listener(change)
        return stored

    # What happens to a server ---------------------------------------------------------------------------------

    def age(self, version: int = 0) -> None:
        """Forget every change: a watch or an exact list from before now is too old (compaction).

        The version goes on by what a live cluster writes for itself meanwhile, or to `version` if that is more.
        """
        with self.lock:
            self.version = max(self.version + 11, version)
            for shelf in self.shelves.values():
                shelf.restart(self.version)
                shelf.changed.notify_all()


def _identity(found: Object) -> dict[str, Any]:
    """Return the metadata that no write changes."""
    names = ("uid", "creationTimestamp", "generation", "resourceVersion", "namespace", "name")
    return {name: found["metadata"][name] for name in names if name in found["metadata"]}


def _is_over(metadata: Object) -> bool:
    """Tell whether nothing holds a deleted object any longer."""
    held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    return bool(metadata.get("deletionTimestamp") and not held)


def _wish(found: Object) -> Object:
    """Return what the generation counts: all but metadata and status."""
    return {name: value for name, value in found.items() if name not in ("metadata", "status")}


def refuse_other_uid(stored: Stored, uid: str) -> None:
    """Raise Refusal (409) when a precondition names another object of the same name."""
    found = stored.object["metadata"]["uid"]
    if uid and uid != found:
        message = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
        raise Refusal(409, message)
