"""What the list of principals and the page of one show; each part asks its question only when a template draws it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from accounts.scope import Scope
from audit import callers, coverage
from audit.callers import AddressUse, Caller, CallerRow, SecretUse
from dashboard.calls import Calls, Limit
from dashboard.closing import Closing
from dashboard.event_query import EventQuery, asking
from dashboard.record_holes import Known, known
from dashboard.time_range import PRESETS, time_range
from dashboard.words import counted, short_iso

PAGE = 100
SHOWN = 50
SETTLED = timedelta(hours=1)  # what a principal did in its first hour says nothing about what is new for it


@dataclass
class PrincipalList:
    """The principals whose name begins with the words in the field, of the chosen kind, after a place."""

    asked: str
    kind: str
    after: str
    scope: Scope

    @cached_property
    def _rows(self) -> list[CallerRow]:
        return callers.callers(self.asked, [self.kind] if self.kind else [], self.after, PAGE + 1, scope=self.scope)

    @property
    def principals(self) -> list[CallerRow]:
        """Return the principals of this page."""
        return self._rows[:PAGE]

    @cached_property
    def kinds(self) -> list[tuple[str, int]]:
        """Return each kind with the number of its principals."""
        return callers.kinds(scope=self.scope)

    @property
    def total(self) -> int:
        """Return how many principals there are of every kind."""
        return sum(count for _, count in self.kinds)

    @property
    def next(self) -> str:
        """Return the address of the next page; empty on the last."""
        if len(self._rows) <= PAGE:
            return ""
        last = self.principals[-1]
        given = {"q": self.asked, "kind": self.kind, "after": f"{last.name}~{last.id}"}
        return f"?{urlencode({name: value for name, value in given.items() if value})}"

    @property
    def closing(self) -> Closing:
        """Return the closing line."""
        return Closing(False, "More follow.") if self.next else Closing(True, "These are all that the audit log names.")


@dataclass(frozen=True, slots=True)
class AddressLine:
    """One address of a principal; `strange` when nothing of its network was used before it."""

    use: AddressUse
    strange: bool


@dataclass
class PrincipalPage:
    """One principal in one stretch of time, as the URL's query says."""

    principal: Caller
    given: QueryDict
    now: datetime
    scope: Scope

    @cached_property
    def query(self) -> EventQuery:
        """Return the time, and what is asked of its calls."""
        return EventQuery.read(self.given, self.now, time_range(self.given, self.now, None))

    @cached_property
    def calls(self) -> Calls:
        """Return its calls."""
        one = self.principal
        url = reverse("principal-export", args=[one.id])
        words = f"calls of principal {one.id}, {one.name} in {one.vault}"
        limit = Limit((("principal", one.id),), one.vault, words, url)
        return Calls(self.query, self.given, self.now, self.scope, limit)

    @cached_property
    def ranges(self) -> list[tuple[str, str, str]]:
        """Return the ready ranges: key, words and address."""
        return [(key, words, self.query.ranged(key)) for key, (_, words, _) in PRESETS.items()]

    @cached_property
    def secrets(self) -> list[SecretUse]:
        """Return what it read or was denied."""
        span = self.query.range
        return callers.secrets_of(self.principal.id, span.since, span.until, scope=self.scope)

    @property
    def shown(self) -> list[SecretUse]:
        """Return the secrets of the table."""
        return self.secrets if self.given.get("all") else self.secrets[:SHOWN]

    @cached_property
    def reads(self) -> int:
        """Return how often something was disclosed to it."""
        return sum(use.count for use in self.secrets)

    @cached_property
    def read_secrets(self) -> int:
        """Return how many secrets it read."""
        return sum(use.count > 0 for use in self.secrets)

    @cached_property
    def denied(self) -> int:
        """Return how often it was refused a secret."""
        return sum(use.denied for use in self.secrets)

    @cached_property
    def last(self) -> SecretUse | None:
        """Return the secret that it used last."""
        used = [use for use in self.secrets if use.last]
        return max(used, key=lambda use: use.last or self.now, default=None)

    @cached_property
    def addresses(self) -> list[AddressLine]:
        """Return every address that it ever called from, the newest first use first."""
        return address_lines(callers.addresses_of(self.principal.id, self.now, scope=self.scope))

    @property
    def shown_addresses(self) -> list[AddressLine]:
        """Return the addresses of the table."""
        return self.addresses if self.given.get("all") else self.addresses[:SHOWN]

    @property
    def address_closing(self) -> Closing:
        """Return the closing line of its addresses."""
        hidden = len(self.addresses) - len(self.shown_addresses)
        return Closing(False, f"{hidden:,} more follow.") if hidden else self.record.closing

    @cached_property
    def strangers(self) -> list[AddressUse]:
        """Return the addresses of networks that were first used within this time."""
        span = self.query.range
        return [a.use for a in self.addresses if a.strange and span.since <= a.use.first < span.until]

    @cached_property
    def record(self) -> Known:
        """Return what is known of this time."""
        span = self.query.range
        vaults = coverage.vault_records(span.since, span.until, [self.principal.vault_id], scope=self.scope)
        return known(vaults, span.since, span.until, self.now)

    @property
    def closing(self) -> Closing:
        """Return the closing line of what it read."""
        if len(self.shown) < len(self.secrets):
            return Closing(False, f"{len(self.secrets) - len(self.shown):,} more follow.")
        return self.record.closing

    @property
    def counts(self) -> str:
        """Return the counts in front of the closing line."""
        return f"{counted(self.read_secrets, 'secret')}, {counted(self.reads, 'read')}, {self.denied:,} denied."

    @property
    def event_query(self) -> str:
        """Return the query of the events page for this principal and time."""
        return self._events({})

    @property
    def denied_query(self) -> str:
        """Return the same for what was denied."""
        return self._events({"outcome": "denied"})

    def _events(self, more: dict[str, str]) -> str:
        span = self.query.range
        times = {"range": span.key} if span.key in PRESETS else {}
        times = times or {"since": short_iso(span.since), "until": short_iso(span.until)}
        return asking({"principal": self.principal.name, "vault": self.principal.vault, **more}, **times)


def address_lines(uses: Sequence[AddressUse]) -> list[AddressLine]:
    """Mark the addresses whose network (/16, or /48 for IPv6) was new to a principal that had called before."""
    seen: set[str] = set()
    lines: list[AddressLine] = []
    begun = min((use.first for use in uses), default=None)
    for use in sorted(uses, key=lambda one: one.first):
        network = _network(use.address)
        strange = bool(begun and use.first - begun > SETTLED and network not in seen)
        seen.add(network)
        lines.append(AddressLine(use, strange))
    return lines[::-1]


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 16 if ip.version == 4 else 48), strict=False))
