"""Requests for one object of the simulated Kubernetes API: get, create, update, delete."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sandbox import kube_fields
from sandbox.kube_call import Call, Place, Reply
from sandbox.kube_defaults import fill
from sandbox.kube_lists import list_body
from sandbox.kube_patch import json_patch, merge, strategic
from sandbox.kube_resources import Kind
from sandbox.kube_selectors import Object, selector
from sandbox.kube_status import Refusal, about, stale
from sandbox.kube_store import Store, Stored, decode, encode, now, refuse_other_uid, thaw

NOT_ONE = "you requested PartialObjectMetadataList, but the requested object is not a list"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge,
    STRATEGIC: strategic,
    APPLY: merge,  # never called: apply has a way of its own
}
SERVERS_OWN = ("managedFields", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Objects:
    """Answers about single objects."""

    def __init__(self, store: Store) -> None:
        """Work on a store."""
        self.store = store

    def answer(self, call: Call, place: Place) -> Reply:
        """Answer a get, create, update or delete. Raises Refusal."""
        act = getattr(self, f"_{call.verb}", None)
        if act is None:
            raise Refusal(405, "the server does not allow this method on the requested resource")
        found: Reply = act(call, place)
        return found

    def _shown(self, call: Call, stored: Stored, code: int = 200) -> Reply:
        form = call.form()
        if form == "PartialObjectMetadataList":
            raise Refusal(406, NOT_ONE)
        return Reply(code, stored.slim() if form else stored.full())

    def _get(self, call: Call, place: Place) -> Reply:
        return self._shown(call, self.store.get(place.kind, place.namespace, place.name))

    def _create(self, call: Call, place: Place) -> Reply:
        found = self._given(call, place)
        metadata = found["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(random.choices(LETTERS, k=5))  # noqa: S311 (no secret)
            metadata["name"] = metadata["generateName"] + suffix
        if not metadata.get("name"):
            raise invalid(place.kind, "", "metadata.name", "Required value: name or generateName is required")
        return self._shown(call, self._new(call, place, found), 201)

    def _new(self, call: Call, place: Place, found: Object) -> Stored:
        for name in SERVERS_OWN:
            found["metadata"].pop(name, None)
        if place.kind.has_status:
            found.pop("status", None)
        fill(place.kind, found)
        kube_fields.take(None, found, manager(call), "")
        _begin_status(place.kind, found)
        return self.store.create(place.kind, found, dry_run=dry(call))

    def _update(self, call: Call, place: Place) -> Reply:
        found = self._given(call, place)
        if place.kind.custom and not found["metadata"].get("resourceVersion"):
            sentence = "Invalid value: 0: must be specified for an update"
            raise invalid(place.kind, place.name, "metadata.resourceVersion", sentence)
        with self.store.lock:
            before = self.store.get(place.kind, place.namespace, place.name)
            return self._shown(call, self._save(call, before, found, place.subresource))

    def _patch(self, call: Call, place: Place) -> Reply:
        content = call.headers.get("Content-Type", "").split(";")[0].strip()
        if content not in PATCHES or (place.kind.custom and content == STRATEGIC):
            known = ", ".join(name for name in PATCHES if not (place.kind.custom and name == STRATEGIC))
            message = "the body of the request was in an unknown format - accepted media types include: "
            raise Refusal(415, message + known)
        try:
            patch = decode(call.body)
        except ValueError as trouble:
            raise Refusal(400, f"error decoding patch: {trouble}") from None
        with self.store.lock:
            if content == APPLY:
                return self._apply(call, place, patch)
            before = self.store.get(place.kind, place.namespace, place.name)
            found = PATCHES[content](thaw(before.object), patch)
            return self._shown(call, self._save(call, before, found, place.subresource))

    def _apply(self, call: Call, place: Place, wanted: Object) -> Reply:
        if not call.query.get("fieldManager"):
            sentence = "Required value: is required for apply patch"
            raise Refusal(422, f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {sentence}')
        wanted = self._checked(wanted, place)
        before = self.store.shelf(place.kind).found.get((place.namespace, place.name))
        live: Object = thaw(before.object) if before else {**wanted, "metadata": {**wanted["metadata"]}}
        found = kube_fields.apply(live, wanted, manager(call), force=call.flag("force"))
        if before:
            return self._shown(call, self._save(call, before, found, place.subresource, owned=True))
        if place.kind.has_status:
            found.pop("status", None)
        fill(place.kind, found)
        _begin_status(place.kind, found)
        return self._shown(call, self.store.create(place.kind, found, dry_run=dry(call)), 201)

    def _save(self, call: Call, before: Stored, found: Object, subresource: str, *, owned: bool = False) -> Stored:
        """Store a new state that somebody sent. Raises Refusal (409) when it was made from an older version."""
        kind = before.kind
        version = found["metadata"].get("resourceVersion", "")
        if version and version != before.object["metadata"]["resourceVersion"]:
            raise stale(kind.plural, kind.group, before.key[1])
        refuse_other_uid(before, found["metadata"].get("uid", ""))
        found = _within(before, found, subresource)
        fill(kind, found)
        if not owned:
            kube_fields.take(before.object, found, manager(call), subresource)
        return self.store.write(before, found, dry_run=dry(call))

    def _given(self, call: Call, place: Place) -> Object:
        return self._checked(call.object(), place)

    def _checked(self, found: Object, place: Place) -> Object:
        """Return the object with kind, version, namespace and name filled in and checked."""
        kind = place.kind
        found |= {"kind": found.get("kind", kind.name), "apiVersion": found.get("apiVersion", kind.api_version)}
        if (found["kind"], found["apiVersion"]) != (kind.name, kind.api_version):
            message = f"{found['kind']} in version {found['apiVersion']!r} cannot be handled as a {kind.name}"
            raise Refusal(400, message)
        metadata = found.setdefault("metadata", {})
        if place.name and metadata.setdefault("name", place.name) != place.name:
            message = "the name of the object ({}) does not match the name on the URL ({})"
            raise Refusal(400, message.format(metadata["name"], place.name))
        if kind.namespaced and metadata.setdefault("namespace", place.namespace) != place.namespace:
            raise Refusal(400, "the namespace of the provided object does not match the namespace sent on the request")
        return found

    def _deletecollection(self, call: Call, place: Place) -> Reply:
        test = selector(place.kind, call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""))
        with self.store.lock:
            every = self.store.shelf(place.kind).ordered()
            found = [one for one in every if place.namespace in ("", one.key[0]) and test(one.object)]
            for stored in () if dry(call) else found:
                self.end(stored, call.number("gracePeriodSeconds"))
        metadata: Object = {"resourceVersion": str(self.store.version)}
        return Reply(200, list_body(place.kind, "", metadata, found))

    # Ends -------------------------------------------------------------------------------------------------------

    def _delete(self, call: Call, place: Place) -> Reply:
        options: dict[str, Any] = call.object() if call.body else {}
        with self.store.lock:
            stored = self.store.get(place.kind, place.namespace, place.name)
            wanted = options.get("preconditions") or {}
            refuse_other_uid(stored, wanted.get("uid", ""))
            grace = call.number("gracePeriodSeconds")
            grace = options.get("gracePeriodSeconds") if grace is None else grace
            if dry(call) or options.get("dryRun") == ["All"]:
                return self._shown(call, stored)
            return self._ended(call, place, stored, self.end(stored, grace))

    def _ended(self, call: Call, place: Place, stored: Stored, left: Stored | None) -> Reply:
        if left is not None or place.kind.name == "Pod":
            return self._shown(call, left or stored)
        details = {**about(place.kind.plural, place.kind.group, place.name), "uid": stored.object["metadata"]["uid"]}
        found = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return Reply(200, encode(found))

    def end(self, stored: Stored, grace: int | None = None) -> Stored | None:
        """Delete an object; return what is left for now: a pod that still terminates, or what finalizers hold."""
        metadata, spec = stored.object["metadata"], stored.object.get("spec") or {}
        if stored.kind.name == "Pod" and spec.get("nodeName") and grace is None:
            grace = spec.get("terminationGracePeriodSeconds", 30)
        waits = stored.kind.name == "Pod" and bool(spec.get("nodeName")) and bool(grace)
        if not waits and not metadata.get("finalizers"):
            if stored.kind.name == "Namespace":
                self._empty(metadata["name"])
            self.store.drop(stored)
            return None
        if metadata.get("deletionTimestamp") and not waits:
            return stored
        found = thaw(stored.object)
        found["metadata"]["deletionTimestamp"] = now()
        found["metadata"]["deletionGracePeriodSeconds"] = grace or 0
        return self.store.write(stored, found)

    def _empty(self, namespace: str) -> None:
        """Remove all that is in a namespace, at once: nothing waits for its grace here."""
        for shelf in self.store.shelves.values():
            for stored in [found for found in shelf.ordered() if found.key[0] == namespace]:
                self.store.drop(stored)


def _begin_status(kind: Kind, found: Object) -> None:
    """Give a new object the status that the server begins with."""
    if kind.has_status and not kind.custom:
        found["status"] = {"phase": "Pending", "qosClass": "BestEffort"} if kind.name == "Pod" else {}


def _within(before: Stored, found: Object, subresource: str) -> Object:
    """Return a new state as far as its sender may write it: the status alone, or all but the status."""
    if before.kind.has_status and subresource == "status":
        return {**thaw(before.object), "status": found.get("status", {})}
    kept: Object = before.object
    if before.kind.has_status:
        found.pop("status", None)
        found |= {"status": kept["status"]} if "status" in kept else {}
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        found["metadata"].pop(name, None)
        if name in kept["metadata"]:
            found["metadata"][name] = kept["metadata"][name]
    return found


def manager(call: Call) -> str:
    """Return under which name a request owns fields: what it says, or its program."""
    return call.query.get("fieldManager") or call.headers.get("User-Agent", "unknown").split("/")[0]


def dry(call: Call) -> bool:
    """Tell whether nothing is to be stored."""
    return call.query.get("dryRun") == "All"


def invalid(kind: Kind, name: str, path: str, sentence: str) -> Refusal:
    """Return the 422 of a field."""
    cause = {"reason": "FieldValueRequired", "message": sentence, "field": path}
    details = {**about(kind.name, kind.group, name), "causes": [cause]}
    return Refusal(422, f'{kind.name} "{name}" is invalid: {path}: {sentence}', details=details)
