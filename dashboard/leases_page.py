"""What the page of leases shows: those that its address asks for, newest first, and what is not known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.urls import reverse

from accounts.scope import Scope
from audit import lease_questions, queries
from audit.lease_models import Lease
from audit.lease_questions import LeaseRow, Wish
from dashboard import lease_words
from dashboard.closing import Closing, list_closing
from dashboard.keys import key_of
from dashboard.lease_words import Left, Said
from dashboard.words import counted, visible
from inventory.leases import State

SHOWN = 100
LONGEST = 1_000
FIELDS = {"secret": "secret", "holder": "holder", "pod": "pod", "vault": "vault", "state": "state", "orphaned": "only"}
ORPHANED = "those that outlive their pod"


@dataclass(frozen=True, slots=True)
class Item:
    """A lease as a row shows it."""

    row: LeaseRow
    state: Said
    verified: Said
    left: Left
    exposed: str


@dataclass(frozen=True, slots=True)
class Chip:
    """One part of the question; `without` is the same page without it."""

    field: str
    value: str
    without: str


def item(row: LeaseRow, now: datetime) -> Item:
    """Return a lease with its words."""
    said = lease_words.state(row), lease_words.verified(row, now), lease_words.left(row, now)
    return Item(row, *said, lease_words.exposed(row.exposed))


@dataclass
class LeaseList:
    """The question as its address says it, and one page of what answers it."""

    asked: dict[str, str]
    before: int | None
    now: datetime
    scope: Scope

    @classmethod
    def read(cls, query: Mapping[str, str], now: datetime, scope: Scope) -> LeaseList:
        """Read a page's query; a state that no lease can have asks for nothing."""
        given = {name: str(query.get(name, "")).replace("\0", "").strip()[:LONGEST] for name in FIELDS}
        given["state"] = given["state"] if given["state"] in lease_questions.STATES else ""
        given["orphaned"] = "yes" if given["orphaned"] else ""
        asked = {name: value for name, value in given.items() if value}
        return cls(asked, key_of(query.get("before", "")), now, scope)

    @property
    def wish(self) -> Wish:
        """Return the question that the record understands; a secret's name is asked for by how it begins."""
        return Wish(
            pod=self.asked.get("pod", ""), prefix=self.asked.get("secret", "").removesuffix("*"),
            holder=self.asked.get("holder", ""), state=self.asked.get("state", ""), vault=self.asked.get("vault", ""),
            orphaned="orphaned" in self.asked,
        )  # fmt: skip

    @property
    def states(self) -> list[tuple[str, str]]:
        """Return the states that a lease may have: key and words."""
        return [(str(one), lease_words.STATES[one].words) for one in State]

    @cached_property
    def _rows(self) -> list[Lease]:
        """Return this page's leases and, if there is one, the first of the next."""
        rows = lease_questions.leases(self.wish, scope=self.scope, now=self.now).order_by("-pk")
        return list((rows.filter(pk__lt=self.before) if self.before else rows)[: SHOWN + 1])

    @cached_property
    def items(self) -> list[Item]:
        """Return this page's leases, newest first."""
        return [item(one, self.now) for one in lease_questions.shown(self._rows[:SHOWN], self.now)]

    @property
    def older(self) -> str:
        """Return the address of the leases before these, empty where there are none."""
        return self._at(before=str(self.items[-1].row.id)) if len(self._rows) > SHOWN else ""

    @property
    def newest(self) -> str:
        """Return the address of the newest leases, empty on their own page."""
        return self._at() if self.before else ""

    @property
    def chips(self) -> list[Chip]:
        """Return each part of the question."""
        told = {**self.asked, **({"orphaned": ORPHANED} if "orphaned" in self.asked else {})}
        if "state" in told:
            told["state"] = lease_words.STATES[State(told["state"])].words
        return [Chip(FIELDS[name], value, self._at(**{name: ""})) for name, value in told.items()]

    @cached_property
    def outlived(self) -> lease_questions.Outlived:
        """Return how many leases outlive their pod, whatever is asked for."""
        return lease_questions.outlived(scope=self.scope, now=self.now)

    @cached_property
    def outlived_for(self) -> str:
        """Return for how long the oldest of them does, in words."""
        since = self.outlived.since
        return lease_words.exposed(self.now - since) if since else ""

    @property
    def orphaned_url(self) -> str:
        """Return the address of those that outlive their pod."""
        return f"{reverse('lease-list')}?orphaned=yes"

    @cached_property
    def devices(self) -> list[queries.DeviceState]:
        """Return the audit devices, to tell an empty record from a missing one."""
        return queries.devices(scope=self.scope)

    @cached_property
    def silent(self) -> list[str]:
        """Return the devices that are silent."""
        return [f"{one.vault}/{one.device}" for one in self.devices if one.silent]

    @cached_property
    def unseen(self) -> list[lease_questions.Unseen]:
        """Return the vaults whose leases nobody can look up, with why."""
        return lease_questions.unseen(scope=self.scope)

    @property
    def counts(self) -> str:
        """Return the count in front of the closing line."""
        return f"{counted(len(self.items), 'lease')}."

    @property
    def closing(self) -> Closing:
        """Return the closing line: whether these are all, and in which vaults no lookup proves a state."""
        if self.older or self.newest:
            line = Closing(False, "Older ones follow." if self.older else "These are the oldest.")
        elif self.chips and not self.silent:
            line = Closing(True, "These are all that fit.")
        else:
            line = list_closing(self.devices, more=False)
        notes = [f"{visible(one.vault)}: {why(one)}" for one in self.unseen]
        return Closing(line.complete, line.sentence, notes)

    def _at(self, **more: str) -> str:
        """Return the address of this question with other parts; an empty one drops."""
        pairs = {name: value for name, value in {**self.asked, **more}.items() if value}
        return f"?{urlencode(pairs)}" if pairs else reverse("lease-list")


def why(one: lease_questions.Unseen) -> str:
    """Return why nobody looks up a vault's leases, as a sentence."""
    if not one.connected:
        return "states are what the log alone proves, because this vault is not connected."
    return "Keybook may not look up leases. The right sys/leases/lookup is missing; manage.py connect prints it."
