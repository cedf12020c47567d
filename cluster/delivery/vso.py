"""Vault Secrets Operator: it reads the vault itself and keeps what it read in Kubernetes Secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from cluster import vso_login
from cluster.consumption import DYNAMIC, KV, NOBODY, PKI, STATIC, VSO, Consumer, Copy, Source, Trouble, credential_of
from cluster.copies import consumers_of_copy
from cluster.doctor.syncing import not_synced
from cluster.durations import duration
from cluster.kinds.vso import Target, VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from cluster.scene import Ref, Scene, ref

TITLE = "Vault Secrets Operator"
_METHOD = "vso"
_DRIFT_CHECK = timedelta(seconds=60)
_SYNCED = frozenset({"SecretSynced", "SecretRotated"})
_FAILED = frozenset(
    {"SecretSyncError", "VaultClientError", "VaultClientConfigError", "Unrecoverable", "RolloutRestartFailed"}
)
Kept = VaultStaticSecret | VaultDynamicSecret | VaultPKISecret


def consumers(scene: Scene) -> Iterator[Consumer]:
    """Give each container that uses a Secret that the operator writes."""
    for each in every(scene):
        place = each.metadata.namespace
        restarts = _restarts(each)
        yield from consumers_of_copy(
            scene, place, each.spec.destination.name, [source_of(scene, each)], restarts=restarts
        )


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the resources that the operator can't follow, with the pods that use their Secrets."""
    for each in every(scene):
        missing = vso_login.missing(scene, each.metadata.namespace, each.spec.vault_auth_ref)
        yield from not_synced(scene, each, each.spec.destination.name, "SecretSynced", _FAILED, missing)


def copies(scene: Scene) -> Iterator[Copy]:
    """Give each Secret that the operator writes."""
    for each in every(scene):
        source, place = source_of(scene, each), each.metadata.namespace
        yield Copy(place, each.spec.destination.name, source, place if source.service_account else "")


def source_of(scene: Scene, each: Kept) -> Source:
    """Return where one resource's secret comes from, as whom, and what its status says."""
    if isinstance(each, VaultStaticSecret):
        return _static(scene, each)
    return _dynamic(scene, each) if isinstance(each, VaultDynamicSecret) else _pki(scene, each)


def synced_at(scene: Scene, uid: str) -> list[datetime]:
    """Return the times at which the operator says that it wrote, or found right, the Secret of a resource."""
    events = [each for each in scene.events_of(uid) if each.reason in _SYNCED]
    return sorted({stamp for each in events for stamp in (each.first(), each.at()) if stamp is not None})


def _static(scene: Scene, each: VaultStaticSecret) -> Source:
    spec, mount = each.spec, each.spec.mount.strip("/")
    path = f"{mount}/data/{spec.path.strip('/')}" if spec.type != "kv-v1" else f"{mount}/{spec.path.strip('/')}"
    every = duration(spec.refresh_after)
    return _source(
        scene,
        each,
        path,
        KV,
        refresh=every or (_DRIFT_CHECK if spec.hmac_secret_data else None),
        last_sync=max(synced_at(scene, each.metadata.uid), default=None),
        fingerprint=each.status.secret_mac,
        pinned=max(spec.version, 0),
    )


def _dynamic(scene: Scene, each: VaultDynamicSecret) -> Source:
    spec, status = each.spec, each.status
    path = f"{spec.mount.strip('/')}/{spec.path.strip('/')}"
    static = spec.allow_static_creds or status.static_creds_meta_data is not None
    return _source(
        scene,
        each,
        path,
        STATIC if static else credential_of(path) or DYNAMIC,
        refresh=duration(spec.refresh_after) or _renewal(each),
        last_sync=_unix(status.last_renewal_time),
        fingerprint=status.secret_mac,
        lease_id=status.secret_lease.id,
        request_id=status.secret_lease.request_id,
        lease_seconds=max(status.secret_lease.duration, 0),
    )


def _pki(scene: Scene, each: VaultPKISecret) -> Source:
    path = f"{each.spec.mount.strip('/')}/issue/{each.spec.role}"
    serial, last = each.status.serial_number, _unix(each.status.last_rotation)
    return _source(scene, each, path, PKI, refresh=None, last_sync=last, fingerprint=serial)


def _source(
    scene: Scene,
    each: Kept,
    path: str,
    credential: str,
    *,
    refresh: timedelta | None,
    last_sync: datetime | None,
    fingerprint: str,
    pinned: int = 0,
    lease_id: str = "",
    request_id: str = "",
    lease_seconds: int = 0,
) -> Source:
    login = vso_login.login(scene, each.metadata.namespace, each.spec.vault_auth_ref)
    return Source(
        _METHOD,
        path.strip("/"),
        credential,
        address=login.address,
        vault_namespace=each.spec.namespace or login.namespace,
        auth_mount=login.mount,
        auth_method=login.method,
        role=login.role,
        service_account=login.account,
        refresh=refresh,
        last_sync=last_sync,
        fingerprint=fingerprint,
        pinned=pinned,
        lease_id=lease_id,
        request_id=request_id,
        lease_seconds=lease_seconds,
        made_by=ref(each),
    )


def restarts(each: Kept, workload: Ref) -> bool:
    """Say whether the operator restarts a workload of the same namespace when what it keeps changes."""
    # Without an HMAC of the data the operator does not know that they changed, so it restarts nothing.
    blind = isinstance(each, VaultStaticSecret) and not each.spec.hmac_secret_data
    targets = [] if blind else each.spec.rollout_restart_targets
    return any(_hits(target, workload) for target in targets)


def _restarts(each: Kept) -> Callable[[Ref], str]:
    return lambda workload: VSO if restarts(each, workload) else NOBODY


def _hits(target: Target, workload: Ref) -> bool:
    return target.name == workload.name and target.kind.removeprefix("argo.") == workload.kind


def _renewal(each: VaultDynamicSecret) -> timedelta | None:
    seconds = each.status.secret_lease.duration
    percent = each.spec.renewal_percent if each.spec.renewal_percent is not None else 67
    return timedelta(seconds=seconds * percent / 100) if 0 < seconds < 2**31 and 0 < percent <= 100 else None


def every(scene: Scene) -> Iterator[Kept]:
    """Give all that the operator keeps in Secrets."""
    yield from scene.all(VaultStaticSecret)
    yield from scene.all(VaultDynamicSecret)
    yield from scene.all(VaultPKISecret)


def _unix(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 2**34 else None
