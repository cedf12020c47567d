"""The calls that change a cluster (restart a workload, have a secret read anew), and the looks before and after them.

A call that changes something has three outcomes: it returns, an error says that surely nothing was done, or `Unknown`
says to look (`Operator.restarted_by`, `asked_by`) before doing it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from cluster import refresh, rollouts
from cluster.delivery import vso
from cluster.errors import (
    NotRefreshable,
    NotRestartable,
    Refused,
)
from cluster.guarded import Json, Place, Server, changed, listed, placed, read, selected
from cluster.kinds.pod import Pod
from cluster.refresh import Filled, Pending, Synced
from cluster.resources import RESOURCES
from cluster.rollouts import CHANGE, RESTARTED_AT, Obstacle, Restartable
from cluster.scene import Scene

KINDS = {RESOURCES[name].kind: RESOURCES[name] for name in ("deployments", "statefulsets", "daemonsets")}
FILLING = {
    RESOURCES[name].kind: RESOURCES[name] for name in ("externalsecrets", "vaultstaticsecrets", "vaultdynamicsecrets")
}
FORCE_ESO, FORCE_VSO = "force-sync", "vso.hashicorp.com/resync"


@dataclass(frozen=True, slots=True)
class Restarted:
    """What a restart did: `generation` is the one that carries it, `at` the API server's time (seconds).

    `again` tells that the workload carried this change already, so that nothing was sent.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    at: datetime | None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking an operator to read anew did: `mark` and `lease_id` are its status of before, as `refresh` has them.

    With `again` they may be of after: then they are the ones to take that were kept with the intent.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    mark: str
    lease_id: str
    at: datetime | None
    again: bool = False


class Seen(NamedTuple):
    """A workload as it is now, and its pods."""

    workload: Restartable
    pods: list[Pod]


class Operator:
    """Changes one cluster as whoever its client is: the restarter, whose role `deploy/kubernetes` has.

    It asks the API server anew at every call and keeps nothing between them.
    """

    def __init__(self, client: Server) -> None:
        """Take a client; it is the caller's to know whose token that has."""
        self._client = client

    def restart(
        self, kind: str, namespace: str, name: str, change_id: str, at: datetime, dry_run: bool = False, *,
        uid: str = "", fingerprint: str = "",
    ) -> Restarted:  # fmt: skip
        """Restart a workload for a change by writing two annotations on its pod template; `at` is written into one.

        A workload that carries the change already is left alone. `uid` and `fingerprint` (`rollouts.fingerprint`) are
        the plan's: another object of the name, or another template, is `NotAsPlanned`. A dry run asks the API server
        and its admission the same question and changes nothing.
        Raises `NotRestartable` (paused, OnDelete, partition, no pods), `NotThere`, `NotPermitted` with the rule to add,
        `Denied`, `Conflict`, other `ClusterError`s that say that surely nothing was done, and `Unknown`.
        """
        place = placed(KINDS, kind, namespace, name, NotRestartable)

        def body(found: Restartable) -> Json | None:
            ours = rollouts.restarted_by(found) == change_id
            if not ours:  # before the fingerprint, which it changes too: this says what to do
                _refuse(rollouts.obstacle(found), NotRestartable, place)
            place.check(found, uid, fingerprint)
            if ours:
                return None
            notes = {CHANGE: change_id, RESTARTED_AT: _stamp(at)}
            return {"spec": {"template": {"metadata": {"annotations": notes}}}}

        _, after, again = changed(self._client, place, body, dry_run=dry_run, strategic=True)
        meta = after.metadata
        return Restarted(kind, namespace, name, meta.uid, meta.generation, rollouts.marked_at(after), again)

    def restarted_by(self, kind: str, namespace: str, name: str) -> str | None:
        """Return the id of the change that restarted a workload last: the probe after `Unknown`; None when none did."""
        return rollouts.restarted_by(read(self._client, placed(KINDS, kind, namespace, name, NotRestartable)))

    def look(self, kind: str, namespace: str, name: str) -> Seen:
        """Return a workload and its pods, read now; `rollouts.status` says what they mean.

        The pods are read before the workload: they may show an old one that has gone meanwhile, but never hide one.
        """
        place = placed(KINDS, kind, namespace, name, NotRestartable)
        labels = selected(read(self._client, place).spec.selector)
        pods = list(listed(self._client, RESOURCES["pods"], namespace, labels=labels))
        owners = (
            list(listed(self._client, RESOURCES["replicasets"], namespace, labels=labels))
            if kind == "Deployment"
            else []
        )
        found: Restartable = read(self._client, place)
        return Seen(found, Scene([found, *owners, *pods]).pods_of(found.metadata.uid))

    def progress(
        self, kind: str, namespace: str, name: str, change_id: str = "", since: datetime | None = None
    ) -> rollouts.Answer:
        """Return how far the restart by a change has come, read now; see `rollouts.status`."""
        seen = self.look(kind, namespace, name)
        return rollouts.status(seen.workload, seen.pods, change_id, since=since)

    def force_sync(
        self, kind: str, namespace: str, name: str, change_id: str, at: datetime, dry_run: bool = False, *,
        uid: str = "", anew: bool = False,
    ) -> Asked:  # fmt: skip
        """Ask an operator to read a secret anew for a change: annotations on its ExternalSecret or Vault*Secret.

        Of a VaultDynamicSecret this makes new credentials and leaves the lease of before alive. One that was asked for
        this change is left alone, unless it shall be asked `anew`. Raises `NotRefreshable` for one that would do
        nothing, and what `restart` raises.
        """
        place = placed(FILLING, kind, namespace, name, NotRefreshable)

        def body(found: Filled) -> Json | None:
            place.check(found, uid, "")
            if found.metadata.annotations.get(CHANGE) == change_id and not anew:
                return None
            _refuse(refresh.obstacle(found), NotRefreshable, place)
            key = FORCE_ESO if kind == "ExternalSecret" else FORCE_VSO
            return {"metadata": {"annotations": {CHANGE: change_id, key: _stamp(at)}}}

        before, after, again = changed(self._client, place, body, dry_run=dry_run, strategic=False)
        marks = refresh.mark_of(before), refresh.lease_of(before)
        return Asked(kind, namespace, name, after.metadata.uid, *marks, rollouts.marked_at(after), again)

    def asked_by(self, kind: str, namespace: str, name: str) -> str | None:
        """Return the id of the change that had a secret read anew last: the probe after `Unknown`; None without any."""
        return (
            read(self._client, placed(FILLING, kind, namespace, name, NotRefreshable)).metadata.annotations.get(CHANGE)
            or None
        )

    def synced(
        self, kind: str, namespace: str, name: str, mark: str, since: datetime, *, written: datetime | None = None
    ) -> Synced | Pending:
        """Return whether an operator has read a secret anew, by its status and events; see `refresh.synced_since`.

        The events matter to Vault Secrets Operator alone: it may have read by itself before `mark` was taken.
        """
        found: Filled = read(self._client, placed(FILLING, kind, namespace, name, NotRefreshable))
        uid, told = found.metadata.uid, list[datetime]()
        if kind != "ExternalSecret":
            events = listed(self._client, RESOURCES["events"], namespace, fields=f"involvedObject.uid={uid}")
            told = vso.synced_at(Scene(events), uid)
        return refresh.synced_since(found, mark, since, written=written, told=told)

    def filled(self, kind: str, namespace: str, name: str) -> Filled:
        """Return an ExternalSecret or Vault*Secret, read now: for its mark and its lease before anything is asked."""
        found: Filled = read(self._client, placed(FILLING, kind, namespace, name, NotRefreshable))
        return found


def _refuse(found: Obstacle | None, error: type[Refused], place: Place) -> None:
    if found is not None:
        raise error(found.says, str(place), found.mend)


def _stamp(at: datetime) -> str:
    """Return a time with its microseconds: two restarts within a second are two, which whole seconds would hide."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
