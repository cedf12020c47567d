"""A limited view shows what a naive filter over every event of the unlimited store says, whatever is asked."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import fields
from datetime import datetime, timedelta

import pytest

from accounts.scope import EVERYTHING, Area, Scope
from audit import api, callers, coverage, event_search, export, health, lookup, pull, pulse, queries, scoping, suggest
from audit.answers import EventRow, UnknownName
from audit.closed import BEGIN, END
from audit.event_filter import Filter, condition
from audit.item import moment
from audit.principal import Kind
from audit.query_fields import FIELDS
from audit.query_language import parse
from audit.query_tree import EVERYTHING as EVERY
from audit.query_tree import Tree
from tests.audit.test_event_filter import fits
from tests.audit.wide import NOW, Seen, Stored, everything, inside, scopes, visible, write

FAST, SCOPES = 8, range(36)
WINDOWS = [
    (NOW - timedelta(days=30), NOW + timedelta(seconds=1)),
    (NOW - timedelta(days=3, hours=5), NOW - timedelta(hours=7)),
    (NOW - timedelta(hours=3), NOW + timedelta(seconds=1)),
    (NOW - timedelta(days=6, minutes=7), NOW - timedelta(days=6)),
]


@pytest.fixture(scope="module", params=["made up", "recorded"])
def past(request, empty_past, recorded, tmp_path_factory):
    """A store with two vaults, or with the recorded log."""
    folder = tmp_path_factory.mktemp("logs")
    with empty_past() as one:
        if request.param == "made up":
            for vault, file in write(folder).items():
                one.take(file, vault=vault)
        else:
            for device, name in (("file", "audit.log"), ("http", "audit-http.log")):
                (folder / name).write_bytes(recorded(name))
                one.take(folder / name, device=device)
        yield one


@pytest.fixture(scope="module")
def events(past) -> list[Stored]:
    return everything(past)


@pytest.fixture(scope="module")
def secrets(events) -> dict[int, Stored]:
    """The secrets that some event names, each as one of its events."""
    return {one.seen.secret_id: one for one in events if one.seen.secret_id}


@pytest.fixture(scope="module")
def limited(past, secrets) -> list[Scope]:
    found = scopes(len(SCOPES), 23, {(s.seen.vault, s.namespace, s.relative) for s in secrets.values()})
    return [EVERYTHING, Scope.of([Area()]), *found[2:]]


@pytest.fixture(params=[pytest.param(n, marks=[pytest.mark.long] if n >= FAST else []) for n in SCOPES])
def number(request) -> int:
    return request.param


@pytest.fixture
def scope(number, limited) -> Scope:
    return limited[number]


@pytest.fixture
def window(request, events) -> tuple[datetime, datetime]:
    """A stretch of time, another for the next scope; the recorded log is shorter, so it is cut in like parts."""
    since, until = WINDOWS[request.getfixturevalue("number") % len(WINDOWS)]
    first, last = min(e.seen.time for e in events), max(e.seen.time for e in events)
    if last - first > timedelta(days=2):
        return since, until
    share = (last - first) / timedelta(days=12)
    return last - (NOW - since) * share, last - (NOW - until) * share + timedelta(seconds=1)


def as_seen(row: EventRow) -> Seen:
    return Seen(**{f.name: getattr(row, f.name) for f in fields(Seen)} | {"devices": tuple(row.devices)})


def ever(scope: Scope, events: list[Stored]) -> list[Seen]:
    return visible(scope, events, BEGIN, END)


def shown(scope: Scope, events: list[Stored]) -> set[int]:
    """Return the principals that ever had an event in scope."""
    if scope.everything:
        return {one.seen.principal_id for one in events}
    return {one.seen.principal_id for one in events if inside(scope, one)}


def covered(scope: Scope, secrets: dict[int, Stored]) -> set[int]:
    return {id for id, one in secrets.items() if scope.everything or inside(scope, one)}


def test_the_scopes_are_worth_asking_with(limited, events):
    """Some show much, some little, and many show something beside what they cover."""
    shares = [len(ever(one, events)) / len(events) for one in limited]
    assert min(shares) == 0 and max(shares) == 1 and len({round(share, 2) for share in shares}) > 8
    assert sum(any(seen.hidden for seen in ever(one, events)) for one in limited) > len(limited) / 2


def test_a_window_shows_the_events_in_scope_and_their_principals_logins_and_denials(past, scope, window, events):
    columns = "id, secret, path, version, operation, disclosed, token, device, request_id::text"
    where = ("time >= %s AND time < %s AND flags & 4 = 0", [*window])
    sql, values = scoping.view(scope, *window).select(columns, where)
    found = {row[0]: row[1:] for row in past.rows(sql, *values)}
    wanted = visible(scope, events, *window)
    assert set(found) == {seen.id for seen in wanted}
    bare = (0, 0, 0, scoping.HIDDEN, 0, 0, 0, "00000000-0000-0000-0000-000000000000")
    assert all((found[seen.id] == bare) == seen.hidden for seen in wanted)


def test_one_event_is_seen_whole_redacted_or_not_at_all(past, scope, events):
    wanted = {seen.id: seen for seen in ever(scope, events)}
    for one in random.Random(str(scope)).sample(events, 25):
        id = one.seen.id
        try:
            assert as_seen(queries.event(id, scope=scope)) == wanted[id]
        except LookupError:
            assert id not in wanted


def test_lines_and_tokens_are_of_events_in_scope(past, scope, events):
    for one in random.Random(str(scope)).sample(events, 30):
        whole = scope.everything or inside(scope, one)
        try:
            assert queries.lines_of(one.seen.id, scope=scope) == queries.lines_of(one.seen.id, scope=EVERYTHING)
            assert whole
        except LookupError as miss:
            assert not whole and str(one.seen.id) in str(miss)
        token, told = callers.token_of(one.seen.id, scope=EVERYTHING), callers.token_of(one.seen.id, scope=scope)
        assert (told.hmac if told else None) == (token.hmac if whole and token else None)


def test_secrets_out_of_scope_do_not_exist(past, scope, secrets):
    mine = covered(scope, secrets)
    listed = [ref.id for ref in queries.secrets(limit=1_000, scope=scope)]
    assert set(listed) & set(secrets) == mine
    if not scope.everything:
        assert set(listed) <= {s for (s,) in past.rows("SELECT id FROM audit_secret")}
    some = random.Random(str(scope)).sample(sorted(secrets), min(len(secrets), 12))
    for id, one in ((id, secrets[id]) for id in some):
        name = one.seen.secret
        try:
            assert queries.secret(id, scope=scope).name == name and id in mine
        except queries.NotOneSecret as miss:
            assert id not in mine
            assert str(miss) == f"There is no secret number {id}."
        try:
            assert queries.find_secret(name, scope=scope).id in mine
        except queries.NotOneSecret as miss:
            told = {ref.id for ref in miss.candidates}
            assert told <= set(listed)
            if id not in mine and not any(secrets[m].seen.secret == name for m in mine):
                assert "was ever seen" in str(miss)


def test_the_list_of_principals_holds_those_with_an_event_in_scope(past, scope, events):
    rows = callers.callers(limit=1_000, scope=scope)
    who = shown(scope, events)
    known = who if not scope.everything else {id for (id,) in past.rows("SELECT id FROM audit_principal")}
    assert {row.id for row in rows} == known
    kinds = Counter(row.kind for row in rows)
    assert dict(callers.kinds(scope=scope)) == kinds
    month = visible(scope, events, NOW - timedelta(days=30), NOW + timedelta(days=1))
    last: dict[int, datetime] = {}
    for seen in month:
        last.setdefault(seen.principal_id, seen.time)
    pairs = past.rows("SELECT principal, secret FROM audit_pair WHERE last >= now() - interval '7 days'")
    mine = {e.seen.secret_id for e in events if e.seen.secret_id and (scope.everything or inside(scope, e))}
    recent = Counter(principal for principal, secret in pairs if secret in mine)
    assert {row.id: (row.last, row.secrets) for row in rows} == {id: (last.get(id), recent[id]) for id in known}


def test_one_principal_is_there_only_with_an_event_in_scope(past, scope, events):
    who = shown(scope, events)
    everybody = sorted({one.seen.principal_id for one in events})
    for id in random.Random(str(scope)).sample(everybody, min(len(everybody), 12)):
        try:
            assert callers.caller(id, scope=scope).id in who
        except UnknownName as miss:
            assert id not in who and str(miss) == f"There is no principal number {id}."


def test_what_a_principal_did_is_told_of_what_is_seen(past, scope, window, events):
    since, until = window
    within, before = visible(scope, events, since, until), visible(scope, events, BEGIN, until)
    for id in random.Random(str(scope)).sample(who := sorted(shown(scope, events)), min(len(who), 6)):
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for seen in within:
            if seen.principal_id == id and seen.secret_id:
                counts[seen.secret_id][0] += bool(seen.disclosed)
                counts[seen.secret_id][1] += seen.outcome == "denied"
        wanted = {secret: tuple(pair) for secret, pair in counts.items() if any(pair)}
        used = callers.secrets_of(id, since, until, scope=scope)
        assert {use.secret_id: (use.count, use.denied) for use in used} == wanted
        places: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for seen in before:
            if seen.principal_id == id:
                place = places[seen.address]
                place[0], place[1], place[2] = (
                    place[0] + 1, place[1] + bool(seen.disclosed), place[2] + (seen.outcome == "denied")
                )  # fmt: skip
        addresses = callers.addresses_of(id, until, scope=scope)
        assert {use.address: [use.events, use.reads, use.denied] for use in addresses} == places


def test_what_somebody_read_by_name_is_told_of_what_is_seen(past, scope, events):
    everywhere, who = ever(scope, events), shown(scope, events)
    known = {one.seen.principal for one in events if one.seen.principal_id in who}
    for name in sorted({one.seen.principal for one in events})[:8]:
        ids = {one.seen.principal_id for one in events if one.seen.principal == name} & who
        counts: Counter[int] = Counter()
        for seen in everywhere:
            if seen.principal_id in ids and seen.secret_id and (seen.disclosed or seen.outcome == "denied"):
                counts[seen.secret_id] += bool(seen.disclosed)
        try:
            answer = queries.what_read(name, scope=scope)
            assert ids and {use.secret_id: use.count for use in answer.secrets} == counts
        except UnknownName as miss:
            assert not ids
            told = str(miss).partition("Nearest: ")[2].rstrip(".").split(", ")
            assert set(filter(None, told)) <= known


def test_a_name_means_only_what_is_seen(past, scope, events, secrets):
    everywhere = ever(scope, events)
    mine, who = covered(scope, secrets), shown(scope, events)
    addresses = {seen.address for seen in everywhere}
    known = mine | _unnamed(past, secrets)
    texts = {one.seen.secret for one in secrets.values()} | {one.seen.principal for one in events}
    for text in random.Random(str(scope)).sample(sorted(texts), min(len(texts), 12)):
        for matches in (lookup.what_is(text, scope=scope), lookup.what_begins(text, scope=scope)):
            assert {m.id for m in matches if m.sort == "secret"} <= known
            assert {m.id for m in matches if m.sort == "principal"} <= (
                who if not scope.everything else {m.id for m in matches}
            )
    for id in list(mine)[:5]:
        assert id in {m.id for m in lookup.what_is(secrets[id].seen.secret, scope=scope) if m.sort == "secret"}
    for address in sorted({one.seen.address for one in events})[:8]:
        found = any(m.sort == "address" for m in lookup.what_is(address, scope=scope))
        assert found == (address in addresses)
    for hmac, tokens in past.rows("SELECT encode(t.hmac, 'hex'), array_agg(id) FROM audit_token t GROUP BY 1")[:10]:
        uses = {id for (id,) in past.rows("SELECT id FROM audit_event WHERE token = ANY(%s)", tokens)}
        seen = scope.everything or any(inside(scope, one) for one in events if one.seen.id in uses)
        assert any(m.sort == "token" for m in lookup.what_is(hmac, scope=scope)) == seen


def _unnamed(past, secrets) -> set[int]:
    """Return the secrets that no event names: such as one that a superseded request named."""
    return {id for (id,) in past.rows("SELECT id FROM audit_secret")} - set(secrets)


def test_the_counts_of_the_first_page_are_of_what_is_seen(past, scope, window, events):
    kinds = list(Kind)
    wanted: dict[str, list[int]] = {}
    who: dict[str, set[int]] = defaultdict(set)
    for seen in visible(scope, events, *window):
        row = wanted.setdefault(seen.kind, [0, 0, 0])
        who[seen.kind].add(seen.principal_id)
        row[0], row[1], row[2] = row[0] + 1, row[1] + bool(seen.disclosed), row[2] + (seen.outcome == "denied")
    found = pulse.used_by(kinds, *window, scope=scope)
    assert {k: [u.principals, u.events, u.reads, u.denied] for k, u in found.items()} == {
        k: [len(who[k]), *row] for k, row in wanted.items()
    }


def test_health_is_of_the_vaults_that_the_areas_name(past, scope, events):
    names = {name for (name,) in past.rows("SELECT name FROM audit_vault")}
    for group in scope.groups:
        if all(area.vault for area in group):
            names &= {area.vault for area in group}
    assert {state.vault for state in queries.devices(scope=scope)} == names
    assert {one.vault for one in coverage.device_records(BEGIN, END, scope=scope)} == names
    assert {bad.vault for bad in health.quarantine(BEGIN, scope=scope)} <= names
    assert scope.everything or not any(bad.preview for bad in health.quarantine(BEGIN, scope=scope))
    assert {one.vault for one in health.missed(BEGIN, scope=scope)} <= names
    assert {one.vault for one in health.alarms(BEGIN, scope=scope)} <= names


def test_readers_of_a_secret_in_scope_are_its_readers(past, scope, window, events, secrets):
    within = visible(scope, events, *window)
    for id in sorted(covered(scope, secrets))[:6]:
        answer = queries.who_read(queries.secret(id, scope=scope), *window)
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for seen in within:
            if seen.secret_id == id:
                counts[seen.principal_id][0] += bool(seen.disclosed)
                counts[seen.principal_id][1] += seen.outcome == "denied"
        wanted = {who: tuple(pair) for who, pair in counts.items() if any(pair)}
        assert {r.principal_id: (r.count, r.denied) for r in answer.readers} == wanted


# -- the list of events, its counts and what is offered ----------------------------------------------------------------


def as_row(seen: Seen) -> dict:
    """Return what a query may ask of an event that is seen so; a field that is hidden has no value."""
    row = {
        "id": seen.id, "time": seen.time, "outcome": seen.outcome, "vault": seen.vault, "kind": seen.kind,
        "principal": seen.principal, "address": seen.address,
    }  # fmt: skip
    if seen.hidden:
        return row
    return row | {
        "disclosed": seen.disclosed or "none", "operation": seen.operation, "path": seen.path,
        "secret": seen.secret or None, "version": seen.version, "request": seen.request_id,
    }  # fmt: skip


QUERIES = [
    "", "outcome:denied", "-outcome:denied", "secret:*", "-secret:*", "path:*", "-path:secret/*", "path:auth/*",
    "disclosed:none", "-disclosed:none", "operation:update", "-operation:read", "version>=1", "-version>0",
    "kind:service_account,human", "address:10.*", "vault:eu", "prod", "-prod", "login", "app", 'path:""*',
    "outcome:denied OR operation:list", "(secret:secret/prod* OR -path:sys/*) -outcome:error",
]  # fmt: skip


@pytest.fixture
def asked(number, secrets) -> list[Tree]:
    """Some queries, and some about a secret and a path that the scope may not cover."""
    dice = random.Random(number)
    one = dice.choice(list(secrets.values())).seen
    words = [f'secret:"{one.secret}"', f'-secret:"{one.secret}"', f'path:"{one.path}"', f'-path:"{one.path[:12]}"*',
             f'request:{one.request_id}', f'id:{one.id}', f'"{one.secret.rsplit("/", 1)[-1]}"']  # fmt: skip
    return [parse(text) for text in [*dice.sample(QUERIES, 7), *dice.sample(words, 3)]]


def test_the_list_of_events_holds_what_is_seen_and_fits(scope, window, events, asked):
    there = visible(scope, events, *window)
    for number, tree in enumerate(asked):
        one = Filter(*window, tree, scope=scope)
        wanted = [seen for seen in there if fits(tree, as_row(seen))]
        known = condition(one) if number % 2 else event_search.settled(one, condition(one))
        rows = event_search.events(one, known, 50)
        assert [as_seen(row) for row in rows] == wanted[:50]
        if len(wanted) > 50:
            place = (rows[-1].time, rows[-1].id)
            assert [as_seen(row) for row in event_search.events(one, known, 30, before=place)] == wanted[50:80]
            back = event_search.events(one, known, 20, after=place)
            assert [as_seen(row) for row in back] == wanted[29:49]
            assert event_search.count_after(one, known, place, 1_000) == 49
        assert event_search.count_up_to(one, 70) == min(len(wanted), 70)


def test_time_lines_and_facets_count_what_is_seen_and_fits(scope, window, events, asked):
    there = visible(scope, events, *window)
    for number, tree in enumerate(asked):
        one = Filter(*window, tree, scope=scope)
        wanted = [seen for seen in there if fits(tree, as_row(seen))]
        known = condition(one) if number % 2 else event_search.settled(one, condition(one))
        bars = event_search.timeline(one, known)
        for bar in bars:
            inside_bar = Counter(seen.outcome for seen in wanted if bar.start <= seen.time < bar.end)
            assert (bar.ok, bar.denied, bar.error) == (
                inside_bar["ok"] + inside_bar["not_found"], inside_bar["denied"],
                inside_bar["error"] + inside_bar["no_response"],
            )  # fmt: skip
        found = event_search.facets(one, known)
        assert found.counted == len(wanted)
        for name in ("outcome", "operation", "disclosed", "vault", "kind", "principal", "secret", "address"):
            counts = Counter(_key(name, seen) for seen in wanted if as_row(seen).get(name) is not None)
            told = [(value.value, value.count) for value in found.values.get(name, [])]
            assert sorted(n for _, n in told) == sorted(n for _, n in counts.most_common(event_search.TOP))
            assert not Counter(told) - Counter((value, count) for (value, _), count in counts.items())


def _key(name: str, seen: Seen) -> tuple[str, int]:
    """Return the value of a facet and what tells it apart from others of its name."""
    return as_row(seen)[name], {"secret": seen.secret_id, "principal": seen.principal_id}.get(name, 0)


def test_values_are_offered_of_what_is_seen(scope, window, events, monkeypatch):
    monkeypatch.setattr(suggest, "PATIENCE", 60_000)
    there = visible(scope, events, *window)
    one = Filter(*window, EVERY, scope=scope)
    for name in ("secret", "path", "principal", "address", "vault", "operation", "disclosed", "outcome", "version"):
        counts = Counter(str(row[name]) for row in map(as_row, there) if row.get(name) is not None)
        told = {offer.value: offer.count for offer in suggest.values(name, "", one, 1_000)}
        met = {value: count for value, count in told.items() if count is not None}
        assert met == {value: count for value, count in counts.items() if value in met}
        if name != "version":
            assert set(met) == set(counts)
        named = set(told) - set(met)
        assert scope.everything or not named or FIELDS[name].choices


def test_nothing_of_a_hidden_event_can_be_asked_for(past, scope, window, events):
    """Whatever a query names of an event beside the scope, it finds it no better than its opposite does."""
    whole = {one.seen.id: one.seen for one in events}
    for seen in [seen for seen in visible(scope, events, *window) if seen.hidden][:6]:
        own = whole[seen.id]
        leaf = own.path.rstrip("/").rsplit("/", 1)[-1]
        terms = [f'path:"{own.path}"', f"operation:{own.operation}", f"request:{own.request_id}", "path:*",
                 f"disclosed:{own.disclosed or 'none'}", "version>=0", "duration>=0", "namespace:*",
                 *([] if leaf in own.principal else [f'"{leaf}"']),
                 *([f'secret:"{own.secret}"', "secret:*"] if own.secret else [])]  # fmt: skip
        for term in terms:
            one = Filter(*window, parse(f"id:{own.id} {term}"), scope=scope)
            assert event_search.events(one, condition(one), 1) == []
            other = Filter(*window, parse(f"id:{own.id} -{term}"), scope=scope)
            assert [as_seen(row) for row in event_search.events(other, condition(other), 1)] == [seen]


# -- what leaves the house ---------------------------------------------------------------------------------------------


def test_an_export_holds_what_is_seen_and_fits(scope, window, events, asked, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 40)
    there = visible(scope, events, *window)
    for tree in asked[:4]:
        one = Filter(*window, tree, scope=scope)
        rows = [row for page in export.pages(one, condition(one), export.newest()) for row in page]
        assert [as_seen(row) for row in rows] == [seen for seen in there if fits(tree, as_row(seen))]


def test_a_window_of_the_api_holds_what_is_seen_and_fits(scope, window, events, asked):
    there = visible(scope, events, *window)
    for tree in asked[:4]:
        one, place, items = Filter(*window, tree, scope=scope), None, []
        while True:
            page = pull.window(one, 60, place)
            items += [json.loads(line) for line in page.items]
            if (place := page.last) is None:
                break
        assert items == [as_item(seen, item) for seen, item in paired(there, tree, items)]


def paired(there: list[Seen], tree: Tree, items: list[dict]) -> list[tuple[Seen, dict]]:
    """Put what a window should hold, oldest first, beside what it holds; there are as many of both."""
    wanted = [seen for seen in reversed(there) if fits(tree, as_row(seen))]
    return list(zip(wanted, items, strict=True))


def as_item(seen: Seen, item: dict) -> dict:
    """Return the item that an event must be: beside a scope only these fields, in it more."""
    told = {
        "type": "event", "id": seen.id, "time": moment(seen.time), "outcome": seen.outcome, "vault": seen.vault,
        "principal_id": seen.principal_id, "principal": seen.principal, "kind": seen.kind, "address": seen.address,
    }  # fmt: skip
    if seen.hidden:
        return told | {"hidden": True}
    secret = {"secret_id": seen.secret_id or None, "secret": seen.secret or None}
    return item | told | secret | {"operation": seen.operation, "request_id": seen.request_id, "version": seen.version}


def test_the_stream_holds_the_events_in_scope_and_nothing_beside(scope, events):
    """A stream has no window, so there is no principal whose other calls it could show."""
    after, found = 0, []
    while True:
        page = pull.stream(after, 100, lambda: api.asked_of(EVERY, scope))
        found += [json.loads(line) for line in page.items]
        after = page.last
        if not page.more:
            break
    told = [item["id"] for item in found if item["type"] == "event"]
    assert told == sorted(one.seen.id for one in events if scope.everything or inside(scope, one))
    assert not [item for item in found if item.get("hidden")]
