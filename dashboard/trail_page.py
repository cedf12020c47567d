"""What the trail's page shows: the entries that its address asks for, newest first, and the addresses beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from accounts import trail_pages
from accounts.trail_pages import Entry, Query
from dashboard import zone
from dashboard.closing import Closing
from dashboard.forms import RangeForm
from dashboard.keys import key_of
from dashboard.words import counted, day, number

SHOWN = 100
LONGEST = 500
FIELDS = {"who": "who", "did": "did", "to": "to", "since": "from", "until": "until"}


@dataclass(frozen=True, slots=True)
class Chip:
    """One part of the question; `without` is the same page without it."""

    field: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the table: an entry with the addresses that ask for its actor and verb, or the day before it."""

    entry: Entry | None = None
    who: str = ""
    did: str = ""
    day: str = ""


@dataclass
class TrailPage:
    """The question as its address says it, and one page of what answers it."""

    asked: dict[str, str]
    before: int | None
    times: RangeForm

    @classmethod
    def read(cls, query: Mapping[str, str], now: datetime) -> TrailPage:
        """Read a page's query; a time that can't be read is told by the form's errors and asks for nothing."""
        given = {name: str(query.get(name, "")).replace("\0", "").strip()[:LONGEST] for name in FIELDS}
        times = RangeForm({"since": given["since"], "until": given["until"]}, now)
        times.is_valid()
        return cls({name: value for name, value in given.items() if value}, key_of(query.get("before", "")), times)

    @property
    def query(self) -> Query:
        """Return the question that the trail understands."""
        good = self.times.cleaned_data
        words = {name: self.asked.get(key, "") for name, key in (("actor", "who"), ("verb", "did"), ("subject", "to"))}
        return Query(**words, since=good.get("since"), until=good.get("until"))

    @property
    def wrong(self) -> list[str]:
        """Return what is wrong with the times, as sentences."""
        return [str(error) for errors in self.times.errors.values() for error in errors]

    @cached_property
    def _rows(self) -> list[Entry]:
        """Return this page's entries and, if there is one, the first of the next."""
        return trail_pages.before(self.before, SHOWN + 1, self.query)

    @cached_property
    def entries(self) -> list[Entry]:
        """Return this page's entries, newest first."""
        return self._rows[:SHOWN]

    @property
    def items(self) -> Iterator[Item]:
        """Give the entries, each new day named before its first."""
        shown = None
        for one in self.entries:
            if zone.local(one.at).date() != shown:
                shown = zone.local(one.at).date()
                yield Item(day=day(one.at))
            yield Item(one, self._at(who=one.actor_name), self._at(did=one.verb))

    @property
    def offsets(self) -> str:
        """Return what the column of times says of its offset."""
        return zone.head(one.at for one in self.entries)

    @property
    def older(self) -> str:
        """Return the address of the entries before these, empty where there are none."""
        return self._at(before=str(self.entries[-1].position)) if len(self._rows) > SHOWN else ""

    @property
    def newest(self) -> str:
        """Return the address of the newest entries, empty on their own page."""
        return self._at() if self.before else ""

    @property
    def chips(self) -> list[Chip]:
        """Return each part of the question."""
        bad = set(self.times.errors)
        good = ((name, value) for name, value in self.asked.items() if name not in bad)
        return [Chip(FIELDS[name], value, self._at(**{name: ""})) for name, value in good]

    @cached_property
    def head(self) -> int:
        """Return how many entries there are in all: the newest one's number."""
        return trail_pages.head()

    @property
    def closing(self) -> Closing:
        """Return the closing line: whether these are all that fit, and the trail's newest entry."""
        count = counted(len(self.entries), "entry", "entries")
        if self.older or self.newest:
            return Closing(False, f"{count}, {self._numbers}. {'Older ones follow.' if self.older else ''}".rstrip())
        if self.chips:
            return Closing(True, f"{count}. These are all that fit, of {number(self.head)} in the trail.")
        return Closing(True, f"{count}. These are all: numbered without a gap from 1.")

    @property
    def _numbers(self) -> str:
        first, last = self.entries[-1].position, self.entries[0].position
        return f"number {number(first)}" if first == last else f"numbers {number(first)} to {number(last)}"

    def _at(self, **more: str) -> str:
        """Return the address of this question with other parts; an empty one drops."""
        pairs = {**self.asked, **more}
        return f"?{urlencode({name: value for name, value in pairs.items() if value})}"
