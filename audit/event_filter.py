"""Which events somebody asks for: a query in a stretch of time, and the same as a condition in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit import scoping
from audit.event import ALIVE
from audit.query_fields import FIELDS, Sort
from audit.query_tree import EVERYTHING, Compare, Every, Match, Not, Some, Tree, Value, Word
from audit.reach import Sql
from audit.scoping import WHOLE, View
from vault.reads import Disclosure, Outcome

# What is told of an event beside a limited view; of everything else it has no value there (docs/decisions/0010).
BESIDE = frozenset(("id", "time", "outcome", "vault", "principal", "kind", "address"))
_LISTED = 500  # ids that are written into the statement; more are looked up by it


@dataclass(frozen=True, slots=True)
class Filter:
    """The events in [since, until) that fit a query, as far as a scope lets them be seen."""

    since: datetime
    until: datetime
    tree: Tree = EVERYTHING
    scope: Scope = field(kw_only=True)

    def within(self, since: datetime, until: datetime) -> Filter:
        """Return the same question for another stretch of time."""
        return replace(self, since=since, until=until)

    def asking(self, tree: Tree) -> Filter:
        """Return another question about the same time, for the same eyes."""
        return replace(self, tree=tree)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on unqualified columns of `audit_event`, with its values; `fields` are the columns that it names.

    `view` is what of the events is seen at all, and `beside` the same question of those that are seen redacted.
    """

    sql: str
    values: list[Any]
    fields: frozenset[str]
    view: View = WHOLE
    beside: Sql = ("", [])

    def over(self, since: datetime, until: datetime, column: str = "time") -> Sql:
        """Return the whole WHERE for a stretch of time, of somebody who sees everything."""
        return f"{column} >= %s AND {column} < %s{self.sql}", [since, until, *self.values]

    def also(self, inside: Sql, beside: Sql) -> Condition:
        """Return the condition together with another one, of events that are seen whole and of redacted ones."""
        sql, values = self.sql + inside[0], [*self.values, *inside[1]]
        return replace(self, sql=sql, values=values, beside=(self.beside[0] + beside[0], [*self.beside[1], *beside[1]]))

    def select(self, columns: str, span: tuple[datetime, datetime], more: Sql = ("", []), tail: Sql = ("", [])) -> Sql:
        """Return the SELECT of the seen events of a stretch of time that fit, and `more`; `tail` holds of each leg."""

        def where(asked: Sql) -> Sql:
            window = f"time >= %s AND time < %s{asked[0]}{more[0]} AND {ALIVE}"
            return window, [*span, *asked[1], *more[1]]

        return self.view.select(columns, where((self.sql, self.values)), tail, where(self.beside))


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a condition: `TRUE`, `FALSE`, or SQL that needs no brackets around it."""

    sql: str
    values: tuple[Any, ...] = ()
    fields: frozenset[str] = frozenset()


_ALWAYS, _NEVER = _Part("TRUE"), _Part("FALSE")


def condition(one: Filter, visible: frozenset[str] | None = None) -> Condition:
    """Return the filter's query as SQL; looks up names, of which an unknown one fits nothing.

    With `visible`, events are taken to have no value in any field that is not among these.
    """
    part = _Compiler(frozenset(FIELDS) if visible is None else visible).of(one.tree)
    view = scoping.view(one.scope, one.since, one.until)
    beside = ("", []) if view.whole else _sql(_Compiler(BESIDE).of(one.tree))
    return Condition(*_sql(part), part.fields, view, beside)


def _sql(part: _Part) -> Sql:
    return "" if part == _ALWAYS else f" AND {part.sql}", list(part.values)


class _Compiler:
    """Turns a tree into SQL for rows on which only some fields are visible."""

    def __init__(self, visible: frozenset[str]) -> None:
        self.visible = visible

    def of(self, tree: Tree) -> _Part:
        """Return the condition of a tree."""
        if isinstance(tree, Every):
            return _joined("AND", map(self.of, tree.terms), _ALWAYS, _NEVER)
        if isinstance(tree, Some):
            return _joined("OR", map(self.of, tree.terms), _NEVER, _ALWAYS)
        if isinstance(tree, Not):
            return _not(self.of(tree.term))
        if isinstance(tree, Word):
            return self._word(tree.value)
        if tree.field not in self.visible:
            return _NEVER
        return _match(tree) if isinstance(tree, Match) else _compare(tree)

    def _word(self, value: Value) -> _Part:
        """A word stands in the secret's name, the path or the principal's name, whatever the case of its letters."""
        word = folded(value.text)
        names = [name for name in _SEARCHED if name in self.visible]
        return _joined("OR", (_containing(name, word, value.begins) for name in names), _NEVER, _ALWAYS)


def _joined(word: str, parts: Iterable[_Part], neutral: _Part, decides: _Part) -> _Part:
    """Put parts together with AND or OR; what decides alone stays alone."""
    some = [part for part in parts if part != neutral]
    if decides in some:
        return decides
    if len(some) < 2:
        return some[0] if some else neutral
    return _Part(
        f"({f' {word} '.join(part.sql for part in some)})",
        tuple(value for part in some for value in part.values),
        frozenset[str]().union(*(part.fields for part in some)),
    )


def _not(part: _Part) -> _Part:
    opposite = {_ALWAYS: _NEVER, _NEVER: _ALWAYS}
    return _Part(f"NOT {part.sql}", part.values, part.fields) if part not in (_ALWAYS, _NEVER) else opposite[part]


# -- columns that hold what is asked for -------------------------------------------------------------------------------

_COLUMNS = {"request": "request_id"}
# Lists have the column's own type: PostgreSQL makes a hash table of them then, else it walks the list for each row.
_TYPES = {"vault": "smallint", "id": "bigint"}
_HAS = {"version": "version > 0 AND ", "duration": "duration >= 0 AND "}  # other values stand for none


def _match(one: Match) -> _Part:
    field = FIELDS[one.field]
    if one.field == "kind":
        return _kind(one.field, one.values)
    if field.sort is Sort.TEXT:
        return _of_text(one.field, one.values)
    column = _COLUMNS.get(one.field, one.field)
    if field.sort is Sort.CHOICE:
        numbers = [_number(one.field, word) for word in field.choices if any(value.fits(word) for value in one.values)]
        return _Part(f"{column} = ANY(%s::smallint[])", (numbers,), frozenset((column,)))
    if field.sort is Sort.REQUEST:
        return _Part(f"{column} = ANY(%s::uuid[])", ([value.text for value in one.values],), frozenset((column,)))
    wanted = [int(value.text) for value in one.values if value.text != "0"]  # no version and no event is numbered so
    of = _TYPES.get(column, "int")
    return _Part(f"{column} = ANY(%s::{of}[])", (wanted,), frozenset((column,))) if wanted else _NEVER


def _compare(one: Compare) -> _Part:
    return _Part(f"({_HAS.get(one.field, '')}{one.field} {one.sign} %s)", (one.number,), frozenset((one.field,)))


def _number(name: str, word: str) -> int:
    """Return the number that is stored for a word."""
    if name == "operation":
        return FIELDS[name].choices.index(word)
    return (Outcome if name == "outcome" else Disclosure)[word.upper()].value


# -- names, looked up first --------------------------------------------------------------------------------------------

_SEARCHED = {"secret": "name", "path": "namespace || path", "principal": "name"}
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def _containing(name: str, word: str, begins: bool) -> _Part:
    """Return the condition that a name contains a word in small letters, or begins with it."""
    if not word:
        return _has_value(name)
    fits = "= 1" if begins else "> 0"
    text = f'strpos(lower(({_SEARCHED[name]}) COLLATE "C"), %s) {fits}'
    return _among(name, _look_up(f"SELECT id FROM audit_{name} WHERE {text}", [word]))  # noqa: S608 - our own names


def _of_text(name: str, wanted: tuple[Value, ...]) -> _Part:
    if Value("", True) in wanted:
        return _has_value(name)
    return _BY_NAME.get(name, _by_name)(name, wanted)


def _has_value(name: str) -> _Part:
    return _Part("secret > 0", (), frozenset(("secret",))) if name == "secret" else _ALWAYS


def _by_name(name: str, wanted: tuple[Value, ...]) -> _Part:
    """Return the condition that a row's name in its dictionary is one of the values, or begins with one."""
    column = "address" if name == "address" else "name"
    likes = [beginning(value.text) for value in wanted if value.begins]
    sql = f"SELECT id FROM audit_{name} WHERE {column} = ANY(%s)" + f" OR {column} LIKE %s" * len(likes)  # noqa: S608
    return _among(name, _look_up(sql, [[value.text for value in wanted if not value.begins], *likes]))


@dataclass(frozen=True, slots=True)
class _Found:
    """The ids of a dictionary's rows that fit; where there are more than can be listed, `sql` looks them up."""

    ids: list[int]
    sql: str
    values: list[Any]


def _look_up(sql: str, values: list[Any]) -> _Found:
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT {_LISTED + 1}", values)
        return _Found([row[0] for row in cursor.fetchall()], sql, values)


def _among(column: str, found: _Found) -> _Part:
    """Return the condition that a column holds one of the ids."""
    fields = frozenset((column,))
    if not found.ids:
        return _NEVER
    if len(found.ids) == 1:
        return _Part(f"{column} = %s", (found.ids[0],), fields)
    if len(found.ids) <= _LISTED:
        return _Part(f"{column} = ANY(%s::{_TYPES.get(column, 'int')}[])", (found.ids,), fields)
    return _Part(f"{column} IN ({found.sql})", tuple(found.values), fields)


def _path(name: str, wanted: tuple[Value, ...]) -> _Part:
    """Paths are kept apart from their namespace: a value is cut at each namespace that it can begin with."""
    tests, values = [], []
    for namespace in _namespaces():
        for value in wanted:
            if value.begins and namespace.startswith(value.text):
                tests.append("namespace = %s")
                values.append(namespace)
            elif value.text.startswith(namespace):
                rest = value.text[len(namespace) :]
                tests.append(f"(namespace = %s AND path {'LIKE' if value.begins else '='} %s)")
                values += [namespace, beginning(rest) if value.begins else rest]
    return _paths(tests, values)


def _namespace(name: str, wanted: tuple[Value, ...]) -> _Part:
    """Namespaces are asked for without the slash at their end."""
    known = _namespaces()
    fitting = [one for one in known if any(value.fits(one.rstrip("/")) for value in wanted)]
    if fitting and len(fitting) == len(known):
        return _ALWAYS
    return _paths(["namespace = ANY(%s)"] if fitting else [], [fitting])


def _paths(tests: list[str], values: list[Any]) -> _Part:
    if not tests:
        return _NEVER
    return _among("path", _look_up(f"SELECT id FROM audit_path WHERE {' OR '.join(tests)}", values))  # noqa: S608


def _namespaces() -> list[str]:
    """Return every namespace of a path, jumping through the index from one to the next."""
    sql = """WITH RECURSIVE n AS (
        SELECT v.id, (SELECT min(namespace) FROM audit_path WHERE vault_id = v.id) AS one FROM audit_vault v
        UNION ALL
        SELECT n.id, (SELECT min(namespace) FROM audit_path p WHERE p.vault_id = n.id AND p.namespace > n.one)
        FROM n WHERE n.one IS NOT NULL) SELECT DISTINCT one FROM n WHERE one IS NOT NULL"""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


def _kind(name: str, wanted: tuple[Value, ...]) -> _Part:
    words = [word for word in FIELDS[name].choices if any(value.fits(word) for value in wanted)]
    return _among("principal", _look_up("SELECT id FROM audit_principal WHERE kind = ANY(%s)", [words]))


_BY_NAME: dict[str, Callable[[str, tuple[Value, ...]], _Part]] = {"path": _path, "namespace": _namespace}


def folded(text: str) -> str:
    """Return a text with A to Z in small letters: what `lower(... COLLATE "C")` makes of it, on every server."""
    return text.translate(_LOWER)


def beginning(text: str) -> str:
    """Return the pattern of everything that begins with a text."""
    for char in ("\\", "%", "_"):
        text = text.replace(char, f"\\{char}")
    return f"{text}%"
