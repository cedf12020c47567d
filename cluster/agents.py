"""Injected pods: which containers are the agent's, what it was told, and which containers can read what it writes."""

from __future__ import annotations

from typing import NamedTuple

from cluster.kinds.agent import Agent, Template
from cluster.kinds.meta import Meta
from cluster.kinds.pod import Container, ContainerStatus, Pod
from cluster.redaction import INJECTOR_DOMAINS, paths_in_template

INIT, SIDECAR = "vault-agent-init", "vault-agent"
AGENTS = frozenset({INIT, SIDECAR})
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_SECRET, _TEMPLATE, _FILE = "agent-inject-secret-", "agent-inject-template-", "agent-inject-template-file-"


class Injected(NamedTuple):
    """The agents of one pod; each is None when the pod has it not."""

    init: Container | None
    sidecar: Container | None

    def agent(self) -> Agent | None:
        """What the longest-living agent was told, or None when that is not in the environment."""
        for container in (self.sidecar, self.init):
            for variable in container.env if container is not None else ():
                if variable.agent is not None and not variable.agent.unreadable:
                    return variable.agent
        return None


def injected(pod: Pod) -> Injected | None:
    """Return the agents of a pod, or None when it has none."""
    init = next((each for each in pod.spec.init_containers if each.name == INIT), None)
    sidecar = next((each for each in (*pod.spec.containers, *pod.spec.init_containers) if each.name == SIDECAR), None)
    return Injected(init, sidecar) if init is not None or sidecar is not None else None


def annotation(meta: Meta, name: str) -> str | None:
    """Return the injector's annotation of this name, whatever the fork's prefix; None when it is not there."""
    return next(
        (
            meta.annotations[key]
            for domain in sorted(INJECTOR_DOMAINS)
            if (key := f"{domain}/{name}") in meta.annotations
        ),
        None,
    )


def annotations_from(meta: Meta, prefix: str) -> dict[str, str]:
    """Return the injector's annotations whose name begins so, by the rest of their names."""
    found = {}
    for key, value in meta.annotations.items():
        domain, _, name = key.rpartition("/")
        if domain in INJECTOR_DOMAINS and name.startswith(prefix):
            found[name.removeprefix(prefix)] = value
    return found


def truth(text: str | None) -> bool | None:
    """Return what Go's ParseBool says; None for no text, or a text that it refuses."""
    return True if text in _TRUE else False if text in _FALSE else None


def readers_of(pod: Pod) -> list[Container]:
    """Return the containers, without the agents, that live as long as the pod and mount what the agent writes."""
    lasting = [*pod.spec.containers, *(each for each in pod.spec.init_containers if each.restart_policy == "Always")]
    return [each for each in lasting if each.name not in AGENTS and _mounts_secrets(each)]


def templates_by_annotation(meta: Meta) -> list[Template]:
    """Return the files that the annotations ask for: what there is when the agent's own configuration can't be seen."""
    texts, files = annotations_from(meta, _TEMPLATE), annotations_from(meta, _FILE)
    texts = {name: text for name, text in texts.items() if not name.startswith("file-")}
    found = [Template(destination=name, paths=paths_in_template(text)) for name, text in texts.items()]
    found += [Template(destination=name, source=place) for name, place in files.items() if name not in texts]
    return found + [
        Template(destination=name, paths=[path] if "/" in path else [])
        for name, path in annotations_from(meta, _SECRET).items()
        if name not in texts and name not in files
    ]


def status_of(pod: Pod, name: str) -> ContainerStatus | None:
    """Return how a container fares, or None before the kubelet has said so."""
    every = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next((each for each in every if each.name == name), None)


def _mounts_secrets(container: Container) -> bool:
    return any(each.name.startswith("vault-secrets") for each in container.volume_mounts)
