"""Who speaks to OpenBao for the company: pods, their operators, people; each logs in from an address of its own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from sandbox.bao_http import Bao
from sandbox.company import OPERATORS, PEOPLE, Operator, Pod, Service
from sandbox.kube_client import Kube

SESSION = 900.0  # seconds after which a client logs in again; its token lives an hour


class Speakers:
    """Logs everybody in when they first speak, and again when their token has grown old."""

    def __init__(self, url: str, cluster: Kube) -> None:
        """Nobody has logged in to the OpenBao at `url` yet."""
        self.url, self.cluster = url, cluster
        self.passwords = {person: secrets.token_urlsafe(12) for person in PEOPLE}
        self._sessions: dict[str, tuple[Bao, float]] = {}

    def forget(self, bao: Bao | None = None) -> None:
        """Forget a session whose token OpenBao takes no longer, or all."""
        self._sessions = {who: one for who, one in self._sessions.items() if bao and one[0] is not bao}

    def log_in(self, path: str, given: dict[str, str], address: str) -> Bao:
        """Return who logs in at an auth method's path. Raises YardError when OpenBao refuses."""
        bao = Bao(self.url, address=address)
        return bao.seen_as(token=bao.must("POST", path, given).body["auth"]["client_token"])

    def account(self, role: str, token: str, address: str) -> Bao:
        """Return who logs in with a service account's token."""
        return self.log_in("auth/kubernetes/login", {"role": role, "jwt": token}, address)

    def pod(self, service: Service, pod: Pod) -> Bao:
        """Return a pod, or the agent in it."""

        def log_in() -> Bao:
            token = self.cluster.token_of(service.namespace, service.name, pod=(pod.name, pod.uid))
            return self.account(service.name, token, pod.address)

        return self._session(pod.uid, log_in)

    def operator(self, service: Service, pod: Pod) -> Bao:
        """Return the operator that reads for a service: from its own address, with the service's account."""
        operator = OPERATORS[service.delivery]
        whose = pod.uid if operator.everywhere else service.account

        def log_in() -> Bao:
            bound = (pod.name, pod.uid) if operator.everywhere else None
            token = self.cluster.token_of(service.namespace, service.name, pod=bound)
            return self.account(service.name, token, self.operators_pod(operator, pod.node).address)

        return self._session(f"{operator.name} {whose}", log_in)

    def reader(self, service: Service, pod: Pod, secret: str) -> Bao:
        """Return who reads a secret for a pod: an operator its own secrets where one delivers them, else the pod."""
        delivered = service.delivery in OPERATORS and secret in service.secrets
        return self.operator(service, pod) if delivered else self.pod(service, pod)

    def person(self, name: str) -> Bao:
        """Return a person at their desk."""
        address = f"10.8.0.{20 + PEOPLE.index(name)}"
        given = {"password": self.passwords[name]}
        return self._session(name, lambda: self.log_in(f"auth/userpass/login/{name}", given, address))

    def _session(self, who: str, login: Callable[[], Bao]) -> Bao:
        known = self._sessions.get(who)
        if known is None or time.monotonic() > known[1]:
            known = self._sessions[who] = login(), time.monotonic() + SESSION
        return known[0]

    # As the cluster names them ----------------------------------------------------------------------------------

    def pods(self, service: Service, phase: str = "Running") -> list[Pod]:
        """Return the pods of a service in a phase, but those that are ending."""
        return self._pods(service.namespace, f"app%3D{service.name}", phase)

    def running(self) -> dict[str, list[Pod]]:
        """Return all pods that run and do not end, by namespace/app."""
        found: dict[str, list[Pod]] = {}
        for pod in self.cluster.must("GET", "/api/v1/pods?fieldSelector=status.phase%3DRunning")["items"]:
            app = (pod["metadata"].get("labels") or {}).get("app")
            if app and not pod["metadata"].get("deletionTimestamp"):
                found.setdefault(f"{pod['metadata']['namespace']}/{app}", []).append(_pod_of(pod))
        return found

    def operators_pod(self, operator: Operator, node: str = "") -> Pod:
        """Return an operator's pod, that of a node if it runs on each."""
        pods = self._pods(operator.namespace, f"app.kubernetes.io%2Fname%3D{operator.name}", "Running")
        return next((pod for pod in pods if pod.node == node), pods[0])

    def _pods(self, namespace: str, label: str, phase: str) -> list[Pod]:
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector={label}&fieldSelector=status.phase%3D{phase}"
        found = self.cluster.must("GET", path)["items"]
        return [_pod_of(pod) for pod in found if not pod["metadata"].get("deletionTimestamp")]


def _pod_of(found: dict[str, Any]) -> Pod:
    status, node = found["status"], found["spec"].get("nodeName", "")
    return Pod(found["metadata"]["name"], found["metadata"]["uid"], status.get("podIP", ""), node)
