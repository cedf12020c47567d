"""How the containers of a pod use Kubernetes Secrets, and whether a new value reaches them without a restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from cluster.consumption import ALWAYS, NEVER, NOBODY, RELOADER
from cluster.kinds.meta import Meta
from cluster.kinds.platform import Secret
from cluster.kinds.pod import Container, Pod, Volume
from cluster.kinds.workload import WORKLOADS, CronJob, Templated
from cluster.scene import Ref, Scene

ENV, ENV_FROM, VOLUME, SUB_PATH, PROJECTED = "env", "envFrom", "volume", "subPath", "projected"
IMAGE_PULL, NODE_PUBLISH = "imagePull", "nodePublish"
_FIXED_AT_START = {ENV: "an environment variable", ENV_FROM: "environment variables", SUB_PATH: "a subPath mount"}


class Use(NamedTuple):
    """One container's use of one Secret; container "" is the pod itself."""

    container: str
    secret: str
    ways: tuple[str, ...]


def containers_of(pod: Pod) -> list[Container]:
    """Return all containers of a pod: ordinary, init and ephemeral ones."""
    return [*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers]


def uses_of(pod: Pod) -> list[Use]:
    """Return each pair of container and Secret once, with all ways in which it is used, in the order of the pod."""
    ways: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for container, secret, way in _single_uses(pod):
        if secret:
            ways[container, secret][way] = None
    return [Use(container, secret, tuple(found)) for (container, secret), found in ways.items()]


def restart_rule(ways: tuple[str, ...], *, immutable: bool = False) -> tuple[str, str]:
    """Return (always | never, why) for a container that uses a Secret in these ways."""
    fixed = [_FIXED_AT_START[way] for way in ways if way in _FIXED_AT_START]
    if fixed:
        return ALWAYS, f"It comes as {' and '.join(fixed)}, which the container got at its start."
    if immutable:
        return ALWAYS, "The Secret is immutable: a new value needs a new Secret, and pods that name it."
    if IMAGE_PULL in ways or NODE_PUBLISH in ways:
        return NEVER, "The kubelet reads it when it pulls an image or mounts a volume; no container holds it."
    return NEVER, "The kubelet renews the file within about a minute; the application has to read it again."


def is_immutable(scene: Scene, namespace: str, name: str) -> bool:
    """Say whether the Secret is known to be immutable; metadata alone don't tell."""
    secret = scene.named(Secret, namespace, name)
    return secret is not None and secret.immutable


def restarted_by(scene: Scene, workload: Ref, secret: str, *, csi_class: str = "") -> str:
    """Return who restarts the workload when this Secret (or class) changes: `reloader`, or nobody ("")."""
    found = scene.by_uid(workload.uid)
    if not isinstance(found, WORKLOADS):
        return NOBODY
    notes = _annotations(found)
    if notes.get("reloader.stakater.com/ignore") == "true":
        return NOBODY
    watched = [("secret", secret, scene.named(Secret, workload.namespace, secret))] if secret else []
    if csi_class:
        watched.append(("secretproviderclass", csi_class, None))
    return RELOADER if any(_reloads(notes, *each) for each in watched) else NOBODY


def _reloads(notes: dict[str, str], kind: str, name: str, secret: Secret | None) -> bool:
    domain = f"{kind}.reloader.stakater.com"
    labels = secret.metadata.annotations if secret is not None else {}
    excluded = _listed(notes.get(f"{kind}s.exclude.reloader.stakater.com/reload", ""))
    if labels.get("reloader.stakater.com/ignore") == "true" or name in excluded:
        return False
    if notes.get("reloader.stakater.com/auto") == "true" or notes.get(f"{domain}/auto") == "true":
        return True
    if name in _listed(notes.get(f"{domain}/reload", "")):
        return True
    return notes.get("reloader.stakater.com/search") == "true" and labels.get("reloader.stakater.com/match") == "true"


def _listed(text: str) -> set[str]:
    return {each.strip() for each in text.split(",") if each.strip()}


def _annotations(found: Templated | CronJob) -> dict[str, str]:
    template: Meta = (
        found.spec.job_template.spec.template.metadata if isinstance(found, CronJob) else found.spec.template.metadata
    )
    return {**template.annotations, **found.metadata.annotations}


def _single_uses(pod: Pod) -> Iterator[tuple[str, str, str]]:
    volumes = {volume.name: list(_secrets_of(volume)) for volume in pod.spec.volumes}
    for container in containers_of(pod):
        yield from _by_environment(container)
        for mount in container.volume_mounts:
            for secret, way in volumes.get(mount.name, ()):
                yield container.name, secret, SUB_PATH if mount.sub_path or mount.sub_path_expr else way
    for each in pod.spec.image_pull_secrets:
        yield "", each.name, IMAGE_PULL
    for volume in pod.spec.volumes:
        if volume.csi is not None and volume.csi.node_publish_secret_ref is not None:
            yield "", volume.csi.node_publish_secret_ref.name, NODE_PUBLISH


def _by_environment(container: Container) -> Iterator[tuple[str, str, str]]:
    for variable in container.env:
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            yield container.name, variable.value_from.secret_key_ref.name, ENV
    for group in container.env_from:
        if group.secret_ref is not None:
            yield container.name, group.secret_ref.name, ENV_FROM


def _secrets_of(volume: Volume) -> Iterator[tuple[str, str]]:
    if volume.secret is not None:
        yield volume.secret.secret_name, VOLUME
    if volume.projected is not None:
        for source in volume.projected.sources:
            if source.secret is not None:
                yield source.secret.name, PROJECTED
