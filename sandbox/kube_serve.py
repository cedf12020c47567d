"""`python -m sandbox.kube_serve KUBECONFIG`: serves a simulated cluster where that file says, until it is ended."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.kube_client import read_kubeconfig
from sandbox.kube_company import NODES, settle
from sandbox.kubeapi import KubeApi


def main() -> int:
    """Serve the company's cluster."""
    asked = read_kubeconfig(Path(sys.argv[1]))
    api = KubeApi(port=urlsplit(asked.url).port or 0, token=asked.token)
    api.controllers.kubelets.nodes(*NODES)
    settle(api.store, api.access)
    # Versions go on from one run to the next, so that whoever watched before is told 410 instead of nothing.
    api.store.age(time.time_ns() // 1_000_000)
    with api:
        api.controllers.start()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
