"""The events page's question as its address says it, and the addresses of the questions beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.http import QueryDict

from accounts.scope import Scope
from audit.event_filter import Filter
from audit.query_language import EVERYTHING, QueryError, Tree, parse, show
from audit.query_tree import (
    Compare,
    Match,
    Not,
    Some,
    Value,
    Word,
    every,
    matches,
    refused,
    show_number,
    show_value,
    terms_of,
    toggled,
    values_of,
    without_field,
    without_term,
    without_value,
)
from dashboard.time_range import ABSOLUTE, EVENT_PRESETS, TimeRange, time_range
from dashboard.words import iso

LIVE = "live"
_KEPT = ("range", "since", "until", "view")
# Addresses of before there was a query language: a value under its field's name, or under `not.` and that.
_OLD = ("secret", "path", "principal", "kind", "operation", "outcome", "disclosed", "address", "vault")
_NOT = "not."
_MOST_OLD = 20


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that the question asks, as it stands below the bar; `without` is the same page without it.

    `joint` stands between field and value: "is", "contains", "begins with", or nothing where the value says it all.
    """

    field: str
    joint: str
    value: str
    negative: bool
    without: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a query is not understood, and its text in three: what stands before the place, there, and behind it."""

    message: str
    position: int
    length: int
    nearest: str
    before: str
    there: str
    after: str

    @classmethod
    def of(cls, error: QueryError, text: str) -> Fault:
        """Return the fault of a text."""
        begin, end = error.position - 1, error.position - 1 + error.length
        return cls(
            *(error.message, error.position, error.length, error.nearest),
            *(text[:begin], text[begin:end], text[end:]),
        )

    @property
    def fact(self) -> str:
        """Return the sentence without the nearest word, which a page shows as something to take."""
        return self.message.partition(" Nearest: ")[0]

    @property
    def mended(self) -> str:
        """Return the text with the nearest right word in the place of the wrong one; empty when none is near."""
        return f"{self.before}{self.nearest}{self.after}" if self.nearest else ""


@dataclass(frozen=True)
class EventQuery:
    """A query and its time; knows the addresses that differ from it by one thing.

    `text` is what was typed. Where that is not understood, `error` says why and the tree asks for everything.
    """

    range: TimeRange
    text: str = ""
    tree: Tree = EVERYTHING
    error: Fault | None = None
    kept: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, query: QueryDict, now: datetime, span: TimeRange | None = None) -> EventQuery:
        """Read a page's address: the query in `q`, or a value under each field's name as older addresses have it.

        `span` is the time where the page has ready ranges of its own.
        """
        kept = {name: value for name in _KEPT if (value := str(query.get(name, "")))}
        span = span or time_range(query, now, None, EVENT_PRESETS, "24h")
        if span.key == ABSOLUTE and query.get("zone"):  # every link from here on says the same without the zone
            kept |= {name: iso(getattr(span, name)) for name in ("since", "until") if name in kept}
        text = _text(query)
        try:
            return cls(span, text, parse(text), kept=kept)
        except QueryError as error:
            return cls(span, text, error=Fault.of(error, text), kept=kept)

    def filter(self, scope: Scope) -> Filter:
        """Return the question that the past understands, as somebody may ask it."""
        return Filter(self.range.since, self.range.until, self.tree, scope=scope)

    @property
    def live(self) -> bool:
        """Whether the newest events are shown as they come."""
        return self.range.key == LIVE

    @property
    def chips(self) -> list[Chip]:
        """Return everything that is asked for with the address of the page without it."""
        return [chip for term in terms_of(self.tree) for chip in self._chips(term)]

    def _chips(self, term: Tree) -> list[Chip]:
        negative = isinstance(term, Not)
        inner = term.term if isinstance(term, Not) else term
        if isinstance(inner, Match):
            return [
                Chip(inner.field, "is", plain(value), negative,
                     self._asking(without_value(self.tree, inner.field, value, negative)))
                for value in inner.values
            ]  # fmt: skip
        return [Chip(*_said(inner), negative, self._asking(without_term(self.tree, term)))]

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Return what a form that asks another query has to carry: the time and the view."""
        return list(self.kept.items())

    @property
    def here(self) -> str:
        """Return the address of this question, from its first page on."""
        return self._url(self._pairs(self.text))

    @property
    def mended(self) -> str:
        """Return the address of the query with the nearest right word; empty when there is none."""
        return self._url(self._pairs(self.error.mended)) if self.error and self.error.mended else ""

    @property
    def pinned(self) -> str:
        """Return the address of this question with fixed times, for a link that is copied."""
        kept = {"view": self.kept.get("view", ""), "since": iso(self.range.since), "until": iso(self.range.until)}
        return self._url([pair for pair in (("q", self.text), *kept.items()) if pair[1]])

    def at(self, **more: str) -> str:
        """Return the address of this question with more in it, such as a place in the list or an event; empty drops."""
        pairs = [(name, value) for name, value in self._pairs(self.text) if name not in more]
        return self._url([*pairs, *((name, value) for name, value in more.items() if value)])

    def ranged(self, key: str) -> str:
        """Return the address of this question over another ready range."""
        return self.at(range=key, since="", until="")

    def toggled(self, name: str, value: str, negative: bool = False) -> str:
        """Return the address with this value asked for (or refused), or without it when it is already there."""
        return self._asking(toggled(self.tree, name, Value(value), negative))

    def asked(self, name: str, value: str, negative: bool = False) -> str:
        """Return the address with this value asked for (or refused), as it already is or not."""
        there = Value(value) in values_of(self.tree, name, negative)
        return self._asking(self.tree if there else toggled(self.tree, name, Value(value), negative))

    def dropped(self, name: str) -> str:
        """Return the address without what is asked of a field alone."""
        return self._asking(without_field(self.tree, name))

    def left_out(self, term: Tree) -> str:
        """Return the address without one term."""
        return self._asking(without_term(self.tree, term))

    def _asking(self, tree: Tree) -> str:
        return self._url(self._pairs(show(tree)))

    def _pairs(self, text: str) -> list[tuple[str, str]]:
        return [*([("q", text)] if text else []), *self.kept.items()]

    @staticmethod
    def _url(pairs: list[tuple[str, str]]) -> str:
        return f"?{urlencode(pairs)}" if pairs else "?"


def plain(value: Value) -> str:
    """Return a value as a chip shows it: without quotes, unless it is empty."""
    return f"{value.text}{'*' if value.begins else ''}" or show_value(value)


def _said(term: Tree) -> tuple[str, str, str]:
    """Return the field, the words behind it and the value of a term that is no list of values."""
    if isinstance(term, Compare):
        return term.field, "", f"{term.sign} {show_number(term)}"
    if isinstance(term, Word):
        return "name or path", "begins with" if term.value.begins else "contains", term.value.text
    return "", "", f"({show(term)})" if isinstance(term, Some) else show(term)


def _text(query: QueryDict) -> str:
    """Return the query's text, and behind it what an older address asks of single fields."""
    text, old = str(query.get("q", "")).replace("\0", "").strip(), show(every(_old(query)))
    return f"({text}) {old}" if text and old else text or old


def _old(query: QueryDict) -> list[Tree]:
    """Return the terms that an older address asks for."""
    terms = []
    for turn, prefix in ((lambda term: term, ""), (refused, _NOT)):
        for name in _OLD:
            typed = (str(value).replace("\0", "").strip() for value in query.getlist(prefix + name)[:_MOST_OLD])
            if texts := [text.strip("/") if name == "secret" else text for text in typed if text]:
                terms.append(turn(matches(name, texts)))
    return terms


def asking(values: Mapping[str, str], **more: str) -> str:
    """Return the query of an address that asks for one value of each field; `more` are its other parts."""
    text = show(every(Match(name, (Value(value),)) for name, value in values.items()))
    return link({"q": text, **more})


def alone(name: str, value: str, negative: bool = False) -> str:
    """Return the query of an address that asks for one value (or refuses it) and nothing else."""
    term = Match(name, (Value(value),))
    return link({"q": show(refused(term) if negative else term)})


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
