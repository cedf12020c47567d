"""The calls that change a cluster (restart a workload, have a secret read anew), and the looks before and after them.

A call that changes something has three outcomes: it returns, an error says that surely nothing was done, or `Unknown`
says to look (`Operator.restarted_by`, `asked_by`) before doing it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from cluster import refresh, rollouts
from cluster.decoding import Broken, Unreadable, decode_object, decode_page
from cluster.errors import (
    BrokenAnswer,
    Conflict,
    NotAsPlanned,
    NotInstalled,
    NotPermitted,
    NotRefreshable,
    NotRestartable,
    NotThere,
    Refused,
    Unknown,
)
from cluster.kinds.meta import Selector
from cluster.kinds.pod import Pod
from cluster.refresh import Filled, Pending, Synced
from cluster.resources import RESOURCES, Resource
from cluster.rollouts import CHANGE, RESTARTED_AT, Obstacle, Restartable
from cluster.scene import Scene

Json = dict[str, Any]
KINDS = {RESOURCES[name].kind: RESOURCES[name] for name in ("deployments", "statefulsets", "daemonsets")}
FILLING = {
    RESOURCES[name].kind: RESOURCES[name] for name in ("externalsecrets", "vaultstaticsecrets", "vaultdynamicsecrets")
}
FORCE_ESO, FORCE_VSO = "force-sync", "vso.hashicorp.com/resync"
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


@dataclass(frozen=True, slots=True)
class Restarted:
    """What a restart did: `generation` is the one that carries it, `at` the API server's time (seconds).

    `again` tells that the workload carried this change already, so that nothing was sent.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    at: datetime | None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking an operator to read anew did: `mark` and `lease_id` are its status of before, as `refresh` has them.

    With `again` they may be of after: then they are the ones to take that were kept with the intent.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    mark: str
    lease_id: str
    at: datetime | None
    again: bool = False


class Seen(NamedTuple):
    """A workload as it is now, and its pods."""

    workload: Restartable
    pods: list[Pod]


class Operator:
    """Changes one cluster as whoever its client is: the restarter, whose role `deploy/kubernetes` has.

    It asks the API server anew at every call and keeps nothing between them.
    """

    def __init__(self, client: Server) -> None:
        """Take a client; it is the caller's to know whose token that has."""
        self._client = client

    def restart(
        self, kind: str, namespace: str, name: str, change_id: str, at: datetime, dry_run: bool = False, *,
        uid: str = "", fingerprint: str = "",
    ) -> Restarted:  # fmt: skip
        """Restart a workload for a change by writing two annotations on its pod template; `at` is written into one.

        A workload that carries the change already is left alone. `uid` and `fingerprint` (`rollouts.fingerprint`) are
        the plan's: another object of the name, or another template, is `NotAsPlanned`. A dry run asks the API server
        and its admission the same question and changes nothing.
        Raises `NotRestartable` (paused, OnDelete, partition, no pods), `NotThere`, `NotPermitted` with the rule to add,
        `Denied`, `Conflict`, other `ClusterError`s that say that surely nothing was done, and `Unknown`.
        """
        place = _placed(KINDS, kind, namespace, name)

        def body(found: Restartable) -> Json | None:
            place.check(found, uid, fingerprint)
            if rollouts.restarted_by(found) == change_id:
                return None
            _refuse(rollouts.obstacle(found), NotRestartable, place)
            notes = {CHANGE: change_id, RESTARTED_AT: _stamp(at)}
            return {"spec": {"template": {"metadata": {"annotations": notes}}}}

        _, after, again = _changed(self._client, place, body, dry_run=dry_run, strategic=True)
        meta = after.metadata
        return Restarted(kind, namespace, name, meta.uid, meta.generation, rollouts.marked_at(after), again)

    def restarted_by(self, kind: str, namespace: str, name: str) -> str | None:
        """Return the id of the change that restarted a workload last: the probe after `Unknown`; None when none did."""
        return rollouts.restarted_by(_read(self._client, _placed(KINDS, kind, namespace, name)))

    def look(self, kind: str, namespace: str, name: str) -> Seen:
        """Return a workload and its pods, read now; `rollouts.status` says what they mean.

        The pods are read before the workload: they may show an old one that has gone meanwhile, but never hide one.
        """
        place = _placed(KINDS, kind, namespace, name)
        labels = _selector(_read(self._client, place).spec.selector)
        pods = list(_listed(self._client, RESOURCES["pods"], namespace, labels))
        owners = (
            list(_listed(self._client, RESOURCES["replicasets"], namespace, labels)) if kind == "Deployment" else []
        )
        found: Restartable = _read(self._client, place)
        return Seen(found, Scene([found, *owners, *pods]).pods_of(found.metadata.uid))

    def progress(
        self, kind: str, namespace: str, name: str, change_id: str = "", since: datetime | None = None
    ) -> rollouts.Answer:
        """Return how far the restart by a change has come, read now; see `rollouts.status`."""
        seen = self.look(kind, namespace, name)
        return rollouts.status(seen.workload, seen.pods, change_id, since=since)

    def force_sync(
        self, kind: str, namespace: str, name: str, change_id: str, at: datetime, dry_run: bool = False, *,
        uid: str = "",
    ) -> Asked:  # fmt: skip
        """Ask an operator to read a secret anew for a change: annotations on its ExternalSecret or Vault*Secret.

        Of a VaultDynamicSecret this makes new credentials and leaves the lease of before alive. One that was asked for
        this change is left alone. Raises `NotRefreshable` for one that would do nothing, and what `restart` raises.
        """
        place = _placed(FILLING, kind, namespace, name)

        def body(found: Filled) -> Json | None:
            place.check(found, uid, "")
            if found.metadata.annotations.get(CHANGE) == change_id:
                return None
            _refuse(refresh.obstacle(found), NotRefreshable, place)
            key = FORCE_ESO if kind == "ExternalSecret" else FORCE_VSO
            return {"metadata": {"annotations": {CHANGE: change_id, key: _stamp(at)}}}

        before, after, again = _changed(self._client, place, body, dry_run=dry_run, strategic=False)
        marks = refresh.mark_of(before), refresh.lease_of(before)
        return Asked(kind, namespace, name, after.metadata.uid, *marks, rollouts.marked_at(after), again)

    def asked_by(self, kind: str, namespace: str, name: str) -> str | None:
        """Return the id of the change that had a secret read anew last: the probe after `Unknown`; None without any."""
        return _read(self._client, _placed(FILLING, kind, namespace, name)).metadata.annotations.get(CHANGE) or None

    def synced(
        self, kind: str, namespace: str, name: str, mark: str, since: datetime, *, written: datetime | None = None
    ) -> Synced | Pending:
        """Return whether an operator has read a secret anew, by its status now; see `refresh.synced_since`."""
        return refresh.synced_since(
            _read(self._client, _placed(FILLING, kind, namespace, name)), mark, since, written=written
        )

    def filled(self, kind: str, namespace: str, name: str) -> Filled:
        """Return an ExternalSecret or Vault*Secret, read now: for its mark and its lease before anything is asked."""
        found: Filled = _read(self._client, _placed(FILLING, kind, namespace, name))
        return found


# How it is read and written ---------------------------------------------------------------------------------------


class _Place(NamedTuple):
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


def _placed(known: Mapping[str, Resource], kind: str, namespace: str, name: str) -> _Place:
    if kind not in known:
        mend = f"take one of {', '.join(known)}"
        raise (NotRestartable if known is KINDS else NotRefreshable)(f"we can't do this to a {kind}", name, mend)
    try:
        known[kind].place(namespace, name)
    except ValueError as error:
        raise NotThere(str(error), kind, "check both names") from None
    return _Place(known[kind], namespace, name)


def _refuse(found: Obstacle | None, error: type[Refused], place: _Place) -> None:
    if found is not None:
        raise error(found.says, str(place), found.mend)


def _changed(
    client: Server, place: _Place, body: Callable[[Any], Json | None], *, dry_run: bool, strategic: bool
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


def _read(client: Server, place: _Place) -> Any:
    return _found(client, place)[1]


def _found(client: Server, place: _Place) -> tuple[str, Any]:
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


def _listed(client: Server, resource: Resource, namespace: str, labels: str) -> Iterator[Any]:
    """Give the objects of a namespace that a selector fits; raises `BrokenAnswer` for one that can't be read."""
    token = ""
    for _ in range(MOST_PAGES):
        try:
            page = decode_page(resource, client.page(resource, namespace=namespace, token=token, labelSelector=labels))
        except NotPermitted as error:
            raise NotPermitted(error.what, error.where, _Place(resource, namespace, "").rule("list")) from error
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


def _selector(selector: Selector) -> str:
    """Return a label selector as the API takes it in a query."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for each in selector.match_expressions:
        if each.operator in ("In", "NotIn"):
            parts.append(f"{each.key} {each.operator.lower()} ({','.join(each.values)})")
        else:
            parts.append(f"!{each.key}" if each.operator == "DoesNotExist" else each.key)
    return ",".join(parts)


def _stamp(at: datetime) -> str:
    """Return a time with its microseconds: two restarts within a second are two, which whole seconds would hide."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
