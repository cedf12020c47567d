"""R9, first half: after any number of cuts, errors, lost versions and restarts the mirror equals the server."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from sandbox.kube_resources import kind_of
from tests.cluster.watched import Diary, eventually, pod, versions, watched

KINDS = {"pods": "", "secrets": "", "vaultdynamicsecrets": "secrets.hashicorp.com"}


class Remembering(Diary):
    """Also keeps every uid that it ever held."""

    def __init__(self):
        super().__init__()
        self.held: set[str] = set()

    def page(self, resource, generation, items):
        super().page(resource, generation, items)
        self.held |= {found.metadata.uid for found in items}

    def event(self, resource, event):
        super().event(resource, event)
        if event.object is not None and event.type != "DELETED":
            self.held.add(event.object.metadata.uid)


class Believing(Remembering):
    """What a mirror must not be: it takes out only what a watch says, so a delete that no watch told stays."""

    def listed(self, resource, generation, resource_version):
        seen = self.of(resource)
        seen.listing, seen.version = set(), resource_version


def thing(resource: str, name: str, mark: str):
    if resource == "pods":
        return pod(name, mark=mark)
    head = {"metadata": {"name": name, "namespace": "shop", "labels": {"mark": mark}}}
    if resource == "secrets":
        return {"apiVersion": "v1", "kind": "Secret", **head}
    spec = {"mount": "db", "path": "creds/app", "destination": {"name": name}}
    return {"apiVersion": "secrets.hashicorp.com/v1beta1", "kind": "VaultDynamicSecret", **head, "spec": spec}


class Storm:
    """A server to which things happen by chance, and what was deleted from it."""

    def __init__(self, kube, seed: int):
        self.kube, self.chance = kube, random.Random(seed)
        self.deleted: set[str] = set()
        self.mishaps: Counter[str] = Counter()
        kube.store.namespace("shop")

    def change(self) -> None:
        """Create, update or delete one object; names are few, so that namesakes come back."""
        resource = self.chance.choice(list(KINDS))
        kind, name = kind_of(resource, KINDS[resource]), f"{resource}-{self.chance.randrange(40)}"
        stored = self.kube.store.shelf(kind).found.get(("shop", name))
        if stored and self.chance.random() < 0.4:
            self.kube.store.drop(stored)
            self.deleted.add(stored.object["metadata"]["uid"])
        else:
            self.kube.store.put(thing(resource, name, str(self.chance.random())))

    def mishap(self) -> None:
        """Let one thing go wrong."""
        chance, faults = self.chance, self.kube.faults
        resource, verb = chance.choice([*KINDS, ""]), chance.choice(["list", "watch", ""])
        happens = {
            "cut now": self.kube.cut,
            "cut in the answer": lambda: faults.cut(chance.randrange(2000), verb, resource),
            "half dead": lambda: faults.hang(chance.randrange(800), "watch", resource),
            "error 500": lambda: faults.fail(chance.choice([500, 502, 503, 504]), verb, resource),
            "status 410": lambda: faults.fail(410, verb, resource),
            "event 410": self.kube.store.age,
            "too many": lambda: faults.fail(429, verb, resource),
            "garbage": lambda: faults.garble(resource),
            "late": lambda: faults.delay(0.05, verb, resource),
            "bookmark": self.kube.bookmark,
            "restart": self.kube.restart,
            "away": self.away,
        }
        name = chance.choices(list(happens), [4, 6, 2, 4, 3, 2, 1, 3, 2, 2, 2, 1])[0]
        self.mishaps[name] += 1
        happens[name]()

    def away(self) -> None:
        """The API server is gone for a moment; the world goes on."""
        self.kube.go_away()
        for _ in range(self.chance.randrange(5)):
            self.change()
        time.sleep(self.chance.random() * 0.1)
        self.kube.come_back()

    def rage(self, count: int) -> None:
        """Let so many things go wrong, with changes between them."""
        for _ in range(count):
            for _ in range(self.chance.randrange(6)):
                self.change()
            self.mishap()
            time.sleep(self.chance.random() * 0.05)


def weather(kube, seed: int, mishaps: int, diary: Diary) -> Storm:
    """Turn after turn of the watches, a few dozen mishaps in each, until the storm is over and all is quiet."""
    storm = Storm(kube, seed)
    for _ in range(60):
        storm.change()
    while (left := mishaps - sum(storm.mishaps.values())) > 0:
        with watched(kube.url, kube.token, *KINDS, picture=diary):
            storm.rage(min(left, 40))
        for _ in range(storm.chance.randrange(4)):
            storm.change()  # while no turn runs
    kube.faults.clear()
    with watched(kube.url, kube.token, *KINDS, picture=diary):
        eventually(
            lambda: all(diary.versions(name) == versions(kube, name, group) for name, group in KINDS.items()), 30
        )
    return storm


def survived(kube, seed: int, mishaps: int) -> None:
    diary = Remembering()
    storm = weather(kube, seed, mishaps, diary)
    told = Counter(uid for _, uid, _ in diary.deleted)
    assert set(told) == diary.held & storm.deleted, "every delete of what was held is recorded, and no other"
    assert set(told.values()) <= {1}, "once"
    print(
        f"{sum(storm.mishaps.values())} mishaps {dict(storm.mishaps)}: {diary.lists} lists, "
        f"{len(diary.events)} events, {len(told)} deletes ({sum(exact for *_, exact in diary.deleted)} by a watch), "
        f"{len(kube.requests)} requests"
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_the_mirror_equals_the_server_after_a_storm(kube, seed):
    survived(kube, seed, 60)


@pytest.mark.long
def test_the_mirror_equals_the_server_after_a_thousand_mishaps(kube):
    survived(kube, 2026, 1000)


def test_a_mirror_that_believes_only_its_watches_does_not(kube):
    storm, diary = Storm(kube, 3), Believing()
    for _ in range(60):
        storm.change()
    with watched(kube.url, kube.token, *KINDS, picture=diary):
        eventually(lambda: all(diary.versions(name) == versions(kube, name, KINDS[name]) for name in KINDS))
    for _ in range(60):
        storm.change()
    kube.restart()
    with watched(kube.url, kube.token, *KINDS, picture=diary):
        eventually(lambda: diary.lists >= 2 * len(KINDS))
        eventually(lambda: {seen.state for seen in diary.seen.values()} == {"watching"})
    assert storm.deleted & set(diary.seen["pods"].objects)
