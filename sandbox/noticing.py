"""How the company follows what somebody else changes: new pods read at their start, operators read anew when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.bao_http import Answer
from sandbox.company import OPERATORS, SERVICES, Pod, Service
from sandbox.kube_delivery import CSI, ESO, VSO, copy_of, mount
from sandbox.speakers import Speakers
from sandbox.upkeep import Upkeep

ASKS = ("force-sync", "vso.hashicorp.com/resync")  # annotations by which an operator is asked to read anew
EVERY = 2.0  # seconds between two looks at pods and at what is asked
POLLS = 60.0  # seconds after which operators read again by themselves
Read = Callable[[Service, Pod, str], Answer]
Take = Callable[[Service, Pod, str], None]


class Notice:
    """What was seen already: pods, what operators were asked, and the versions that they have read."""

    def __init__(self, speakers: Speakers, upkeep: Upkeep, read: Read, take: Take) -> None:
        """Read by `read(service, pod, secret)` and take database log-ins by `take`, as the story does."""
        self._speakers, self._upkeep, self._read, self._take = speakers, upkeep, read, take
        self._pods: set[str] | None = None
        self._asked: dict[str, str] | None = None
        self._versions: dict[tuple[str, str], int] = {}
        self._looks = self._polls = 0.0

    def tick(self) -> None:
        """Do what is due."""
        if time.monotonic() >= self._looks:
            self._looks = time.monotonic() + EVERY
            self.greet()
            self.answer()
        if time.monotonic() >= self._polls:
            self._polls = time.monotonic() + POLLS
            self.poll()

    def told(self, secret: str) -> None:
        """Forget which version operators have read of a secret, whose change they were told by the story itself."""
        for service in SERVICES:
            self._versions.pop((service.account, secret), None)

    # New pods ---------------------------------------------------------------------------------------------------

    def greet(self) -> None:
        """Let each pod that is new read what it gets by itself, as its agent or its first lines do."""
        running = self._speakers.running()
        known, self._pods = self._pods, {pod.uid for pods in running.values() for pod in pods}
        if known is None:
            return  # those of the first look have run before
        for service in SERVICES:
            for pod in running.get(service.account, ()):
                if pod.uid not in known:
                    self._begin(service, pod)

    def _begin(self, service: Service, pod: Pod) -> None:
        if service.delivery in ("vso", "eso"):
            return  # it starts from the copy that is there
        for secret in service.secrets:
            self._read(service, pod, secret)
        for role in service.database:
            self._take(service, pod, role)
        if service.delivery == "csi":
            path = f"/apis/{CSI}/namespaces/{service.namespace}/secretproviderclasspodstatuses"
            self._speakers.cluster.must("POST", path, mount(service, pod))

    # Operators --------------------------------------------------------------------------------------------------

    def answer(self) -> None:
        """Let operators read what they are asked to read anew."""
        found = list(self._resources())
        asked = {one["metadata"]["uid"]: _ask(one) for _, _, one in found}
        for service, secret, one in found:
            ask = asked[one["metadata"]["uid"]]
            if self._asked is not None and ask and self._asked.get(one["metadata"]["uid"]) != ask:
                self._again(service, secret)
        self._asked = asked

    def _resources(self) -> Iterator[tuple[Service, str, dict[str, Any]]]:
        """Give each resource of an operator with the service and the secret, or the database's role, that it is of."""
        there = {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): one for one in self._listed()}
        for service in SERVICES:
            for secret in service.secrets:
                kind, name = ("ExternalSecret", service.name) if service.delivery == "eso" else (
                    "VaultStaticSecret", copy_of(service, secret),
                )  # fmt: skip
                if one := there.get((kind, service.namespace, name)):
                    yield service, secret, one
            for role in service.database:
                if one := there.get(("VaultDynamicSecret", service.namespace, copy_of(service, role))):
                    yield service, role, one

    def _listed(self) -> Iterator[dict[str, Any]]:
        for group, plurals in ((VSO, ("vaultstaticsecrets", "vaultdynamicsecrets")), (ESO, ("externalsecrets",))):
            for plural in plurals:
                yield from self._speakers.cluster.must("GET", f"/apis/{group}/{plural}")["items"]

    def _again(self, service: Service, secret: str) -> None:
        if secret in service.database:
            self._upkeep.take_for(service, secret)
            return
        for pod in self._speakers.pods(service)[:1]:
            self._note(service, secret, self._read(service, pod, secret))
            self._upkeep.renew(service, secret)

    def poll(self) -> None:
        """Let operators read what they keep, and write it anew where it has changed since."""
        for service in SERVICES:
            pods = self._speakers.pods(service) if service.delivery in OPERATORS else []
            for secret in service.secrets if pods else ():
                known = self._versions.get((service.account, secret))
                version = self._note(service, secret, self._read(service, pods[0], secret))
                if known is not None and version > known:
                    for pod in pods[1:] if service.delivery == "csi" else ():
                        self._read(service, pod, secret)
                    self._upkeep.renew(service, secret)

    def _note(self, service: Service, secret: str, answer: Answer) -> int:
        version = int((answer.data.get("metadata") or {}).get("version") or 0)
        if version:
            self._versions[service.account, secret] = version
        return version


def _ask(one: dict[str, Any]) -> str:
    notes = one["metadata"].get("annotations") or {}
    return " ".join(notes[key] for key in ASKS if key in notes)
