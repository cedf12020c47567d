"""A query as a tree: what is asked for, its canonical text, and edits that keep the rest of it. Pure.

Build terms with `every`, `some` and `refused`: they keep a tree in the one form that its text parses to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from audit.query_fields import FIELDS, Sort


@dataclass(frozen=True, slots=True)
class Value:
    """A text that a field holds or, with `begins`, begins with."""

    text: str
    begins: bool = False

    def fits(self, text: str) -> bool:
        """Return whether a text is, or begins with, this one."""
        return text.startswith(self.text) if self.begins else text == self.text


@dataclass(frozen=True, slots=True)
class Match:
    """The field holds one of the values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """The field's number is `>`, `>=`, `<` or `<=` a number; times are in UTC, durations in microseconds."""

    field: str
    sign: str
    number: int | datetime


@dataclass(frozen=True, slots=True)
class Word:
    """The path, the secret's name or the principal's name contains (or begins with) a text; A to Z fit a to z."""

    value: Value


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not fit."""

    term: Tree


@dataclass(frozen=True, slots=True)
class Every:
    """Every term fits; no term is no condition."""

    terms: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of two or more terms fits."""

    terms: tuple[Tree, ...]


Tree = Match | Compare | Word | Not | Every | Some
EVERYTHING = Every()


def every(terms: Iterable[Tree]) -> Tree:
    """Return the tree of all these terms together."""
    flat = [part for term in terms for part in (term.terms if isinstance(term, Every) else (term,))]
    return flat[0] if len(flat) == 1 else Every(tuple(flat))


def some(terms: Iterable[Tree]) -> Tree:
    """Return the tree of any of these terms; there is at least one."""
    flat = [part for term in terms for part in (term.terms if isinstance(term, Some) else (term,))]
    return flat[0] if len(flat) == 1 else Some(tuple(flat))


def refused(term: Tree) -> Tree:
    """Return the tree of what does not fit."""
    return term.term if isinstance(term, Not) else Not(term)


def matches(field: str, texts: Iterable[str]) -> Tree:
    """Return the term that the field holds one of these texts; a `*` at the end of one means all that begin so."""
    values = [Value(text[:-1], True) if text.endswith("*") else Value(text) for text in texts]
    return Match(field, tuple(dict.fromkeys(values)))


def terms_of(tree: Tree) -> tuple[Tree, ...]:
    """Return the terms that must all fit."""
    return tree.terms if isinstance(tree, Every) else (tree,)


def values_of(tree: Tree, field: str, negative: bool = False) -> list[Value]:
    """Return the values that the query asks of a field (or refuses) whatever else it asks."""
    found = [_match(term, negative) for term in terms_of(tree)]
    return [value for match in found if match and match.field == field for value in match.values]


def toggled(tree: Tree, field: str, value: Value, negative: bool = False) -> Tree:
    """Return the query with this value asked for (or refused), or without it when it is; it is never both."""
    if value in values_of(tree, field, negative):
        return without_value(tree, field, value, negative)
    rest = list(terms_of(without_value(tree, field, value, not negative)))
    for place, term in enumerate(rest):
        match = _match(term, negative)
        if match and match.field == field:
            rest[place] = _signed(Match(field, (*match.values, value)), negative)
            return every(rest)
    return every([*rest, _signed(Match(field, (value,)), negative)])


def without_value(tree: Tree, field: str, value: Value, negative: bool = False) -> Tree:
    """Return the query without a value that it asks of a field (or refuses)."""
    rest: list[Tree] = []
    for term in terms_of(tree):
        match = _match(term, negative)
        if match is None or match.field != field or value not in match.values:
            rest.append(term)
        elif others := tuple(one for one in match.values if one != value):
            rest.append(_signed(Match(field, others), negative))
    return every(rest)


def without_field(tree: Tree, field: str) -> Tree:
    """Return the query without the terms that ask something of this field alone."""
    return every(term for term in terms_of(tree) if field_of(term) != field)


def without_term(tree: Tree, term: Tree) -> Tree:
    """Return the query without one of its terms."""
    return every(one for one in terms_of(tree) if one != term)


def field_of(term: Tree) -> str:
    """Return the one field that a term asks of; empty for words and for terms of several."""
    inner = term.term if isinstance(term, Not) else term
    return inner.field if isinstance(inner, Match | Compare) else ""


def _match(term: Tree, negative: bool) -> Match | None:
    """Return the term as the match that it is (or refuses)."""
    inner = term.term if negative and isinstance(term, Not) else None if negative else term
    return inner if isinstance(inner, Match) else None


def _signed(term: Tree, negative: bool) -> Tree:
    return Not(term) if negative else term


# -- its text ----------------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[\w./@+~%#&$;!?'|^{}\[\]][\w./@+~%#&$;!?'|^{}\[\]:-]*", re.ASCII)
KEYWORDS = ("AND", "OR", "NOT")


def show(tree: Tree) -> str:
    """Return the query's text; it parses to the same tree, and is the empty text for everything."""
    if isinstance(tree, Every):
        return " ".join(_inner(term, Some) for term in tree.terms)
    if isinstance(tree, Some):
        return " OR ".join(_inner(term, Every) for term in tree.terms)
    return show_term(tree)


def show_term(term: Tree) -> str:
    """Return the text of a term as it may stand behind a minus."""
    if isinstance(term, Match):
        return f"{term.field}:{','.join(map(show_value, term.values))}"
    if isinstance(term, Compare):
        return f"{term.field}{term.sign}{show_number(term)}"
    if isinstance(term, Word):
        return show_value(term.value, bare=True)
    if isinstance(term, Not):
        return f"-{show_term(term.term)}"
    return f"({show(term)})"


def _inner(term: Tree, bracketed: type) -> str:
    return f"({show(term)})" if isinstance(term, bracketed) else show_term(term)


def show_value(value: Value, bare: bool = False) -> str:
    """Return a value's text, in quotes where it needs them; a bare word may have no colon and be no keyword."""
    fits = _PLAIN.fullmatch(value.text) and not (bare and (":" in value.text or value.text in KEYWORDS))
    text = value.text if fits or (value.begins and not value.text and not bare) else _quoted(value.text)
    return f"{text}*" if value.begins else text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def show_number(term: Compare) -> str:
    """Return what is compared with: a number, a time in ISO 8601, a duration with its unit."""
    if isinstance(term.number, datetime):
        return show_time(term.number)
    if FIELDS[term.field].sort is not Sort.DURATION:
        return str(term.number)
    unit, size = next((u, s) for u, s in (("s", 1_000_000), ("ms", 1_000), ("us", 1)) if term.number % s == 0)
    return f"{term.number // size}{unit}"


def show_time(moment: datetime) -> str:
    """Return the shortest ISO 8601 time in UTC that is still exact: `2026-11-01T10:00Z`."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.removesuffix(':00') if text.count(':') == 2 else text}Z"
