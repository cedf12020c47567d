"""Speaks plain HTTP with the simulated Kubernetes API, as the company's pods and OpenBao's reviewer do."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import YardError

MERGE = "application/merge-patch+json"
CLUSTER = "KEYBOOK_SANDBOX_CLUSTER"  # never KUBECONFIG, which may name somebody's real cluster


@dataclass(frozen=True)
class Kube:
    """A client of the API at `url` with a bearer token."""

    url: str
    token: str

    def must(
        self, method: str, path: str, body: dict[str, Any] | None = None, form: str = "application/json"
    ) -> dict[str, Any]:
        """Send one request that has to succeed and return its JSON. Raises YardError, OSError when nobody answers."""
        wire = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": form}
        try:
            wire.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            reply = wire.getresponse()
            found: dict[str, Any] = json.loads(reply.read())
        except http.client.HTTPException as trouble:
            raise ConnectionError(f"The cluster at {self.url} broke off its answer: {trouble!r}") from trouble
        finally:
            wire.close()
        if reply.status >= 300:
            raise YardError(f"The cluster refused {method} {path} with {reply.status}: {found.get('message')}.")
        return found

    def token_of(self, namespace: str, account: str, *, pod: tuple[str, str] | None = None, life: int = 3600) -> str:
        """Return a fresh token of a service account; `pod` is the name and uid of the one that it is bound to."""
        spec: dict[str, Any] = {"expirationSeconds": life}
        if pod:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod[0], "uid": pod[1]}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.must("POST", path, asked)["status"]["token"])


def kubeconfig(url: str, token: str) -> str:
    """Return a kubeconfig, as JSON, which is YAML too."""
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": url}}],
        "users": [{"name": "sandbox", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        "current-context": "sandbox",
    }
    return json.dumps(found, indent=1) + "\n"


def read_kubeconfig(place: Path) -> Kube:
    """Return the client of a kubeconfig that we wrote."""
    found = json.loads(place.read_text())
    return Kube(found["clusters"][0]["cluster"]["server"], found["users"][0]["user"]["token"])


def sandbox_cluster() -> Kube | None:
    """Return the client of the cluster of the sandbox that we run in, None when it has none."""
    place = os.environ.get(CLUSTER)
    return read_kubeconfig(Path(place)) if place else None
