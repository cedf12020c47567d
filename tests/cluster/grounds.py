"""Where the suite marked realkube runs: the simulated Kubernetes API always, and a real one that the environment names.

KUBE_TEST_URL with KUBE_TEST_TOKEN and KUBE_TEST_CA (a file), or KUBE_TEST_KUBECONFIG (a file): never a cluster that
happens to be the current one, for the tests make and delete namespaces.
"""

from __future__ import annotations

import base64
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from cluster.place import Address, Kubeconfig
from tests.cluster.speaking import Speaker

GIVEN = ["simulated"] + (["real"] if {"KUBE_TEST_URL", "KUBE_TEST_KUBECONFIG"} & set(os.environ) else [])
IMAGE = os.environ.get("KUBE_TEST_IMAGE", "registry.k8s.io/pause:3.10")
NO_IMAGE = "keybook.invalid/none:1"  # which no cluster can pull


@dataclass
class Ground:
    """A namespace of its own on one of the API servers."""

    speak: Speaker
    namespace: str
    real: bool = False
    patience: float = field(default=10.0)

    def path(self, plural: str, group: str = "", name: str = "", sub: str = "") -> str:
        """Return the path of a resource in the namespace."""
        root = f"/apis/{group}" if group else "/api/v1"
        return "/".join(part for part in (root, "namespaces", self.namespace, plural, name, sub) if part)

    def made(self, plural: str, found: dict, group: str = "") -> dict:
        """Create an object that must be accepted and return it."""
        answer = self.speak.post(self.path(plural, group), found)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def read(self, plural: str, name: str, group: str = "") -> dict:
        """Return an object that must be there."""
        answer = self.speak.get(self.path(plural, group, name))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, fact, what: str):
        """Wait for a fact and return it."""
        deadline = time.monotonic() + self.patience
        while not (found := fact()):
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not happen within {self.patience:.0f} s")
            time.sleep(0.02)
        return found

    def guest(self, token: str) -> Speaker:
        """Return somebody else's plain HTTP with the same server."""
        other = Speaker(self.speak.url, token)
        other.session.verify = self.speak.session.verify
        return other


def real_speaker() -> Speaker:
    """Return plain HTTP with the API server that the environment names."""
    if "KUBE_TEST_URL" in os.environ:
        speaker = Speaker(os.environ["KUBE_TEST_URL"].rstrip("/"), os.environ.get("KUBE_TEST_TOKEN", ""))
        speaker.session.verify = os.environ.get("KUBE_TEST_CA") or True
        return speaker
    return _from_kubeconfig(yaml.safe_load(Path(os.environ["KUBE_TEST_KUBECONFIG"]).read_text()))


def _from_kubeconfig(config: dict) -> Speaker:
    def named(plural: str, name: str) -> dict:
        return next(item[plural[:-1]] for item in config[plural] if item["name"] == name)

    context = named("contexts", config["current-context"])
    cluster, user = named("clusters", context["cluster"]), named("users", context["user"])
    speaker = Speaker(cluster["server"].rstrip("/"), user.get("token", ""))
    speaker.session.verify = _file(cluster, "certificate-authority") or not cluster.get("insecure-skip-tls-verify")
    if certificate := _file(user, "client-certificate"):
        speaker.session.cert = (certificate, _file(user, "client-key"))
    return speaker


def _file(found: dict, name: str) -> str:
    if name in found:
        return found[name]
    if f"{name}-data" not in found:
        return ""
    with tempfile.NamedTemporaryFile(delete=False) as kept:
        kept.write(base64.b64decode(found[f"{name}-data"]))
    return kept.name


def real_place() -> Address | Kubeconfig:
    """Return where that API server is and how to log in, as the wire takes it."""
    if "KUBE_TEST_URL" in os.environ:
        token, trusted = os.environ.get("KUBE_TEST_TOKEN", ""), os.environ.get("KUBE_TEST_CA", "")
        return Address(os.environ["KUBE_TEST_URL"].rstrip("/"), token, ca_file=trusted)
    return Kubeconfig(os.environ["KUBE_TEST_KUBECONFIG"])
