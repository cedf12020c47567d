"""Symptom I: the pod has its agent and does not get past the init container (causes 15 to 21)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cluster.agents import INIT, Injected, injected, status_of
from cluster.consumption import KV, Trouble, credential_of
from cluster.doctor.states import (
    CONFIG,
    CRASHING,
    KILLED,
    PULLING,
    last_end,
    last_warning,
    lasts,
    unscheduled,
    waiting_for,
    waiting_text,
)
from cluster.kinds.pod import ContainerStatus, Pod
from cluster.kinds.vso import VaultStaticSecret
from cluster.scene import Scene, ref

_ASK_THE_LOG = "Look in the vault's audit log for its login: refused, or no line at all when the vault was not reached."


class Stuck(NamedTuple):
    """Why the init container does not end."""

    cause: int
    says: str
    mend: str
    sure: bool = True
    also: tuple[int, ...] = ()
    evidence: str = ""


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the pods that wait for the init container of their agent."""
    for pod in scene.pods:
        agents = injected(pod)
        if agents is None or agents.init is None or pod.metadata.deletion_timestamp is not None:
            continue
        found = _stuck(scene, pod, agents)
        if found is not None:
            me = ref(pod)
            yield Trouble("I", found.cause, me, scene.workload(pod), found.says, found.mend, (me,), *found[3:])


def _stuck(scene: Scene, pod: Pod, agents: Injected) -> Stuck | None:
    status = status_of(pod, INIT)
    if pod.status.phase != "Pending" or (status is not None and status.ready):
        return None
    why = unscheduled(pod)
    if why:
        return Stuck(21, "No node takes the pod.", "Mend what the scheduler says.", evidence=why)
    before = _unfinished_before(pod)
    if before and lasts(scene, pod.metadata.creation_timestamp):
        says = f"The init container {before} comes first and has not ended."
        return Stuck(20, says, f"See why {before} hangs, or set agent-init-first.")
    return _of_status(scene, pod, agents, status)


def _of_status(scene: Scene, pod: Pod, agents: Injected, status: ContainerStatus | None) -> Stuck | None:
    reason, text = waiting_for(status), waiting_text(status)
    if reason in PULLING:
        return Stuck(15, "The agent's image can't be pulled.", "See agent-image and the pull secrets.", evidence=text)
    mount = last_warning(scene, pod, "FailedMount")
    if reason in CONFIG or (mount is not None and (status is None or status.state.running is None)):
        says = "Something that the agent's container needs is missing."
        evidence = text or (mount.message if mount is not None else "")
        return Stuck(21, says, "Make the ConfigMap, Secret or volume that the message names.", evidence=evidence)
    code, ended = last_end(status)
    if ended == KILLED:
        return Stuck(22, "The agent's init container is killed for memory.", "Raise agent-limits-mem.")
    if reason == CRASHING or code:
        return _refused_path(scene, agents)
    running = status.state.running if status is not None else None
    return _never_ending(scene, agents) if running is not None and lasts(scene, running.started_at) else None


def _never_ending(scene: Scene, agents: Injected) -> Stuck:
    address = _lonely_address(scene, agents)
    if address:
        says = f"The agent runs and never ends, and no pod that works reaches a vault at {address}."
        return Stuck(19, says, f"Compare the address with that of others. {_ASK_THE_LOG}", sure=False, also=(16, 24))
    says = "The agent runs and never ends: it can't log in, or can't reach the vault, and tries for ever."
    mend = f"See role, namespace, audience and mount of the login. {_ASK_THE_LOG}"
    return Stuck(16, says, mend, sure=False, also=(19, 24))


def _lonely_address(scene: Scene, agents: Injected) -> str:
    told = agents.agent()
    working = scene.once(_working_addresses)
    return told.address if told is not None and working and told.address not in working else ""


def _working_addresses(scene: Scene) -> frozenset[str]:
    found = set()
    for pod in scene.pods:
        agents = injected(pod)
        told = agents.agent() if agents is not None else None
        done = status_of(pod, INIT)
        if told is not None and done is not None and done.state.terminated is not None and not last_end(done)[0]:
            found.add(told.address)
    return frozenset(found)


def _refused_path(scene: Scene, agents: Injected) -> Stuck:
    told = agents.agent()
    paths = [path for template in (told.templates if told else ()) for path in template.paths]
    odd = next((path for path in paths if _lacks_data(scene, path)), "")
    if odd:
        says = f"The path {odd} lacks data/: its mount is a KV version 2."
        return Stuck(18, says, "Write the path with data/ after the mount.", sure=False, also=(17,))
    says = "The agent logs in, is refused a secret, or does not find it, and ends again and again."
    named = f" ({', '.join(dict.fromkeys(paths))})" if paths else ""
    return Stuck(
        17, says, f"See that the role's policy allows the paths{named} and that they exist.", sure=False, also=(18,)
    )


def _lacks_data(scene: Scene, path: str) -> bool:
    mount, _, rest = path.strip("/").partition("/")
    return bool(rest) and not rest.startswith("data/") and mount in scene.once(_kv2_mounts)


def _kv2_mounts(scene: Scene) -> frozenset[str]:
    said = {each.spec.mount.strip("/") for each in scene.all(VaultStaticSecret) if each.spec.type == "kv-v2"}
    for pod in scene.pods:
        told = agents.agent() if (agents := injected(pod)) else None
        for template in told.templates if told else ():
            said |= {path.strip("/").partition("/")[0] for path in template.paths if credential_of(path) == KV}
    return frozenset(said)


def _unfinished_before(pod: Pod) -> str:
    for container in pod.spec.init_containers:
        if container.name == INIT:
            return ""
        status = status_of(pod, container.name)
        if container.restart_policy != "Always" and (
            status is None or status.state.terminated is None or last_end(status)[0]
        ):
            return container.name if status is not None else ""
    return ""
