"""What a page may offer to the person who reads it."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from accounts.may import Person
from accounts.may import may as _may
from dashboard import words
from dashboard.limits import scope_for
from rotation import queries

register = template.Library()


@register.filter
def may(user: Person, verb: str) -> bool:
    """Return whether the reader may do `verb`, by the table that the views ask too."""
    return _may(user, verb)


@register.simple_tag(takes_context=True)
def changes_waiting(context: template.Context) -> int:
    """Return how many changes need the person who reads: a reader decides nothing, and is asked for nothing."""
    request = context["request"]
    if not _may(request.user, "changes.ask"):
        return 0
    return queries.for_me(request.user, scope_for(request)).count()


@register.filter
def number_of(value: int, nouns: str) -> str:
    """Print `1 person`, `2 people`: `nouns` has the one word and the other."""
    return words.counted(value, *nouns.split())


@register.filter
def facts(details: Mapping[str, object]) -> str:
    """Print the details of an entry of the trail: `minutes 15, sets password no`."""
    told = (f"{name.replace('_', ' ')} {_fact(value)}" for name, value in details.items())
    return words.visible(", ".join(told))


def _fact(value: object) -> str:
    """Print one value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)
