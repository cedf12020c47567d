"""One request to the simulated Kubernetes API as it is understood, and the two ways to answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube_resources import BY_KEY, Kind
from sandbox.kube_selectors import Object
from sandbox.kube_status import Refusal, Unrouted
from sandbox.kube_store import decode

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
REVIEWS = [
    Kind(name.lower() + "s", name, f"{group}.k8s.io", "v1", name.startswith("Local"), True, False, False)
    for group, name in (
        ("authentication", "TokenReview"),
        ("authentication", "SelfSubjectReview"),
        ("authorization", "SubjectAccessReview"),
        ("authorization", "SelfSubjectAccessReview"),
        ("authorization", "LocalSubjectAccessReview"),
    )
]
SUBRESOURCES = {"serviceaccounts": ("token",), "pods": ("eviction",)}
BY_REVIEW = {kind.key: kind for kind in REVIEWS}
ACCEPTED = "only the following media types are accepted: application/json"


@dataclass(frozen=True)
class Place:
    """What a path names."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def place_of(path: str, uninstalled: frozenset[str] | set[str]) -> Place:
    """Read a resource path. Raises Unrouted when nothing is served there."""
    parts = [part for part in path.split("/") if part]
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise Unrouted
    namespace = ""
    if rest[0:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    kind = BY_KEY.get((group, plural)) or BY_REVIEW.get((group, plural))
    if kind is None or kind.version != version or group in uninstalled or len(rest) > 3:
        raise Unrouted
    if (not kind.namespaced and namespace) or subresource not in ("", *_below(kind)):
        raise Unrouted
    return Place(kind, namespace, name, subresource)


def _below(kind: Kind) -> tuple[str, ...]:
    """Return the subresources of a resource."""
    return (*(("status",) if kind.has_status else ()), *SUBRESOURCES.get(kind.plural, ()))


@dataclass
class Call:
    """One request: who asks what of which resource."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    user: Any = None
    place: Place | None = None
    verb: str = ""

    def resolve(self, place: Place) -> None:
        """Set the place and the verb that follows from it."""
        self.place = place
        watched = self.query.get("watch", "") in ("1", "true", "True")
        if self.method in ("GET", "HEAD"):
            self.verb = "get" if place.name else ("watch" if watched else "list")
        elif self.method == "DELETE":
            self.verb = "delete" if place.name else "deletecollection"
        else:
            self.verb = VERBS.get(self.method, self.method.lower())

    def object(self) -> Object:
        """Return the JSON body. Raises Refusal (400, 415) when it is none."""
        content = self.headers.get("Content-Type", "application/json").split(";")[0].strip()
        if content not in ("application/json", "*/*", ""):
            raise Refusal(415, "the body of the request was in an unknown format - accepted: application/json")
        try:
            found = decode(self.body)
        except ValueError as trouble:
            raise Refusal(400, f"the object provided is unrecognized: {trouble}") from None
        if not isinstance(found, dict):
            raise Refusal(400, "the object provided is unrecognized: it is no object")
        return found

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is true."""
        return self.query.get(name, "").lower() in ("1", "true")

    def number(self, name: str) -> int | None:
        """Return a query parameter as a number. Raises Refusal (400)."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not text.isdecimal():
            raise Refusal(400, f'strconv.ParseUint: parsing "{text}": invalid syntax')
        return int(text)

    def form(self) -> str:
        """Return how the answer is wanted: "" whole, else PartialObjectMetadata(List). Raises Refusal (406).

        As with the API server the first acceptable form of the Accept header wins.
        """
        accept = self.headers.get("Accept") or "*/*"
        for offer in accept.split(","):
            media, *parameters = [part.strip() for part in offer.split(";")]
            if media not in ("application/json", "*/*", "application/*"):
                continue
            given = dict(part.split("=", 1) for part in parameters if "=" in part)
            if "as" not in given:
                return ""
            served = given.get("g") == "meta.k8s.io" and given.get("v") in ("v1", "v1beta1")
            if served and given["as"] in ("PartialObjectMetadata", "PartialObjectMetadataList"):
                return given["as"]
        raise Refusal(406, ACCEPTED)


@dataclass
class Reply:
    """An answer with a body of known length."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Stream:
    """An answer that goes on: every piece is sent as it comes."""

    pieces: Iterator[bytes]
