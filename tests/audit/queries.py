"""Trees of queries as hypothesis draws them: every field, hostile texts, as deep as a person would go and deeper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from audit.query_fields import FIELDS, Sort
from audit.query_tree import Compare, Match, Value, Word, every, refused, some

# Texts that break what looks for them carelessly: patterns, quotes, escapes, keywords, what folds oddly, nothing.
PIECES = [
    *("%", "_", "\\", "'", '"', "*"),
    *("a", "A", "b/", "/", "é", "É", "ß", "ſ", "K", "İ", "💥", " ", ":", "-", "(", ")", ",", "OR", "{", "}", "%s"),
    *("secret/", "data/", "prod", "Prod", "ns/", "\u202e", "\t", ">=", "="),
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_times = st.integers(0, 365 * 86_400_000_000).map(lambda micros: _BEGIN + timedelta(microseconds=micros))
_numbers = {
    Sort.NUMBER: st.integers(0, 12),
    Sort.TIME: _times,
    Sort.DURATION: st.integers(0, 2**31 - 1) | st.sampled_from([0, 1_000, 2_000_000]),
}


def _value(name: str, words: st.SearchStrategy[str]) -> st.SearchStrategy[Value]:
    field = FIELDS[name]
    if field.sort is Sort.CHOICE:
        return st.sampled_from(field.choices).map(Value)
    if field.sort is Sort.NUMBER:
        return st.integers(0, 12).map(lambda number: Value(str(number)))
    if field.sort is Sort.REQUEST:
        return st.uuids(version=4).map(lambda one: Value(str(one)))
    return st.builds(Value, words, st.booleans())


def _match(name: str, words: st.SearchStrategy[str]) -> st.SearchStrategy[Match]:
    values = st.lists(_value(name, words), min_size=1, max_size=3, unique=True)
    return values.map(lambda some: Match(name, tuple(some)))


def _compare(name: str) -> st.SearchStrategy[Compare]:
    return st.builds(Compare, st.just(name), st.sampled_from([">", ">=", "<", "<="]), _numbers[FIELDS[name].sort])


def leaves(words: st.SearchStrategy[str] = texts) -> st.SearchStrategy:
    """Return single terms, whose texts are drawn from `words`."""
    listed = [_match(name, words) for name, field in FIELDS.items() if field.listed]
    compared = [_compare(name) for name, field in FIELDS.items() if field.compared]
    return st.one_of(*listed, *compared, st.builds(Value, words, st.booleans()).map(Word))


def trees(words: st.SearchStrategy[str] = texts) -> st.SearchStrategy:
    """Return whole queries in the form that their text parses to."""

    def deeper(one: st.SearchStrategy) -> st.SearchStrategy:
        terms = st.lists(one, min_size=1, max_size=3)
        return terms.map(every) | terms.map(some) | one.map(refused)

    return st.recursive(leaves(words), deeper, max_leaves=8) | st.just(every([]))
