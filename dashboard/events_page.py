"""What the page of events shows; each part asks its question only when a template draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import ClassVar

from django.http import QueryDict
from django.urls import reverse

from accounts.scope import Scope
from audit import coverage, event_search
from audit.answers import EventRow
from audit.event_filter import Condition, Filter, condition
from audit.export import Asked, newest
from audit.query_fields import FIELDS, Field
from audit.query_tree import (
    EVERYTHING,
    Tree,
    field_of,
    show_term,
    terms_of,
    values_of,
    without_field,
    without_term,
)
from dashboard import histogram
from dashboard.closing import Closing
from dashboard.event_list import Item, Place, items
from dashboard.event_page import EventPage
from dashboard.event_query import EventQuery, beside, plain
from dashboard.export_form import ExportForm, export_form
from dashboard.facet_list import FacetList, facet_lists
from dashboard.keys import key_of
from dashboard.record_holes import Known, known
from dashboard.time_range import EVENT_PRESETS, TimeRange
from dashboard.words import counted, duration

PAGE = 100
INLINE = 5_000  # events; the values of more are counted by a second request, so that the page itself is there at once
WIDE = 100_000
MOST_WAYS = 5  # each is counted


@dataclass(frozen=True, slots=True)
class Widening:
    """One way to widen a question that nothing fits: what it leaves out, how many events then fit, its address."""

    field: str
    value: str
    count: int
    url: str


@dataclass
class EventsPage:
    """Events in one stretch of time, as the URL's query says."""

    query: EventQuery
    given: QueryDict
    now: datetime
    scope: Scope
    size: ClassVar[int] = PAGE

    @cached_property
    def beside(self) -> Callable[[str, str], str]:
        """Return the function that gives this page's address with an event open."""
        return beside(self.given)

    @property
    def range(self) -> TimeRange:
        """Return the stretch of time."""
        return self.query.range

    @cached_property
    def ranges(self) -> list[tuple[str, str, str]]:
        """Return the ready ranges: key, words and address."""
        return [(key, words, self.query.ranged(key)) for key, (_, words, _) in EVENT_PRESETS.items()]

    @property
    def language(self) -> list[Field]:
        """Return the fields that a query may name."""
        return list(FIELDS.values())

    @property
    def _filter(self) -> Filter:
        return self.query.filter(self.scope)

    @cached_property
    def _condition(self) -> Condition:
        """Return the question in SQL; what was not understood asks for every event of the time."""
        _ = self.newest_known  # asked for before anything is counted: what comes after it is not exported
        return event_search.settled(self._filter, self._limited(condition(self._filter)))

    def _limited(self, known: Condition) -> Condition:
        """Return the condition as it is; a page of one thing's events limits it to them."""
        return known

    @cached_property
    def record(self) -> Known:
        """Return what is known of this time, from the vaults that are asked for."""
        since, until = self.query.range.since, self.query.range.until
        vaults = coverage.vault_records(since, until, scope=self.scope)
        if wanted := values_of(self.query.tree, "vault"):
            vaults = [vault for vault in vaults if any(one.fits(vault.name) for one in wanted)]
        return known(vaults, since, until, self.now)

    @property
    def closing(self) -> Closing:
        """Return the closing of a list that asks for all of this time."""
        return self.record.closing

    @property
    def missing(self) -> str:
        """Return how much of the time is not known, in words."""
        return self.record.missing

    @cached_property
    def _bins(self) -> list[event_search.Bin]:
        return event_search.timeline(self._filter, self._condition)

    @cached_property
    def newest_known(self) -> int:
        """Return the newest event of all, to which an export is bound."""
        return newest()

    @cached_property
    def export(self) -> ExportForm | None:
        """Return the form that exports this question; None where there is nothing to export."""
        if self.query.error or not self.total:
            return None
        return export_form(self.export_url, self.range, self.query.text, self.total, self.newest_known)

    @property
    def export_url(self) -> str:
        """Return where the form of an export goes."""
        return reverse("event-export")

    @property
    def words(self) -> str:
        """Return the question in words, for a file and the trail."""
        return self.query.text

    def asked(self, kind: str, name: str) -> Asked:
        """Return what a file of this question holds: the filter and the condition are those of the list.

        It is not settled on the events that fit now: one that is amended while the file is written is still in it.
        """
        return Asked(self._filter, self._limited(condition(self._filter)), self.words, kind, name)

    @cached_property
    def total(self) -> int:
        """Return how many events fit."""
        return sum(bar.count for bar in self._bins)

    @cached_property
    def chart(self) -> histogram.Chart:
        """Return the time line."""
        return histogram.chart(self.record.buckets(self._bins), self.missing)

    @cached_property
    def as_table(self) -> bool:
        """Return whether the time line is asked for in figures."""
        return self.query.kept.get("view") == "table"

    @cached_property
    def facets_later(self) -> bool:
        """Return whether the values are counted by a second request."""
        return self.total > INLINE and self.given.get("facets") != "now"

    @cached_property
    def _facets(self) -> event_search.Facets:
        return event_search.facets(self._filter, self._condition, self.total)

    @cached_property
    def facets(self) -> list[FacetList]:
        """Return the values of each field with their counts."""
        return facet_lists(self._facets, self.query)

    @property
    def facets_over(self) -> int:
        """Return how many events the counts are over when that is not all; zero when it is."""
        return self._facets.counted if self._facets.capped else 0

    @cached_property
    def before(self) -> Place | None:
        """Return the place in the list before which this page lies."""
        return Place.read(self.given.get("before", ""))

    @cached_property
    def after(self) -> Place | None:
        """Return the place in the list after which this page lies."""
        return None if self.before else Place.read(self.given.get("after", ""))

    @cached_property
    def _rows(self) -> list[EventRow]:
        """Return the events of this page and, if there is one, the first beyond it."""
        before, after = ((place.time, place.id) if place else None for place in (self.before, self.after))
        return event_search.events(self._filter, self._condition, self.size + 1, before, after)

    @cached_property
    def events(self) -> list[EventRow]:
        """Return the events of this page, newest first."""
        return self._rows[-self.size :] if self.after else self._rows[: self.size]

    @cached_property
    def older(self) -> str:
        """Return the address of the next older page; empty on the last."""
        more = bool(self.after) or len(self._rows) > self.size
        last = self.events[-1] if self.events and more else None
        return self.query.at(before=str(Place(last.time, last.id))) if last else ""

    @cached_property
    def newer(self) -> str:
        """Return the address of the next newer page; empty on the first."""
        more = len(self._rows) > self.size if self.after else bool(self.before)
        first = self.events[0] if self.events and more else None
        return self.query.at(after=str(Place(first.time, first.id))) if first else ""

    @cached_property
    def items(self) -> list[Item]:
        """Return the rows of the table, days and holes included."""
        newest = self.events[0].time if self.newer else self.query.range.until
        oldest = self.events[-1].time if self.older else self.query.range.since
        return items(self.events, self.record.holes, newest, oldest)

    @property
    def newest(self) -> str:
        """Return the place of the newest event shown, for the live view to count from; of none, where they begin."""
        if not self.events:
            return str(Place(self.query.range.since, 1))
        return str(Place(self.events[0].time, self.events[0].id))

    @cached_property
    def waiting(self) -> int:
        """Return how many events came since the one that the live view names."""
        seen = Place.read(self.given.get("seen", ""))
        if not seen:
            return 0
        return event_search.count_after(self._filter, condition(self._filter), (seen.time, seen.id))

    @cached_property
    def counts(self) -> str:
        """Return the counts in front of the closing line."""
        shown = len(self.events)
        if shown == self.total:
            return f"{counted(shown, 'event')}."
        return f"{shown:,} of {counted(self.total, 'event')}."

    @cached_property
    def widenings(self) -> list[Widening]:
        """Return the ways to widen a question that nothing fits, those that find something first."""
        one, tree = self._filter, self.query.tree
        fields = dict.fromkeys(name for term in terms_of(tree) if (name := field_of(term)))
        ways = [self._widening(name, _asked(tree, name), without_field(tree, name), self.query.dropped(name))
                for name in list(fields)[:MOST_WAYS]]  # fmt: skip
        others = [term for term in terms_of(tree) if not field_of(term)]
        ways += [self._widening("", show_term(term), without_term(tree, term), self.query.left_out(term))
                 for term in others[:MOST_WAYS]]  # fmt: skip
        wide = one.within(one.until - EVENT_PRESETS["30d"][0], one.until)
        if wide.since < one.since:
            count = event_search.count_up_to(wide, WIDE)
            ways.append(Widening("time", self.query.range.span, count, self.query.ranged("30d")))
        return sorted(ways, key=lambda way: -way.count)

    def _widening(self, name: str, value: str, tree: Tree, url: str) -> Widening:
        return Widening(name, value, event_search.count_up_to(self._filter.asking(tree), WIDE), url)

    @cached_property
    def in_window(self) -> int:
        """Return how many events of any kind lie in this time, counting to 100,000."""
        return event_search.count_up_to(self._filter.asking(EVERYTHING), WIDE)

    @cached_property
    def event(self) -> EventPage | None:
        """Return the event that the drawer shows."""
        event_id = key_of(self.given.get("event", ""))
        tab = self.given.get("tab", "")
        return EventPage.find(event_id, tab, self.beside, self.scope, self.query.asked) if event_id else None

    @property
    def step(self) -> str:
        """Return the width of a bar in words."""
        return duration((self._bins[0].end - self._bins[0].start).total_seconds()) if self._bins else ""


def _asked(tree: Tree, name: str) -> str:
    """Return what a query asks of one field alone, in words."""
    values = [*values_of(tree, name), *values_of(tree, name, negative=True)]
    listed = ", ".join(map(plain, values))
    return listed or " ".join(show_term(term) for term in terms_of(tree) if field_of(term) == name)
