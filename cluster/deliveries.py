"""On whose behalf operators and providers read the vault, and which pods what they read is for: worked out of a scene.

An operator reads for a copy, whoever uses that; the CSI provider reads for one pod at a time, as that pod's account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cluster import delivery
from cluster.consumption import Consumer, Source
from cluster.kinds.eso import ClusterSecretStore, SecretStore
from cluster.kinds.meta import moment
from cluster.kinds.vso import VaultAuth
from cluster.scene import Ref, Scene

CSI = "csi"
# What has to be seen whole before "nobody asks for that" means something, beside the pods.
RESOURCES = (
    "secretproviderclasses", "vaultauths", "vaultauthglobals", "vaultstaticsecrets", "vaultdynamicsecrets",
    "vaultpkisecrets", "secretstores", "clustersecretstores", "externalsecrets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeliveredTo:
    """A pod that gets what was read, and when it was made."""

    pod: Ref
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One path that is read for one Kubernetes Secret (`k8s_secret`), or with "" for each of the pods by itself.

    `account` is (namespace, name) of the service account that it is read as, None with another way to log in.
    `made_at` is when the resource that asks for it was made.
    """

    namespace: str
    k8s_secret: str
    source: Source
    account: tuple[str, str] | None
    made_at: datetime | None
    pods: tuple[DeliveredTo, ...]


def deliveries(scene: Scene, consumers: Sequence[Consumer]) -> list[Delivery]:
    """Return what operators and providers read for whom; `consumers` are those of the same scene."""
    return [*_copied(scene, consumers), *_mounted(scene, consumers)]


def accounts(scene: Scene, found: Iterable[Delivery]) -> set[tuple[str, str]]:
    """Return the service accounts as which operators log in: whoever is asked for, and what their logins name."""
    named = {one.account for one in found if one.account is not None}
    return named | set(_of_logins(scene))


def _copied(scene: Scene, consumers: Sequence[Consumer]) -> Iterator[Delivery]:
    users: dict[tuple[str, str, str], dict[Ref, None]] = defaultdict(dict)
    for one in consumers:
        if one.source.made_by is not None and one.k8s_secret and not one.ended:
            users[one.source.made_by.uid, one.pod.namespace, one.k8s_secret][one.pod] = None
    for copy in delivery.copies(scene):
        source, by = copy.source, copy.source.made_by
        account = (copy.account_namespace, source.service_account)
        pods = users[by.uid, copy.namespace, copy.k8s_secret] if by is not None else {}
        yield Delivery(
            copy.namespace,
            copy.k8s_secret,
            source,
            account if all(account) else None,
            _made(scene, source),
            _to(scene, pods),
        )


def _mounted(scene: Scene, consumers: Sequence[Consumer]) -> Iterator[Delivery]:
    """Give what the CSI provider reads: as the account of the pod that mounts it."""
    found: dict[tuple[str, str, str, str], tuple[Source, dict[Ref, None]]] = {}
    for one in consumers:
        if one.method == CSI and one.source.made_by is not None:
            account = one.source.service_account or "default"
            key = (one.source.made_by.uid, one.path, one.pod.namespace, account)
            found.setdefault(key, (one.source, {}))[1][one.pod] = None
    for (_, _, namespace, account), (source, pods) in found.items():
        yield Delivery(namespace, "", source, (namespace, account), _made(scene, source), _to(scene, pods))


def _of_logins(scene: Scene) -> Iterator[tuple[str, str]]:
    """Give the accounts that logins and stores name: an operator logs in to write and to check, too."""
    for auth in scene.all(VaultAuth):
        for method in ("kubernetes", "jwt"):
            name = auth.spec.login(method).service_account
            if name:
                yield auth.metadata.namespace, name
    for store in [*scene.all(SecretStore), *scene.all(ClusterSecretStore)]:
        provider = store.spec.provider.vault or store.spec.provider.openbao
        account = provider.auth.method()[1].service_account_ref if provider is not None else None
        place = (account.namespace or store.metadata.namespace) if account is not None else ""
        if account is not None and place and account.name:
            yield place, account.name


def _made(scene: Scene, source: Source) -> datetime | None:
    known = scene.by_uid(source.made_by.uid) if source.made_by is not None else None
    return moment(known.metadata.creation_timestamp) if known is not None else None


def _to(scene: Scene, pods: Iterable[Ref]) -> tuple[DeliveredTo, ...]:
    known = ((pod, scene.pod(pod.uid)) for pod in pods)
    return tuple(
        DeliveredTo(pod, moment(found.metadata.creation_timestamp) if found is not None else None)
        for pod, found in known
    )
