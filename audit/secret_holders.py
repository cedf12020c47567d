"""Who may read one secret, which pods get it, and which version each last read: asked by the secret's key.

Policies and clusters are mirrored by path, the record by key: here they meet. Whoever asks was let see the secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.models import Secret
from audit.old_copies import OldCopy, old_copies, versions_made
from audit.pods import HeldVersion, versions_by_pod
from inventory import cluster_questions, freshness
from inventory.cluster_models import PodState, SecretConsumer
from inventory.may_read import WhoMayRead, who_may_read

NEWEST = 5_000  # of so many newest calls the versions are told
_KV = {"KV v2": ("kv", 2), "KV v1": ("kv", 1)}


@dataclass(frozen=True, slots=True)
class Behind:
    """A pod that exists and whose last read gave an old version; `since` is the first call that named the new one."""

    held: HeldVersion
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """Which pods get a secret, which version each last read, and how old the pictures of the clusters are.

    `copies` are containers whose copy is old, whatever their pod read itself. `current` is the newest version that a
    call named, 0 where versions are not told. Versions are those of the newest `NEWEST` calls.
    """

    consumers: Sequence[SecretConsumer]
    versions: dict[str, HeldVersion]  # by the pod's uid
    current: int
    behind: Sequence[Behind]
    copies: Sequence[OldCopy]
    clusters: Sequence[freshness.ClusterFreshness]


def may_read(secret_id: int) -> WhoMayRead:
    """Return who may read a secret, by the vault's mirrored policies."""
    one = Secret.objects.select_related("vault").get(pk=secret_id)
    kind, version = _KV.get(one.engine, (one.engine, 0))
    return who_may_read(one.vault.name, one.namespace, one.mount, one.path, kind=kind, kv_version=version)


def held(secret_id: int, now: datetime) -> Held:
    """Return which pods get a secret, what they last read of it, and whose copy is old."""
    one = Secret.objects.select_related("vault").get(pk=secret_id)
    path, consumers = _consumers(one)
    current, since, versions = versions_by_pod(secret_id, NEWEST)
    copies = _copies(secret_id, path, consumers, versions)
    return Held(consumers, versions, current, _behind(consumers, current, since, versions), copies,
                freshness.clusters(now))  # fmt: skip


def _consumers(secret: Secret) -> tuple[str, list[SecretConsumer]]:
    path = cluster_questions.api_path(secret.mount, secret.path, _KV.get(secret.engine, ("", 0))[1])
    return path, cluster_questions.consumers_of(secret.vault.name, path, namespace=secret.namespace)


def _behind(
    consumers: Sequence[SecretConsumer], current: int, since: datetime | None, versions: dict[str, HeldVersion]
) -> list[Behind]:
    old = {uid: each for uid, each in versions.items() if each.version < current}
    there = set(PodState.objects.filter(uid__in=old).exclude(state="ended").values_list("uid", flat=True))
    pinned = {each.pod_uid: each.pinned for each in consumers if each.pinned}
    return [
        Behind(each, since)
        for uid, each in sorted(old.items(), key=lambda pair: (pair[1].namespace, pair[1].pod, pair[0]))
        if uid in there and pinned.get(uid) != each.version
    ]


def _copies(
    secret_id: int, path: str, consumers: Sequence[SecretConsumer], read: dict[str, HeldVersion]
) -> list[OldCopy]:
    """Return whose copy is old; of a pod that reads by itself the record tells more than its start."""
    if not any(not one.ended for one in consumers):
        return []
    found = old_copies(consumers, path, versions_made(secret_id, path, NEWEST))
    return [one for one in found if not one.row.pinned and (one.row.k8s_secret or one.row.pod_uid not in read)]
