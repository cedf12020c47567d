"""The Agent Injector: an agent beside the application reads the vault and writes files into memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cluster.agents import Injected, annotation, injected, readers_of, templates_by_annotation, truth
from cluster.consumption import ALWAYS, NEVER, TOKEN, Consumer, Source, Trouble, credential_of
from cluster.doctor import absent, denied, sidecar, waiting
from cluster.durations import duration, in_words
from cluster.kinds.agent import Agent, Template
from cluster.kinds.pod import Container, Pod
from cluster.redaction import bare_address
from cluster.scene import Scene, ref
from cluster.uses import SUB_PATH

TITLE = "Agent Injector"
_DEFAULT_INTERVAL = timedelta(minutes=5)
_METHOD = "injector"


def consumers(scene: Scene) -> Iterator[Consumer]:
    """Give each container that mounts what an agent writes, once for each path that the agent reads."""
    for pod in scene.all(Pod):
        agents = injected(pod)
        if agents is not None:
            yield from _of_pod(scene, pod, agents)


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the pods that were not injected, were denied, wait for their agent, or whose agent fails."""
    yield from absent.troubles(scene)
    yield from denied.troubles(scene)
    yield from waiting.troubles(scene)
    yield from sidecar.troubles(scene)


def _of_pod(scene: Scene, pod: Pod, agents: Injected) -> Iterator[Consumer]:
    told = agents.agent() or _by_annotation(pod)
    workload, me = scene.workload(pod), ref(pod)
    for source in _sources(pod, told, renews=agents.sidecar is not None):
        for container in readers_of(pod):
            uses = (SUB_PATH,) if _by_sub_path(container) else ("file",)
            needs, why = _restart(agents, told, uses)
            yield Consumer(me, workload, container.name, source, "", uses, needs, why)


def _by_annotation(pod: Pod) -> Agent:
    meta = pod.metadata
    mount = annotation(meta, "auth-path") or ""
    return Agent(
        address=bare_address(annotation(meta, "service") or ""),
        namespace=annotation(meta, "namespace") or "",
        method=annotation(meta, "auth-type") or "",
        mount=mount.strip("/").removeprefix("auth/"),
        role=annotation(meta, "role") or annotation(meta, "auth-config-role") or "",
        templates=templates_by_annotation(meta),
        render_interval=annotation(meta, "template-static-secret-render-interval") or "",
        writes_token=truth(annotation(meta, "agent-inject-token")) is True,
    )


def _sources(pod: Pod, told: Agent, *, renews: bool) -> list[Source]:
    paths = dict.fromkeys(path for template in told.templates for path in _paths(template))
    found = [_source(pod, told, path, credential_of(path), renews=renews) for path in paths]
    if told.writes_token or truth(annotation(pod.metadata, "agent-inject-token")):
        found.append(_source(pod, told, "auth/token/lookup-self", TOKEN, renews=renews))
    return found


def _paths(template: Template) -> list[str]:
    return [path.strip("/") for path in template.paths] or [
        ""
    ]  # a template on the agent's disk: it reads, we can't see what


def _source(pod: Pod, told: Agent, path: str, credential: str, *, renews: bool) -> Source:
    return Source(
        _METHOD,
        path,
        credential,
        address=told.address,
        vault_namespace=told.namespace,
        auth_mount=told.mount,
        auth_method=told.method,
        role=told.role,
        service_account=pod.spec.service_account_name,
        refresh=(duration(told.render_interval) or _DEFAULT_INTERVAL) if renews else None,
    )


def _restart(agents: Injected, told: Agent, uses: tuple[str, ...]) -> tuple[str, str]:
    if agents.sidecar is None:
        return ALWAYS, "The agent ran only before the start (pre-populate-only): nobody renews the file."
    if SUB_PATH in uses:
        return ALWAYS, "The file is mounted by subPath, which keeps the first one."
    every = in_words(duration(told.render_interval) or _DEFAULT_INTERVAL)
    if any(template.command for template in told.templates):
        return NEVER, f"The agent renews the file (KV: every {every}) and runs a command afterwards."
    return NEVER, f"The agent renews the file (KV: every {every}); the application has to read it again."


def _by_sub_path(container: Container) -> bool:
    mounts = [each for each in container.volume_mounts if each.name.startswith("vault-secrets")]
    return all(each.sub_path or each.sub_path_expr for each in mounts)
