"""Whether what fills a Secret has read it anew: marks of a status to compare, and what a status of now says.

No value is looked at: operators tell a time, a hash or a lease, the CSI driver an opaque version, a Secret's metadata
when its data were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cluster.durations import duration
from cluster.kinds.eso import ExternalSecret
from cluster.kinds.meta import Condition, moment
from cluster.kinds.platform import Secret
from cluster.kinds.pod import Pod
from cluster.kinds.store_csi import SecretProviderClassPodStatus
from cluster.kinds.vso import VaultDynamicSecret, VaultStaticSecret
from cluster.rollouts import Obstacle
from cluster.scene import Scene

Filled = ExternalSecret | VaultStaticSecret | VaultDynamicSecret
_TITLES = {
    ExternalSecret: "The External Secrets Operator",
    VaultStaticSecret: "The Vault Secrets Operator",
    VaultDynamicSecret: "The Vault Secrets Operator",
}
_UNWELL = ("Ready", "SecretSynced", "Healthy")  # conditions whose False says what is wrong


@dataclass(frozen=True, slots=True)
class Synced:
    """It was read anew; `at` is when, None where the status tells no time."""

    says: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """It was not read anew, as far as its status tells; `trouble` is what its operator complains of, "" of nothing."""

    says: str
    trouble: str = ""


def obstacle(found: Filled) -> Obstacle | None:
    """Return why asking its operator to read it anew would change nothing, or None."""
    if isinstance(found, ExternalSecret):
        return _obstacle_of_external(found)
    if isinstance(found, VaultStaticSecret) and found.spec.version > 0:
        what = f"it asks for version {found.spec.version} of its secret alone"
        return Obstacle(what, "change spec.version, or leave it out")
    return None


def _obstacle_of_external(found: ExternalSecret) -> Obstacle | None:
    spec = found.spec
    if spec.refresh_policy == "CreatedOnce":
        return Obstacle(
            "its refreshPolicy is CreatedOnce: it is never read again", "delete its Secret, or change the policy"
        )
    if (
        spec.refresh_policy in ("", "Periodic")
        and spec.refresh_interval.strip()
        and not duration(spec.refresh_interval)
    ):
        return Obstacle("its refreshInterval is 0: it is read once", "give it an interval")
    if spec.target.immutable:
        return Obstacle(
            "its Secret is immutable: the operator can't write into it", "delete the Secret, or make a new one"
        )
    pinned = [entry.remote_ref.version for entry in spec.data]
    if pinned and all(pinned) and not spec.data_from:
        return Obstacle("all its entries ask for one version each", "change their versions, or leave it out")
    return None


def mark_of(found: Filled) -> str:
    """Return what of the status changes when it is read anew, to be kept from before and compared afterwards."""
    if isinstance(found, ExternalSecret):
        parts = [found.status.refresh_time or "", found.status.synced_resource_version]
    elif isinstance(found, VaultStaticSecret):
        parts = [found.status.secret_mac]
    else:
        status, static = found.status, found.status.static_creds_meta_data
        rotated = str(static.last_vault_rotation) if static is not None else ""
        parts = [status.secret_lease.id, status.secret_lease.request_id, status.secret_mac, rotated]
    return " ".join(parts).strip()


def lease_of(found: Filled) -> str:
    """Return the lease that a VaultDynamicSecret holds now: after a forced sync it stays alive until it is revoked."""
    return found.status.secret_lease.id if isinstance(found, VaultDynamicSecret) else ""


def synced_since(
    found: Filled, mark: str, since: datetime, *, written: datetime | None = None, told: Iterable[datetime] = ()
) -> Synced | Pending:
    """Return whether a secret was read anew since a time (the new version's, or the asking's).

    `mark` is `mark_of` from before, `written` when the data of its Secret were written last (`data_written`), `told`
    when its operator said so in events (`delivery.vso.synced_at`); what is not known is left out.
    """
    second = since.replace(microsecond=0)  # most of these times are whole seconds
    if isinstance(found, ExternalSecret):
        return _external_since(found, mark, second)
    title = _TITLES[type(found)]
    if mark_of(found) != mark:
        return Synced(f"{title} read it anew: its status has changed.")
    at = max((stamp for stamp in (written, *told) if stamp is not None and stamp >= second), default=None)
    if at is not None:
        return Synced(f"{title} read it anew at {_time(at)}.", at)
    return Pending(f"{title} has not read it since {_time(since)}, as far as its status tells.", _trouble(found))


def _external_since(found: ExternalSecret, mark: str, second: datetime) -> Synced | Pending:
    title, at = _TITLES[type(found)], moment(found.status.refresh_time)
    trouble = _trouble(found)
    if at is None:
        return Pending(f"{title} has never read it.", trouble)
    if not trouble and (at > second or (at == second and mark_of(found) != mark)):
        return Synced(f"{title} read it anew at {_time(at)}.", at)
    return Pending(f"{title} read it last at {_time(at)}.", trouble)


def data_written(scene: Scene, namespace: str, name: str) -> datetime | None:
    """Return when the data of a Secret were written last, by its metadata alone; None when nothing tells it."""
    secret = scene.named(Secret, namespace, name)
    return secret.metadata.data_written() if secret is not None else None


def mounted(scene: Scene, pods: Iterable[Pod], csi_class: str) -> dict[str, str]:
    """Return by pod's uid a mark of what the CSI driver has mounted of a class; a pod that mounts nothing is not in it.

    A version is an HMAC of the content: another one says that the content changed, never to which version.
    """
    names = {(pod.metadata.namespace, pod.metadata.name): pod.metadata.uid for pod in pods}
    found = {}
    for each in scene.all(SecretProviderClassPodStatus):
        uid = names.get((each.metadata.namespace, each.status.pod_name))
        if uid and each.status.mounted and each.status.secret_provider_class_name == csi_class:
            found[uid] = " ".join(sorted(f"{one.id}={one.version}" for one in each.status.objects))
    return found


def mounted_anew(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the uids of the pods that mount something else than before (new pods, too), and of those that don't."""
    anew = sorted(uid for uid, mark in now.items() if before.get(uid) != mark)
    return anew, sorted(set(now) - set(anew))


def _trouble(found: Filled) -> str:
    for each in found.status.conditions:
        if each.type in _UNWELL and each.status == "False":
            return _sentence(each)
    return ""


def _sentence(each: Condition) -> str:
    words = each.message.strip() or each.reason or "it gives no reason"
    return f"It is not {each.type}: {words.rstrip('.')}."


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"
