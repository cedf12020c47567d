"""What a page may offer to the person who reads it."""

from __future__ import annotations

from django import template

from accounts.may import Person
from accounts.may import may as _may
from dashboard import words

register = template.Library()


@register.filter
def may(user: Person, verb: str) -> bool:
    """Return whether the reader may do `verb`, by the table that the views ask too."""
    return _may(user, verb)


@register.filter
def number_of(value: int, nouns: str) -> str:
    """Print `1 person`, `2 people`: `nouns` has the one word and the other."""
    return words.counted(value, *nouns.split())
