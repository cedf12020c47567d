"""SEAM: how a secret reaches a pod. One module is one method; its file name is the method's name everywhere.

A method reads a scene of the cluster and gives its consumers and its troubles. It decides by what the API shows, asks
nobody, and never raises for odd data: what it can't tell it leaves empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any, Protocol

from cluster.consumption import Consumer, Copy, Gathered, Trouble
from cluster.doctor.rollout import unexplained
from cluster.scene import Scene, has_ended
from kit import seam


class Method(Protocol):
    """What a module of this folder has."""

    TITLE: str
    """The method, as pages name it."""

    def consumers(self, scene: Scene) -> Iterable[Consumer]:
        """Give each container that gets a secret by this method; a container may appear once for each path."""
        ...

    def troubles(self, scene: Scene) -> Iterable[Trouble]:
        """Give what keeps workloads from secrets that they would get by this method."""
        ...


@cache
def methods() -> dict[str, ModuleType]:
    """Return the methods by name; raises `kit.seam.HalfDone` when one lacks a part."""
    return seam.complete(__name__, Method)


def consumers(objects: Iterable[Any] | Scene) -> list[Consumer]:
    """Return all consumers. A use of a Kubernetes Secret that another method fills is not `native` as well."""
    scene = _scene(objects)
    found = [each for method in methods().values() for each in method.consumers(scene)]
    filled = {(each.pod, each.container, each.k8s_secret) for each in found if each.method != "native"}
    return [
        _marked(scene, each)
        for each in found
        if each.method != "native" or (each.pod, each.container, each.k8s_secret) not in filled
    ]


def copies(objects: Iterable[Any] | Scene) -> list[Copy]:
    """Return all Secrets that operators fill, each once for each path: a method may have `copies(scene)` or not."""
    scene = _scene(objects)
    return [each for method in methods().values() if hasattr(method, "copies") for each in method.copies(scene)]


def troubles(objects: Iterable[Any] | Scene) -> list[Trouble]:
    """Return all troubles, those of one cause at one workload as one; a stuck rollout only if nothing explains it."""
    scene = _scene(objects)
    gathered = Gathered()
    for trouble in _each(scene):
        gathered.add(trouble)
    explained = {trouble.workload for trouble in gathered.found.values()}
    for trouble in unexplained(scene, explained):
        gathered.add(trouble)
    return list(gathered.found.values())


def _marked(scene: Scene, each: Consumer) -> Consumer:
    pod = scene.pod(each.pod.uid)
    return replace(each, ended=True) if pod is not None and has_ended(pod) else each


def _each(scene: Scene) -> Iterator[Trouble]:
    for method in methods().values():
        yield from method.troubles(scene)


def _scene(objects: Iterable[Any] | Scene) -> Scene:
    return objects if isinstance(objects, Scene) else Scene(objects)
