"""A watch of a test: it runs in a thread until the test ends it, and its picture can be waited for."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from cluster.client import Client
from cluster.pace import Pace
from cluster.picture import Picture
from cluster.place import Address
from cluster.resources import RESOURCES
from cluster.turn import hold

HASTY = Pace(
    page=7, first=0.02, most=0.1, calm=0.3, silence=0.5, shortest_watch=30, longest_watch=60, not_permitted=0.1,
    not_installed=0.1,
)  # fmt: skip


def eventually(true, seconds: float = 15.0):
    """Wait for a fact and return it; fails with what it was in the end."""
    ends = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < ends, f"this did not become true: {true.__doc__ or true}"
        time.sleep(0.01)
    return found


class Diary(Picture):
    """A picture that also remembers what was said to it."""

    def __init__(self):
        super().__init__()
        self.deleted: list[tuple[str, str, bool]] = []
        self.states: list[tuple[str, str, str]] = []
        self.events: list[tuple[str, str]] = []
        self.lists = 0
        self.gone = lambda resource, found, exact: self.deleted.append((resource.name, found.metadata.uid, exact))

    def begin(self, resource):
        self.lists += 1
        return super().begin(resource)

    def event(self, resource, event):
        self.events.append((event.type, event.resource_version))
        super().event(resource, event)

    def state(self, resource, state, detail):
        self.states.append((resource.name, state, detail))
        super().state(resource, state, detail)

    def names(self, resource: str = "pods"):
        """The names of the objects that it knows."""
        return sorted(found.metadata.name for found in self.seen[resource].objects.values())

    def versions(self, resource: str):
        """Each object's version by uid."""
        seen = self.seen.get(resource)
        return {uid: found.metadata.resource_version for uid, found in dict(seen.objects if seen else {}).items()}


@contextmanager
def watched(url: str, token: str, *resources: str, picture: Diary | None = None, pace: Pace = HASTY, seconds=600.0):
    """Yield a diary that a turn writes in another thread; what goes wrong there fails the test."""
    diary, stop, wrong = picture or Diary(), threading.Event(), []

    def turn():
        try:
            client = Client(Address(url, token), read=5)
            hold(client, [RESOURCES[name] for name in resources], diary, seconds=seconds, pace=pace, stop=stop)
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield diary
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive(), "the turn did not end"
    if wrong:
        raise wrong[0]


def versions(kube, resource: str, group: str = ""):
    """What the server holds: each object's version by uid."""
    found = kube.store.objects(resource, group)
    return {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in found}


def pod(name: str, namespace: str = "shop", **labels: str):
    """A pod as a test needs it."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app"}]}, "status": {"phase": "Running"},
    }  # fmt: skip
