"""Pod lives, and the addresses that each pod had, from what a watch and its lists showed of them. Pure.

Moments are µs since 1970. An address is a pod's from its start to its terminal phase: it is released then, and may be
another's before the object is deleted. Where nobody watched, an end is only known to lie between two moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any

PROMPT = 5_000_000  # µs after a pod's last container in which its terminal phase is usually told
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Sight:
    """A pod as the API server showed it once; 0 stands for a moment that it does not say."""

    uid: str
    namespace: str
    name: str
    service_account: str
    node: str = ""
    host_network: bool = False
    addresses: tuple[str, ...] = ()
    started: int = 0
    networked: int = 0  # since when the sandbox has its network
    over: bool = False  # in a terminal phase: what was its address may be another's
    finished: int = 0  # when its last container ended
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One address of one pod in [start, end); None = open. Between `sure` and `end` it may have ended already."""

    address: str
    start: int
    end: int | None = None
    sure: int | None = None


@dataclass(slots=True)
class Life:
    """One pod, by its uid, from its start to its end; `seen` is when it was last shown as it stands here."""

    uid: str
    namespace: str
    name: str
    service_account: str
    node: str
    host_network: bool
    start: int
    seen: int
    end: int | None = None
    uncertain: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)

    @property
    def account(self) -> tuple[str, str]:
        """The service account as (namespace, name)."""
        return self.namespace, self.service_account


class Lives:
    """The lives of one cluster's pods, told as they happen; what changed since `take` was called is in `changed`.

    Hearing something again changes nothing: a watch that is taken up repeats itself. In a gap, [since, until], nobody
    watched: pods that came and went then were never seen.
    """

    def __init__(self, known: Iterable[Life] = ()) -> None:
        self.of = {life.uid: life for life in known}
        self.changed: set[str] = set()
        self.gaps: list[tuple[int, int]] = []

    def take(self) -> list[Life]:
        """Return the lives that changed since the last call."""
        some = [self.of[uid] for uid in sorted(self.changed)]
        self.changed.clear()
        return some

    def take_gaps(self) -> list[tuple[int, int]]:
        """Return the gaps that came since the last call."""
        some, self.gaps = self.gaps, []
        return some

    def see(self, at: int, sight: Sight) -> None:
        """Note a pod as it was shown at a moment: in a list, or as added or modified."""
        life = self.of.get(sight.uid) or self._begin(at, sight)
        if life.end is not None and not life.uncertain:
            return
        if life.end is not None:  # a list that did not show it was not the whole truth
            life.end, life.uncertain = None, False
            self.changed.add(life.uid)
        self._tell(life, sight)
        _addresses(life, at, sight)
        life.seen = max(life.seen, at)
        if sight.over:
            late = life.start < sight.finished < at - PROMPT
            self._close(life, at, sure=sight.finished if late else None)

    def gone(self, at: int, uid: str) -> None:
        """Note that a pod was deleted."""
        life = self.of.get(uid)
        if life is not None and (life.end is None or life.uncertain):
            life.uncertain = False
            self._close(life, at, sure=None)

    def listed(self, at: int, uids: Iterable[str], known_until: int = 0) -> None:
        """Note that a whole list, taken at a moment, shows these pods: the others ended unseen.

        `known_until` is the moment until which the watch before it was whole, 0 if there was none.
        """
        self.gaps.append((known_until, max(at, known_until)))
        shown = set(uids)
        for uid, life in self.of.items():
            if life.end is None and uid not in shown:
                life.uncertain = True
                self._close(life, at, sure=min(at, max(life.seen, known_until)))

    def _begin(self, at: int, sight: Sight) -> Life:
        start = min(at, sight.started or at)
        life = Life(
            sight.uid, sight.namespace, sight.name, sight.service_account, sight.node, sight.host_network, start, at
        )
        self.of[sight.uid] = life
        self.changed.add(sight.uid)
        return life

    def _tell(self, life: Life, sight: Sight) -> None:
        """Take over what a pod learns while it lives: its node, its labels, when it started."""
        told = (sight.node or life.node, sight.host_network, dict(sight.labels))
        if sight.started and sight.started < life.start:
            life.start = sight.started
            self.changed.add(life.uid)
        if told != (life.node, life.host_network, dict(life.labels)):
            life.node, life.host_network, life.labels = told
            self.changed.add(life.uid)
        open_now = {span.address for span in life.spans if span.end is None}
        if not sight.over and open_now != set(sight.addresses):
            self.changed.add(life.uid)

    def _close(self, life: Life, at: int, sure: int | None) -> None:
        life.end = max(at, life.start)
        for span in life.spans:
            if span.end is None:
                span.end = max(at, span.start)
                span.sure = None if sure is None else max(span.start, min(sure, span.end))
        self.changed.add(life.uid)


def _addresses(life: Life, at: int, sight: Sight) -> None:
    """Open the spans of addresses that are new, and close those of addresses that it has no longer."""
    if sight.over and life.spans:
        return
    own = {span.address: span for span in life.spans if span.end is None}
    for address in own.keys() - set(sight.addresses) if sight.addresses else ():  # without any, a status says nothing
        own[address].end, own[address].sure = max(at, own[address].start), max(own[address].start, life.seen)
    for address in dict.fromkeys(sight.addresses):
        if address not in own:
            begin = max(sight.started, sight.networked) or at
            life.spans.append(Span(address, min(begin, at)))


def sight_of(pod: Mapping[str, Any]) -> Sight:
    """Return a pod's sight from its JSON object as the API server sends it; what is missing stays empty."""
    meta, spec, status = pod.get("metadata") or {}, pod.get("spec") or {}, pod.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or []}
    network = conditions.get("PodReadyToStartContainers") or {}
    addresses = [one.get("ip", "") for one in status.get("podIPs") or []] or [status.get("podIP") or ""]
    return Sight(
        uid=meta.get("uid", ""),
        namespace=meta.get("namespace", ""),
        name=meta.get("name", ""),
        service_account=spec.get("serviceAccountName") or "default",
        node=spec.get("nodeName") or "",
        host_network=bool(spec.get("hostNetwork")),
        addresses=tuple(filter(None, map(canonical, addresses))),
        started=moment(status.get("startTime")),
        networked=moment(network.get("lastTransitionTime")) if network.get("status") == "True" else 0,
        over=status.get("phase") in _OVER,
        finished=_finished(status),
        labels=dict(meta.get("labels") or {}),
    )


def _finished(status: Mapping[str, Any]) -> int:
    """Return when the last container ended, 0 unless all have."""
    states = [one.get("state") or {} for one in status.get("containerStatuses") or []]
    ends = [moment((state.get("terminated") or {}).get("finishedAt")) for state in states]
    return max(ends) if ends and all(ends) else 0


def moment(text: str | None) -> int:
    """Return µs since 1970 of an RFC 3339 time, 0 for none or one that can't be read."""
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) if text else 0
    except (ValueError, TypeError):
        return 0


def canonical(address: str) -> str:
    """Return the one spelling of an IP address, IPv4 for what is mapped into IPv6; empty for what is no IP address."""
    try:
        one = ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return ""
    if isinstance(one, IPv6Address) and one.ipv4_mapped is not None:
        return str(one.ipv4_mapped)
    return str(one)
