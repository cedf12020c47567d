"""A limited view shows what a naive filter over every event of the unlimited store says, whatever is asked."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import fields
from datetime import datetime, timedelta

import pytest

from accounts.scope import EVERYTHING, Area, Scope
from audit import callers, coverage, health, lookup, pulse, queries, scoping
from audit.answers import EventRow, UnknownName
from audit.closed import BEGIN, END
from audit.principal import Kind
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
    sql, values = scoping.view(scope, *window).select(columns, "time >= %s AND time < %s AND flags & 4 = 0", window)
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
    for id, one in secrets.items():
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
    for id in sorted({one.seen.principal_id for one in events}):
        try:
            assert callers.caller(id, scope=scope).id in who
        except UnknownName as miss:
            assert id not in who and str(miss) == f"There is no principal number {id}."


def test_what_a_principal_did_is_told_of_what_is_seen(past, scope, window, events):
    since, until = window
    for id in sorted(shown(scope, events)):
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for seen in visible(scope, events, since, until):
            if seen.principal_id == id and seen.secret_id:
                counts[seen.secret_id][0] += bool(seen.disclosed)
                counts[seen.secret_id][1] += seen.outcome == "denied"
        wanted = {secret: tuple(pair) for secret, pair in counts.items() if any(pair)}
        used = callers.secrets_of(id, since, until, scope=scope)
        assert {use.secret_id: (use.count, use.denied) for use in used} == wanted
        places: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for seen in visible(scope, events, BEGIN, until):
            if seen.principal_id == id:
                place = places[seen.address]
                place[0], place[1], place[2] = (
                    place[0] + 1, place[1] + bool(seen.disclosed), place[2] + (seen.outcome == "denied")
                )  # fmt: skip
        addresses = callers.addresses_of(id, until, scope=scope)
        assert {use.address: [use.events, use.reads, use.denied] for use in addresses} == places


def test_what_somebody_read_by_name_is_told_of_what_is_seen(past, scope, events):
    for name in sorted({one.seen.principal for one in events})[:8]:
        ids = {one.seen.principal_id for one in events if one.seen.principal == name} & shown(scope, events)
        counts: Counter[int] = Counter()
        for seen in ever(scope, events):
            if seen.principal_id in ids and seen.secret_id and (seen.disclosed or seen.outcome == "denied"):
                counts[seen.secret_id] += bool(seen.disclosed)
        try:
            answer = queries.what_read(name, scope=scope)
            assert ids and {use.secret_id: use.count for use in answer.secrets} == counts
        except UnknownName as miss:
            assert not ids
            told = str(miss).partition("Nearest: ")[2].rstrip(".").split(", ")
            known = {e.seen.principal for e in events if e.seen.principal_id in shown(scope, events)}
            assert set(filter(None, told)) <= known


def test_a_name_means_only_what_is_seen(past, scope, events, secrets):
    everywhere = ever(scope, events)
    mine, who = covered(scope, secrets), shown(scope, events)
    addresses = {seen.address for seen in everywhere}
    for text in {one.seen.secret for one in secrets.values()} | {one.seen.principal for one in events}:
        for matches in (lookup.what_is(text, scope=scope), lookup.what_begins(text, scope=scope)):
            assert {m.id for m in matches if m.sort == "secret"} <= mine | _unnamed(past, secrets)
            assert {m.id for m in matches if m.sort == "principal"} <= (
                who if not scope.everything else {m.id for m in matches}
            )
    for id in list(mine)[:5]:
        assert id in {m.id for m in lookup.what_is(secrets[id].seen.secret, scope=scope) if m.sort == "secret"}
    for address in {one.seen.address for one in events}:
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
    for id in sorted(covered(scope, secrets))[:6]:
        answer = queries.who_read(queries.secret(id, scope=scope), *window)
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for seen in visible(scope, events, *window):
            if seen.secret_id == id:
                counts[seen.principal_id][0] += bool(seen.disclosed)
                counts[seen.principal_id][1] += seen.outcome == "denied"
        wanted = {who: tuple(pair) for who, pair in counts.items() if any(pair)}
        assert {r.principal_id: (r.count, r.denied) for r in answer.readers} == wanted
