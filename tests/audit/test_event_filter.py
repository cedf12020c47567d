"""A query in SQL finds what the same query finds when it is held against each event by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.scope import EVERYTHING as UNLIMITED
from audit import event_search, partitions, rollups, suggest
from audit.event import ALIVE, OPERATIONS
from audit.event_filter import Filter, condition, folded
from audit.ingest import connect
from audit.models import Address, Device, Path, Principal, Secret, Vault
from audit.principal import Kind
from audit.query_fields import FIELDS
from audit.query_language import EVERYTHING, parse
from audit.query_tree import Compare, Every, Match, Not, Some, Tree, Word, matches
from tests.audit.queries import PIECES, texts, trees
from vault.reads import Disclosure, Outcome

BEGIN = datetime(2026, 3, 1, 22, tzinfo=UTC)
END = BEGIN + timedelta(hours=6)
EVENTS = 400
Row = dict[str, Any]


def drawn() -> list[Row]:
    """Return events with few different values each, some of them hostile; the same ones every time."""
    draw = random.Random(11)
    names = sorted({"".join(draw.choices(PIECES, k=draw.randrange(1, 4))) for _ in range(24)})
    vaults, namespaces = ["eu-prod", "%_"], ["", "ns/", "ns/deep/", "N_/"]
    rows = []
    for number in range(1, EVENTS + 1):
        namespace, name = draw.choice(namespaces), draw.choice(names)
        rows.append(
            {
                "id": number,
                "time": BEGIN + (END - BEGIN) * number / (EVENTS + 1),
                "request": str(UUID(int=draw.getrandbits(128), version=4)),
                "vault": draw.choice(vaults),
                "namespace": namespace.rstrip("/"),
                "path": f"{namespace}{draw.choice(['data/', '', 'sys/'])}{name}",
                "at": namespace,
                "secret": draw.choice([f"{namespace}{name}", f"secret/{name}", None]),
                "principal": draw.choice(names),
                "kind": draw.choice(list(Kind)).value,
                "address": draw.choice(["", "10.0.0.1", "10.0.0.2", "2001:db8::1", "%"]),
                "operation": draw.choice(OPERATIONS),
                "outcome": draw.choice(list(Outcome)).label,
                "disclosed": draw.choice(list(Disclosure)).label,
                "version": draw.choice([None, None, 1, 2, 9]),
                "duration": draw.choice([None, 0, 500, 1_000, 2_000_000]),
            }
        )
    return rows


class Store:
    """The events and the answer that the store gives about them; no dataclass, whose print would hold every row."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def found(self, tree: Tree, visible: frozenset[str] | None = None) -> list[int]:
        """Return the ids that the tree's SQL finds."""
        where, values = condition(Filter(BEGIN, END, tree, scope=UNLIMITED), visible).over(BEGIN, END)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM audit_event WHERE {where} AND {ALIVE} ORDER BY id", values)
            return [row[0] for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def store(empty_past) -> Iterator[Store]:
    with empty_past():
        rows = drawn()
        _fill(rows)
        rollups.close(END + timedelta(days=2))
        yield Store(rows)


def _fill(rows: list[Row]) -> None:
    vaults = {name: Vault.objects.create(name=name) for name in sorted({row["vault"] for row in rows})}
    device = Device.objects.create(vault=vaults["eu-prod"], name="file")
    keys: dict[tuple[Any, ...], int] = {}

    def key(model: Any, **fields: Any) -> int:
        known = (model, *fields.values())
        if known not in keys:
            keys[known] = model.objects.create(**fields).pk
        return keys[known]

    with connect() as own:
        partitions.ensure(own, [BEGIN.date(), END.date()])
        for row in rows:
            vault, name = vaults[row["vault"]], row["secret"]
            own.execute(
                """INSERT INTO audit_event (id, time, request_id, principal, token, path, secret, address, version,
                   duration, block, vault, device, operation, outcome, disclosed, flags, line)
                   VALUES (%s, %s, %s, %s, 0, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, 3, 0)""",
                [
                    *(row["id"], row["time"], row["request"]),
                    key(Principal, vault=vault, kind=row["kind"], name=row["principal"]),
                    key(Path, vault=vault, namespace=row["at"], path=row["path"][len(row["at"]) :]),
                    key(Secret, vault=vault, mount="m/", path=name, engine="KV v2", name=name) if name else 0,
                    key(Address, address=row["address"]),
                    *(row["version"] or 0, -1 if row["duration"] is None else row["duration"], vault.pk, device.pk),
                    OPERATIONS.index(row["operation"]),
                    Outcome[row["outcome"].upper()].value,
                    Disclosure[row["disclosed"].upper()].value,
                ],
            )


SIGNS = {">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b}
SEARCHED = ("secret", "path", "principal")


def fits(tree: Tree, row: Row) -> bool:
    """Hold a query against one event, by the words of its definition; a field that is not there has no value."""
    match tree:
        case Every(terms):
            return all(fits(term, row) for term in terms)
        case Some(terms):
            return any(fits(term, row) for term in terms)
        case Not(term):
            return not fits(term, row)
        case Match(name, values):
            has = row.get(name)
            return has is not None and any(
                str(has).startswith(one.text) if one.begins else str(has) == one.text for one in values
            )
        case Compare(name, sign, number):
            return row.get(name) is not None and SIGNS[sign](row[name], number)
        case Word(value):
            word, names = folded(value.text), [folded(row[one]) for one in SEARCHED if row.get(one) is not None]
            return any(name.startswith(word) if value.begins else word in name for name in names)


NAMES = sorted({row[field] for row in drawn() for field in (*SEARCHED, "vault", "namespace", "address") if row[field]})
PARTS = sorted({name[begin:end] for name in NAMES for begin in (0, 1, 3) for end in (4, 6, 99)})
QUERIES = trees(texts | st.sampled_from(NAMES) | st.sampled_from(PARTS))
often = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@often
@given(tree=QUERIES)
def test_a_query_finds_what_fits_it(store, tree):
    assert store.found(tree) == [row["id"] for row in store.rows if fits(tree, row)]


@often
@given(tree=QUERIES, visible=st.frozensets(st.sampled_from(list(FIELDS))))
def test_what_is_not_visible_is_no_value(store, tree, visible):
    seen = {row["id"]: {name: row[name] for name in visible} for row in store.rows}
    assert store.found(tree, visible) == [number for number, row in seen.items() if fits(tree, row)]


@settings(often, max_examples=40)
@given(tree=QUERIES)
def test_a_time_line_and_facets_count_what_a_query_finds(store, tree):
    # bars of hours, from closed ones
    one = Filter(BEGIN - timedelta(days=10), END + timedelta(days=10), tree, scope=UNLIMITED)
    expected = [row["id"] for row in store.rows if fits(tree, row)]
    asked = condition(one)
    facets = event_search.facets(one, asked)
    assert facets.counted == len(expected) and facets == event_search.facets(one, asked, len(expected))
    for known in (asked, event_search.settled(one, asked)):
        assert sum(bar.count for bar in event_search.timeline(one, known)) == len(expected)
        assert [row.id for row in event_search.events(one, known, EVENTS)] == expected[::-1]
        assert event_search.facets(one, known) == facets


@pytest.mark.long
@settings(often, max_examples=5_000)
@given(tree=QUERIES)
def test_thousands_of_queries_find_what_fits_them(store, tree):
    assert store.found(tree) == [row["id"] for row in store.rows if fits(tree, row)]


@pytest.mark.parametrize(
    "text, most",
    [
        ("secret:nothing", 0),
        ("-secret:nothing", EVENTS),
        ("secret:* -secret:*", 0),
        ("path:%", 0),
        ('namespace:"" OR namespace:ns*,N_', EVENTS),
        ("vault:eu-prod,%_", EVENTS),
        ("version:0", 0),
        ("version>=0 OR -version>=0", EVENTS),
        ("ZZZZ", 0),
    ],
)
def test_a_query_with_a_known_answer(store, text, most):
    assert len(store.found(parse(text))) == most


@pytest.mark.parametrize(
    "text, columns",
    [
        ("secret:secret/a*", {"secret"}),
        ("secret:*", {"secret"}),
        ("outcome:denied -disclosed:none vault:eu-prod operation:read", {"outcome", "disclosed", "vault", "operation"}),
        ("kind:human principal:*", {"principal"}),
        ("address:10.0.0.1", {"address"}),
        ("path:*", set()),
        ("secret:nothing outcome:ok", set()),
        ("a", {"secret", "path", "principal"}),
        ("version>2 time>2026-01-01", {"version", "time"}),
    ],
)
def test_a_condition_names_the_columns_that_closed_windows_must_have(store, text, columns):
    assert condition(Filter(BEGIN, END, parse(text), scope=UNLIMITED)).fields == columns


@pytest.mark.parametrize("text, column", [("secret:{secret}", "secret"), ("principal:{principal}", "principal")])
def test_one_secret_or_principal_is_one_number_in_sql(store, text, column):
    row = next(row for row in store.rows if row["secret"] and row["vault"] == "eu-prod")
    tree = matches(column, [row[column]])
    sql = condition(Filter(BEGIN, END, tree, scope=UNLIMITED)).sql
    assert sql in (f" AND {column} = %s", f" AND {column} = ANY(%s::int[])")


def test_many_names_are_looked_up_by_the_statement_itself(store, monkeypatch):
    asked = {text: store.found(parse(text)) for text in ("a", "secret:secret/*", "-path:ns*", "namespace:ns*")}
    monkeypatch.setattr("audit.event_filter._LISTED", 1)
    assert {text: store.found(parse(text)) for text in asked} == asked


# -- what is offered while one types ---------------------------------------------------------------------------------


def test_values_are_offered_most_frequent_first(store):
    one = Filter(BEGIN, END, EVERYTHING, scope=UNLIMITED)
    for name in ("secret", "path", "principal", "kind", "outcome", "operation", "vault", "address", "namespace"):
        count: dict[str, int] = {}
        for row in store.rows:
            if row[name] is not None:
                count[row[name]] = count.get(row[name], 0) + 1
        found = suggest.values(name, "", one, limit=3)
        assert [one.count for one in found] == sorted(count.values(), reverse=True)[:3], name
        assert all(count[one.value] == one.count for one in found)


def test_what_is_typed_narrows_the_values_and_the_rest_of_the_query_counts(store):
    tree = parse("outcome:denied")
    found = suggest.values("address", "10.", Filter(BEGIN, END, tree, scope=UNLIMITED))
    expected = [row for row in store.rows if row["outcome"] == "denied" and row["address"] == "10.0.0.1"]
    assert next(one.count for one in found if one.value == "10.0.0.1") == len(expected)
    assert {one.value for one in found} == {"10.0.0.1", "10.0.0.2"}
    assert [one.value for one in suggest.values("outcome", "den", Filter(BEGIN, END, EVERYTHING, scope=UNLIMITED))] == [
        "denied"
    ]


def test_a_name_that_was_not_met_is_offered_without_a_count(store):
    later = Filter(END, END + timedelta(hours=1), EVERYTHING, scope=UNLIMITED)
    assert [(one.value, one.count) for one in suggest.values("vault", "eu", later)] == [("eu-prod", None)]
    assert suggest.values("vault", "", later) == []
    assert suggest.values("time", "", later) == suggest.values("nonsense", "", later) == []


def test_a_question_that_takes_too_long_is_answered_from_the_names_alone(store, monkeypatch):
    monkeypatch.setattr(suggest, "_newest", lambda field, column, one: ("SELECT 1 AS one, pg_sleep(60)", []))
    monkeypatch.setattr(suggest, "PATIENCE", 20)
    found = suggest.values("vault", "eu", Filter(BEGIN, END, EVERYTHING, scope=UNLIMITED))
    assert [(one.value, one.count) for one in found] == [("eu-prod", None)]
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] != "20ms"
