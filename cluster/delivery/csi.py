"""The Secrets Store CSI driver: files that are read from the vault as the pod itself, and perhaps a synced Secret."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from cluster.consumption import ALWAYS, NEVER, Consumer, Source, Trouble, credential_of
from cluster.copies import consumers_of_copy
from cluster.doctor.mounts import not_mounted
from cluster.durations import duration, in_words
from cluster.kinds.pod import Container, Pod
from cluster.kinds.store_csi import CSIDriver, SecretProviderClass, SecretProviderClassPodStatus
from cluster.kinds.workload import DaemonSet
from cluster.scene import Scene, ref
from cluster.uses import SUB_PATH, containers_of, restarted_by

TITLE = "Secrets Store CSI driver"
DRIVER = "secrets-store.csi.k8s.io"
_METHOD = "csi"
_PROVIDERS = frozenset({"vault", "openbao"})
_DEFAULT_INTERVAL = timedelta(minutes=2)
_FILE = "file"


def consumers(scene: Scene) -> Iterator[Consumer]:
    """Give each container that mounts a class or uses its synced Secret, once for each path."""
    mounts = _mounts(scene)
    for each in scene.all(SecretProviderClass):
        if each.spec.provider in _PROVIDERS:
            yield from _of_class(scene, each, mounts.get((each.metadata.namespace, each.metadata.name), []))


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the pods whose volume can't be mounted."""
    for (namespace, name), pods in _mounts(scene).items():
        known = scene.named(SecretProviderClass, namespace, name)
        for pod in pods:
            yield from not_mounted(scene, pod, name, known=known is not None, unreadable=_unreadable(known))


def rotation(scene: Scene) -> tuple[bool | None, timedelta | None]:
    """Return whether the driver renews mounted files (None: its DaemonSet can't be seen), and how often at most."""
    return scene.once(_rotation)


def statuses(scene: Scene) -> dict[tuple[str, str], SecretProviderClassPodStatus]:
    """Return the status of each (uid of the pod, name of the class)."""
    return scene.once(_statuses)


def class_of(pod: Pod) -> dict[str, str]:
    """Return the classes that a pod mounts, by the name of the volume."""
    return {
        volume.name: volume.csi.volume_attributes.secret_provider_class
        for volume in pod.spec.volumes
        if volume.csi is not None and volume.csi.driver == DRIVER and volume.csi.volume_attributes.secret_provider_class
    }


def _of_class(scene: Scene, known: SecretProviderClass, pods: list[Pod]) -> Iterator[Consumer]:
    copied = list(_copies(scene, known))
    seen = {(each.pod, each.container, each.path) for each in copied}
    status = statuses(scene)
    yield from (_with_status(each, status.get((each.pod.uid, known.metadata.name))) for each in copied)
    for pod in pods:
        for each in _files(scene, known, pod):
            if (each.pod, each.container, each.path) not in seen:
                yield _with_status(each, status.get((pod.metadata.uid, known.metadata.name)))


def _files(scene: Scene, known: SecretProviderClass, pod: Pod) -> Iterator[Consumer]:
    name, workload = known.metadata.name, scene.workload(pod)
    volumes = {volume for volume, given in class_of(pod).items() if given == name}
    for container in containers_of(pod):
        mounts = [each for each in container.volume_mounts if each.name in volumes]
        if not mounts:
            continue
        fixed = all(each.sub_path or each.sub_path_expr for each in mounts)
        needs, why = _restart(scene, fixed=fixed)
        by = restarted_by(scene, workload, "", csi_class=name)
        for source in _sources(scene, known, pod.spec.service_account_name):
            uses = (SUB_PATH,) if fixed else (_FILE,)
            yield Consumer(ref(pod), workload, container.name, source, "", uses, needs, why, by)


def _copies(scene: Scene, known: SecretProviderClass) -> Iterator[Consumer]:
    namespace, paths = (
        known.metadata.namespace,
        {each.object_name: each.secret_path for each in known.spec.parameters.listed},
    )
    for synced in known.spec.secret_objects:
        wanted = {paths.get(each.object_name, "").strip("/") for each in synced.data}
        sources = [each for each in _sources(scene, known, "") if each.path in wanted]
        given = consumers_of_copy(scene, namespace, synced.secret_name, sources, csi_class=known.metadata.name)
        for each in given:
            pod = scene.pod(each.pod.uid)
            account = pod.spec.service_account_name if pod is not None else ""
            yield replace(each, source=replace(each.source, service_account=account))


def _sources(scene: Scene, known: SecretProviderClass, account: str) -> list[Source]:
    given = known.spec.parameters
    mount = (given.vault_auth_mount_path or given.vault_kubernetes_mount_path).strip("/").removeprefix("auth/")
    paths = dict.fromkeys(each.secret_path.strip("/") for each in given.listed if each.secret_path)
    return [
        Source(
            _METHOD,
            path,
            credential_of(path),
            address=given.vault_address,
            vault_namespace=given.vault_namespace,
            auth_mount=mount or scene.once(_default_mount),
            auth_method="kubernetes",
            role=given.role_name,
            service_account=account,
            refresh=rotation(scene)[1],
            made_by=ref(known),
        )
        for path in paths
    ]


def _with_status(each: Consumer, status: SecretProviderClassPodStatus | None) -> Consumer:
    if status is None:
        return each
    names = {file.id: file.version for file in status.status.objects}
    mark = " ".join(f"{name}={version}" for name, version in sorted(names.items()) if version)
    synced = status.metadata.status_written()
    return replace(each, source=replace(each.source, fingerprint=mark, last_sync=synced))


def _restart(scene: Scene, *, fixed: bool) -> tuple[str, str]:
    on, every = rotation(scene)
    if fixed:
        return ALWAYS, "The file is mounted by subPath, which keeps the first one."
    if on is False:
        return ALWAYS, "The driver's rotation is off (--enable-secret-rotation): nobody renews the file."
    if on is None:
        return NEVER, "The file is renewed if the driver's rotation is on; its DaemonSet can't be seen."
    return (
        NEVER,
        f"The driver renews the file (after {in_words(every)} at the earliest); the application has to read it again.",
    )


def _rotation(scene: Scene) -> tuple[bool | None, timedelta | None]:
    for daemon in scene.all(DaemonSet):
        for container in daemon.spec.template.spec.containers:
            if container.name == "secrets-store":
                on = _flag(container, "--enable-secret-rotation") in {"true", "True", "1", ""}
                given = duration(_flag(container, "--rotation-poll-interval") or "")
                return on, (given or _DEFAULT_INTERVAL) if on else None
    driver = scene.named(CSIDriver, "", DRIVER)
    return (True, _DEFAULT_INTERVAL) if driver is not None and driver.spec.requires_republish else (None, None)


def _mounts(scene: Scene) -> dict[tuple[str, str], list[Pod]]:
    return scene.once(_all_mounts)


def _all_mounts(scene: Scene) -> dict[tuple[str, str], list[Pod]]:
    found = defaultdict(list)
    for pod in scene.all(Pod):
        for name in dict.fromkeys(class_of(pod).values()):
            found[pod.metadata.namespace, name].append(pod)
    return dict(found)


def _statuses(scene: Scene) -> dict[tuple[str, str], SecretProviderClassPodStatus]:
    found = {}
    for each in scene.all(SecretProviderClassPodStatus):
        for owner in each.metadata.owner_references:
            if owner.kind == "Pod":
                found[owner.uid, each.status.secret_provider_class_name] = each
    return found


def _default_mount(scene: Scene) -> str:
    for daemon in scene.all(DaemonSet):
        for container in daemon.spec.template.spec.containers:
            given = _flag(container, "-vault-mount")
            if given:
                return given.strip("/").removeprefix("auth/")
    return "kubernetes"


def _unreadable(known: SecretProviderClass | None) -> str:
    return known.spec.parameters.unreadable if known is not None else ""


def _flag(container: Container, name: str) -> str | None:
    for given in container.args:
        flag, _, value = given.partition("=")
        if flag.lstrip("-") == name.lstrip("-"):
            return value
    return None
