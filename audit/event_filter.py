"""Which events somebody asks for: fields and values in a stretch of time, and the same as a condition in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection

from audit.event import OPERATIONS, SUPERSEDED
from audit.principal import Kind
from vault.reads import Disclosure, Outcome

FIELDS = ("secret", "path", "principal", "kind", "operation", "outcome", "disclosed", "address", "vault")
# What a late response amended is counted by its amendment. Written with `<>`: PostgreSQL guesses that one row in 200
# passes `flags & 4 = 0`, and then sorts a whole month instead of walking an index to the first hundred.
ALIVE = f"flags & {SUPERSEDED} <> {SUPERSEDED}"
CHOICES: dict[str, list[str]] = {
    "kind": [kind.value for kind in Kind],
    "operation": OPERATIONS,
    "outcome": [outcome.label for outcome in Outcome],
    "disclosed": [disclosure.label for disclosure in Disclosure],
}
_LISTED = 500  # ids that are written into the statement; more are looked up by it
Values = tuple[str, ...]


class WrongFilter(ValueError):
    """A field has no such value; the message says which it has."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Events in [since, until) that have one of the values of each field, and none of the excluded ones."""

    since: datetime
    until: datetime
    include: Mapping[str, Values] = field(default_factory=dict)
    exclude: Mapping[str, Values] = field(default_factory=dict)

    @property
    def fields(self) -> set[str]:
        """Return the fields that have a value."""
        return {name for some in (self.include, self.exclude) for name, values in some.items() if values}

    def within(self, since: datetime, until: datetime) -> Filter:
        """Return the same question for another stretch of time."""
        return replace(self, since=since, until=until)

    def without(self, name: str) -> Filter:
        """Return the same question without one field."""
        include = {key: values for key, values in self.include.items() if key != name}
        exclude = {key: values for key, values in self.exclude.items() if key != name}
        return replace(self, include=include, exclude=exclude)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on unqualified columns, with its values; `secrets` are the ids where one secret was asked for."""

    sql: str
    values: list[Any]
    fields: frozenset[str]

    def over(self, since: datetime, until: datetime, column: str = "time") -> tuple[str, list[Any]]:
        """Return the whole WHERE for a stretch of time."""
        return f"{column} >= %s AND {column} < %s{self.sql}", [since, until, *self.values]


def condition(one: Filter) -> Condition:
    """Return the filter's fields as SQL; looks up names, raises `WrongFilter` for a word that a field does not have."""
    parts, values, used = [], [], set()
    for given, turn in ((one.include, ""), (one.exclude, "NOT ")):
        for name, wanted in given.items():
            if wanted:
                column, sql, own = _part(name, wanted)
                parts.append(f" AND {turn}{sql}")
                values += own
                used.add(column)
    return Condition("".join(parts), values, frozenset(used))


def _part(name: str, wanted: Values) -> tuple[str, str, list[Any]]:
    """Return the column, the condition and its values for one field."""
    if name in ("outcome", "disclosed", "operation"):
        return name, f"{name} = ANY(%s)", [[_number(name, word) for word in wanted]]
    if name == "secret":
        return _secret_or_path(wanted)
    return _BY_NAME[name](wanted)


def _number(name: str, word: str) -> int:
    """Return the number that is stored for a word."""
    words = CHOICES[name]
    if word not in words:
        raise WrongFilter(f"{name} has no value {word}. It has {', '.join(words)}.")
    if name == "operation":
        return words.index(word)
    return (Outcome if name == "outcome" else Disclosure)[word.upper()].value


def _secret_or_path(wanted: Values) -> tuple[str, str, list[Any]]:
    """A word that begins no secret's name is taken for a request path."""
    found = _ids("audit_secret", "name", wanted)
    return ("secret", *_among("secret", found)) if found.some else _path(wanted)


@dataclass(frozen=True, slots=True)
class _Found:
    """The ids of a dictionary's rows that fit; where there are more than can be listed, `sql` looks them up."""

    ids: list[int]
    sql: str
    values: list[Any]

    @property
    def some(self) -> bool:
        return bool(self.ids)


def _ids(table: str, column: str, wanted: Values) -> _Found:
    """Look up names and, where they end with `*`, their beginnings."""
    exact = [word.strip("/") if table == "audit_secret" else word for word in wanted if not word.endswith("*")]
    begins = [_like(word[:-1]) for word in wanted if word.endswith("*")]
    likes = "".join(f" OR {column} LIKE %s" for _ in begins)
    sql = f"SELECT id FROM {table} WHERE {column} = ANY(%s){likes}"  # noqa: S608 - our own names
    return _look_up(sql, [exact, *begins])


def _look_up(sql: str, values: list[Any]) -> _Found:
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {_LISTED + 1}", values)
        return _Found([row[0] for row in cursor.fetchall()], sql, values)


def _among(column: str, found: _Found) -> tuple[str, list[Any]]:
    """Return the condition that a column holds one of the ids."""
    if len(found.ids) == 1:
        return f"{column} = %s", [found.ids[0]]
    if len(found.ids) <= _LISTED:
        return f"{column} = ANY(%s)", [found.ids]
    return f"{column} IN ({found.sql})", found.values


def _path(wanted: Values) -> tuple[str, str, list[Any]]:
    """Paths are kept apart from their namespace, so each way to cut the word at a slash is tried."""
    sql, values = [], []
    for word in wanted:
        whole, operator = (_like(word[:-1]), "LIKE") if word.endswith("*") else (word, "=")
        cuts = [0, *(at + 1 for at, char in enumerate(whole[:-1]) if char == "/")][:12]
        sql += [f"(path {operator} %s AND namespace = %s)"] * len(cuts)
        values += [text for at in cuts for text in (whole[at:], whole[:at])]
    found = _look_up(f"SELECT id FROM audit_path WHERE {' OR '.join(sql)}", values)  # noqa: S608 - our own names
    return ("path", *_among("path", found))


def _principal(wanted: Values) -> tuple[str, str, list[Any]]:
    return ("principal", *_among("principal", _ids("audit_principal", "name", wanted)))


def _kind(wanted: Values) -> tuple[str, str, list[Any]]:
    for word in wanted:
        if word not in CHOICES["kind"]:
            raise WrongFilter(f"kind has no value {word}. It has {', '.join(CHOICES['kind'])}.")
    found = _look_up("SELECT id FROM audit_principal WHERE kind = ANY(%s)", [list(wanted)])
    return ("principal", *_among("principal", found))


def _address(wanted: Values) -> tuple[str, str, list[Any]]:
    return ("address", *_among("address", _ids("audit_address", "address", wanted)))


def _vault(wanted: Values) -> tuple[str, str, list[Any]]:
    return ("vault", *_among("vault", _ids("audit_vault", "name", wanted)))


_BY_NAME: dict[str, Callable[[Values], tuple[str, str, list[Any]]]] = {
    "path": _path,
    "principal": _principal,
    "kind": _kind,
    "address": _address,
    "vault": _vault,
}


def _like(text: str) -> str:
    """Return the pattern of everything that begins with a text."""
    for char in ("\\", "%", "_"):
        text = text.replace(char, f"\\{char}")
    return f"{text}%"
