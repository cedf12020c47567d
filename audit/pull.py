"""The two ways in which a collector reads the record: the stream, in order of acceptance, and a window, by time.

Events, sightings and what is found out of pods draw their numbers from one sequence under one lock that is held until
the commit (decision 0006). So whatever one snapshot shows, it shows everything with a lower number, and "after number
N" misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from operator import itemgetter
from threading import Lock
from time import monotonic
from typing import Any

import psycopg
from django.db import connection

from accounts.scope import Scope
from audit import scoping
from audit.closed import BEGIN, END
from audit.event import AMENDS
from audit.event_filter import Filter, condition
from audit.item import COLUMNS, POD, Names, Row, lines, pod
from audit.pods import known_pods
from audit.reach import Sql

Place = tuple[datetime, int]
FIRST_SPAN, MOST_SPAN = 50_000, 1_000_000  # numbers that a narrowed question looks at in one statement
PATIENCE = 1.5  # seconds after which a page of a narrowed question is given as it is, and the next one goes on


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the record is asked for, as ` AND ...` over unqualified columns of `audit_event`; nothing means all.

    `seen` is what may be seen of it at all.
    """

    sql: str = ""
    values: tuple[Any, ...] = ()
    seen: str = ""
    seen_values: tuple[Any, ...] = ()


Question = Callable[[], Asked]


@dataclass(frozen=True, slots=True)
class Page:
    """Items as lines of JSON; `last` is the place of the next page, which is not empty for certain if `more`."""

    items: list[str]
    last: int
    more: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Items as lines of JSON; `last` is the place after which the next page begins, None at the end."""

    items: list[str]
    last: Place | None


_EVENTS = f"SELECT 0::bigint AS of, {COLUMNS} FROM audit_event e WHERE id > %s"  # noqa: S608 - our own text
_SIGHTING = (
    "SELECT event_id AS of, seq AS id, time + delta * interval '1 microsecond' AS time, '' AS request_id, 0, 0, 0, 0, "
    "0, 0, 0::smallint, device, 0::smallint, 0::smallint, 0::smallint, flags FROM audit_sighting s"
)
_FOUND = f"""
    SELECT event_id AS of, seq AS id, time, '' AS request_id, 0, 0, 0, 0, pod, 0, 0::smallint, 0::smallint,
    ({POD})::smallint, 0::smallint, 0::smallint, 0::smallint FROM audit_told s
"""  # noqa: S608 - our own text
_BESIDE = ((_SIGHTING, "s.event_id = id"), (_FOUND, "id IN (s.event_id, s.row_id)"))  # and the rows of their events
_ORIGINAL = "FROM audit_event WHERE vault = e.vault AND request_id = e.request_id AND time = e.time AND flags < 8192"
_AMENDED = f"""
    SELECT e.id, o.id FROM unnest(%s::bigint[], %s::timestamptz[]) AS g(id, time)
    JOIN LATERAL (SELECT * FROM audit_event WHERE id = g.id AND time = g.time LIMIT 1) e ON true
    JOIN LATERAL (SELECT id {_ORIGINAL} LIMIT 1) o ON true
"""  # noqa: S608 - our own text


def stream(after: int, limit: int, asked: Question | None = None) -> Page:
    """Return the next items after a number (0: from the oldest kept), in order of acceptance, at most `limit`.

    An event is given as it was when it was accepted; what was learned later comes as an amendment behind it. A narrowed
    question may give a page that is short or empty and still have more. It is a function, called once it is certain how
    far is looked: a name that it then does not find is that of no event so far.
    """
    with snapshot():
        rows = _searched(after, limit, asked) if asked else _next(after, limit)
        return _page(*rows, limit)


def _next(after: int, limit: int) -> tuple[list[Row], int, bool]:
    """Return whatever comes next, one row more than wanted if there are so many."""
    most = f" LIMIT {limit + 1}"  # in the text: a plan for any number of rows would sort them all
    events = rows_of(f"{_EVENTS} ORDER BY id{most}", [after])
    beside = [rows_of(f"{sql} WHERE seq > %s ORDER BY seq{most}", [after]) for sql, _ in _BESIDE]
    return (list(merge(events, *beside, key=itemgetter(1))) if any(beside) else events), after, False


def _searched(after: int, limit: int, asked: Question) -> tuple[list[Row], int, bool]:
    """Look at one span of numbers after the other, no further than what was committed when we began."""
    head, at, span = newest(), after, FIRST_SPAN
    found = asked()
    rows: list[Row] = []
    began = monotonic()
    while at < head and len(rows) <= limit and (at == after or monotonic() - began < PATIENCE):
        upto = head if found.sql == NOTHING else min(at + span, head)
        rows += _span(at, upto, limit + 1 - len(rows), found) if found.sql != NOTHING else []
        at, span = upto, min(span * 2, MOST_SPAN)
    return rows, at, at < head


NOTHING = " AND FALSE"


def _span(after: int, upto: int, limit: int, asked: Asked) -> list[Row]:
    """Return what fits of (after, upto]; an amendment also fits if its event does."""
    cond, values = f"{asked.sql}{asked.seen}", [*asked.values, *asked.seen_values]
    late = f"flags >= {AMENDS} AND EXISTS (SELECT {_ORIGINAL}{cond})"
    fits = f"AND id <= %s{asked.seen} AND ((true{asked.sql}) OR ({late}))"
    events = f"{_EVENTS} {fits} ORDER BY id LIMIT {limit}"
    some = [rows_of(events, [after, upto, *asked.seen_values, *asked.values, *values], prepare=False)]
    for sql, which in _BESIDE:
        own = f"JOIN LATERAL (SELECT FROM audit_event WHERE {which} AND time = s.time{cond} LIMIT 1) o ON true"
        beside = f"{sql} {own} WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT {limit}"
        some.append(rows_of(beside, [*values, after, upto], prepare=False))
    return list(merge(*some, key=itemgetter(1)))[:limit]


def _page(rows: list[Row], last: int, more: bool, limit: int) -> Page:
    """Cut a page that is too long; `last` and `more` hold where it is not."""
    if len(rows) > limit:
        rows, more = rows[:limit], True
        last = rows[-1][1]
    elif rows:
        last = max(last, rows[-1][1])
    return Page(_lines(rows), last, more)


def _lines(rows: list[Row]) -> list[str]:
    return lines(rows, _names(), _amended(rows))


def _lines_now(rows: list[Row]) -> list[str]:
    """Return the JSON of events as they are known now; their tokens come first in each row."""
    told = known_pods([(row[2], row[3], row[5], row[0], row[8]) for row in rows if row[0]])
    pods = {event: pod(*said) for event, said in told.items()}
    plain = [row[1:] for row in rows]
    return lines(plain, _names(), _amended(plain), pods)


def _amended(rows: Sequence[Row]) -> dict[int, int]:
    """Return of which event each amending row of a page is the late response."""
    late = [row for row in rows if row[-1] >= AMENDS]
    if not late:
        return {}
    return dict(rows_of(_AMENDED, [[row[1] for row in late], [row[2] for row in late]]))


_NOW = f"token, 0::bigint, {COLUMNS}"


def window(one: Filter, limit: int, after: Place | None = None) -> Window:
    """Return the events of a filter by (time, id), at most `limit`, from the begin or after a place.

    Each request stands there once, as it is known now: one that a late response amended is its amendment.
    """
    where: Sql = (" AND time >= %s AND (time, id) > (%s, %s)", [after[0], *after]) if after else ("", [])
    known, order = condition(one), f" ORDER BY time, id LIMIT {limit + 1}"
    sql, values = known.select(_NOW, (one.since, one.until), where, (order, []))
    if not known.view.whole:
        sql = f"SELECT * FROM ({sql}) x{order}"  # noqa: S608 - our own text
    rows = rows_of(sql, values, prepare=False)
    last = (rows[limit - 1][3], rows[limit - 1][2]) if len(rows) > limit else None
    return Window(_lines_now(rows[:limit]), last)


def one(event_id: int, scope: Scope) -> str | None:
    """Return an event or an amendment as a line of JSON; None when there is none (any more), or none to be seen.

    Beside a limited view it is seen redacted if its principal ever had an event in scope, as on its page.
    """
    who = rows_of("SELECT principal FROM audit_event WHERE id = %s LIMIT 1", [event_id])
    seen = scoping.view_of(scope, [row[0] for row in who], BEGIN, END)
    rows = rows_of(*seen.select(_NOW, ("id = %s", [event_id])), prepare=False) if who else []
    return next(iter(_lines_now(rows)), None)


def newest() -> int:
    """Return the highest number that is committed; every lower one that ever will be is committed, too."""
    sql = """SELECT greatest((SELECT max(id) FROM audit_event), (SELECT max(seq) FROM audit_sighting),
                             (SELECT max(seq) FROM audit_told), 0)"""
    return int(rows_of(sql, [])[0][0])


def oldest() -> int:
    """Return the lowest number that is kept; one more than the newest ever when nothing is."""
    sql = """SELECT coalesce(least((SELECT min(id) FROM audit_event), (SELECT min(seq) FROM audit_sighting),
                                   (SELECT min(seq) FROM audit_told)), 0)"""
    return int(rows_of(sql, [])[0][0]) or forgotten().last + 1


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What retention has dropped: the newest entry of its book, the highest number in it, and how many items."""

    entry: int = 0
    last: int = 0
    items: int = 0


def forgotten(since_entry: int = 0, after: int = 0) -> Forgotten:
    """Return what was dropped since an entry of the book, of the items after a number; `entry` is the newest of all.

    A day whose numbers lie on both sides counts with as many as can lie after it.
    """
    sql = """
        SELECT coalesce(max(id), 0), coalesce(max(last) FILTER (WHERE told), 0),
               coalesce(sum(least(items, last - greatest(first - 1, %s))) FILTER (WHERE told), 0)
        FROM (SELECT *, id > %s AND last > %s AS told FROM audit_forgotten) b
    """
    return Forgotten(*map(int, rows_of(sql, [after, since_entry, after])[0]))


@contextmanager
def snapshot() -> Iterator[None]:
    """See one state of the record in every statement within; plans that were made once serve for every place.

    Planning a walk over 400 days takes longer than the walk, so prepared statements take their generic plan.
    """
    if connection.in_atomic_block:
        yield
        return
    _run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            _run("ROLLBACK")


def _run(statement: str) -> None:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        _raw().execute(statement.encode())


def rows_of(sql: str, values: list[Any], *, prepare: bool = True) -> list[tuple[Any, ...]]:
    """Run a statement with its values beside it and its rows in binary: half the time of Django's own cursor."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return _raw().execute(sql.encode(), values, binary=True, prepare=prepare).fetchall()


def _raw() -> psycopg.Cursor[tuple[Any, ...]]:
    raw = connection.connection
    raw.prepare_threshold = 1_000_000  # prepare where it is asked for, and nothing by itself
    return psycopg.Cursor(raw)


_MARK = """
    SELECT d.oid, s.system_identifier, c.timeline_id, pg_relation_filenode('audit_principal'),
           pg_relation_filenode('audit_path'), pg_relation_filenode('audit_secret'),
           pg_relation_filenode('audit_address'), pg_relation_filenode('audit_toldpod')
    FROM pg_database d, pg_control_system() s, pg_control_checkpoint() c WHERE d.datname = current_database()
"""
_known: list[tuple[tuple[Any, ...], Names]] = []
_lock = Lock()


def _names() -> Names:
    """Return the names that this process knows already, as long as they are of the same tables of the same server."""
    mark = rows_of(_MARK, [])[0]
    with _lock:
        if not _known or _known[0][0] != mark or _known[0][1].many:
            _known[:] = [(mark, Names(rows_of))]
        return _known[0][1]
