"""What a container's state says, in the words that kubectl computes."""

from __future__ import annotations

from datetime import datetime, timedelta

from cluster.kinds.meta import moment
from cluster.kinds.platform import ClusterEvent
from cluster.kinds.pod import ContainerStatus, Pod
from cluster.scene import Scene

PULLING = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
CRASHING, KILLED = "CrashLoopBackOff", "OOMKilled"
# A login that works takes a second or two; what still waits after this is stuck.
PATIENCE = timedelta(seconds=30)


def waiting_for(status: ContainerStatus | None) -> str:
    """Return the reason for which a container waits; "" when it does not."""
    return status.state.waiting.reason if status is not None and status.state.waiting is not None else ""


def waiting_text(status: ContainerStatus | None) -> str:
    """Return the message with which a container waits."""
    return status.state.waiting.message if status is not None and status.state.waiting is not None else ""


def last_end(status: ContainerStatus | None) -> tuple[int, str]:
    """Return exit code and reason of the last end of a container; (0, "") when it has not ended badly."""
    if status is None:
        return 0, ""
    ends = [status.state.terminated, status.last_state.terminated]
    return next(((end.exit_code, end.reason) for end in ends if end is not None and end.exit_code), (0, ""))


def lasts(scene: Scene, since: str | datetime | None) -> bool:
    """Say whether something has lasted long enough to be called stuck; without a time of the scene it has."""
    begun = since if isinstance(since, datetime) else moment(since)
    return scene.at is None or begun is None or scene.at - begun >= PATIENCE


def unscheduled(pod: Pod) -> str:
    """Return why no node takes the pod; "" when one has."""
    for each in pod.status.conditions:
        if each.type == "PodScheduled" and each.status == "False":
            return each.message or each.reason or "no node takes it"
    return ""


def last_warning(scene: Scene, pod: Pod, *reasons: str) -> ClusterEvent | None:
    """Return the newest event about the pod with one of these reasons."""
    found = [each for each in scene.events_of(pod.metadata.uid) if each.reason in reasons]
    return found[-1] if found else None
