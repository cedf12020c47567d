"""P10: a cluster of 10,000 pods listed in pages of 500 and mirrored into memory: CPU seconds and memory of our process.

The API server is the simulated one, in a process of its own; each round is a fresh process of ours, so that its peak is
that of the list. Both ways of a list are measured: packed, as Keybook asks for it, and plain, as it comes from a server
that does not pack.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from statistics import median
from typing import Any

from bench import machine
from bench.report import Table, spread
from cluster.client import Client
from cluster.picture import Picture
from cluster.place import Address
from cluster.resources import RESOURCES
from cluster.watch import Watching
from sandbox.kubeapi import KubeApi

_PODS = RESOURCES["pods"]


class Listed(Picture):
    """Ends the watch as soon as the list is whole: its time is over then."""

    over = False

    def listed(self, *given: Any) -> None:
        """Take it, and be over."""
        super().listed(*given)
        self.over = True


def measure(given: argparse.Namespace) -> None:
    """Serve the pods, measure both ways in turns and print the table."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "urllib3", "kubernetes"))
    print(f"{machine.facts()}. Python {platform.python_version()}, {packages}.", flush=True)
    with served(given.pods) as (url, token, size, _):
        rounds = [_round(url, token, way, given.pods) for _ in range(given.rounds) for way in ("gzip", "identity")]
    table = Table(f"P10: {given.pods} pods listed and mirrored")
    table.row("a pod, bytes of JSON", f"{size}")
    for way, name in (("gzip", "packed"), ("identity", "plain")):
        found = [one for one in rounds if one["way"] == way]
        table.atmost(f"CPU of our process, {name}", [one["cpu"] for one in found], 1, unit=" s")
        table.atmost(f"its memory at the most, {name}", [one["peak"] for one in found], 300, "{:.0f}", " MB")
        table.row(f"wall time, {name}", spread([one["wall"] for one in found], unit=" s"))
    table.row("CPU to import the official client, once a process", f"{median(one['import'] for one in rounds):.2f} s")
    table.show()


@contextmanager
def served(pods: int) -> Iterator[tuple[str, str, int, Callable[[str], None]]]:
    """Yield address and token of a server in another process, the bytes of one pod, and how to tell it something."""
    command = [sys.executable, "-m", "bench.mirror", "--serve", "--pods", str(pods)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stdin
        told = json.loads(server.stdout.readline())
        told_to = server.stdin

        def tell(words: str) -> None:
            told_to.write(f"{words}\n")
            told_to.flush()

        yield told["url"], told["token"], told["size"], tell
        server.stdin.close()


def _round(url: str, token: str, way: str, pods: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.mirror", "--list", url, "--way", way]
    output = subprocess.run(command, input=token, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(output)
    assert found["pods"] == pods, found
    print(f"  {way}: CPU {found['cpu']:.2f} s, wall {found['wall']:.2f} s, peak {found['peak']:.0f} MB", flush=True)
    return found


def list_once(url: str, way: str) -> None:
    """List everything once through the real loop, and print what it cost."""
    began = time.process_time()
    client = Client(Address(url, sys.stdin.read().strip()))
    imported = time.process_time() - began
    if way == "identity":
        _ask_plain(client)
    picture = Listed()
    began, wall = time.process_time(), time.perf_counter()
    watching = Watching(client, _PODS, picture, until=1.0, clock=lambda: 2.0 if picture.over else 0.0)
    watching.run()
    cpu, passed = time.process_time() - began, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    told = {"way": way, "cpu": cpu, "wall": passed, "peak": peak, "import": imported}
    print(json.dumps(told | {"pods": len(picture.of(_PODS).objects)}))


def _ask_plain(client: Client) -> None:
    ask = client._ask

    def plain(method: str, path: str, params: Any, headers: dict[str, str], **also: Any) -> Any:
        return ask(method, path, params, headers | {"Accept-Encoding": "identity"}, **also)

    client._ask = plain  # type: ignore[method-assign]


def serve(pods: int) -> None:
    """Serve that many pods until the input ends; prints where as one line of JSON."""
    with KubeApi() as api:
        for number in range(pods // 100 + 1):
            api.store.namespace(f"team-{number}")
        for number in range(pods):
            stored = api.store.put(pod(number))
        print(json.dumps({"url": api.url, "token": api.token, "size": len(stored.item())}), flush=True)
        for line in sys.stdin:
            _change(api, pods, int(line.split()[1]))
    os._exit(0)


def _change(api: KubeApi, pods: int, count: int) -> None:
    """Change pods, 1,200 a second: a label, as a status changes."""
    began = time.monotonic()
    for number in range(count):
        found = pod(number % pods)
        found["metadata"]["labels"]["turn"] = str(number)
        api.store.put(found)
        time.sleep(max(0.0, began + number / 1200 - time.monotonic()))


def pod(number: int) -> dict[str, Any]:
    """Return a pod as a real one is: about 10 kB, most of it managedFields, one in three with the agent's sidecar."""
    name, team = f"service-{number % 700}-{number:06x}-x{number % 97:02}", f"team-{number // 100}"
    labels = {"app.kubernetes.io/name": f"service-{number % 700}", "pod-template-hash": f"{number % 700:x}"}
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    containers = [_container("app", number)] + ([_container("vault-agent", number)] if number % 3 == 0 else [])
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": team, "labels": labels,
            "annotations": {"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": team},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name[:-4],
                                 "uid": f"{number:036}", "controller": True, "blockOwnerDeletion": True}],
            "managedFields": [_managed("kube-controller-manager", 60), _managed("kubelet", 70)],
        },
        "spec": {"containers": containers, "serviceAccountName": f"service-{number % 700}",
                 "nodeName": f"node-{number % 90}",
                 "volumes": [{"name": "vault-secrets", "emptyDir": {"medium": "Memory"}}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
                   "startTime": "2026-11-01T10:00:00Z",
                   "containerStatuses": [_status(one["name"], number) for one in containers]},
    }  # fmt: skip


def _container(name: str, number: int) -> dict[str, Any]:
    env = [{"name": f"SETTING_{place}", "value": f"value {place} of {number}"} for place in range(12)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1}
    mounts = [{"name": "vault-secrets", "mountPath": "/vault/secrets"}]
    return {
        "name": name, "image": f"registry.example/{name}:{number % 50}", "env": env, "volumeMounts": mounts,
        "livenessProbe": probe, "readinessProbe": probe,
        "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "250m", "memory": "64Mi"}},
    }  # fmt: skip


def _status(name: str, number: int) -> dict[str, Any]:
    return {
        "name": name, "ready": True, "started": True, "restartCount": number % 3, "imageID": f"sha256:{number:064x}",
        "containerID": f"containerd://{number:064x}", "state": {"running": {"startedAt": "2026-11-01T10:00:05Z"}},
    }  # fmt: skip


def _managed(manager: str, fields: int) -> dict[str, Any]:
    tree = {f"f:field-number-{place}": {"f:name": {}, "f:value": {".": {}, "f:of": {}}} for place in range(fields)}
    return {
        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-11-01T10:00:05Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": tree},
    }  # fmt: skip


def main() -> None:
    """Measure P10: `python -m bench.mirror`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pods", type=int, default=10_000, help="pods in the cluster (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured (5)")
    parser.add_argument("--patience", type=float, default=180, help="seconds to wait for a quiet machine (180)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", help=argparse.SUPPRESS)
    parser.add_argument("--way", default="gzip", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.pods)
    elif given.list:
        list_once(given.list, given.way)
    else:
        machine.wait_until_quiet(given.patience)
        measure(given)


if __name__ == "__main__":
    main()
