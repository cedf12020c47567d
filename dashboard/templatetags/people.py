"""What a page may offer to the person who reads it."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from accounts.areas import in_words
from accounts.may import Person
from accounts.may import may as _may
from dashboard import words
from dashboard.limits import scope_for

register = template.Library()


@register.filter
def may(user: Person, verb: str) -> bool:
    """Return whether the reader may do `verb`, by the table that the views ask too."""
    return _may(user, verb)


@register.simple_tag(takes_context=True)
def own_areas(context: template.Context) -> list[str]:
    """Return the areas to which the reader's view is limited, in words; none for who sees everything."""
    return in_words(area for group in scope_for(context["request"]).groups for area in group)


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
