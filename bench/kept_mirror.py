"""P10 with PostgreSQL: the pods of a cluster listed, mirrored into tables, worked out, then changed 1,200 a second.

The API server is the simulated one, in a process of its own. CPU seconds are those of our process; PostgreSQL's own are
a row beside them. Needs a database: `bin/sandbox --servers-only python -m bench.kept_mirror`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from typing import Any

import django

from bench import machine
from bench.mirror import served
from bench.report import Table
from cluster.client import Client
from cluster.place import Address
from cluster.resources import RESOURCES, Resource
from cluster.turn import hold

django.setup()

from inventory import cluster_rows  # noqa: E402
from inventory.cluster_models import ClusterLink, KubeObject, PodState  # noqa: E402
from inventory.models import Cluster, PodLife  # noqa: E402
from inventory.reckoning import Reckoner  # noqa: E402
from inventory.sync_cluster import ClusterSink  # noqa: E402
from kit.heap import settle  # noqa: E402

_PODS = RESOURCES["pods"]
Figures = dict[str, float]


class Never(Reckoner):
    """Works nothing out by itself, so that its cost is measured apart."""

    def perhaps(self, watches: Any) -> bool:
        """Leave it."""
        return False


class Measured(ClusterSink):
    """Says when the list is whole and written, and when the change that was waited for is written."""

    whole: threading.Event
    wanted = ""

    def listed(self, resource: Resource, generation: int, resource_version: str) -> None:
        """Take it, and say so."""
        super().listed(resource, generation, resource_version)
        self.whole.set()


def once(url: str, token: str, way: str) -> None:
    """Take one step in this process, and print what it cost as JSON."""
    settle()  # as the worker does
    cluster, _ = Cluster.objects.get_or_create(name="bench", uid="bench")
    ClusterLink.objects.get_or_create(cluster=cluster, defaults={"connected_at": cluster_rows.now()})
    client = Client(Address(url, token))
    found = _STEPS[way](cluster, client)
    found |= {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}
    print(json.dumps(found))


def _list(cluster: Cluster, client: Client) -> Figures:
    sink, stop = Measured(cluster, reckoner=Never(cluster)), threading.Event()
    sink.whole = stop
    cpu, wall = time.process_time(), time.perf_counter()
    hold(client, [_PODS], sink, seconds=120, stop=stop)
    sink.commit()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def _list_again(cluster: Cluster, client: Client) -> Figures:
    cluster.watches.update(version="")
    return _list(cluster, client)


def _reckon(cluster: Cluster, client: Client) -> Figures:
    reckoner = Reckoner(cluster)
    cpu, wall = time.process_time(), time.perf_counter()
    reckoner.reckon()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def _follow(cluster: Cluster, client: Client) -> Figures:
    """Follow what changes until nothing has for two seconds."""
    sink, stop = ClusterSink(cluster, reckoner=Never(cluster)), threading.Event()
    last, cpu = [time.monotonic(), 0.0], [0.0, 0.0]

    class Counting(type(sink)):  # type: ignore[misc]
        count = 0

        def event(self, resource: Resource, event: Any) -> None:
            super().event(resource, event)
            Counting.count += 1
            last[0], cpu[0] = time.monotonic(), time.process_time()
            if Counting.count == 1:
                last[1], cpu[1] = last[0], cpu[0]

        def settle(self) -> None:
            super().settle()
            if Counting.count and time.monotonic() - last[0] > 5:
                stop.set()

    sink.__class__ = Counting
    print("ready", flush=True)
    hold(client, [_PODS], sink, seconds=120, stop=stop)
    sink.commit()
    return {"cpu": cpu[0] - cpu[1], "wall": last[0] - last[1], "events": Counting.count}


_STEPS = {"list": _list, "again": _list_again, "reckon": _reckon, "follow": _follow}


def measure(given: argparse.Namespace) -> None:
    """Serve the pods, take each step in a process of its own, and print the table."""
    print(f"{machine.facts()}.", flush=True)
    table = Table(f"P10: {given.pods} pods listed and mirrored in PostgreSQL")
    rows: dict[str, list[Figures]] = {way: [] for way in _STEPS}
    with served(given.pods) as (url, token, _, tell):
        for _ in range(given.rounds):
            Cluster.objects.filter(name="bench").delete()
            for way, found in rows.items():
                found.append(_step(url, token, way, tell, given.changes))
                print(f"  {way}: {found[-1]}", flush=True)
            assert KubeObject.objects.filter(gone_at=None).count() == PodLife.objects.count() == given.pods
            assert PodState.objects.count() == given.pods
    Cluster.objects.filter(name="bench").delete()
    names = {
        "list": "listed and written", "again": "listed again, nothing new", "reckon": "worked out",
        "follow": f"{given.changes} changes followed",
    }  # fmt: skip
    for way, found in rows.items():
        goal = {"list": 1.0, "again": 1.0}.get(way)
        told = [one["cpu"] for one in found]
        if goal:
            table.atmost(f"CPU of our process, {names[way]}", told, goal, unit=" s")
        else:
            table.row(f"CPU of our process, {names[way]}", f"{min(told):.2f}-{max(told):.2f} s")
        table.atmost(f"its memory at the most, {names[way]}", [one["peak"] for one in found], 300, "{:.0f}", " MB")
    follow = [one["events"] / one["cpu"] for one in rows["follow"]]
    table.atleast("changes that one second of our CPU takes", follow, 1000, "{:.0f}")
    seen = [one["events"] / max(one["wall"], 0.001) for one in rows["follow"]]
    table.row("changes a second, as fast as the simulated server gives them", f"{min(seen):.0f}-{max(seen):.0f}")
    table.show()


def _step(url: str, token: str, way: str, tell: Any, changes: int) -> Figures:
    command = [sys.executable, "-m", "bench.kept_mirror", "--step", way, "--url", url]
    environment = {**os.environ, "BENCH_TOKEN": token}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        if way == "follow":
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            tell(f"change {changes}")
        found: Figures = json.loads(process.stdout.readline())
    return found


def main() -> None:
    """Measure: `bin/sandbox --servers-only python -m bench.kept_mirror`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pods", type=int, default=10_000, help="pods in the cluster (10000)")
    parser.add_argument("--changes", type=int, default=5_000, help="changes, at 1,200 a second (5000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often it is measured (3)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a quiet machine (180)")
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        once(given.url, os.environ["BENCH_TOKEN"], given.step)
    else:
        machine.wait_until_quiet(given.patience)
        measure(given)


if __name__ == "__main__":
    main()
