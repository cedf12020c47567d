"""The events page's question as its address says it, and the addresses of the questions beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.http import QueryDict

from audit.event_filter import FIELDS, Filter
from dashboard.time_range import EVENT_PRESETS, TimeRange, time_range
from dashboard.words import iso

NOT = "not."
LONGEST = 1_000
MOST = 20  # values of one field; a question has no use for more, and each is looked up
LIVE = "live"
_KEPT = ("range", "since", "until", "view")
Values = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Chip:
    """One value of the question, as it stands below the fields; `without` is the same page without it."""

    field: str
    value: str
    negative: bool
    without: str


@dataclass(frozen=True)
class EventQuery:
    """Fields, values and time; knows the addresses that differ from it by one thing."""

    range: TimeRange
    include: Values = field(default_factory=dict)
    exclude: Values = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, query: QueryDict, now: datetime) -> EventQuery:
        """Read a page's query; fields that are no field of an event are left alone."""
        kept = {name: value for name in _KEPT if (value := str(query.get(name, "")))}
        span = time_range(query, now, None, EVENT_PRESETS, "24h")
        return cls(span, _values(query, ""), _values(query, NOT), kept)

    @property
    def filter(self) -> Filter:
        """Return the question that the past understands."""
        return Filter(self.range.since, self.range.until, self.include, self.exclude)

    @property
    def live(self) -> bool:
        """Whether the newest events are shown as they come."""
        return self.range.key == LIVE

    @property
    def chips(self) -> list[Chip]:
        """Return every value with the address of the page without it."""
        pairs = [(some, negative) for some, negative in ((self.include, False), (self.exclude, True))]
        return [
            Chip(name, value, negative, self.toggled(name, value, negative))
            for some, negative in pairs
            for name, values in some.items()
            for value in values
        ]

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Return the name and value of each part of the question, for a form to carry."""
        pairs = [(name, value) for name, values in self.include.items() for value in values]
        pairs += [(NOT + name, value) for name, values in self.exclude.items() for value in values]
        return [*pairs, *self.kept.items()]

    @property
    def here(self) -> str:
        """Return the address of this question, from its first page on."""
        return self._url(self.fields)

    @property
    def pinned(self) -> str:
        """Return the address of this question with fixed times, for a link that is copied."""
        times = {"since": iso(self.range.since), "until": iso(self.range.until)}
        return self._url([*self._values(), *times.items()])

    def at(self, **more: str) -> str:
        """Return the address of this question with more in it, such as a place in the list or an event; empty drops."""
        pairs = [(name, value) for name, value in self.fields if name not in more]
        return self._url([*pairs, *((name, value) for name, value in more.items() if value)])

    def ranged(self, key: str) -> str:
        """Return the address of this question over another ready range."""
        return self.at(range=key, since="", until="")

    def toggled(self, name: str, value: str, negative: bool = False) -> str:
        """Return the address with this value asked for (or refused), or without it when it is already there."""
        key, other = (NOT + name, name) if negative else (name, NOT + name)
        pairs = [pair for pair in self.fields if pair != (other, value)]
        return self._url([p for p in pairs if p != (key, value)] if (key, value) in pairs else [*pairs, (key, value)])

    def only(self, name: str, value: str) -> str:
        """Return the address of this time with one value and nothing else."""
        return self._url([(name, value), *self.kept.items()])

    def dropped(self, name: str) -> str:
        """Return the address without a field."""
        return self._url([p for p in self.fields if p[0] not in (name, NOT + name)])

    def _values(self) -> list[tuple[str, str]]:
        return [pair for pair in self.fields if pair[0] not in _KEPT or pair[0] == "view"]

    @staticmethod
    def _url(pairs: list[tuple[str, str]]) -> str:
        return f"?{urlencode(pairs)}" if pairs else "?"


def _values(query: QueryDict, prefix: str) -> Values:
    """Return the values of each field, in the order of the fields, without empty and repeated ones."""
    found = {}
    for name in FIELDS:
        typed = (value.replace("\0", "").strip()[:LONGEST] for value in query.getlist(prefix + name)[:MOST])
        if values := tuple(dict.fromkeys(value for value in typed if value)):
            found[name] = values
    return found


def beside(query: QueryDict) -> Callable[[str, str], str]:
    """Return a function that gives the address of a page, as its query says, with an event and a tab open in it."""

    def address(event: str, tab: str) -> str:
        pairs = [(k, v) for k in query for v in query.getlist(k) if k not in ("event", "tab", "seen")]
        opened = [(k, v) for k, v in (("event", event), ("tab", tab)) if v]
        return f"?{urlencode([*pairs, *opened])}"

    return address


def link(values: Mapping[str, str]) -> str:
    """Return the query of an address that asks for these values."""
    return f"?{urlencode(values)}"
