"""What somebody is typing at one place of a query, whole or not yet: the name of a field, or a value of one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.query_fields import FIELDS, Field

_TERM = re.compile(r'(?:[^\s()"]|"(?:[^"\\]|\\.?)*+(?:"|$))+', re.DOTALL)  # an open quote reaches to the end
_HEAD = re.compile(r"-?([A-Za-z][A-Za-z0-9_-]*):?(?:>=|<=|>|<|:)?(?<=[:<>=])")
_VALUE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.?)*+(?:"|$))*', re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Typing:
    """What stands at the cursor: `what` is "field", "value" or "" (a word in quotes), `prefix` what is typed of it.

    Put a suggestion in the place of the text from `start` up to `end`. Places count characters from 0.
    """

    what: str
    field: str
    prefix: str
    start: int
    end: int


def at(text: str, cursor: int) -> Typing:
    """Return what is being typed with the cursor before this character (from 0, at most the text's length)."""
    cursor = min(max(cursor, 0), len(text))
    for term in _TERM.finditer(text):
        if term.start() <= cursor <= term.end():
            return _in_term(text, term[0], term.start(), cursor)
    return Typing("field", "", "", cursor, cursor)


def fields(prefix: str) -> list[Field]:
    """Return the fields that begin with a text, then those that contain it."""
    begins = [one for name, one in FIELDS.items() if name.startswith(prefix.lower())]
    return begins + [one for name, one in FIELDS.items() if prefix.lower() in name[1:] and one not in begins]


def _in_term(text: str, term: str, begin: int, cursor: int) -> Typing:
    head = _HEAD.match(term)
    if head and cursor >= begin + head.end():
        return _in_value(text, head[1], begin + head.end(), begin + len(term), cursor)
    start = begin + term.startswith("-")
    if text[start : start + 1] == '"' or cursor < start:
        return Typing("", "", "", start, begin + len(term))
    name = _NAME.match(text, start)
    end = max(name.end() if name else start, cursor)
    return Typing("field", "", text[start:cursor], start, end)


def _in_value(text: str, name: str, begin: int, end: int, cursor: int) -> Typing:
    """Find the value among those of a list that the cursor is in."""
    start = begin
    while True:
        found = _VALUE.match(text, start, end)
        stop = found.end() if found else end
        if cursor <= stop or stop >= end:
            return Typing("value", name, _unquoted(text[start:cursor]), start, stop)
        start = stop + 1


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text.removesuffix("*")
    return re.sub(r'\\(["\\])', r"\1", text[1:].removesuffix("*").removesuffix('"'))
