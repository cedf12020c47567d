"""The events of one secret or of one principal: the list of events, asked, drawn and exported alike, within a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import ClassVar

from audit import coverage, event_search
from audit.answers import EventRow
from audit.event_filter import Condition, condition
from audit.export import Asked
from audit.query_tree import EVERYTHING
from dashboard.events_page import EventsPage, Widening
from dashboard.record_holes import Known, known


@dataclass(frozen=True, slots=True)
class Limit:
    """Whose events: ids of columns, the vault that they are of, the words for a file, and where an export is sent."""

    columns: tuple[tuple[str, int], ...]
    vault: str
    words: str
    export_url: str


@dataclass
class Calls(EventsPage):
    """The events within a limit, in one stretch of time, as the URL's query says."""

    limit: Limit = Limit((), "", "", "")
    size: ClassVar[int] = 50  # they stand below what a page says of them; the next ones are one click away

    def _limited(self, known_: Condition) -> Condition:
        """Redacted events have no secret, so a limit on one lets none of them through."""
        sql = "".join(f" AND {name} = %s" for name, _ in self.limit.columns)
        own = (sql, [number for _, number in self.limit.columns])
        names = frozenset(name for name, _ in self.limit.columns)
        return replace(known_.also(own, own), fields=known_.fields | names)

    def newest_before(self, place: tuple[datetime, int] | None, limit: int) -> list[EventRow]:
        """Return the newest events before a place."""
        return event_search.events(self._filter, self._condition, limit, place)

    @cached_property
    def record(self) -> Known:
        """Return what is known of this time, from the vault of the limit."""
        since, until = self.range.since, self.range.until
        vaults = [one for one in coverage.vault_records(since, until, scope=self.scope) if one.name == self.limit.vault]
        return known(vaults, since, until, self.now)

    @property
    def export_url(self) -> str:
        """Return where the form of an export goes."""
        return self.limit.export_url

    @property
    def words(self) -> str:
        """Return the question in words, whose events are asked for before it."""
        return f"{self.limit.words}: {self.query.text or 'every event'}"

    def asked(self, kind: str, name: str) -> Asked:
        """Return what a file of this question holds."""
        return replace(super().asked(kind, name), words=self.words)

    @property
    def widenings(self) -> list[Widening]:
        """Return nothing: to widen a question within a limit one takes its terms away."""
        return []

    @cached_property
    def in_window(self) -> int:
        """Return how many events lie within the limit and this time."""
        every = self._filter.asking(EVERYTHING)
        return sum(bar.count for bar in event_search.timeline(every, self._limited(condition(every))))
