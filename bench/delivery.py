"""Who gets which secret, what keeps others from it, and which version each pod holds: CPU seconds for 10,000 pods.

The pods are those of the recorded cluster, over and over with uids of their own, beside all its other objects.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from bench import machine
from bench.report import Table
from cluster import delivery
from cluster.decoding import decode_object
from cluster.held import held
from cluster.resources import RESOURCES
from cluster.scene import Scene
from cluster.versions import Version

_RECORDED = Path(__file__).parents[1] / "tests" / "data" / "cluster" / "objects.ndjson.gz"
_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_CHANGED = datetime(2026, 11, 21, 4, 35, 51, tzinfo=UTC)


def objects(pods: int) -> list[Any]:
    """Return so many pods and what belongs to them."""
    kinds = {(each.group, each.kind): each for each in RESOURCES.values()}
    lines = [(json.loads(line), line) for line in gzip.decompress(_RECORDED.read_bytes()).splitlines()]
    rest = [
        decode_object(kinds[given["apiVersion"].rpartition("/")[0], given["kind"]], line)
        for given, line in lines
        if given["kind"] not in {"Pod", "PartialObjectMetadata"}
    ]
    own = [(line, given["metadata"]["uid"].encode()) for given, line in lines if given["kind"] == "Pod"]
    copies = (line.replace(uid, b"%s-%d" % (uid, n)) for n in range(pods // len(own) + 1) for line, uid in own)
    return [*rest, *(decode_object(RESOURCES["pods"], line) for line in islice(copies, pods))]


def measure(given: argparse.Namespace) -> None:
    """Judge the same cluster some times and print the table."""
    found = objects(given.pods)
    rounds = [_round(found) for _ in range(given.rounds)]
    table = Table(f"Delivery to {given.pods} pods")
    for measured in ("consumers", "troubles", "versions held"):
        table.atmost(f"CPU for {measured}", [one[measured] for one in rounds], 2, unit=" s")
    table.row("consumers found", str(int(rounds[0]["found"])))
    table.show()


def _round(found: list[Any]) -> dict[str, float]:
    began = time.process_time()
    scene = Scene(found, _NOW)
    consumers = delivery.consumers(scene)
    after = time.process_time()
    delivery.troubles(scene)
    last = time.process_time()
    held(scene, consumers, {each.path: [Version(1), Version(2, _CHANGED)] for each in consumers if each.path})
    over = time.process_time()
    return {"consumers": after - began, "troubles": last - after, "versions held": over - last, "found": len(consumers)}


def main() -> None:
    """Measure what a cluster's picture costs to judge: `python -m bench.delivery`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pods", type=int, default=10_000, help="pods in the cluster (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often it is measured (5)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a quiet machine (180)")
    given = parser.parse_args()
    machine.wait_until_quiet(given.patience)
    measure(given)


if __name__ == "__main__":
    main()
