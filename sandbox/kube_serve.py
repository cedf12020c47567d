"""`python -m sandbox.kube_serve KUBECONFIG`: serves a simulated cluster where that file says, until it is ended."""

from __future__ import annotations

import signal
import sys
import time
from datetime import timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.company import uid_of
from sandbox.kube_client import read_kubeconfig
from sandbox.kube_company import NODES, attend, settle
from sandbox.kube_keeping import load, next_number, save
from sandbox.kube_store import Store, now
from sandbox.kubeapi import KubeApi

KEPT_EVERY = 5.0  # seconds
BOOKMARKS = 20.0  # seconds; of quiet resources too, as with etcd's progress notification: their watches live
AGE = timedelta(days=8)  # the company's pods ran before: its week of history is theirs


def main() -> int:
    """Serve the company's cluster."""
    place = Path(sys.argv[1])
    asked, kept = read_kubeconfig(place), place.with_name("objects.ndjson")
    api = KubeApi(port=urlsplit(asked.url).port or 0, token=asked.token)
    if not load(api.store, kept):
        api.controllers.kubelets.nodes(*NODES)
        settle(api.store, api.access, AGE)
    attend(api.store, api.controllers.kubelets)
    api.manners.progress, api.manners.bookmark_every = True, BOOKMARKS
    api.controllers.kubelets.numbers = count(next_number(api.store.objects("pods")))
    # Versions go on from one run to the next, so that whoever watched before is told 410 instead of nothing.
    api.store.age(time.time_ns() // 1_000_000)
    with api:
        api.controllers.start()
        saved = 0
        while signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, KEPT_EVERY) is None:
            beat(api.store)
            if api.store.version != saved:
                saved = api.store.version
                save(api.store, kept)
    save(api.store, kept)
    return 0


def beat(store: Store) -> None:
    """Renew the nodes' leases, as kubelets always do: versions move on, so that quiet watches get bookmarks."""
    for node in NODES:
        lease = {"name": node, "namespace": "kube-node-lease", "uid": uid_of(f"lease {node}")}
        spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now()}
        store.put({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": lease, "spec": spec})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
