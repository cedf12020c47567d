"""The objects of one cluster at one time, to be asked by kind, by name, by uid and by owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, cast

from cluster.decoding import Broken
from cluster.kinds.meta import Meta, Owner
from cluster.kinds.platform import ClusterEvent
from cluster.kinds.pod import Pod

_T = TypeVar("_T")
_DEEPEST = 5
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_ENDED = frozenset({"Succeeded", "Failed"})


class Ref(NamedTuple):
    """Which object: enough to name it and to find it again."""

    kind: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Scene:
    """The objects, indexed once; what could not be read (`Broken`) is left out.

    `at` is the time of the scene. Without it whatever depends on how long something lasts is taken to have lasted.
    """

    def __init__(self, objects: Iterable[Any], at: datetime | None = None) -> None:
        """Index the objects: structs of `cluster.objects`, in any order."""
        self.at = at
        self._made: dict[Any, Any] = {}
        self._by_kind: dict[type, list[Any]] = defaultdict(list)
        for each in objects:
            if not isinstance(each, Broken):
                self._by_kind[type(each)].append(each)

    def once(self, make: Callable[[Scene], _T]) -> _T:
        """Return what the function makes of this scene; it is asked once, however many want it."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(_T, self._made[make])

    def all(self, kind: type[_T]) -> list[_T]:
        """All objects of a kind."""
        return self._by_kind.get(kind, [])

    def objects(self) -> list[Any]:
        """All objects, those of one kind together."""
        return [each for found in self._by_kind.values() for each in found]

    def named(self, kind: type[_T], namespace: str, name: str) -> _T | None:
        """The object of this name, or None."""
        return self._by_name.get((kind, namespace, name))

    def by_uid(self, uid: str) -> Any:
        """The object of this uid, or None."""
        return self._by_uid.get(uid)

    def pod(self, uid: str) -> Pod | None:
        """The pod of this uid, or None."""
        found = self.by_uid(uid)
        return found if isinstance(found, Pod) else None

    def events_of(self, uid: str) -> list[ClusterEvent]:
        """The events about an object, in the order of their last times."""
        return self._events.get(uid, [])

    @cached_property
    def pods(self) -> list[Pod]:
        """The pods that have not ended."""
        return [pod for pod in self.all(Pod) if not has_ended(pod)]

    def pods_of(self, uid: str) -> list[Pod]:
        """The pods, not ended, whose chain of owners holds this uid."""
        return self._pods_of.get(uid, [])

    def chain(self, pod: Pod) -> list[Ref]:
        """The owners of a pod, the nearest first, at most five; ends where an owner is not in the scene."""
        found: list[Ref] = []
        meta: Meta | None = pod.metadata
        while meta is not None and len(found) < _DEEPEST:
            owner = _controller(meta)
            if owner is None or any(owner.uid == each.uid for each in found):
                break
            found.append(Ref(owner.kind, pod.metadata.namespace, owner.name, owner.uid))
            known = self.by_uid(owner.uid)
            meta = known.metadata if known is not None else None
        return found

    def workload(self, pod: Pod) -> Ref:
        """What the pod belongs to: the last of its owners, or the pod itself (a static pod, too, which a node owns)."""
        known = self._workloads.get(pod.metadata.uid)
        if known is None:
            chain = [each for each in self.chain(pod) if each.kind != "Node"]
            known = self._workloads[pod.metadata.uid] = chain[-1] if chain else ref(pod)
        return known

    @cached_property
    def _workloads(self) -> dict[str, Ref]:
        return {}

    @cached_property
    def _by_name(self) -> dict[tuple[type, str, str], Any]:
        return {
            (kind, each.metadata.namespace, each.metadata.name): each
            for kind, members in self._by_kind.items()
            for each in members
        }

    @cached_property
    def _by_uid(self) -> dict[str, Any]:
        members = (each for kind, found in self._by_kind.items() if kind is not ClusterEvent for each in found)
        return {each.metadata.uid: each for each in members if each.metadata.uid}

    @cached_property
    def _events(self) -> dict[str, list[ClusterEvent]]:
        found = defaultdict(list)
        for event in self.all(ClusterEvent):
            if event.involved_object.uid:
                found[event.involved_object.uid].append(event)
        for events in found.values():
            events.sort(key=lambda event: event.at() or _LONG_AGO)
        return dict(found)

    @cached_property
    def _pods_of(self) -> dict[str, list[Pod]]:
        found = defaultdict(list)
        for pod in self.pods:
            for owner in self.chain(pod):
                found[owner.uid].append(pod)
        return dict(found)


def ref(thing: Any) -> Ref:
    """Return which object this is."""
    meta = thing.metadata
    return Ref(_KINDS.get(type(thing).__name__, type(thing).__name__), meta.namespace, meta.name, meta.uid)


def has_ended(pod: Pod) -> bool:
    """Say whether all containers of a pod have ended for good: its record is there, and it holds nothing."""
    return pod.status.phase in _ENDED


def _controller(meta: Meta) -> Owner | None:
    return next((owner for owner in meta.owner_references if owner.controller and owner.uid), None)


_KINDS = {"ClusterEvent": "Event", "DynamicSecretGenerator": "VaultDynamicSecret"}
