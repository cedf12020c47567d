"""Objects of a cluster, read one by one and patched exactly as they were read; every refusal names the rule to add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from cluster import rollouts
from cluster.decoding import Broken, Unreadable, decode_object, decode_page
from cluster.errors import (
    BrokenAnswer,
    Conflict,
    NotAsPlanned,
    NotInstalled,
    NotPermitted,
    NotThere,
    Refused,
    Unknown,
)
from cluster.kinds.meta import Selector
from cluster.resources import Resource

Json = dict[str, Any]
TRIES = 5  # against a status that is written between our look and our patch
MOST_PAGES = 200


class Server(Protocol):
    """What operating needs of `cluster.client.Client`."""

    address: str

    def get(self, path: str, *, verb: str = ..., resource: str = ...) -> bytes:
        """Read one object."""

    def page(
        self, resource: Resource, *, limit: int = ..., token: str = ..., namespace: str = ..., **params: str
    ) -> bytes:
        """List a page of a namespace."""

    def patch(
        self, path: str, body: Mapping[str, Any], *, resource: str, strategic: bool = ..., dry_run: bool = ...
    ) -> bytes:
        """Patch one object."""


class Place(NamedTuple):
    """One object, by its names."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"

    def paths(self) -> list[str]:
        """The paths where it may be served."""
        versions = (self.resource.version, *self.resource.older)
        return [self.resource.place(self.namespace, self.name, version=version) for version in versions]

    def rule(self, verb: str) -> str:
        """The rule that a role needs to let us do this."""
        what = f'apiGroups ["{self.resource.group}"], resources ["{self.resource.plural}"], verbs ["{verb}"]'
        return f"add to a Role of ours in namespace {self.namespace}: {what}"

    def check(self, found: Any, uid: str, fingerprint: str) -> None:
        """Raise `NotAsPlanned` unless it is the object, with the template, that the plan saw; "" is not compared."""
        if uid and found.metadata.uid != uid:
            raise NotAsPlanned("it was deleted and made anew since the plan", str(self), "plan it anew")
        if fingerprint and rollouts.fingerprint(found) != fingerprint:
            raise NotAsPlanned("its template or strategy was changed since the plan", str(self), "plan it anew")


def placed(known: Mapping[str, Resource], kind: str, namespace: str, name: str, unfit: type[Refused]) -> Place:
    """Return the place of an object; raises `unfit` for an unknown kind, `NotThere` for names that are none."""
    if kind not in known:
        mend = f"take one of {', '.join(known)}"
        raise unfit(f"we can't do this to a {kind}", name, mend)
    try:
        known[kind].place(namespace, name)
    except ValueError as error:
        raise NotThere(str(error), kind, "check both names") from None
    return Place(known[kind], namespace, name)


def changed(
    client: Server, place: Place, body: Callable[[Any], Json | None], *, dry_run: bool, strategic: bool
) -> tuple[Any, Any, bool]:
    """Read an object, patch exactly what was read, and return (before, after, whether nothing was to be done).

    Statuses are written all the time, so a conflict is read and checked again a few times.
    """
    tried = 0
    while True:
        path, found = _found(client, place)
        wanted = body(found)
        if wanted is None:
            return found, found, True
        meta = wanted.setdefault("metadata", {})
        meta["resourceVersion"] = found.metadata.resource_version
        try:
            told = client.patch(path, wanted, resource=place.resource.plural, strategic=strategic, dry_run=dry_run)
        except NotPermitted as error:
            raise NotPermitted(error.what, error.where, place.rule("patch")) from error
        except Conflict:
            tried += 1
            if tried == TRIES:
                raise
            continue
        after = decode_object(place.resource, told)
        if isinstance(after, Broken):
            raise Unknown("the API server took the call, and its answer can't be read", str(place), "it is looked at")
        return found, after, False


def read(client: Server, place: Place) -> Any:
    """Return an object as it is now."""
    return _found(client, place)[1]


def _found(client: Server, place: Place) -> tuple[str, Any]:
    """Return the path at which an object is served, and the object."""
    for path in place.paths():
        try:
            found = decode_object(place.resource, client.get(path, resource=place.resource.plural))
        except NotInstalled:
            continue
        except NotPermitted as error:
            raise NotPermitted(error.what, error.where, place.rule("get")) from error
        if isinstance(found, Broken):
            raise BrokenAnswer(f"it can't be read: {found.why}", str(place), "see what wrote it")
        return path, found
    raise NotInstalled(f"the cluster has no {place.resource.plural}", str(place), "install what brings it, or leave it")


def listed(client: Server, resource: Resource, namespace: str, *, labels: str = "", fields: str = "") -> Iterator[Any]:
    """Give the objects of a namespace that selectors fit; raises `BrokenAnswer` for one that can't be read."""
    token = ""
    for _ in range(MOST_PAGES):
        try:
            page = decode_page(
                resource,
                client.page(resource, namespace=namespace, token=token, labelSelector=labels, fieldSelector=fields),
            )
        except NotPermitted as error:
            raise NotPermitted(error.what, error.where, Place(resource, namespace, "").rule("list")) from error
        except Unreadable as error:
            raise BrokenAnswer(str(error), client.address, "check what answers there") from None
        for each in page.items:
            if isinstance(each, Broken):  # it may be an old pod: without it nothing can be said
                raise BrokenAnswer(f"{each.name} can't be read: {each.why}", resource.name, "see what wrote it")
        yield from page.items
        token = page.continue_
        if not token:
            return
    raise BrokenAnswer("the list does not end", client.address, "check what answers there")


def selected(selector: Selector) -> str:
    """Return a label selector as the API takes it in a query."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for each in selector.match_expressions:
        if each.operator in ("In", "NotIn"):
            parts.append(f"{each.key} {each.operator.lower()} ({','.join(each.values)})")
        else:
            parts.append(f"!{each.key}" if each.operator == "DoesNotExist" else each.key)
    return ",".join(parts)
