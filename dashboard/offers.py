"""What is offered below the query bar while somebody types: fields, top values, and what is wrong with the text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import QueryDict

from accounts.scope import Scope
from audit import suggest
from audit.query_language import LONGEST, QueryError, parse
from audit.query_tree import EVERYTHING, Value, show_value
from dashboard.event_query import EventQuery, Fault
from dashboard.keys import key_of
from dashboard.words import visible

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing to take: its text in three, what was typed in the middle; what it writes; what stands beside it."""

    before: str
    typed: str
    after: str
    takes: str
    count: int | None = None
    kind: str = ""
    meaning: str = ""


@dataclass
class Offers:
    """The answer to one key stroke: `text` as typed so far, with the cursor before the character `cursor` (from 0)."""

    query: EventQuery
    text: str
    cursor: int
    scope: Scope

    @classmethod
    def read(cls, given: QueryDict, now: datetime, scope: Scope) -> Offers:
        """Read the text, the place in it and the time looked at; without a place nothing is being typed there."""
        text = str(given.get("text", "")).replace("\0", "")[: LONGEST + 1]
        return cls(EventQuery.read(given, now), text, (key_of(str(given.get("at", ""))) or 0) - 1, scope)

    @cached_property
    def typing(self) -> suggest.Typing:
        """Return what is being typed."""
        return suggest.at(self.text, self.cursor)

    @property
    def of(self) -> str:
        """Return the field whose values are offered; empty when fields are."""
        return self.typing.field

    @cached_property
    def items(self) -> list[Offer]:
        """Return what may be taken; nothing when no place is named, or when all of it is typed already."""
        if self.cursor < 0:
            return []
        found = self._values() if self.typing.what == "value" else self._fields() if self.typing.what else []
        return [] if [one.takes for one in found] == [self.text[self.typing.start : self.typing.end]] else found

    def _fields(self) -> list[Offer]:
        fields = suggest.fields(self.typing.prefix)
        return [self._offer(one.name, f"{one.name}:", meaning=one.meaning) for one in fields]

    def _values(self) -> list[Offer]:
        window = self.query.filter(self.scope).asking(EVERYTHING)
        found = suggest.values(self.typing.field, self.typing.prefix, window, SHOWN)
        return [self._offer(one.value, show_value(Value(one.value)), one.count, one.kind) for one in found]

    def _offer(self, text: str, takes: str, count: int | None = None, kind: str = "", meaning: str = "") -> Offer:
        begin = text.lower().find(self.typing.prefix.lower())
        begin, end = (begin, begin + len(self.typing.prefix)) if begin >= 0 else (0, 0)
        parts = (visible(text[:begin]), visible(text[begin:end]), visible(text[end:]))
        return Offer(*parts, takes, count, kind, meaning)

    @cached_property
    def fault(self) -> Fault | None:
        """Return what is not understood, unless it is still being typed."""
        try:
            parse(self.text)
        except QueryError as error:
            begin, end = error.position - 1, error.position - 1 + error.length
            return (
                None
                if begin <= self.cursor <= end or begin >= len(self.text) > self.cursor >= 0
                else Fault.of(error, self.text)
            )
        return None
