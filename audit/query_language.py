"""The query language: text to a tree of what is asked for, with errors that name the place and the nearest word. Pure.

    outcome:denied secret:secret/prod/*  -kind:human,ci  (version>=3 OR NOT "old name")  time>=2026-11-01T10:00Z

Terms side by side must all fit; OR binds less than that. No part of a query is ever a regular expression or a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn
from uuid import UUID

from audit.query_fields import FIELDS, Field, Sort, nearest
from audit.query_tree import (
    EVERYTHING,
    KEYWORDS,
    Compare,
    Match,
    Tree,
    Value,
    Word,
    every,
    refused,
    show,
    some,
)

__all__ = ["EVERYTHING", "FIELDS", "LONGEST", "QueryError", "Tree", "parse", "show"]

LONGEST, DEEPEST, MOST_TERMS, MOST_VALUES = 4_000, 20, 100, 300  # characters, brackets in each other, terms, values
MOST_WORDS = 20  # each is looked for in every name that is known
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(:?(?:>=|<=|>|<|=)|:)")
_RUN = re.compile(r'[^\s()",*]+')  # of a value or a word without quotes
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\]?+)*+)"')
_ESCAPE = re.compile(r'\\(["\\])')
_SPACE = re.compile(r"\s*")
_SHOWN = 60  # characters of a foreign word in an error
_DURATION = re.compile(r"(\d{1,10})(?:\.(\d{1,6}))?(us|ms|s)?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, None: 1_000_000}
_LONGEST_DURATION = 2**31 - 1  # microseconds, as stored


class QueryError(ValueError):
    """A query is not understood: what and where, from 1, in a sentence, and the nearest right word."""

    def __init__(self, message: str, position: int, length: int, nearest: str = "") -> None:
        super().__init__(message)
        self.message, self.position, self.length, self.nearest = message, position, length, nearest


def parse(text: str) -> Tree:
    """Return the tree of a query, `EVERYTHING` for an empty one; raises `QueryError`."""
    if len(text) > LONGEST:
        raise QueryError(f"The query has {len(text):,} characters; {LONGEST:,} is the most.", LONGEST + 1, 1)
    for place, char in enumerate(text):
        if char == "\0" or "\ud800" <= char <= "\udfff":
            raise QueryError(f"No text holds the character at position {place + 1}. Leave it out.", place + 1, 1)
    return _Parser(text).whole()


class _Parser:
    """One text and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth, self.terms, self.words, self.values = text, 0, 0, 0, 0, 0

    def whole(self) -> Tree:
        self._skip()
        if self.at == len(self.text):
            return EVERYTHING
        tree = self._either()
        if self.at < len(self.text):
            place = self.at + 1
            self._fail(f'The ")" at position {place} closes nothing. Leave it out, or open it with "(".', self.at, 1)
        return tree

    def _either(self) -> Tree:
        parts = [self._all()]
        while self._takes("OR"):
            parts.append(self._all())
        return some(parts)

    def _all(self) -> Tree:
        parts = [self._one()]
        while self._takes("AND") or self._goes_on():
            parts.append(self._one())
        return every(parts)

    def _goes_on(self) -> bool:
        return self.at < len(self.text) and self.text[self.at] != ")" and not self._stands("OR")

    def _one(self) -> Tree:
        """Read one term, with what stands before it."""
        begin = self.at
        if self._takes("NOT") or self._takes_sign():
            return refused(self._deeper(begin, self._one))
        if self.text[self.at : self.at + 1] == "(":
            self.at += 1
            self._skip()
            inside = self._deeper(begin, self._either)
            if self.text[self.at : self.at + 1] != ")":
                self._fail(f'The "(" at position {begin + 1} is never closed. Close it with ")".', begin, 1)
            self.at += 1
            self._skip()
            return inside
        return self._term()

    def _takes_sign(self) -> bool:
        if self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2].strip():
            self.at += 1
            return True
        return False

    def _deeper(self, begin: int, read: Callable[[], Tree]) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            self._fail(
                f"More than {DEEPEST} brackets and negations lie in each other at position {begin + 1}.", begin, 1
            )
        tree = read()
        self.depth -= 1
        return tree

    def _term(self) -> Tree:
        begin = self.at
        self.terms += 1
        if self.terms > MOST_TERMS:
            self._fail(f"More than {MOST_TERMS} terms, from position {begin + 1} on. Ask in several queries.", begin, 1)
        if word := next((one for one in KEYWORDS if self._stands(one)), ""):
            self._fail(f"A term must stand before the {word} at position {begin + 1}.", begin, len(word))
        if self.text[begin : begin + 1] == "-" and not self.text[begin + 1 : begin + 2].strip():
            self._fail(f'A term must stand right behind the "-" at position {begin + 1}.', begin, 1)
        head = _FIELD.match(self.text, self.at)
        term = self._of_field(head) if head else self._word(begin)
        self._ends()
        return term

    def _word(self, begin: int) -> Tree:
        self.words += 1
        if self.words > MOST_WORDS:
            self._fail(f"More than {MOST_WORDS} words without a field, from position {begin + 1} on.", begin, 1)
        return Word(self._value(f"A term must stand at position {begin + 1}."))

    def _of_field(self, head: re.Match[str]) -> Tree:
        """Read what is asked of a field whose name and sign were just seen."""
        name, sign = head[1], head[2]
        field = FIELDS.get(name)
        if field is None:
            self._no_field(name, head.start())
        self.at = head.end()
        if sign.endswith("=") and len(sign.lstrip(":")) == 1:
            said = f'Write {name}: instead of the "{sign}" at position {head.start(2) + 1}.'
            self._fail(said, head.start(2), len(sign), f"{name}:")
        if sign == ":":
            return self._match(field)
        if not field.compared:
            said = f'{name} has no order for the "{sign}" at position {head.start(2) + 1}.'
            self._fail(f"{said} Write {name}:{field.example}", head.start(2), len(sign))
        begin = self.at
        value = self._value(self._wants(field))
        if value.begins:
            self._fail(f"The star at position {self.at} can't be compared with. Leave it out.", self.at - 1, 1)
        return Compare(name, sign.lstrip(":"), self._number(field, value.text, begin))

    def _no_field(self, name: str, begin: int) -> NoReturn:
        near = nearest(name, list(FIELDS))
        more = f"Nearest: {near}" if near else 'Put the text in quotes to search for it, as in "a:b".'
        self._fail(f'No field "{name[:_SHOWN]}" at position {begin + 1}. {more}', begin, len(name), near)

    def _match(self, field: Field) -> Tree:
        if not field.listed:
            said = f"{field.name} is compared: at position {self.at} write {field.name}>={field.example}"
            self._fail(said, self.at - 1, 1)
        values = [self._checked(field)]
        while self.text[self.at : self.at + 1] == ",":
            self.at += 1
            values.append(self._checked(field))
        return Match(field.name, tuple(dict.fromkeys(values)))

    def _checked(self, field: Field) -> Value:
        """Read one value and hold it against what the field can have."""
        begin = self.at
        self.values += 1
        if self.values > MOST_VALUES:
            self._fail(
                f"More than {MOST_VALUES} values, from position {begin + 1} on. Ask in several queries.", begin, 1
            )
        value = self._value(self._wants(field))
        if field.sort is Sort.TEXT:
            return value
        if value.begins and field.sort is not Sort.CHOICE:
            self._fail(f"{field.name} takes whole values: leave out the star at position {self.at}.", self.at - 1, 1)
        if field.sort is Sort.CHOICE:
            return self._choice(field, value, begin)
        if field.sort is Sort.REQUEST:
            return Value(self._request(field, value.text, begin))
        return Value(str(self._number(field, value.text, begin)))

    def _choice(self, field: Field, value: Value, begin: int) -> Value:
        fits = any(one.startswith(value.text) if value.begins else one == value.text for one in field.choices)
        if not fits:
            near = nearest(value.text, field.choices)
            more = f" Nearest: {near}." if near else ""
            shown = f"{field.name} has no value {show_word(value.text)} at position {begin + 1}.{more}"
            self._fail(f"{shown} It has {', '.join(field.choices)}.", begin, self.at - begin, near)
        return value

    def _request(self, field: Field, text: str, begin: int) -> str:
        if not _UUID.fullmatch(text):
            self._wrong(field, "takes an id such as", text, begin)
        return str(UUID(text))

    def _number(self, field: Field, text: str, begin: int) -> int | datetime:
        if field.sort is Sort.TIME:
            return self._time(field, text, begin)
        if field.sort is Sort.DURATION:
            return self._duration(field, text, begin)
        if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > field.most:
            self._wrong(field, f"takes a whole number up to {field.most} such as", text, begin)
        return int(text)

    def _time(self, field: Field, text: str, begin: int) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self._wrong(field, "takes a time such as", text, begin)

    def _duration(self, field: Field, text: str, begin: int) -> int:
        found = _DURATION.fullmatch(text)
        micros = int(f"{found[1]}{(found[2] or '').ljust(6, '0')}") * _UNITS[found[3]] // 1_000_000 if found else -1
        if not 0 <= micros <= _LONGEST_DURATION:
            self._wrong(field, "takes a length of time below 35 minutes such as", text, begin)
        return micros

    def _wrong(self, field: Field, takes: str, text: str, begin: int) -> NoReturn:
        message = f"{field.name} {takes} {field.example}, not {show_word(text)} at position {begin + 1}."
        self._fail(message, begin, self.at - begin)

    def _wants(self, field: Field) -> str:
        """Return the sentence for the place where a value is missing."""
        return f"A value of {field.name} must stand at position {self.at + 1}, such as {field.example}."

    def _value(self, missing: str) -> Value:
        """Read a text with or without quotes, and the star behind it."""
        begin = self.at
        if self.text[self.at : self.at + 1] == '"':
            text = self._quoted()
        else:
            run = _RUN.match(self.text, self.at)
            text = run[0] if run else ""
            self.at += len(text)
        begins = self.text[self.at : self.at + 1] == "*"
        self.at += begins
        if self.at == begin:
            self._fail(missing, begin, 1)
        return Value(text, begins)

    def _quoted(self) -> str:
        found = _QUOTED.match(self.text, self.at)
        if found is None:
            said = f"The quote at position {self.at + 1} is never closed. Close it with a second one."
            self._fail(said, self.at, 1)
        self.at = found.end()
        return _ESCAPE.sub(r"\1", found[1])

    def _ends(self) -> None:
        """Hold that a term ends here: at a space, a bracket or the end."""
        char = self.text[self.at : self.at + 1]
        if char and not char.isspace() and char != ")":
            if self.text[self.at - 1] == "*":
                said = (
                    f"The star at position {self.at} must end its value. Put the value in quotes if it is part of it."
                )
                self._fail(said, self.at - 1, 1)
            comma = " Only values of a field stand side by side with a comma." if char == "," else ""
            self._fail(f"A space must stand at position {self.at + 1}.{comma}", self.at, 1)
        self._skip()

    def _skip(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it fits everywhere

    def _stands(self, keyword: str) -> bool:
        """Whether a keyword stands here by itself."""
        end = self.at + len(keyword)
        after = self.text[end : end + 1]
        return self.text.startswith(keyword, self.at) and (not after or after.isspace() or after in '()"')

    def _takes(self, keyword: str) -> bool:
        """Read a keyword if it stands here; a term must follow."""
        if not self._stands(keyword):
            return False
        begin = self.at
        self.at += len(keyword)
        self._skip()
        if self.at == len(self.text) or self.text[self.at] == ")":
            self._fail(f"A term must follow the {keyword} at position {begin + 1}.", begin, len(keyword))
        return True

    def _fail(self, message: str, begin: int, length: int, near: str = "") -> NoReturn:
        raise QueryError(message, begin + 1, max(length, 1), near)


def show_word(text: str) -> str:
    """Return a foreign word in quotes, cut where it is long."""
    return f'"{text[:_SHOWN]}{"..." if len(text) > _SHOWN else ""}"'
