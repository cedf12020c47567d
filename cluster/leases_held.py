"""Which lease a pod works with that got it as a copy: the operator's status names the newest, events those before."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cluster.agents import status_of
from cluster.consumption import Consumer
from cluster.held import KUBELET, started_at
from cluster.scene import Ref, Scene
from cluster.uses import ENV, ENV_FROM, SUB_PATH

_LEASE = re.compile(r"\blease_id=([^\s,\"]{1,512})")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class LeaseHeld:
    """What one container got of one dynamic secret; `lease_ids` are those that it may be, the newest last."""

    pod: Ref
    container: str
    path: str
    lease_ids: tuple[str, ...]
    current: str

    @property
    def lease_id(self) -> str:
        """The lease, or "" when the cluster alone can't tell which of several it is."""
        return self.lease_ids[0] if len(self.lease_ids) == 1 else ""

    @property
    def stale(self) -> bool | None:
        """Whether it works with a lease before the current one; None when the cluster alone can't tell it."""
        if self.current not in self.lease_ids:
            return True
        return False if len(self.lease_ids) == 1 else None


def leases_held(scene: Scene, consumers: Iterable[Consumer]) -> list[LeaseHeld]:
    """Return the leases of all containers that have started and use a copy whose operator names a lease.

    Events are forgotten after an hour: a start before the first known event leaves the leases before it unknown, and ""
    stands for them.
    """
    found = []
    for each in consumers:
        if each.source.lease_id and each.source.made_by is not None and not each.ended:
            pod = scene.pod(each.pod.uid)
            started = started_at(status_of(pod, each.container)) if pod is not None else None
            if started is not None:
                ids = _possible(scene, each, started)
                found.append(LeaseHeld(each.pod, each.container, each.path, ids, each.source.lease_id))
    return found


def _possible(scene: Scene, each: Consumer, started: datetime) -> tuple[str, ...]:
    known = _issued(scene, each)
    if {ENV, ENV_FROM, SUB_PATH} & set(each.uses):
        earliest, latest = started, started + _SECOND
    elif scene.at is None:
        earliest = latest = datetime.max.replace(tzinfo=started.tzinfo)
    else:
        earliest, latest = max(started, scene.at - KUBELET), scene.at
    before = [lease for stamp, lease in known if stamp + _SECOND <= earliest]
    within = [lease for stamp, lease in known if earliest < stamp + _SECOND and stamp <= latest]
    first = before[-1:] or ([] if within and known[0][1] == within[0] and _is_first(scene, each, known) else [""])
    unseen = [] if each.source.lease_id in {lease for _, lease in known} else [each.source.lease_id]
    return tuple(dict.fromkeys([*first, *within, *unseen]))


def _issued(scene: Scene, each: Consumer) -> list[tuple[datetime, str]]:
    """When each lease was issued, as far as events say it."""
    maker = each.source.made_by.uid if each.source.made_by is not None else ""
    first: dict[str, datetime] = {}
    for event in scene.events_of(maker):
        named, stamp = _LEASE.search(event.message), event.first()
        if named is not None and stamp is not None:
            first[named[1]] = min(stamp, first.get(named[1], stamp))
    return sorted((stamp, lease) for lease, stamp in first.items())


def _is_first(scene: Scene, each: Consumer, known: list[tuple[datetime, str]]) -> bool:
    """Whether the first known lease is the first of all: nothing could start before it, since there was no Secret."""
    maker = scene.by_uid(each.source.made_by.uid) if each.source.made_by is not None else None
    events = scene.events_of(maker.metadata.uid) if maker is not None else []
    return any("sync_reason=initial" in event.message and known[0][1] in event.message for event in events)
