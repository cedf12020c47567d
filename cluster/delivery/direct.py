"""Direct clients: applications that speak to the vault themselves; the cluster shows signs, the audit log the rest."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.agents import AGENTS
from cluster.consumption import UNKNOWN, Consumer, Source, Trouble
from cluster.kinds.pod import Container, Pod
from cluster.redaction import ADDRESS_NAMES
from cluster.scene import Scene, ref
from cluster.uses import containers_of

TITLE = "Direct client"
_METHOD = "direct"
_WHY = "The application speaks to the vault itself: only its owner knows whether it asks again."
_SIGNS = frozenset({"VAULT_TOKEN", "BAO_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_ROLE", "BAO_ROLE"})
_ROLES = ("VAULT_ROLE", "BAO_ROLE", "VAULT_K8S_ROLE", "VAULT_KUBERNETES_ROLE", "SPRING_CLOUD_VAULT_KUBERNETES_ROLE")
_NAMESPACES = ("VAULT_NAMESPACE", "BAO_NAMESPACE", "SPRING_CLOUD_VAULT_NAMESPACE")
_MOUNTS = (
    "VAULT_AUTH_PATH", "BAO_AUTH_PATH", "VAULT_AUTH_MOUNT", "BAO_AUTH_MOUNT", "VAULT_K8S_MOUNT",
    "VAULT_KUBERNETES_MOUNT", "SPRING_CLOUD_VAULT_KUBERNETES_KUBERNETES_PATH",
)  # fmt: skip
_METHODS = ("VAULT_AUTH_METHOD", "BAO_AUTH_METHOD", "SPRING_CLOUD_VAULT_AUTHENTICATION")


def consumers(scene: Scene) -> Iterator[Consumer]:
    """Give each container with a sign of a vault's client; what it reads the cluster does not know."""
    for pod in scene.all(Pod):
        tokens = _vault_tokens(pod)
        for container in containers_of(pod):
            signs = _signs(container, tokens)
            if signs and container.name not in AGENTS:
                yield Consumer(
                    ref(pod), scene.workload(pod), container.name, _source(pod, container), "", signs, UNKNOWN, _WHY
                )


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give nothing: what a direct client lacks only the vault's audit log can say."""
    return iter(())


def _source(pod: Pod, container: Container) -> Source:
    values = {variable.name: variable.value for variable in container.env}
    address = next((values[name] for name in sorted(ADDRESS_NAMES) if values.get(name)), "")
    mount = _first(values, _MOUNTS).strip("/").removeprefix("auth/").removesuffix("/login")
    return Source(
        _METHOD,
        address=address,
        vault_namespace=_first(values, _NAMESPACES),
        auth_mount=mount,
        auth_method=_first(values, _METHODS).lower(),
        role=_first(values, _ROLES),
        service_account=pod.spec.service_account_name,
    )


def _first(values: dict[str, str], names: tuple[str, ...]) -> str:
    return next((values[name] for name in names if values.get(name)), "")


def _signs(container: Container, tokens: set[str]) -> tuple[str, ...]:
    names = [each.name for each in container.env if each.name in ADDRESS_NAMES | _SIGNS]
    mounted = [f"token {each.name}" for each in container.volume_mounts if each.name in tokens]
    return tuple(dict.fromkeys([*names, *mounted]))


def _vault_tokens(pod: Pod) -> set[str]:
    """The volumes with a token for a vault: projected, with an audience that says so."""
    return {
        volume.name
        for volume in pod.spec.volumes
        for source in (volume.projected.sources if volume.projected is not None else ())
        if source.service_account_token is not None and _for_a_vault(source.service_account_token.audience)
    }


def _for_a_vault(audience: str) -> bool:
    return any(word in audience.lower() for word in ("vault", "bao"))
