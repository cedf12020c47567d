"""What the page of one secret shows; each part asks its question only when a template draws it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.urls import reverse

from accounts.scope import Scope
from audit import queries
from audit.readers import with_uses
from dashboard import histogram
from dashboard.calls import Calls, Limit
from dashboard.closing import Closing, record_closing
from dashboard.event_list import Item, Place, items
from dashboard.event_page import EventPage
from dashboard.event_query import EventQuery, beside
from dashboard.export_form import ExportForm, export_form
from dashboard.holes import Hole, filled, holes_of, seconds
from dashboard.keys import key_of
from dashboard.secret_holders import Present, SecretLeases
from dashboard.time_range import ALL, PRESETS, TimeRange, time_range
from dashboard.words import counted, duration

PAGE = 50
LOOKED_AT = 5_000  # of so many newest calls the addresses and versions are told; closed days don't know them
LARGEST_PRINCIPAL = 2**31 - 1


@dataclass
class SecretPage:
    """One secret in one stretch of time, as the URL's query says."""

    secret: queries.SecretRef
    query: QueryDict
    now: datetime
    scope: Scope

    @cached_property
    def range(self) -> TimeRange:
        """Return the stretch of time."""
        return time_range(self.query, self.now, self.secret.first_seen)

    @cached_property
    def ranges(self) -> list[tuple[str, str]]:
        """Return the ready ranges: key and words."""
        return [*((key, words) for key, (_, words, _) in PRESETS.items()), (ALL, "All reads")]

    @cached_property
    def answer(self) -> queries.WhoRead:
        """Return the readers."""
        return queries.who_read(self.secret, self.range.since, self.range.until)

    @cached_property
    def readers(self) -> list[queries.Reader]:
        """Return the principals that something was disclosed to."""
        return [reader for reader in self.answer.readers if reader.count]

    @cached_property
    def reads(self) -> int:
        """Return how often something was disclosed."""
        return sum(reader.count for reader in self.answer.readers)

    @cached_property
    def denied(self) -> int:
        """Return how often it was refused."""
        return sum(reader.denied for reader in self.answer.readers)

    @cached_property
    def last_reader(self) -> queries.Reader | None:
        """Return the reader of the latest read."""
        known = [reader for reader in self.readers if reader.last]
        return max(known, key=lambda reader: reader.last or self.range.since, default=None)

    @cached_property
    def first_reader(self) -> int:
        """Return how many readers stand before those of this page; raises `BadRequest` for what is no number."""
        text = self.query.get("readers", "")
        number = key_of(text, most=LARGEST_PRINCIPAL)
        if text and number is None:
            raise BadRequest("The address says by something that is no number at which reader the list begins.")
        return number or 0

    @cached_property
    def uses(self) -> queries.Uses:
        """Return the addresses and versions of the readers of this page."""
        return queries.uses_of(self.answer, self._some_readers, LOOKED_AT)

    @property
    def _some_readers(self) -> list[queries.Reader]:
        return self.answer.readers[self.first_reader : self.first_reader + PAGE]

    @cached_property
    def shown_readers(self) -> list[queries.Reader]:
        """Return the readers of this page, most reads first."""
        pods = queries.pods_of(self.answer, self._some_readers, LOOKED_AT)
        readers = with_uses(self._some_readers, self.uses)
        return [replace(one, pods=pods.get(one.principal_id, ())) for one in readers]

    @property
    def more_readers(self) -> int:
        """Return how many readers come after those of this page."""
        return max(len(self.answer.readers) - self.first_reader - PAGE, 0)

    @property
    def next_readers(self) -> int:
        """Return where the next page of readers begins."""
        return self.first_reader + PAGE

    @property
    def reader_place(self) -> str:
        """Return which of the readers are shown, where these are not all."""
        if not self.first_reader and not self.more_readers:
            return ""
        return f"{self.first_reader + 1:,} to {self.first_reader + len(self._some_readers):,} shown."

    @property
    def looked_at(self) -> int:
        """Return of how many calls the addresses and versions are told."""
        return LOOKED_AT

    @cached_property
    def _buckets(self) -> list[queries.Bucket]:
        """Return the time line's counts."""
        _ = self.calls.newest_known  # asked for before anything is counted, as on the page of events
        return queries.timeline(self.secret, self.range.since, self.range.until)

    @cached_property
    def holes(self) -> list[Hole]:
        """Return the stretches of this range without audit data."""
        return holes_of(self.answer, self._buckets, self.range.since, self.range.until, self.now)

    @cached_property
    def missing(self) -> str:
        """Return how much of the range is not known, in words; empty when all of it is."""
        length = seconds(self.holes)
        return duration(length) if length else "unknown time" if self.holes else ""

    @cached_property
    def chart(self) -> histogram.Chart:
        """Return the time line."""
        return histogram.chart(self._buckets, self.missing)

    @cached_property
    def as_table(self) -> bool:
        """Return whether the time line is asked for in figures."""
        return self.query.get("view") == "table"

    @cached_property
    def closing(self) -> Closing:
        """Return the closing line of the readers."""
        return record_closing(self.answer.complete_until, self.holes, filled(self.answer.gaps), self.now)

    @cached_property
    def reader_counts(self) -> str:
        """Return the counts of all the readers, in front of the closing line."""
        readers = counted(len(self.answer.readers), "principal")
        return f"{readers}, {counted(self.reads, 'read')}, {self.denied:,} denied."

    @property
    def limited(self) -> bool:
        """Return whether whoever looks sees a part of the record alone."""
        return not self.scope.everything

    @cached_property
    def present(self) -> Present | None:
        """Return who may read it and who has it, if that is asked for: the page does not wait for it."""
        if self.query.get("present") != "now":
            return None
        return Present(self.secret, self.answer.readers, self.now, self.scope)

    @cached_property
    def leases(self) -> SecretLeases:
        """Return its leases."""
        return SecretLeases(self.secret, self.now, self.scope)

    @cached_property
    def principal_id(self) -> int | None:
        """Return the one principal whose events are asked for; raises `BadRequest` for what is no key."""
        text = self.query.get("principal", "")
        key = key_of(text, most=LARGEST_PRINCIPAL)
        if text and key is None:
            raise BadRequest("The address names a principal by something that is no key of ours.")
        return key

    @cached_property
    def principal(self) -> queries.Reader | None:
        """Return that principal, if it is among the readers of this time."""
        return next((r for r in self.answer.readers if r.principal_id == self.principal_id), None)

    @cached_property
    def calls(self) -> Calls:
        """Return its calls, or those of one principal, as the query asks for them."""
        given = self.query.copy()
        kept = {name: str(given.pop(name)[-1]) for name in ("principal",) if name in given}
        query = EventQuery.read(given, self.now, self.range)
        columns = [("secret", self.secret.id)] + ([("principal", self.principal_id)] if self.principal_id else [])
        url = reverse("secret-export", args=[self.secret.id])
        whose = f" by principal {self.principal_id}" if self.principal_id else ""
        words = f"calls of secret {self.secret.id}, {self.secret.name} in {self.secret.vault}{whose}"
        limit = Limit(tuple(columns), self.secret.vault, words, url)
        return Calls(replace(query, kept=query.kept | kept), self.query, self.now, self.scope, limit)

    @cached_property
    def export(self) -> ExportForm | None:
        """Return the form that exports the calls that are listed."""
        if self.principal_id and (form := self.calls.export):
            return replace(form, fields=[*form.fields, ("principal", str(self.principal_id))])
        if self.principal_id or self.calls.query.chips or self.calls.query.error:
            return self.calls.export
        count = sum(bar.ok + bar.denied + bar.error for bar in self._buckets)
        return export_form(self.calls.export_url, self.range, "", count, self.calls.newest_known) if count else None

    @cached_property
    def before(self) -> Place | None:
        """Return where this page of events begins; None is the newest."""
        return Place.read(self.query.get("before", ""))

    @cached_property
    def _rows(self) -> list[queries.EventRow]:
        """Return the events of this page and, if there is one, the first of the next."""
        key = (self.before.time, self.before.id) if self.before else None
        if self.calls.query.chips:
            return self.calls.newest_before(key, PAGE + 1)
        return queries.events_of_secret(
            self.secret, self.range.since, self.range.until, self.principal_id, before=key, limit=PAGE + 1
        )

    @cached_property
    def events(self) -> list[queries.EventRow]:
        """Return the events of this page."""
        return self._rows[:PAGE]

    @cached_property
    def older(self) -> str:
        """Return where the next page begins; empty on the last."""
        last = self.events[-1] if len(self._rows) > PAGE else None
        return str(Place(last.time, last.id)) if last else ""

    @cached_property
    def items(self) -> list[Item]:
        """Return the rows of the event table, gaps and days included."""
        newest = self.before.time if self.before else self.range.until
        oldest = self.events[-1].time if self.older else self.range.since
        return items(self.events, self.holes, newest, oldest)

    @cached_property
    def event(self) -> EventPage | None:
        """Return the event that the drawer shows."""
        event_id = key_of(self.query.get("event", ""))
        return EventPage.find(event_id, self.query.get("tab", ""), beside(self.query), self.scope) if event_id else None

    @cached_property
    def picked_event(self) -> int:
        """Return the key of that event; 0 when none is shown."""
        return self.event.row.id if self.event else 0
