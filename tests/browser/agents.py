"""The agents beside pods of the simulated cluster, as a real one has them: each new pod logs in and reads its own.

A pod says by the injector's annotations what it gets; its agent asks the real OpenBao with the pod's own bound token.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.bao_http import Bao
from sandbox.kube_client import Kube

ROLE = "vault.hashicorp.com/role"
READS = "vault.hashicorp.com/agent-inject-secret-"
CHANGE = "keybook.dev/change"


@dataclass
class Login:
    """A database log-in that a pod was given."""

    pod: str
    lease: str
    username: str
    password: str


@dataclass
class Agents:
    """All agents of a namespace in one thread, which also notes how each workload rolled."""

    bao: Bao
    kube: Kube
    namespace: str
    logins: list[Login] = field(default_factory=list)
    counts: dict[str, set[tuple[int, int]]] = field(default_factory=dict)  # by app: ready pods of before, and new ones
    trouble: list[str] = field(default_factory=list)
    asleep: threading.Event = field(default_factory=threading.Event)
    _served: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Agents:
        """Serve the pods that run already, and begin."""
        self._look()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            try:
                self._look()
            except Exception as error:  # the test's own thread tells it
                self.trouble.append(repr(error))

    def _look(self) -> None:
        found = list(self.running())
        for app in {_app(pod) for pod in found}:
            ready = [pod for pod in found if _app(pod) == app and _ready(pod)]
            new = len([pod for pod in ready if CHANGE in (pod["metadata"].get("annotations") or {})])
            self.counts.setdefault(app, set()).add((len(ready) - new, new))
        for pod in found:
            if pod["metadata"]["uid"] not in self._served and not self.asleep.is_set():
                self._served.add(pod["metadata"]["uid"])
                self._serve(pod)

    def running(self) -> Iterator[dict[str, Any]]:
        """Give the pods that run, ask for an agent, and do not end."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?fieldSelector=status.phase%3DRunning"
        for pod in self.kube.must("GET", path)["items"]:
            if ROLE in (pod["metadata"].get("annotations") or {}) and not pod["metadata"].get("deletionTimestamp"):
                yield pod

    def _serve(self, pod: dict[str, Any]) -> None:
        meta, notes = pod["metadata"], pod["metadata"]["annotations"]
        account = pod["spec"]["serviceAccountName"]
        jwt = self.kube.token_of(self.namespace, account, pod=(meta["name"], meta["uid"]))
        mine = Bao(self.bao.url, address=pod["status"]["podIP"])
        auth = mine.must("POST", "auth/kubernetes/login", {"role": notes[ROLE], "jwt": jwt}).body["auth"]
        mine = mine.seen_as(token=auth["client_token"])
        for path in sorted(path for key, path in notes.items() if key.startswith(READS)):
            answer = mine.must("GET", path)
            if path.startswith("database/creds/"):
                given = answer.data
                mine.must("PUT", "sys/leases/renew", {"lease_id": answer.body["lease_id"], "increment": 1800})
                self.logins.append(Login(meta["name"], answer.body["lease_id"], given["username"], given["password"]))


def _app(pod: dict[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get("app", ""))


def _ready(pod: dict[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ())
