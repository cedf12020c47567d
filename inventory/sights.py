"""A pod's struct as attribution sees it: which addresses it has, since when, and whether it is over. Pure."""

from __future__ import annotations

import re

from cluster.kinds.pod import Pod
from inventory.lives import Sight, canonical, moment

_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}", re.ASCII).fullmatch
_OVER = ("Succeeded", "Failed")


def sight(pod: Pod) -> Sight:
    """Return what a pod shows of itself; what it does not say stays empty."""
    status = pod.status
    ready = [one for one in status.conditions if one.type == "PodReadyToStartContainers" and one.status == "True"]
    return Sight(
        uid=pod.metadata.uid,
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        service_account=pod.spec.service_account_name or "default",
        node=pod.spec.node_name,
        host_network=pod.spec.host_network,
        addresses=tuple(filter(None, map(_canonical, status.addresses()))),
        started=moment(status.start_time),
        networked=moment(ready[0].last_transition_time) if ready else 0,
        over=status.phase in _OVER,
        finished=_finished(pod),
        labels=pod.metadata.labels,
    )


def _canonical(address: str) -> str:
    """Return the one spelling; what can only be IPv4 as it is written is not taken apart, for it is most of them."""
    return address if _IPV4(address) else canonical(address)


def _finished(pod: Pod) -> int:
    """Return when the last container ended, 0 unless all have."""
    states = [one.state.terminated for one in pod.status.container_statuses]
    ends = [moment(one.finished_at) if one is not None else 0 for one in states]
    return max(ends) if ends and all(ends) else 0
