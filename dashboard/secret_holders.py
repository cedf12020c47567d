"""What a secret's page says of the present: who may read it, which pods have it, and who is on an old version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from accounts.scope import Scope
from audit import consuming, lease_questions, queries, secret_holders
from audit.lease_questions import Wish
from audit.old_copies import OldCopy
from audit.pods import HeldVersion
from dashboard.closing import Closing
from dashboard.leases_page import Item, item
from dashboard.words import counted, duration, span, until_clock, visible
from inventory.cluster_models import SecretConsumer
from inventory.freshness import CURRENT
from inventory.leases import OPEN
from inventory.may_read import Reader, Way, WhoMayRead
from vault.giving import discloses

LEASES, ROWS = 8, 50
METHODS = {
    "injector": "Agent Injector",
    "csi": "CSI",
    "vso": "Vault Secrets Operator",
    "eso": "External Secrets Operator",
    "native": "Kubernetes Secret",
    "direct": "its own client",
}
RESTARTS = {"always": "needs a restart", "never": "no restart needed", "unknown": "not known"}
BY = {"vso": "the operator restarts it", "reloader": "Reloader restarts it"}
MAY = {"yes": ("check", "yes"), "depends": ("dashed-alert", "depends"), "unknown": ("dashed", "not known")}
_CALLERS = {"service_account": "service_account", "user": "human", "role": "approle"}


@dataclass(frozen=True, slots=True)
class Right:
    """Who may read, by which policies and pattern, and on what it depends; `did` is None where nobody can say."""

    kind: str
    name: str
    via: str
    bound: str
    icon: str
    may: str
    policies: str
    pattern: str
    needs: str
    did: int | None


@dataclass(frozen=True, slots=True)
class Has:
    """One container that gets the secret: by which method, from which copy, how often, and what it read or holds."""

    row: SecretConsumer
    method: str
    uses: str
    refresh: str
    restart: str
    held: HeldVersion | None
    old: bool
    copy: OldCopy | None


@dataclass
class Present:
    """What is live of one secret. `readers` are those of the page's stretch of time."""

    secret: queries.SecretRef
    readers: Sequence[queries.Reader]
    now: datetime
    scope: Scope

    @cached_property
    def _may(self) -> WhoMayRead:
        return secret_holders.may_read(self.secret.id)

    @cached_property
    def _rights(self) -> list[Right]:
        did = {(one.kind, one.principal): one.count for one in self.readers}
        rights = [right for one in self._may.readers if (right := _right(one, did))]
        return sorted(rights, key=lambda one: (list(MAY).index(one.may), one.kind, one.name, one.via))

    @property
    def rights(self) -> list[Right]:
        """Return who may read it, the first of them."""
        return self._rights[:ROWS]

    @property
    def looked(self) -> bool:
        """Whether policies were ever read."""
        return self._may.known.as_of is not None

    @property
    def unseen(self) -> list[str]:
        """Return what could not be seen."""
        return [visible(one) for one in self._may.known.unseen]

    @property
    def rights_closing(self) -> Closing:
        """Return the closing line of who may read: as of when, and what was not seen."""
        known, more = self._may.known, len(self._rights) - len(self.rights)
        sentence = f"As of {until_clock(known.as_of, self.now)}. " if known.as_of else ""
        sentence += "Whoever holds a root token may read it too."
        if more:
            sentence += f" {counted(more, 'more holder')} may."
        notes = [f"Could not see {one}." for one in self.unseen[:20]]
        return Closing(not notes and not more and self.looked, sentence, notes)

    @cached_property
    def _held(self) -> secret_holders.Held:
        found = secret_holders.held(self.secret.id, self.now)
        seen = consuming.shown(found.consumers, self.secret.vault, scope=self.scope)
        keys = {one.pk for one in seen}
        return replace(found, consumers=seen, copies=[one for one in found.copies if one.row.pk in keys])

    @cached_property
    def has(self) -> list[Has]:
        """Return the containers that get it, the first of them."""
        return [self._has(one) for one in self._held.consumers[:ROWS]]

    def _has(self, one: SecretConsumer) -> Has:
        held = self._held.versions.get(one.pod_uid)
        refresh = f"every {span(timedelta(seconds=one.refresh_seconds))}" if one.refresh_seconds else "never again"
        restart = BY.get(one.restarted_by) or RESTARTS.get(one.needs_restart, one.needs_restart)
        old = held is not None and held.version < self._held.current and held.version != one.pinned
        copy = self._copies.get((one.cluster_id, one.pod_uid, one.container))
        return Has(one, METHODS.get(one.method, one.method), ", ".join(one.uses), refresh, restart, held, old, copy)

    @cached_property
    def _copies(self) -> dict[tuple[int, str, str], OldCopy]:
        return {(one.row.cluster_id, one.row.pod_uid, one.row.container): one for one in self._held.copies}

    @property
    def pods(self) -> int:
        """Return how many pods get it."""
        return len({one.pod_uid for one in self._held.consumers})

    @property
    def clusters(self) -> bool:
        """Whether a cluster is connected."""
        return bool(self._held.clusters)

    @property
    def stale(self) -> list[str]:
        """Return of each cluster whose picture is not current since when, and why; a limited view names its own."""
        mine = {one.cluster_id for one in self._held.consumers}
        old = [one for one in self._held.clusters if one.whole.state != CURRENT]
        named = [one for one in old if self.scope.everything or one.cluster_id in mine]
        others = ["Another cluster is not seen as it is now."] if len(named) < len(old) else []
        return [*(f"{visible(one.name)}: {visible(one.whole.says)}." for one in named), *others]

    @property
    def has_closing(self) -> Closing:
        """Return the closing line of the pods: double only while every picture is current."""
        more = len(self._held.consumers) - len(self.has)
        sentence = f"{counted(more, 'more container')} follow." if more else ""
        times = [one.whole.at for one in self._held.clusters if one.whole.at]
        if not self.stale and times:
            sentence = f"{sentence} The picture is of {until_clock(min(times), self.now)}.".strip()
        return Closing(not self.stale and not more, sentence or "Not complete.", self.stale)

    @property
    def current(self) -> int:
        """Return the newest version that a call named."""
        return self._held.current

    @property
    def behind(self) -> list[secret_holders.Behind]:
        """Return the pods that last read an old version, the first of them."""
        return list(self._held.behind[:ROWS])

    @property
    def copies(self) -> list[OldCopy]:
        """Return the containers whose copy is old, the first of them."""
        return list(self._held.copies[:ROWS])

    @property
    def behind_for(self) -> str:
        """Return how long there has been a newer version, in words."""
        times = [one.since for one in self._held.behind if one.since] + [one.since for one in self._held.copies]
        return duration((self.now - min(times)).total_seconds()) if times else ""

    @property
    def behind_closing(self) -> Closing:
        """Return the closing line of the pods on an old version."""
        held = self._held
        pods = {one.held.uid for one in held.behind} | {one.row.pod_uid for one in held.copies}
        more = max(len(held.behind), len(held.copies)) > ROWS
        told = f"{counted(len(pods), 'pod')}, by the newest {secret_holders.NEWEST:,} calls"
        told += " and by when containers started." if held.copies else "."
        return Closing(not self.stale and not more, f"{told} Version {self.current} is the newest named.", self.stale)


def _right(one: Reader, did: dict[tuple[str, str], int]) -> Right | None:
    ways = [way for way in one.ways if discloses(way.call)]
    if not ways:
        return None
    best = min(ways, key=lambda way: list(MAY).index(way.may))
    holder, caller = one.holder, _CALLERS.get(one.holder.kind)
    return Right(
        kind=holder.kind, name=holder.name, via=holder.via, bound="; ".join(holder.bound), icon=MAY[best.may][0],
        may=best.may, policies=", ".join(best.answer.by or best.unreadable), pattern=best.answer.pattern,
        needs=_needs(best), did=did.get((caller, holder.name), 0) if caller else None,
    )  # fmt: skip


def _needs(way: Way) -> str:
    said = [f"depends on {', '.join(way.answer.depends_on)}"] if way.answer.depends_on else []
    said += list(way.answer.conditions)
    said += [f"could not read {', '.join(way.unreadable)}"] if way.unreadable else []
    return "; ".join(said)


@dataclass
class SecretLeases:
    """The newest leases of one secret, and how many may still live."""

    secret: queries.SecretRef
    now: datetime
    scope: Scope

    @property
    def may_be(self) -> bool:
        """Whether reads of this kind of secret take leases."""
        return not self.secret.engine.startswith("KV")

    @cached_property
    def items(self) -> list[Item]:
        """Return the newest leases."""
        rows = lease_questions.leases(Wish(secret=self.secret.id), scope=self.scope, now=self.now).order_by("-pk")
        return [item(one, self.now) for one in lease_questions.shown(rows[:LEASES], self.now)]

    @cached_property
    def open(self) -> int:
        """Return how many are not known to have ended."""
        every = lease_questions.leases(Wish(secret=self.secret.id), scope=self.scope, now=self.now)
        return every.filter(state__in=list(OPEN)).count()

    @cached_property
    def orphaned(self) -> int:
        """Return how many of them outlive their pod."""
        wish = Wish(secret=self.secret.id, orphaned=True)
        return lease_questions.leases(wish, scope=self.scope, now=self.now).count()
