"""A cluster as it is now, in memory: the sink of watches that keeps objects, and the deletes that it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.decoding import Broken, Event
from cluster.resources import Resource


@dataclass(slots=True)
class Seen:
    """One resource: objects by uid, the version up to which they are true, and the state of its watch."""

    objects: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    state: str = ""
    detail: str = ""
    generation: int = 0
    listing: set[str] = field(default_factory=set)  # uids that the list of this generation has shown


def uid_of(found: Any) -> str:
    """Return what an object is known by."""
    return str(found.uid if isinstance(found, Broken) else found.metadata.uid)


@dataclass(slots=True)
class Picture:
    """A sink that forgets nothing while it lives; `gone` is called with (resource, object, whether the time is exact).

    The time of a delete that only a list has shown is not exact: it happened since the last thing that was heard.
    """

    gone: Callable[[Resource, Any, bool], None] = lambda _resource, _found, _exact: None
    seen: dict[str, Seen] = field(default_factory=dict)

    def of(self, resource: Resource) -> Seen:
        """Return what is seen of a resource."""
        return self.seen.setdefault(resource.name, Seen())

    def resume(self, resource: Resource) -> str:
        """Return the version from which to watch."""
        return self.of(resource).version

    def begin(self, resource: Resource) -> int:
        """Begin to list; what is known stays until the list is whole."""
        seen = self.of(resource)
        seen.generation += 1
        seen.listing, seen.version = set(), ""
        return seen.generation

    def page(self, resource: Resource, generation: int, items: Sequence[Any]) -> None:
        """Take objects of a list."""
        seen = self.of(resource)
        for found in items:
            uid = uid_of(found)
            seen.listing.add(uid)
            seen.objects[uid] = found

    def listed(self, resource: Resource, generation: int, resource_version: str) -> None:
        """Take out what the list did not show."""
        seen = self.of(resource)
        for uid in seen.objects.keys() - seen.listing:
            self.gone(resource, seen.objects.pop(uid), False)
        seen.listing, seen.version = set(), resource_version

    def event(self, resource: Resource, event: Event) -> None:
        """Take a change."""
        seen = self.of(resource)
        if event.type == "DELETED":
            if seen.objects.pop(uid_of(event.object), None) is not None:
                self.gone(resource, event.object, True)
        elif event.object is not None:
            seen.objects[uid_of(event.object)] = event.object
        seen.version = event.resource_version

    def state(self, resource: Resource, state: str, detail: str) -> None:
        """Keep the state."""
        seen = self.of(resource)
        seen.state, seen.detail = state, detail

    def cut(self, resource: Resource) -> None:
        """Nothing hangs on it: what is known stays."""

    def settle(self) -> None:
        """Nothing is to be done: memory is written already."""
