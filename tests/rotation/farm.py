"""Playbooks on real parts: the yard with a workload that gets the secret, its picture, and who has read what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.core.management import call_command
from django.db import transaction

from accounts.scope import EVERYTHING
from inventory import cluster_rows
from inventory.cluster_models import SecretConsumer
from inventory.models import Cluster
from inventory.sightings import Reach, VersionRead
from rotation import api_told, plan, queries
from rotation.models import Change
from sandbox.kube_resources import kind_of
from tests.rotation.ground import RealDoors
from tests.rotation.live import LogWitness
from tests.rotation.test_playbook_runs import Yard

LEAKED, POD, STOLEN = ("leaked-static-secret", "compromised-pod", "stolen-identity")


class Farm(Yard):
    """A Deployment of two pods gets the secret from the injector, and must start anew to get another value."""

    def furnish(self, monkeypatch) -> None:
        """Let the record know of the workload, and Keybook choose values."""
        super().furnish(monkeypatch)
        self.kube.controllers.start()
        self.cluster = Cluster.objects.get()
        self.has_read: list[str] = []
        self.deploy(progressDeadlineSeconds=1)
        self.picture()
        self.gets("p-web")
        monkeypatch.setattr(plan, "may_generate", lambda: ("demo:secret/*",))
        monkeypatch.setattr(LogWitness, "reads", lambda *_: [_read(uid) for uid in self.has_read], raising=False)

    def picture(self, name: str = "web") -> None:
        """Have the mirror see a workload as it is now."""
        with RealDoors(None, "", 0, self.kube).cluster("prod") as operator:
            seen = operator.look("Deployment", "shop", name).workload
        with transaction.atomic():
            cluster_rows.write([cluster_rows.row_of(self.cluster, "deployments", seen, cluster_rows.now())])

    def gets(self, pod: str, workload: str = "web", **more: Any) -> None:
        """Let a pod of a workload get the secret."""
        SecretConsumer.objects.create(**{
            "cluster": self.cluster, "digest": pod.encode(), "namespace": "shop", "pod_uid": pod, "pod_name": pod,
            "container": "app", "workload_kind": "Deployment", "workload_name": workload, "workload_uid": workload,
            "method": "injector", "path": f"secret/data/{self.secret}", "needs_restart": "always",
            "service_account": "web", **more,
        })  # fmt: skip

    def change_workload(self, **spec: Any) -> None:
        """Write into the Deployment as somebody else."""
        with self.kube.store.lock:
            self.kube.store.edit(kind_of("deployments", "apps"), "shop", "web", lambda one: one["spec"].update(spec))

    def begin(self, name: str) -> Change:
        """Have a playbook asked for and approved."""
        inputs = {
            LEAKED: {"secret": f"secret/{self.secret}", "way": "generated", "keys": ["password"]},
            POD: {"which": "u1"}, STOLEN: {"principal": "payments/ledger"},
        }[name]  # fmt: skip
        return self.approve(self.respond(name, **inputs), "bob")

    def write_when_waited_for(self, change: Change) -> Change:
        """Be the issuer, where a playbook waits for one."""
        if change.args["playbook"] == LEAKED:
            return change
        change = self.take(change, lambda one: one.steps.filter(kind="await_version", state="waiting").exists())
        self.write("second")
        return change

    def late(self, change: Change, hours: float = 3) -> None:
        """Let time pass since its tries began."""
        for step in change.steps.all():
            step.attempts.update(began_at=datetime.now(UTC) - timedelta(hours=hours))

    def report(self, change: Change, monkeypatch, capsys) -> str:
        """Return the report as the command prints it, and see that its JSON says the same of the change."""
        log = SimpleNamespace(calls=lambda _name: [], reach=lambda _vault, _since: Reach(datetime.now(UTC)))
        monkeypatch.setattr("rotation.management.commands.playbook.witness", lambda: log)
        capsys.readouterr()
        call_command("playbook", "report", change.name, "--json")
        told = json.loads(capsys.readouterr().out)["change"]
        assert (told["says"] or "") == change.says and told["state"] == change.state
        assert told == api_told.whole(queries.one(change.pk, EVERYTHING), ()), "the API says the same"
        call_command("playbook", "report", change.name)
        return capsys.readouterr().out


def _read(uid: str) -> VersionRead:
    now = datetime.now(UTC)
    return VersionRead("pod", "prod", uid, "shop", uid, "exact", "", "shop/web", "service_account", 1, now, now, 7)
