"""Cause 21 without an agent: a volume that can't be mounted, a Secret or ConfigMap that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.consumption import Trouble
from cluster.doctor.states import CONFIG, last_warning, lasts, unscheduled, waiting_for, waiting_text
from cluster.kinds.pod import Pod
from cluster.scene import Scene, ref
from cluster.uses import uses_of

_MISSING = ("not found", "couldn't find key", "references non-existent")


def not_mounted(scene: Scene, pod: Pod, name: str, *, known: bool, unreadable: str) -> Iterator[Trouble]:
    """Give the trouble of a pod that waits for the volume of a SecretProviderClass."""
    if pod.status.phase != "Pending" or pod.metadata.deletion_timestamp is not None:
        return
    event = last_warning(scene, pod, "FailedMount")
    if event is None and (known or not lasts(scene, pod.metadata.creation_timestamp)):
        return
    if not known:
        says, mend = (
            f"The SecretProviderClass {name} does not exist.",
            f"Make it in the namespace {pod.metadata.namespace}.",
        )
    elif unreadable:
        says, mend = f"The SecretProviderClass {name} can't be read: {unreadable}.", "Mend its parameter objects."
    else:
        says = f"The volume of the SecretProviderClass {name} can't be mounted: the vault refuses, or is not reached."
        mend = "See what the event says, then the role, the policy and the address of the class."
    me, evidence = ref(pod), event.message if event is not None else ""
    yield Trouble("I", 21, me, scene.workload(pod), says, mend, (me,), evidence=evidence)


def not_configured(scene: Scene, pod: Pod) -> Iterator[Trouble]:
    """Give the trouble of a pod whose container can't be made, since something that it names is not there."""
    if pod.metadata.deletion_timestamp is not None:
        return
    me, text = ref(pod), _config_error(pod) or _missing_volume(scene, pod)
    if text:
        says, mend = (
            "A Secret or a ConfigMap that a container needs is not there.",
            "Make it, or see why its operator does not.",
        )
        yield Trouble("I", 21, me, scene.workload(pod), says, mend, (me,), evidence=text)
    elif _uses_secrets(pod) and (why := unscheduled(pod)) and lasts(scene, pod.metadata.creation_timestamp):
        says, mend = "No node takes the pod, which would get a secret.", "Mend what the scheduler says."
        yield Trouble("I", 21, me, scene.workload(pod), says, mend, (me,), evidence=why)


def _uses_secrets(pod: Pod) -> bool:
    return bool(uses_of(pod)) or any(volume.csi is not None for volume in pod.spec.volumes)


def _config_error(pod: Pod) -> str:
    every = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next((waiting_text(each) or waiting_for(each) for each in every if waiting_for(each) in CONFIG), "")


def _missing_volume(scene: Scene, pod: Pod) -> str:
    if pod.status.phase != "Pending" or any(volume.csi is not None for volume in pod.spec.volumes):
        return ""
    event = last_warning(scene, pod, "FailedMount")
    return event.message if event is not None and any(sign in event.message for sign in _MISSING) else ""
