"""The questions of the events page: a page of events, their time line, and how often each value occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit.answers import EventRow
from audit.closed import Parts, parts_of
from audit.event import ALIVE, OPERATIONS
from audit.event_filter import BESIDE, Condition, Filter, condition
from audit.reach import Sql
from audit.scoping import HIDDEN
from vault.reads import Disclosure, Outcome

CAP = 200_000  # facets count the newest so many events of a question
TOP = 12
MANY = 60_000  # events in a window, beyond which a time line has bars of whole hours
Place = tuple[datetime, int]
ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
STEPS = [
    *(timedelta(seconds=s) for s in (1, 5, 10, 15, 30)),
    *(timedelta(minutes=m) for m in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=h) for h in (1, 2, 3, 6, 12)),
    *(timedelta(days=d) for d in (1, 2, 5, 10, 30)),
]
BARS = 120
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bin:
    """Counts of the events in [start, end)."""

    start: datetime
    end: datetime
    ok: int = 0
    denied: int = 0
    error: int = 0

    @property
    def count(self) -> int:
        """Return how many events it holds."""
        return self.ok + self.denied + self.error


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a facet and how many events have it; `kind` is that of a principal."""

    value: str
    count: int
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Facets:
    """The most frequent values of each field, over `counted` events; `others` is how many more values there are."""

    values: dict[str, list[Value]]
    others: dict[str, int]
    counted: int

    @property
    def capped(self) -> bool:
        """Whether only the newest events were counted."""
        return self.counted >= CAP


_SHOWN = """
    SELECT e.id, e.time, e.outcome, e.disclosed, e.operation, a.namespace || a.path, e.principal, p.name, p.kind,
           d.address, e.version, e.request_id, v.name, e.secret, coalesce(s.name, ''), w.name,
           ARRAY(SELECT DISTINCT o.name FROM audit_sighting g JOIN audit_device o ON o.id = g.device
                 WHERE g.event_id = e.id AND g.time = e.time)
    FROM e JOIN audit_principal p ON p.id = e.principal {join} audit_path a ON a.id = e.path
    JOIN audit_address d ON d.id = e.address {join} audit_device v ON v.id = e.device
    JOIN audit_vault w ON w.id = e.vault LEFT JOIN audit_secret s ON s.id = e.secret
"""
_COLUMNS = (
    "id, time, outcome, disclosed, operation, path, principal, address, version, request_id, device, secret, vault"
)


FEW = 5_000
_SOUGHT = {"path", "request_id", "version", "duration", "address", "id"}  # columns that no index, or no count, leads to


def settled(one: Filter, known: Condition) -> Condition:
    """Return a condition that is quick to ask again: by their times and ids, where few events fit and are hard to find.

    A page asks three questions of its events; without this each of them may look at all events of the time.
    """
    if known.view.whole and not known.fields & _SOUGHT:
        return known
    seen, values = known.select("time, id", (one.since, one.until), tail=(" LIMIT %s", [FEW + 1]))
    rows = _rows(seen, values)
    if len(rows) > FEW:
        return known
    if not rows:
        return replace(known, sql=" AND FALSE", values=[], fields=frozenset[str](), beside=(" AND FALSE", []))
    given = [list(column) for column in zip(*sorted(rows), strict=True)]
    sql = " AND time = ANY(%s::timestamptz[]) AND id = ANY(%s::bigint[])"
    return replace(known, sql=sql, values=given, fields=frozenset(("time", "id")), beside=(sql, given))


def events(
    one: Filter, known: Condition, limit: int, before: Place | None = None, after: Place | None = None
) -> list[EventRow]:
    """Return at most `limit` events, newest first: the newest, those before a place, or the ones next after it."""
    order = "ASC" if after else "DESC"
    where: Sql = ("", [])
    if place := after or before:
        sign = ">" if after else "<"
        where = (f" AND time {sign}= %s AND (time, id) {sign} (%s, %s)", [place[0], *place])
    tail = f" ORDER BY time {order}, id {order} LIMIT %s"
    seen, values = known.select(_COLUMNS, (one.since, one.until), where, (tail, [limit]))
    if not known.view.whole:
        seen, values = f"SELECT * FROM ({seen}) x{tail}", [*values, limit]  # noqa: S608 - our own text
    shown = _SHOWN.format(join="JOIN" if known.view.whole else "LEFT JOIN")
    sql = f"WITH e AS MATERIALIZED ({seen}) {shown} ORDER BY e.time DESC, e.id DESC"
    return [event_row(row) for row in _rows(sql, values)]


def count_up_to(one: Filter, most: int) -> int:
    """Return how many events fit, counting no further than `most`."""
    seen, values = condition(one).select("", (one.since, one.until), tail=(" LIMIT %s", [most]))
    return min(int(_rows(f"SELECT count(*) FROM ({seen}) x", values)[0][0]), most)  # noqa: S608 - our own text


def count_after(one: Filter, known: Condition, place: Place, most: int = 1_000) -> int:
    """Return how many events came after a place in the list, counting no further than `most`."""
    span = (max(one.since, place[0]), one.until)
    seen, values = known.select("", span, (" AND (time, id) > (%s, %s)", [*place]), (" LIMIT %s", [most]))
    return min(int(_rows(f"SELECT count(*) FROM ({seen}) x", values)[0][0]), most)  # noqa: S608 - our own text


def timeline(one: Filter, known: Condition) -> list[Bin]:
    """Return the counts of [since, until) in at most about 120 bars on round times, oldest first.

    Where the counts of closed hours or days know the fields that are asked for, bars are read from them; over many
    events the bars are then as wide as those.
    """
    step = next((s for s in STEPS if (one.until - one.since) / s <= BARS), STEPS[-1])
    if not known.view.whole:
        return _bins(one, step, _seen(one, known, step))
    raw = Parts(raw=[(one.since, one.until)])
    source = next((s for s in _SOURCES if known.fields <= s.fields), None)
    if source is None or (one.until - one.since) / source.unit < 7:
        return _bins(one, step, _counts(known, source, raw, step))
    # No index leads to an address, so even a few events of one are found by looking at all.
    if step < source.unit and ("address" in known.fields or _is_busy(one, known, source)):
        step = source.unit
    parts = parts_of(source.width, one.since, one.until) if step >= source.unit else raw
    return _bins(one, step, _counts(known, source, parts, step))


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of closed windows: its kind of window, that window's length and column, and the fields that it knows."""

    table: str
    width: str
    unit: timedelta
    column: str
    fields: frozenset[str]


_SOURCES = (
    _Source("audit_rollup_total", "t", HOUR, "hour", frozenset(("vault", "operation", "outcome", "disclosed"))),
    _Source("audit_rollup_hour", "h", HOUR, "hour", frozenset(("secret", "outcome", "disclosed"))),
    _Source("audit_rollup_address", "a", timedelta(days=1), "day", frozenset(("principal", "address", "outcome"))),
)


def _is_busy(one: Filter, known: Condition, source: _Source) -> bool:
    """Whether the closed windows hold so many events of the question that counting each would be felt."""
    where, values = known.over(one.since, one.until, source.column)
    sql = f"SELECT coalesce(sum(events), 0) FROM {source.table} WHERE {where}"  # noqa: S608 - our own names
    return bool(_rows(sql, values)[0][0] > MANY)


def _counts(known: Condition, closed: _Source | None, parts: Parts, step: timedelta) -> dict[datetime, dict[int, int]]:
    """Count by bar and outcome, from closed hours and events."""
    selects, values = [], []
    some = [(span, "audit_event", "time", f"count(*) FILTER (WHERE {ALIVE})") for span in parts.raw]
    if closed:
        some += [(span, closed.table, closed.column, "sum(events)") for span in parts.counted]
    for span, table, column, count in some:
        where, own = known.over(*span, column)
        selects.append(f"SELECT date_bin(%s, {column}, %s), outcome, {count} FROM {table} WHERE {where} GROUP BY 1, 2")  # noqa: S608
        values += [step, ORIGIN, *own]
    return _bars(_rows(" UNION ALL ".join(selects), values))


def _bars(rows: Iterable[tuple[Any, ...]]) -> dict[datetime, dict[int, int]]:
    bars: dict[datetime, dict[int, int]] = {}
    for start, outcome, count in rows:
        bar = bars.setdefault(start, {})
        bar[outcome] = bar.get(outcome, 0) + int(count)
    return bars


def _seen(one: Filter, known: Condition, step: timedelta) -> dict[datetime, dict[int, int]]:
    """Count what a limited view shows by bar and outcome, from events alone."""
    columns = f"date_bin('{step.total_seconds()} s', time, '{ORIGIN.isoformat()}'), outcome, count(*)"
    return _bars(_rows(*known.select(columns, (one.since, one.until), tail=(" GROUP BY 1, 2", []))))


def _bins(one: Filter, step: timedelta, bars: dict[datetime, dict[int, int]]) -> list[Bin]:
    """Return every bar of the window, the empty ones too; the first and the last are cut to it."""
    at, bins = ORIGIN + (one.since - ORIGIN) // step * step, []
    while at < one.until:
        told = bars.get(at, {})
        ok = told.get(Outcome.OK, 0) + told.get(Outcome.NOT_FOUND, 0)
        error = told.get(Outcome.ERROR, 0) + told.get(Outcome.NO_RESPONSE, 0)
        start, end = max(at, one.since), min(at + step, one.until)
        bins.append(Bin(start, end, ok, told.get(Outcome.DENIED, 0), error))
        at += step
    return bins


_SMALL = ("outcome", "operation", "disclosed", "vault")
_LARGE = ("principal", "secret", "address")


def facets(one: Filter, known: Condition, total: int = CAP + 1) -> Facets:
    """Return how often each value occurs among the events that fit, or among the newest 200,000 of them.

    Whoever knows that no more than these fit says so by the `total`: nothing has to be put in order of time then.
    """
    newest: Sql = (" ORDER BY time DESC LIMIT %s", [CAP]) if total > CAP else ("", [])
    small, names = ", ".join(_SMALL), ", ".join((*_SMALL, *_LARGE))
    seen, values = known.select(names if known.view.whole else f"time, {names}", (one.since, one.until), tail=newest)
    if not known.view.whole:
        seen, values = f"SELECT * FROM ({seen}) x{newest[0]}", [*values, *newest[1]]  # noqa: S608 - our own text
    fields = " ".join(f"WHEN {name} IS NOT NULL THEN '{name}'" for name in _LARGE)
    sql = f"""
        WITH f AS NOT MATERIALIZED ({seen}),
        g AS (SELECT {small}, CASE {fields} END AS field, coalesce({", ".join(_LARGE)}) AS value, count(*) AS n
              FROM f GROUP BY GROUPING SETS (({small}), {", ".join(f"({name})" for name in _LARGE)})),
        r AS (SELECT field, value, n, row_number() OVER (PARTITION BY field ORDER BY n DESC, value) AS rank,
                     count(*) OVER (PARTITION BY field) AS values FROM g WHERE field IS NOT NULL)
        SELECT field, n, values, {_NAME}, coalesce((SELECT kind FROM audit_principal WHERE id = value
               AND field = 'principal'), ''), 0, 0, 0 FROM r WHERE rank <= {TOP} + 1
        UNION ALL SELECT 'kind', sum(n), 0, kind, '', 0, 0, 0 FROM g JOIN audit_principal p ON p.id = g.value
        WHERE field = 'principal' GROUP BY kind
        UNION ALL SELECT '', n, 0, v.name, '', outcome, operation, disclosed FROM g JOIN audit_vault v ON v.id = g.vault
        WHERE field IS NULL
        ORDER BY 1, 2 DESC, 4, 5
    """  # noqa: S608 - our own names
    return _facets(_rows(sql, values))


# Only the few names that are shown are looked up: a join would read the whole dictionaries.
_NAME = """CASE field WHEN 'principal' THEN (SELECT name FROM audit_principal WHERE id = value)
    WHEN 'secret' THEN (SELECT name FROM audit_secret WHERE id = value)
    WHEN 'address' THEN (SELECT address FROM audit_address WHERE id = value) END"""


def _facets(rows: Iterable[tuple[Any, ...]]) -> Facets:
    """Put the counts together; the small fields come as one row for each combination."""
    values: dict[str, list[Value]] = {}
    small: dict[str, Counter[str]] = {name: Counter() for name in _SMALL}
    others: dict[str, int] = {}
    for name, count, distinct, text, kind, outcome, operation, disclosed in rows:
        if not name:
            words = (Outcome(outcome).label, OPERATIONS[operation], Disclosure(disclosed).label, text)
            for facet, word in zip(_SMALL, words, strict=True):
                if operation != HIDDEN or facet in BESIDE:
                    small[facet][word] += int(count)
        elif text and len(values.setdefault(name, [])) < TOP:  # events that name no secret have none to count
            values[name].append(Value(text, int(count), kind))
            others[name] = max(distinct - len(values[name]), 0)
    for name, counts in small.items():
        values[name] = [Value(word, count) for word, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]
    return Facets(values, others, sum(small["outcome"].values()))


def event_row(row: Sequence[Any]) -> EventRow:
    """Return the event of a row of `_SHOWN`; of a redacted one what is hidden is empty."""
    hidden = row[4] == HIDDEN
    return EventRow(
        id=row[0], time=row[1], outcome=Outcome(row[2]).label,
        disclosed=Disclosure(row[3]).label if row[3] else "", operation="" if hidden else OPERATIONS[row[4]],
        path=row[5] or "", principal_id=row[6], principal=row[7], kind=row[8], address=row[9], version=row[10] or None,
        request_id="" if hidden else str(row[11]), devices=[] if hidden else sorted({row[12], *row[16]}),
        secret_id=row[13], secret=row[14], vault=row[15], hidden=hidden,
    )  # fmt: skip


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
