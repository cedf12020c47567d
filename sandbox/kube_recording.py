"""Fills the simulated Kubernetes API with recorded objects, and plays recorded watches into it at any speed."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from sandbox.kube_resources import BY_NAME, KINDS
from sandbox.kube_selectors import Object
from sandbox.kube_store import Store, decode

Stop = Callable[[Object], bool]
METADATA_ALONE = ("meta.k8s.io/v1", "PartialObjectMetadata")


def never(_: Object) -> bool:
    """Play to the end."""
    return False


def _lines(path: Path) -> Iterator[Object]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            if line.strip():
                yield decode(line)


def load(store: Store, path: Path, *, without: tuple[str, ...] = ()) -> Counter[str]:
    """Put recorded objects (NDJSON, .gz or plain) into the store as they are; return how many of each kind.

    What was recorded as metadata alone says of which `resource` it is (Secrets, unless it says): it becomes one
    without data. Kinds in `without` are left out; a kind that this API does not serve is counted as
    `not served: <kind>`. Each object keeps its uid and its times; its version is a new one.
    """
    counts: Counter[str] = Counter()
    for found in _lines(path):
        name = (found["apiVersion"], found["kind"])
        if name == METADATA_ALONE:
            plural = found.pop("resource", "secrets")
            kind = next(kind for kind in KINDS if kind.plural == plural)
            found |= {"apiVersion": kind.api_version, "kind": kind.name}
        elif name not in BY_NAME:
            counts[f"not served: {found['kind']}"] += 1
            continue
        if found["kind"] not in without:
            counts[found["kind"]] += 1
            store.put(found)
    return counts


def play(store: Store, path: Path, *, speed: float = 0.0, stop: Stop = never) -> int:
    """Play a recorded watch ({at, type, object} a line) into the store; return how many events were played.

    `speed` 1 keeps the recorded times, 10 is ten times as fast, 0 as fast as it goes. `stop` is asked before each
    line, which it gets whole, and ends the play when it says so.
    """
    began, first, played = time.monotonic(), None, 0
    for line in _lines(path):
        if stop(line):
            break
        at = datetime.fromisoformat(line["at"]).timestamp()
        first = at if first is None else first
        if speed:
            time.sleep(max(0.0, began + (at - first) / speed - time.monotonic()))
        apply(store, line["type"], line["object"])
        played += 1
    return played


def apply(store: Store, kind: str, found: Object) -> None:
    """Do what one recorded event tells; a DELETED of an object that is not there is nothing."""
    if kind != "DELETED":
        store.put(found)
        return
    resource = BY_NAME[found["apiVersion"], found["kind"]]
    metadata = found["metadata"]
    stored = store.shelf(resource).found.get((metadata.get("namespace", ""), metadata["name"]))
    if stored is not None and stored.object["metadata"]["uid"] == metadata["uid"]:
        store.drop(stored, found)
