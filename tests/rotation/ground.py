"""Changes on real parts: a real OpenBao, a simulated cluster over HTTP, and the worker's turns without its process.

ann asks and bob approves by the real ways; only the plan's target is the tests' own, with real steps.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from cluster.client import Client
from cluster.operating import Operator as Restarter
from cluster.place import Address
from cluster.rollouts import fingerprint
from inventory.models import Connection
from rotation import targets, turns
from rotation.approving import approve
from rotation.doors import OpenDoors
from rotation.models import Change
from rotation.planning import Drawn, StepSpec
from sandbox.bao_http import Bao
from sandbox.kube_defaults import fill
from sandbox.kube_resources import kind_of
from sandbox.kube_selectors import Object
from sandbox.kubeapi import KubeApi
from tests.rotation import asked
from tests.rotation.live import ROLE, LiveDoors, LogWitness, enrol
from vault.enrolment import enrolment
from vault.operating import Operator

CHANGE = "keybook.dev/change"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the tests' plans."""

    label: str


@dataclass(frozen=True)
class RealDoors(LiveDoors):
    """The real OpenBao by tokens of the tests' role, and the cluster as its administrator."""

    kube: KubeApi

    @contextmanager
    def cluster(self, cluster: str) -> Iterator[Restarter]:
        """Open the cluster."""
        yield Restarter(Client(Address(self.kube.url, self.kube.token)))


@dataclass
class Ground:
    """What a test does its changes on; `environment` says which OpenBao."""

    kube: KubeApi
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    plans: dict[str, list[StepSpec]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Enrol, and write version 1 of a secret of the test's own."""
        self.root = Bao(self.environment["VAULT_ADDR"], self.environment["VAULT_TOKEN"])
        self.enrol()
        self.secret = f"ground/{uuid.uuid4().hex[:8]}"
        self.place = {"mount": "secret", "path": self.secret, "namespace": ""}
        self.write("first")

    def enrol(self) -> None:
        """Give the role of the tests what their steps need."""
        enrol(self.root)

    # The worker -------------------------------------------------------------------------------------------------

    def take_over(self, monkeypatch) -> None:
        """Have the worker's hands reach for these parts."""
        server = Operator(self.root.url, self.root.token, plain_http=True)
        log = LogWitness(Path(self.environment["KEYBOOK_AUDIT_LOG"]))
        target = SimpleNamespace(
            TITLE="Ground", FAMILY="rotate", Args=Wanted, risk=lambda _args: "high",
            draw=lambda args, _wish, _estate: Drawn("Rotate", args.label, self.plans[args.label], "demo", "prod"),
        )  # fmt: skip
        known = {**targets.kinds(), "ground": target}
        monkeypatch.setattr(targets, "kinds", lambda: known)
        monkeypatch.setattr("rotation.hands.witness", lambda: log)
        monkeypatch.setattr("rotation.hands.books", lambda: SimpleNamespace())
        monkeypatch.setattr(
            "rotation.hands._doors", lambda change, step: RealDoors(server, change.name, step, self.kube)
        )

    def real_doors(self, monkeypatch) -> None:
        """Mint by the product's own doors, as the executor."""
        server = Operator(self.root.url, self.root.token, plain_http=True)
        Connection.objects.create(vault="demo", address=self.root.url)
        monkeypatch.setattr("rotation.doors.operator_of", lambda *_: server)
        monkeypatch.setattr("rotation.hands._doors", lambda one, step: OpenDoors("", "", one.name, step, one.plan_hash))

    def take(self, change: Change, until: Callable[[Change], Any] | None = None, patience: float = 30) -> Change:
        """Be the worker, and let no time pass between its turns, until something is so; by default until it ends."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            Change.objects.filter(pk=change.pk).update(due_at=None)
            turns.take(change.pk)
            change.refresh_from_db()
            if until(change) if until else change.state not in ("requested", "approved", "running"):
                return change
            time.sleep(0.02)
        step = change.steps.exclude(state="done").order_by("number").first()
        raise AssertionError(f"{change.state}: {change.says or (step and step.says)}")

    # People -----------------------------------------------------------------------------------------------------

    def ask(self, *specs: StepSpec) -> Change:
        """Have ann ask for steps, and the worker look at them."""
        label = f"plan {len(self.plans) + 1}"
        self.plans[label] = list(specs)
        ann = self.people("ann")
        change = asked.ask(ann, "ground", checked=False, label=label)
        turns.take(change.pk)
        change.refresh_from_db()
        return change

    def approved(self, *specs: StepSpec) -> Change:
        """Have ann ask and bob approve."""
        change = self.ask(*specs)
        assert change.found["ok"], change.found
        return self.approve(change, "bob")

    def approve(self, change: Change, name: str) -> Change:
        """Have somebody approve what the worker found last."""
        change.refresh_from_db()
        approve(change, self.people(name), change.plan_hash, asked.fresh())
        change.refresh_from_db()
        return change

    def people(self, name: str) -> Any:
        """Return one of the cast."""
        return asked.User.objects.filter(username=name).first() or asked.person(name)

    # The steps --------------------------------------------------------------------------------------------------

    def writes(self) -> StepSpec:
        """Return the step that writes a new version."""
        return StepSpec("write_kv", {"place": self.place, "role": ROLE, "keys": ["password"], "policy": ""})

    def retires(self) -> StepSpec:
        """Return the step that destroys the old one."""
        return StepSpec("retire_version", {"place": self.place, "role": ROLE})

    def revokes(self, *leases: str) -> StepSpec:
        """Return the step that revokes leases of the sandbox's database."""
        role = enrolment("lease", "revoke", "database").name
        return StepSpec("revoke_leases", {"leases": list(leases), "role": role, "namespace": ""})

    def restarts(self, name: str = "web") -> StepSpec:
        """Return the step that restarts a deployment as it is now."""
        with RealDoors(Operator(self.root.url, ""), "", 0, self.kube).cluster("prod") as operator:
            seen = operator.look("Deployment", "shop", name).workload
        given = {"cluster": "prod", "kind": "Deployment", "namespace": "shop", "name": name}
        return StepSpec("restart_rollout", {**given, "uid": seen.metadata.uid, "fingerprint": fingerprint(seen)})

    # The estate -------------------------------------------------------------------------------------------------

    def deploy(self, name: str = "web", **spec: Any) -> None:
        """Run a deployment of two pods."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
        wish = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
        meta = {"name": name, "namespace": "shop"}
        made: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": wish}
        fill(kind_of("deployments", "apps"), made)
        self.kube.store.put(made)

    def keep_new_pods_unready(self, *, unready: bool = True) -> None:
        """Let no pod of a restart become ready, or let them be."""
        self.kube.controllers.kubelets.never_ready = _restarted if unready else lambda _pod: False

    def restarted(self) -> int:
        """Return how many patches went to the cluster that were no dry run."""
        return len([one for one in self.kube.requests if one.verb == "patch" and "dryRun" not in one.query])

    def write(self, value: str) -> None:
        """Write a version as somebody else would."""
        self.root.must("POST", f"secret/data/{self.secret}", {"data": {"password": value, "user": "app"}})

    def issue(self) -> str:
        """Return the lease of a fresh database log-in."""
        return str(self.root.must("GET", "database/creds/payments-ro").body["lease_id"])

    def lives(self, lease: str) -> bool:
        """Ask Vault whether a lease lives."""
        return self.root.call("PUT", "sys/leases/lookup", {"lease_id": lease}).status == 200

    def versions(self) -> dict[int, bool]:
        """Return the versions in Vault, and whether each is destroyed."""
        found = self.root.must("GET", f"secret/metadata/{self.secret}").data["versions"]
        return {int(number): one["destroyed"] for number, one in found.items()}


def _restarted(pod: Object) -> bool:
    return CHANGE in (pod["metadata"].get("annotations") or {})
