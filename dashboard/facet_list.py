"""The values of each field beside the list of events: how often each occurs, and what a click on it asks."""

from __future__ import annotations

from dataclasses import dataclass

from audit.event_search import Facets
from audit.event_search import Value as Count
from audit.query_tree import Value, values_of
from dashboard.event_query import EventQuery

TITLES = {
    "outcome": "Outcome",
    "operation": "Operation",
    "kind": "Kind of principal",
    "principal": "Principal",
    "secret": "Secret",
    "address": "Address",
    "disclosed": "Disclosed",
    "vault": "Vault",
}
QUOTED = {"operation", "principal", "secret", "address", "vault"}
FIRST = 5


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value: its count, whether the question asks for it or refuses it, and the addresses of both clicks."""

    value: str
    count: int
    kind: str
    state: str  # "" included excluded
    include: str
    exclude: str


@dataclass(frozen=True, slots=True)
class FacetList:
    """One field's most frequent values; `rest` of them lie behind `more`, `others` are not listed at all."""

    field: str
    title: str
    quoted: bool
    first: list[FacetValue]
    rest: list[FacetValue]
    others: int


def facet_lists(facets: Facets, query: EventQuery) -> list[FacetList]:
    """Return the lists of the fields that have something to choose from."""
    lists = []
    for name, title in TITLES.items():
        values = _with_chosen(name, facets.values.get(name, []), query)
        if len(values) > 1 or any(value.state for value in values):
            lists.append(
                FacetList(
                    name, title, name in QUOTED, values[:FIRST], values[FIRST:], max(facets.others.get(name, 0), 0)
                )
            )
    return lists


def _with_chosen(name: str, values: list[Count], query: EventQuery) -> list[FacetValue]:
    """Return the values; a chosen one that no event has any more stays, with its count of zero."""
    chosen = [*values_of(query.tree, name), *values_of(query.tree, name, negative=True)]
    known = {value.value for value in values}
    missing = [Count(value.text, 0) for value in chosen if value.text not in known and not value.begins]
    return [_value(name, value, query) for value in [*values, *missing]]


def _value(name: str, value: Count, query: EventQuery) -> FacetValue:
    included = Value(value.value) in values_of(query.tree, name)
    excluded = Value(value.value) in values_of(query.tree, name, negative=True)
    state = "included" if included else "excluded" if excluded else ""
    return FacetValue(
        *(value.value, value.count, value.kind, state),
        include=query.toggled(name, value.value, negative=excluded),
        exclude=query.toggled(name, value.value, negative=True),
    )
