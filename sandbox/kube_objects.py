"""Requests for one object of the simulated Kubernetes API: get, create, update, delete."""

from __future__ import annotations

import random
from typing import Any

from sandbox.kube_call import Call, Place, Reply
from sandbox.kube_resources import Kind
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal, about, stale
from sandbox.kube_store import Store, Stored, encode, now, refuse_other_uid, thaw

NOT_ONE = "you requested PartialObjectMetadataList, but the requested object is not a list"
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
        if place.kind.has_status:
            found.pop("status", None)
        return self._shown(call, self.store.create(place.kind, found, dry_run=dry(call)), 201)

    def _update(self, call: Call, place: Place) -> Reply:
        found = self._given(call, place)
        with self.store.lock:
            before = self.store.get(place.kind, place.namespace, place.name)
            return self._shown(call, self.save(before, found, place.subresource, dry_run=dry(call)))

    def save(self, before: Stored, found: Object, subresource: str, *, dry_run: bool) -> Stored:
        """Store a new state that somebody sent. Raises Refusal (409) when it was made from an older version."""
        kind = before.kind
        version = found["metadata"].get("resourceVersion", "")
        if version and version != before.object["metadata"]["resourceVersion"]:
            raise stale(kind.plural, kind.group, before.key[1])
        refuse_other_uid(before, found["metadata"].get("uid", ""))
        if kind.has_status and subresource == "status":
            found = {**thaw(before.object), "status": found.get("status", {})}
        elif kind.has_status:
            found.pop("status", None)
            if "status" in before.object:
                found["status"] = before.object["status"]
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            found["metadata"].pop(name, None)
            if name in before.object["metadata"]:
                found["metadata"][name] = before.object["metadata"][name]
        return self.store.write(before, found, dry_run=dry_run)

    def _given(self, call: Call, place: Place) -> Object:
        """Return the object of the body with kind, version, namespace and name filled in and checked."""
        found, kind = call.object(), place.kind
        if found.setdefault("kind", kind.name) != kind.name or (
            found.setdefault("apiVersion", kind.api_version) != kind.api_version
        ):
            message = f"{found['kind']} in version {found['apiVersion']!r} cannot be handled as a {kind.name}"
            raise Refusal(400, message)
        metadata = found.setdefault("metadata", {})
        if place.name and metadata.setdefault("name", place.name) != place.name:
            message = "the name of the object ({}) does not match the name on the URL ({})"
            raise Refusal(400, message.format(metadata["name"], place.name))
        if kind.namespaced and metadata.setdefault("namespace", place.namespace) != place.namespace:
            raise Refusal(400, "the namespace of the provided object does not match the namespace sent on the request")
        return found

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
            self.store.drop(stored)
            return None
        if metadata.get("deletionTimestamp") and not waits:
            return stored
        found = thaw(stored.object)
        found["metadata"]["deletionTimestamp"] = now()
        found["metadata"]["deletionGracePeriodSeconds"] = grace or 0
        return self.store.write(stored, found)


def dry(call: Call) -> bool:
    """Tell whether nothing is to be stored."""
    return call.query.get("dryRun") == "All"


def invalid(kind: Kind, name: str, path: str, sentence: str) -> Refusal:
    """Return the 422 of a field."""
    cause = {"reason": "FieldValueRequired", "message": sentence, "field": path}
    details = {**about(kind.name, kind.group, name), "causes": [cause]}
    return Refusal(422, f'{kind.name} "{name}" is invalid: {path}: {sentence}', details=details)
