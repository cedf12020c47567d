"""Keeps the simulated cluster's objects in a file, so that its pods and addresses are the same after a new start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.kube_selectors import Object
from sandbox.kube_store import Store, decode

EVENTS_LIVE = timedelta(hours=1)  # as an API server keeps them


def save(store: Store, place: Path) -> None:
    """Write every object, one a line, in place of what the file had; Secrets carry no values here."""
    with store.lock:
        lines = [stored.full() for shelf in store.shelves.values() for stored in shelf.ordered()]
    fresh = place.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(b"\n".join(lines) + b"\n")
    fresh.replace(place)


def load(store: Store, place: Path) -> bool:
    """Put the objects of a file into a store as they were; False without one, or with one that can't be read."""
    if not place.exists():
        return False
    try:
        objects: list[Object] = [decode(line) for line in place.read_bytes().splitlines() if line]
    except ValueError:
        return False
    oldest = (datetime.now(UTC) - EVENTS_LIVE).strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.lock:
        for found in objects:
            if found["kind"] != "Event" or found.get("lastTimestamp", "") >= oldest:
                store.put(found)
    return bool(objects)


def next_number(pods: Iterable[Object]) -> int:
    """Return from which number on kubelets give addresses (10.244.x.y) that none of these pods has."""
    used = [1]
    for pod in pods:
        parts = (pod["status"].get("podIP") or "").split(".")
        if parts[:2] == ["10", "244"]:
            used.append(int(parts[2]) * 250 + int(parts[3]) - 2)
    return max(used) + 1
