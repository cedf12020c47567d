"""The Secrets Store CSI driver: classes that say what to mount, and what each pod has mounted."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from cluster.kinds.meta import FullMeta, Shape
from cluster.redaction import LONGEST, bare_address

_LONGEST_LIST = 262_144


class ClassObject(Shape):
    """One of the `objects`: a file, and the path that it is read from; no key means the whole answer."""

    object_name: str = ""
    secret_path: str = ""
    secret_key: str = ""
    method: str = ""


class Parameters(Shape):
    """`spec.parameters` of the vault provider; `objects` is decoded into `listed`, and its arguments are left out."""

    role_name: str = ""
    vault_address: str = ""
    vault_auth_mount_path: str = ""
    vault_kubernetes_mount_path: str = ""
    vault_namespace: str = ""
    audience: str = ""
    objects: str = ""
    listed: list[ClassObject] = []
    unreadable: str = ""

    def __post_init__(self) -> None:
        self.vault_address = bare_address(self.vault_address)
        if self.objects:
            self.listed, self.unreadable = _read_objects(self.objects)
        self.objects = ""


class SyncedKey(Shape):
    """One key of a synced Secret."""

    object_name: str = ""
    key: str = ""


class SecretObject(Shape):
    """A Kubernetes Secret that the driver keeps as long as a pod mounts the class."""

    secret_name: str = ""
    data: list[SyncedKey] = []


class ClassSpec(Shape):
    """`spec` of a class."""

    provider: str = ""
    parameters: Parameters = msgspec.field(default_factory=Parameters)
    secret_objects: list[SecretObject] = []


class SecretProviderClass(Shape):
    """secrets-store.csi.x-k8s.io/v1 SecretProviderClass."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: ClassSpec = msgspec.field(default_factory=ClassSpec)


class MountedObject(Shape):
    """A mounted file; `version` is an HMAC of its content: it says that something changed, never which version."""

    id: str = ""
    version: str = ""


class PodMountStatus(Shape):
    """`status`: which pod mounted which class, and what lies there."""

    pod_name: str = ""
    secret_provider_class_name: str = ""
    mounted: bool = False
    objects: list[MountedObject] = []


class SecretProviderClassPodStatus(Shape):
    """secrets-store.csi.x-k8s.io/v1 SecretProviderClassPodStatus; owned by the pod."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    status: PodMountStatus = msgspec.field(default_factory=PodMountStatus)


class CsiDriverSpec(Shape):
    """Whether the kubelet asks the driver again for mounted volumes."""

    requires_republish: bool = False


class CSIDriver(Shape):
    """storage.k8s.io/v1 CSIDriver."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: CsiDriverSpec = msgspec.field(default_factory=CsiDriverSpec)


def _read_objects(text: str) -> tuple[list[ClassObject], str]:
    if not text.strip():
        return [], ""
    if len(text) > _LONGEST_LIST:
        return [], "the list of objects is longer than 256 KiB"
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 (it is the safe one)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        return [], "the list of objects is not YAML"
    if not isinstance(found, list):
        return [], "the list of objects is not a list"
    return [_class_object(each) for each in found if isinstance(each, dict)], ""


def _class_object(given: dict[Any, Any]) -> ClassObject:
    name, path, key, method = (given.get(key) for key in ("objectName", "secretPath", "secretKey", "method"))
    return ClassObject(object_name=_text(name), secret_path=_text(path), secret_key=_text(key), method=_text(method))


def _text(value: object) -> str:
    return str(value)[:LONGEST] if isinstance(value, str | int | float) else ""


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
