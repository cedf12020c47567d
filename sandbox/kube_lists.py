"""Lists of the simulated Kubernetes API: whole or in pages, of now or of a version, whole objects or metadata alone."""

from __future__ import annotations

import base64
from bisect import bisect_right
from dataclasses import dataclass

from sandbox.kube_call import Call, Reply
from sandbox.kube_resources import Kind
from sandbox.kube_selectors import everything, selector
from sandbox.kube_status import Refusal, too_large
from sandbox.kube_store import Key, Store, Stored, decode, encode

NOT_A_LIST = "you requested PartialObjectMetadata, but the requested object is a list"
INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class Token:
    """Where a list goes on: after a key, as of a version (-1: as it is by then)."""

    version: int
    after: Key

    def text(self) -> str:
        """Return the token as the answer's `continue`."""
        found = {"v": "meta.k8s.io/v1", "rv": self.version, "start": "/".join(self.after) + "\0"}
        return base64.urlsafe_b64encode(encode(found)).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str) -> Token:
        """Read a token. Raises Refusal (400) when it is none of ours."""
        try:
            found = decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            namespace, _, name = found["start"].rstrip("\0").partition("/")
            return cls(int(found["rv"]), (namespace, name))
        except (ValueError, KeyError, TypeError, AttributeError) as trouble:
            raise Refusal(400, f"continue key is not valid: {trouble}") from None


@dataclass
class View:
    """What one list answers from: the objects in order and their version."""

    stored: list[Stored]
    version: int
    after: Key | None = None


def view_of(store: Store, kind: Kind, call: Call) -> View:
    """Return the objects that a list asks for. Raises Refusal: 400 garbage, 410 too old, 504 yet to come."""
    version, limit = call.number("resourceVersion"), call.number("limit")
    match = call.query.get("resourceVersionMatch", "")
    shelf = store.shelf(kind)
    if call.query.get("continue"):
        token = Token.read(call.query["continue"])
        if token.version == -1:
            return View(shelf.ordered(), store.version, token.after)
        if token.version < shelf.floor or token.version > store.version:
            raise Refusal(410, INCONSISTENT, metadata={"continue": Token(-1, token.after).text()})
        return View(shelf.at(token.version), token.version, token.after)
    if version and version > store.version:
        raise too_large(version, store.version)
    if version and (match == "Exact" or (limit and not match)):
        if version < shelf.floor:
            raise Refusal(410, "The resourceVersion for the provided list is too old.")
        return View(shelf.at(version), version)
    return View(shelf.ordered(), store.version)


def listed(store: Store, kind: Kind, namespace: str, call: Call) -> Reply:
    """Answer a list."""
    form = call.form()
    if form == "PartialObjectMetadata":
        raise Refusal(406, NOT_A_LIST)
    test = selector(kind, call.query.get("labelSelector", ""), call.query.get("fieldSelector", ""))
    with store.lock:
        view = view_of(store, kind, call)
    limit = call.number("limit") or 0
    if call.query.get("resourceVersion") == "0":
        limit = 0  # an answer from the cache is never cut into pages
    begin = bisect_right(view.stored, view.after, key=lambda stored: stored.key) if view.after else 0
    found: list[Stored] = []
    more = None
    for place in range(begin, len(view.stored)):
        stored = view.stored[place]
        if (namespace and stored.key[0] != namespace) or not (test is everything or test(stored.object)):
            continue
        if limit and len(found) == limit:
            more = place
            break
        found.append(stored)
    metadata: dict[str, object] = {"resourceVersion": str(view.version)}
    if more is not None:
        metadata["continue"] = Token(view.version, found[-1].key).text()
        if test is everything:
            rest = view.stored[more:]
            metadata["remainingItemCount"] = sum(1 for stored in rest if not namespace or stored.key[0] == namespace)
    return Reply(200, list_body(kind, form, metadata, found))


def list_body(kind: Kind, form: str, metadata: dict[str, object], found: list[Stored]) -> bytes:
    """Return the bytes of a list, put together from those of its objects."""
    head = b'{"kind":"%s","apiVersion":"%s","metadata":%s,"items":['
    if form:
        opening = head % (b"PartialObjectMetadataList", b"meta.k8s.io/v1", encode(metadata))
        return opening + b",".join(stored.slim() for stored in found) + b"]}"
    opening = head % (f"{kind.name}List".encode(), kind.api_version.encode(), encode(metadata))
    return opening + b",".join(stored.item() for stored in found) + b"]}"
