"""Symptoms R and F: the agent beside the application fails, nobody reads what it writes, or it keeps a Job alive."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.agents import AGENTS, SIDECAR, annotation, injected, readers_of, status_of
from cluster.consumption import Trouble
from cluster.doctor.states import CRASHING, KILLED, PULLING, last_end, waiting_for
from cluster.kinds.pod import Pod
from cluster.scene import Scene, ref

_SOME = 2


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the injected pods that have passed their start and are not well."""
    for pod in scene.pods:
        agents = injected(pod)
        if agents is None or pod.metadata.deletion_timestamp is not None:
            continue
        if agents.sidecar is not None:
            yield from _failing(scene, pod)
            yield from _never_ending(scene, pod)
        yield from _unread(scene, pod)


def _failing(scene: Scene, pod: Pod) -> Iterator[Trouble]:
    status = status_of(pod, SIDECAR)
    reason, (code, ended) = waiting_for(status), last_end(status)
    me, workload = ref(pod), scene.workload(pod)
    if reason in PULLING:
        yield Trouble("R", 15, me, workload, "The agent's image can't be pulled.", "See agent-image.", (me,))
    elif status is not None and code and (reason == CRASHING or status.restart_count >= _SOME) and not status.ready:
        if ended == KILLED:
            says, mend = (
                "The agent beside the application is killed for memory, again and again.",
                "Raise agent-limits-mem.",
            )
        else:
            says = "The agent beside the application ends again and again: its token ended, or a path is refused now."
            mend = "Look in the vault's audit log for refusals of this pod."
        yield Trouble("R", 22, me, workload, says, mend, (me,), sure=ended == KILLED)


def _never_ending(scene: Scene, pod: Pod) -> Iterator[Trouble]:
    workload = scene.workload(pod)
    ends = [(each.name, each.state.terminated) for each in pod.status.container_statuses]
    own = [end for name, end in ends if name not in AGENTS]
    agent = status_of(pod, SIDECAR)
    running = agent is not None and agent.state.running is not None
    if workload.kind in {"Job", "CronJob"} and running and own and all(end and not end.exit_code for end in own):
        says = (
            "The Job's own containers have ended well, and the agent keeps the pod running, so the Job never completes."
        )
        mend = "Use agent-pre-populate-only, or let the application stop the agent (agent-enable-quit)."
        yield Trouble("-", 25, ref(pod), workload, says, mend, (ref(pod),))


def _unread(scene: Scene, pod: Pod) -> Iterator[Trouble]:
    named = annotation(pod.metadata, "agent-inject-containers")
    if not named:
        return
    there = {each.name for each in (*pod.spec.containers, *pod.spec.init_containers)}
    lost = [name for each in named.split(",") if (name := each.strip()) and name not in there]
    if lost or not readers_of(pod):
        says = f"agent-inject-containers names {', '.join(lost) or 'no container'}, which the pod does not have."
        yield Trouble("F", 23, ref(pod), scene.workload(pod), says, "Name containers of the pod.", (ref(pod),))
