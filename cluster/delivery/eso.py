"""External Secrets Operator: stores say where and as whom, external secrets what; the copy is a Kubernetes Secret."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cluster.consumption import DYNAMIC, KV, Consumer, Copy, Source, Trouble, credential_of
from cluster.copies import consumers_of_copy
from cluster.doctor.syncing import not_synced
from cluster.durations import duration
from cluster.eso_paths import extent, secret_path
from cluster.kinds.eso import (
    ClusterSecretStore,
    DataFrom,
    DynamicSecretGenerator,
    ExternalSecret,
    RemoteRef,
    SecretStore,
    StoreRef,
    VaultProvider,
)
from cluster.kinds.meta import moment
from cluster.kinds.platform import Secret
from cluster.scene import Scene, ref

TITLE = "External Secrets Operator"
_METHOD = "eso"
_HOURLY = timedelta(hours=1)
_FAILED = frozenset({"UpdateFailed", "MissingProviderSecret"})
_WRITTEN = frozenset({"Created", "Updated"})
_HASH = "reconcile.external-secrets.io/data-hash"


def consumers(scene: Scene) -> Iterator[Consumer]:
    """Give each container that uses a Secret that the operator fills from a vault."""
    for each in scene.all(ExternalSecret):
        sources = sources_of(scene, each)
        if sources:
            fixed = each.spec.target.immutable
            yield from consumers_of_copy(scene, each.metadata.namespace, target_of(each), sources, immutable=fixed)


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the external secrets that the operator can't follow, with the pods that use their Secrets."""
    for each in scene.all(ExternalSecret):
        store = each.spec.secret_store_ref
        gone = store.name and _store(scene, each.metadata.namespace, store) is None
        missing = f"Its {store.kind or 'SecretStore'} {store.name} does not exist." if gone else ""
        yield from not_synced(scene, each, target_of(each), "Ready", _FAILED, missing)


def copies(scene: Scene) -> Iterator[Copy]:
    """Give each path of each Secret that the operator fills from a vault."""
    for each in scene.all(ExternalSecret):
        for provider, source in _sources(scene, each):
            account = provider.auth.method()[1].service_account_ref
            place = (account.namespace or each.metadata.namespace) if account is not None else ""
            yield Copy(each.metadata.namespace, target_of(each), source, place)


def target_of(each: ExternalSecret) -> str:
    """Return the name of the Secret that is written."""
    return each.spec.target.name or each.metadata.name


def sources_of(scene: Scene, each: ExternalSecret) -> list[Source]:
    """Return each path of a vault that an external secret reads; none when its stores are no vaults."""
    return [source for _, source in _sources(scene, each)]


def synced_at(scene: Scene, each: ExternalSecret) -> list[datetime]:
    """Return the times at which the operator says that it wrote, or found right, the Secret."""
    ready = any(one.type == "Ready" and one.status == "True" for one in each.status.conditions)
    events = [one for one in scene.events_of(each.metadata.uid) if one.reason in _WRITTEN]
    stamps = {stamp for one in events for stamp in (one.first(), one.at()) if stamp is not None}
    refreshed = moment(each.status.refresh_time) if ready else None
    return sorted(stamps | ({refreshed} if refreshed else set()))


def _sources(scene: Scene, each: ExternalSecret) -> list[tuple[VaultProvider, Source]]:
    found: dict[str, tuple[VaultProvider, Source]] = {}
    for provider, path, credential, version in _reads(scene, each):
        pinned = int(version) if version.isdecimal() and len(version) < 10 else 0
        found.setdefault(path, (provider, _source(scene, each, provider, path, credential, pinned)))
    return list(found.values())


def _reads(scene: Scene, each: ExternalSecret) -> Iterator[tuple[VaultProvider, str, str, str]]:
    namespace, usual = each.metadata.namespace, each.spec.secret_store_ref
    for entry in each.spec.data:
        store = entry.source_ref.store_ref if entry.source_ref and entry.source_ref.store_ref else usual
        yield from _by_key(_provider(scene, namespace, store), entry.remote_ref)
    for group in each.spec.data_from:
        store = group.source_ref.store_ref if group.source_ref and group.source_ref.store_ref else usual
        provider = _provider(scene, namespace, store)
        if group.extract is not None:
            yield from _by_key(provider, group.extract)
        elif group.find is not None and provider is not None:
            yield provider, extent(provider, group.find.path), KV, ""
        else:
            yield from _by_generator(scene, namespace, group)


def _by_key(provider: VaultProvider | None, wanted: RemoteRef) -> Iterator[tuple[VaultProvider, str, str, str]]:
    if provider is not None and wanted.key:
        yield provider, secret_path(provider, wanted.key), KV, wanted.version


def _by_generator(scene: Scene, namespace: str, group: DataFrom) -> Iterator[tuple[VaultProvider, str, str, str]]:
    wanted = group.source_ref.generator_ref if group.source_ref else None
    if wanted is None or wanted.kind != "VaultDynamicSecret":
        return
    found = scene.named(DynamicSecretGenerator, namespace, wanted.name)
    if found is not None:
        path = found.spec.path.strip("/")
        yield found.spec.provider, path, credential_of(path) or DYNAMIC, ""


def _provider(scene: Scene, namespace: str, store: StoreRef) -> VaultProvider | None:
    found = _store(scene, namespace, store)
    return (found.spec.provider.vault or found.spec.provider.openbao) if found is not None else None


def _store(scene: Scene, namespace: str, store: StoreRef) -> SecretStore | None:
    if store.kind == "ClusterSecretStore":
        return scene.named(ClusterSecretStore, "", store.name)
    return scene.named(SecretStore, namespace, store.name)


def _source(
    scene: Scene, each: ExternalSecret, provider: VaultProvider, path: str, credential: str, pinned: int
) -> Source:
    method, login = provider.auth.method()
    copy = scene.named(Secret, each.metadata.namespace, target_of(each))
    return Source(
        _METHOD,
        path,
        credential,
        address=provider.server,
        vault_namespace=provider.namespace,
        auth_mount=(login.mount_path or login.path or ("" if method == "token" else method)).strip("/"),
        auth_method=method,
        role=login.role or login.vault_role,
        service_account=login.service_account_ref.name if login.service_account_ref else "",
        refresh=_refresh(each),
        last_sync=moment(each.status.refresh_time),
        fingerprint=copy.metadata.annotations.get(_HASH, "") if copy is not None else "",
        pinned=pinned,
        made_by=ref(each),
    )


def _refresh(each: ExternalSecret) -> timedelta | None:
    if each.spec.refresh_policy in {"CreatedOnce", "OnChange"}:
        return None
    given = duration(each.spec.refresh_interval) if each.spec.refresh_interval else _HOURLY
    return given or None
