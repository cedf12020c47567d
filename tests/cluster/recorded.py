"""The recorded cluster as objects, and what its drivers know of it."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from cluster.decoding import decode_event, decode_object
from cluster.resources import RESOURCES, Resource
from cluster.scene import Scene
from cluster.versions import Version

DATA = Path(__file__).parents[1] / "data" / "cluster"


def lines(name: str) -> list[bytes]:
    """Return the lines of a recorded file."""
    return gzip.decompress((DATA / f"{name}.gz").read_bytes()).splitlines()


@cache
def truth() -> dict[str, Any]:
    """Return what happened, from the drivers' side."""
    return json.loads(gzip.decompress((DATA / "truth.json.gz").read_bytes()))


def resource_of(given: dict[str, Any]) -> Resource:
    """Return which resource a recorded object is of."""
    if given["kind"] == "PartialObjectMetadata":
        return RESOURCES[given["resource"]]
    group = given["apiVersion"].rpartition("/")[0]
    return next(each for each in RESOURCES.values() if (each.group, each.kind) == (group, given["kind"]))


@cache
def scene() -> Scene:
    """Return the cluster as it stood at the end of the recording: the pods by their watch, everything else as kept."""
    found = [
        decode_object(resource_of(given), line)
        for line in lines("objects.ndjson")
        if (given := json.loads(line))["kind"] != "Pod"
    ]
    pods: dict[str, Any] = {}
    for line in lines("pods.watch.ndjson"):
        event = decode_event(RESOURCES["pods"], line)
        pods[event.object.metadata.uid] = event.object
        if event.type == "DELETED":
            del pods[event.object.metadata.uid]
    return Scene([*found, *pods.values()], at=datetime.fromisoformat(truth()["meta"]["ended"]))


def api_path(secret: str) -> str:
    """Return the path that is read for a secret of the recording's KV mount (version 2)."""
    mount, _, rest = secret.partition("/")
    return f"{mount}/data/{rest}" if mount == truth()["meta"]["kv_mount"] else secret


def versions() -> dict[str, list[Version]]:
    """Return the versions of each KV secret and when they were made, as the vault's metadata say it."""
    made: dict[str, list[Version]] = {api_path(secret): [Version(1)] for secret in truth()["current_versions"]}
    for each in truth()["incidents"]:
        if each["kind"] == "rotation":
            made[api_path(each["what"])].append(Version(each["version"], datetime.fromisoformat(each["at"])))
    return made
