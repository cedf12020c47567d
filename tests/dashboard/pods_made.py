"""Clusters, pods and what they get, written into the tables as watching and reckoning would have left them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from inventory.cluster_models import ClusterLink, PodState, SecretConsumer, SecretTrouble, Watch, Workload
from inventory.freshness import NEEDED
from inventory.models import Cluster

NOW = datetime.now(UTC).replace(microsecond=0)
_numbers = count(1)


def digest() -> bytes:
    return next(_numbers).to_bytes(16, "big")


def cluster(name: str = "prod", *, heard: timedelta = timedelta(seconds=3), trouble: str = "") -> Cluster:
    """Return a connected cluster whose API server was heard of so long ago."""
    made, new = Cluster.objects.get_or_create(name=name, defaults={"uid": f"uid-{name}"})
    if new:
        ClusterLink.objects.create(cluster=made, connected_at=NOW - timedelta(days=1), trouble=trouble)
        for resource in NEEDED:
            Watch.objects.create(
                cluster=made, resource=resource, state="watching", since=NOW, heard_at=datetime.now(UTC) - heard
            )
    return made


def workload(name: str = "ledger", namespace: str = "payments", *, of: str = "prod", **more: Any) -> Workload:
    row = {"kind": "Deployment", "wanted": 2, "pods": 2, "ready": 2, "service_account": name, "uid": f"w-{name}"}
    return Workload.objects.create(
        cluster=cluster(of), digest=digest(), namespace=namespace, name=name, **{**row, **more}
    )


def pod(
    name: str = "ledger-7c9d8b6f5-x2lqp", namespace: str = "payments", *, of: str = "prod", **more: Any
) -> PodState:
    owner = name.rsplit("-", 2)[0]
    row = {
        "uid": f"u-{namespace}-{name}", "state": "running", "service_account": owner, "node": "node-4",
        "made_at": NOW - timedelta(hours=1), "workload_kind": "Deployment", "workload_name": owner,
        "workload_uid": f"w-{owner}", "methods": ["injector"], "secrets": 1,
    }  # fmt: skip
    return PodState.objects.create(
        cluster=cluster(of), digest=digest(), namespace=namespace, name=name, **{**row, **more}
    )


def gets(one: PodState, path: str = "secret/data/prod/ledger/bank-sftp", **more: Any) -> SecretConsumer:
    """Let a pod's container get a secret."""
    row = {
        "container": "app", "method": "injector", "credential": "kv", "role": "ledger", "auth_mount": "kubernetes",
        "uses": ["file"], "needs_restart": "never",
    }  # fmt: skip
    return SecretConsumer.objects.create(
        cluster=one.cluster, digest=digest(), namespace=one.namespace, pod_uid=one.uid, pod_name=one.name,
        workload_kind=one.workload_kind, workload_name=one.workload_name, workload_uid=one.workload_uid, path=path,
        **{**row, **more},
    )  # fmt: skip


def stuck(one: PodState, **more: Any) -> SecretTrouble:
    """Let a pod be stuck before its start."""
    row = {
        "symptom": "I", "cause": 16, "object_kind": "Pod", "object_name": one.name, "object_uid": one.uid,
        "says": "The agent runs and can't log in.", "mend": "Bind the service account to the role ledger.",
        "evidence": "permission denied", "sure": False, "also": [19, 24], "pods": [one.uid],
    }  # fmt: skip
    PodState.objects.filter(pk=one.pk).update(troubles=1, state="starting", reason="PodInitializing")
    return SecretTrouble.objects.create(
        cluster=one.cluster, digest=digest(), namespace=one.namespace, workload_kind=one.workload_kind,
        workload_name=one.workload_name, workload_uid=one.workload_uid, **{**row, **more},
    )  # fmt: skip
