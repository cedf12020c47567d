"""The pages over the store itself: what they count is what the store holds, and each asks a fixed number of times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, quote

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.scope import EVERYTHING
from audit import actions, callers, event_search, queries
from audit.event_filter import Filter, condition
from audit.query_tree import every, matches
from dashboard import too_slow
from tests.audit.conftest import forget_everything
from tests.audit.lines import Call, log
from tests.dashboard.conftest import Page

NOW = datetime.now(UTC).replace(microsecond=0)
BEGIN = NOW - timedelta(days=9)
MANY = 490


def calls() -> list[Call]:
    """Return nine days of calls by five service accounts, the last of which turns up elsewhere on the last day."""
    step = (NOW - timedelta(minutes=1) - BEGIN) / MANY
    some = [Call(n, n % 5, f"prod/app/key-{n % 7}", BEGIN + step * n, "pages", f"10.0.{n % 3}.1") for n in range(MANY)]
    return [*some, Call(9_000, 4, "prod/app/key-1", NOW - timedelta(seconds=50), "pages", "203.0.113.9")]


def denied(call: Call, device: str = "file") -> bytes:
    """Return the lines of a call that was refused."""
    error = {"error": "1 error occurred:\n\t* permission denied\n\n"}
    return call.request(device) + b"\n" + call.response(device, data={}, **error) + b"\n"


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker, tmp_path_factory):
    """Import those calls and some refusals once; closed hours and days are counted, the newest hours are not."""
    file = tmp_path_factory.mktemp("logs") / "audit.log"
    refused = [Call(n, 2, "prod/app/key-3", NOW - timedelta(hours=n - 9_500 + 1), "pages") for n in range(9_500, 9_510)]
    file.write_bytes(log(calls()) + b"".join(map(denied, refused)))
    with django_db_blocker.unblock():
        forget_everything()
        actions.import_files([str(file)], vault="demo", device="file")
        yield {"ok": MANY + 1, "denied": 10}
        forget_everything()


@pytest.fixture
def store(db, filled):
    """The store with those calls, inside a transaction for what a test itself adds."""
    return filled


@pytest.fixture
def get(signed_in):
    """Return a function that gets an address and reads the page."""

    def ask(address: str, status: int = 200, **headers: str) -> Page:
        response = signed_in.get(address, headers=headers or None)
        assert response.status_code == status, response.content.decode()[:2000]
        return Page.of(response)

    return ask


def ids(page: Page) -> list[int]:
    """Return the events of a page, as listed."""
    return [int(own["id"].removeprefix("event-")) for own in page.all("a", id="event-") if own["id"][6:].isdecimal()]


def over(days: float, **fields: str) -> Filter:
    tree = every(matches(name, [value]) for name, value in fields.items())
    return Filter(NOW - timedelta(days=days), NOW + timedelta(seconds=1), tree, scope=EVERYTHING)


# -- before anything is there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/", "/events/", "/principals/", "/sources/"])
def test_without_a_source_every_page_says_how_to_get_one(signed_in, address):
    assert "No audit source yet" in signed_in.get(address).content.decode()


# -- counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0.02, 1, 3, 8.5, 30])
@pytest.mark.parametrize(
    "fields",
    [{}, {"outcome": "denied"}, {"secret": "secret/prod/app/key-1"}, {"secret": "secret/prod/*"},
     {"principal": "shop/app-2"}, {"address": "10.0.1.1"}, {"path": "secret/data/prod/app/key-2"}],
    ids=str,
)  # fmt: skip
def test_a_time_line_counts_what_the_store_holds_however_it_reads_it(store, monkeypatch, fields, days):
    monkeypatch.setattr(event_search, "MANY", 0)  # as over a busy store: bars of whole hours and days
    one = over(days, **fields)
    known = condition(one)
    bars = event_search.timeline(one, known)
    where, values = known.over(one.since, one.until)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE outcome = 2) FROM audit_event WHERE {where}", values)
        assert (sum(bar.count for bar in bars), sum(bar.denied for bar in bars)) == cursor.fetchone()
    assert bars[0].start == one.since and bars[-1].end == one.until
    assert all(one.end == next_.start for one, next_ in pairwise(bars))


def test_values_are_counted_exactly(store):
    found = event_search.facets(over(30), condition(over(30)))
    assert found.counted == store["ok"] + store["denied"] and not found.capped
    assert {v.value: v.count for v in found.values["outcome"]} == store
    assert sum(v.count for v in found.values["secret"]) == found.counted
    assert {v.value: v.count for v in found.values["kind"]} == {"service_account": found.counted}
    assert next(v.count for v in found.values["address"] if v.value == "203.0.113.9") == 1


def test_a_capped_count_is_of_the_newest_and_says_so(store, monkeypatch, get):
    monkeypatch.setattr(event_search, "CAP", 50)
    got = get("/events/?range=30d")
    assert "Counts over the newest 50 events" in got.text


def test_what_is_not_understood_is_told_with_its_place_and_the_nearest_word_and_everything_is_shown(get, store):
    for address in ("/events/?range=30d&q=outcome:denid", "/events/?range=30d&outcome=denid"):
        got = get(address)
        assert 'outcome has no value "denid" at position 9' in got.text and "Nearest: denied" in got.text
        assert "The rows below show every event of this time." in got.text
        assert f"{sum(store.values())} events" in got.text
        assert got.all("a", href="q=outcome%3Adenied") and got.by_id("ask")["value"] == "outcome:denid"
    got = get("/events/?q=kind:human+outcme:ok")
    assert 'No field "outcme" at position 12' in got.text and "Nearest: outcome" in got.text


# -- the list --------------------------------------------------------------------------------------------------------


def test_pages_meet_in_both_directions_without_a_double_or_a_loss(store, get):
    seen, address, back = [], "/events/?range=30d", ""
    while address:
        got = get(address)
        seen += ids(got)
        older = got.by_id("older")
        back, address = address, f"/events/{older['href']}" if older else ""
    assert len(seen) == len(set(seen)) == sum(store.values())
    again, address = [], back
    while address:
        got = get(address)
        again = ids(got) + again
        newer = got.by_id("newer")
        address = f"/events/{newer['href']}" if newer else ""
    assert again == seen


def test_a_filter_shows_only_what_fits_and_an_exclusion_the_rest(store, get):
    got = get("/events/?range=30d&q=outcome:denied")
    assert len(ids(got)) == store["denied"] and f"{store['denied']} events." in got.text
    rest = get("/events/?range=30d&q=secret:secret/prod/app/key-3+-outcome:denied")
    assert not set(ids(got)) & set(ids(rest)) and rest.all("li", class_="filter-chip-not")


def test_a_path_of_the_vault_and_a_prefix_find_what_they_name(store, get):
    by_path = get("/events/?range=30d&q=path:secret/data/prod/app/key-3")
    by_name = get("/events/?range=30d&q=secret:secret/prod/app/key-3")
    assert ids(by_path) == ids(by_name) != []
    assert f"{sum(store.values())} events" in get("/events/?range=30d&q=secret:secret/*").text


def test_an_address_of_before_the_query_language_asks_the_same(store, get):
    old = get("/events/?range=30d&secret=secret/prod/app/key-3&secret=secret/no*&not.outcome=denied")
    text = "secret:secret/prod/app/key-3,secret/no* -outcome:denied"
    new = get("/events/?range=30d&q=" + text.replace(" ", "+"))
    assert ids(old) == ids(new) != [] and old.by_id("ask")["value"] == text
    assert old.all("li", class_="filter-chip-not")


def test_a_chip_goes_and_a_value_comes_without_touching_the_rest_of_the_query(store, get):
    got = get("/events/?range=30d&q=(app-1+OR+app-2)+-outcome:error+version>=1")
    links = {own.get("aria-label", ""): parse_qs(own["href"][1:])["q"][0] for own in got.all("a", href="q=")}
    assert links["Without outcome error"] == "(app-1 OR app-2) version>=1"
    assert links["Without version >= 1"] == "(app-1 OR app-2) -outcome:error"
    assert links["Leave out shop/app-1"] == "(app-1 OR app-2) -outcome:error version>=1 -principal:shop/app-1"


def test_an_empty_answer_offers_what_would_find_something(store, get):
    begin = f"{NOW - timedelta(days=3):%Y-%m-%dT%H:%M}"
    end = f"{NOW - timedelta(days=2):%Y-%m-%dT%H:%M}"
    got = get(f"/events/?principal=shop/app-4&outcome=denied&since={begin}&until={end}")
    assert "No event matches, and nothing is missing" in got.text
    assert re.search(r"without outcome denied 1\d show", got.text)


def test_the_same_address_opens_the_drawer_with_and_without_scripts(store, get):
    one = ids(get("/events/"))[0]
    for tab in ("", "who", "around", "line"):
        whole = get(f"/events/?event={one}&tab={tab}")
        part = get(f"/events/?event={one}&tab={tab}", **{"HX-Request": "true", "HX-Target": "aside#drawer"})
        assert whole.by_id("event-head") and part.by_id("event-head") and not part.all("main")
        assert len(whole.all("a", id="tab-", **{"aria-current": "true"})) == 1


@pytest.mark.parametrize(
    "moment", ["2026-01-01T00:00:00+20:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
def test_no_offset_that_a_time_is_written_with_breaks_a_page(store, get, moment):
    """PostgreSQL takes none of 16 hours and more."""
    for name, text in (("before", f"{moment}~1"), ("after", f"{moment}~1"), ("seen", f"{moment}~1"), ("since", moment)):
        get(f"/events/?range=live&{name}={quote(text)}")
    secret = queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING)
    get(f"/secrets/{secret.id}/?before={quote(moment)}~1")


def test_live_says_how_many_wait_after_the_newest_shown(store, get):
    newest = get("/events/?range=live").by_id("rows")["data-newest"]
    moment = datetime.fromisoformat(newest.partition("~")[0]) - timedelta(seconds=20)
    waiting = get(f"/events/?range=live&seen={moment:%Y-%m-%dT%H:%M:%S}%2B00:00~1",
                  **{"HX-Request": "true", "HX-Target": "div#waiting"})  # fmt: skip
    assert "1 new event waits" in waiting.text and not waiting.all("table")


def test_live_counts_what_comes_after_a_list_without_any_event_too(store, get):
    empty = get("/events/?range=live&q=path:nowhere")
    begins = empty.by_id("rows")["data-newest"]
    assert not empty.all("a", class_="row-link") and datetime.fromisoformat(begins.partition("~")[0]) < datetime.now(
        UTC
    )
    waiting = get(f"/events/?range=live&seen={quote(begins)}", **{"HX-Request": "true", "HX-Target": "div#waiting"})
    assert re.search(r"\d+ new events? waits?\.", waiting.text)


# -- principals, sources, home -----------------------------------------------------------------------------------------


def test_a_principals_page_counts_what_it_read_and_marks_a_network_never_used_before(store, get):
    one = next(p for p in callers.callers("shop/app-4", scope=EVERYTHING))
    got = get(f"/principals/{one.id}/")
    uses = callers.secrets_of(one.id, NOW - timedelta(days=30), NOW + timedelta(seconds=1), scope=EVERYTHING)
    assert sum(use.count for use in uses) == MANY // 5 + 1
    assert f"7 secrets {MANY // 5 + 1} times" in got.text
    assert "1 call came from 203.0.113.9, a network never seen before" in got.text
    assert len(got.all("span", class_="warn-words")) == 1


def test_a_principals_page_shows_the_first_of_many_and_counts_all(store, get, monkeypatch):
    monkeypatch.setattr("dashboard.principal_page.SHOWN", 1)
    one = next(p for p in callers.callers("shop/app-4", scope=EVERYTHING))
    got = get(f"/principals/{one.id}/")
    assert f"7 secrets {MANY // 5 + 1} times" in got.text and "6 more follow." in got.text
    assert "4 addresses. 3 more follow." in got.text and len(got.all("a", href="address%3A")) == 1
    every = get(f"/principals/{one.id}/?all=1")
    assert "more follow" not in every.text and len(every.all("a", href="address%3A")) == 4


def test_before_a_day_is_closed_a_principals_page_counts_its_events(store, get, monkeypatch):
    one = next(p for p in callers.callers("shop/app-4", scope=EVERYTHING))
    whole = get(f"/principals/{one.id}/").text
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_closed")
        for name in ("hour", "total", "day", "address"):
            cursor.execute(f"DELETE FROM audit_rollup_{name}")
    raw = get(f"/principals/{one.id}/").text
    counts = re.compile(r"It read .* times|\d+ secrets, .* denied|10\.0\.\d\.1 \d+ \d+ \d+")
    assert counts.findall(raw) == counts.findall(whole) != []


def test_what_a_principal_read_in_a_part_of_a_day_is_counted_from_its_events(store):
    one = next(p for p in callers.callers("shop/app-1", scope=EVERYTHING))
    since, until = NOW - timedelta(days=4, hours=5), NOW - timedelta(days=1, hours=3)
    counted = sum(use.count for use in callers.secrets_of(one.id, since, until, scope=EVERYTHING))
    assert counted == sum(call.who == 1 and since <= call.at < until for call in calls())


def test_principals_go_on_from_page_to_page(store, get, monkeypatch):
    monkeypatch.setattr("dashboard.principal_page.PAGE", 2)
    names, address = [], "/principals/"
    while address:
        got = get(address)
        names += [own["title"] for own in got.all("span", class_="path")]
        on = [a["href"] for a in got.all("a", class_="closing-action")]
        address = f"/principals/{on[0]}" if on else ""
    assert names == sorted(names) and len(set(names)) == len(names) == 5


@pytest.mark.parametrize(
    "asked, leads",
    [("secret/prod/app/key-1", "/secrets/"), ("shop/app-2", "/principals/"),
     ("203.0.113.9", "/events/?q=address%3A203"),
     ("secret/prod/*", "/events/?q=secret%3Asecret%2Fprod%2F%2A"), ("/v1/secret/data/prod/app/key-1", "/secrets/")],
)  # fmt: skip
def test_the_one_field_leads_to_what_is_named_in_it(store, signed_in, asked, leads):
    answer = signed_in.get("/ask/", {"q": asked})
    assert answer.status_code == 302 and answer.headers["Location"].startswith(leads)


def test_words_that_fit_several_things_list_them_and_words_that_fit_none_say_so(store, get):
    assert len(get("/ask/?q=shop/app").all("a", href="/principals/")) >= 5
    assert "Nothing is named so" in get("/ask/?q=nobody").text


def test_the_pages_ask_a_fixed_number_of_times(store, signed_in):
    one = next(p for p in callers.callers("shop/app-1", scope=EVERYTHING))
    event = event_search.events(over(30), condition(over(30)), 1)[0].id
    secret = queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING).id
    assert _asked(signed_in, f"/secrets/{secret}/") == 26
    counts = {
        "/": 25, "/events/?range=24h": 13, "/events/?range=30d": 13, f"/events/?event={event}&tab=who": 23,
        "/principals/": 7, f"/principals/{one.id}/": 20, "/sources/": 15, "/secrets/": 8, "/ask/?q=shop": 7,
    }  # fmt: skip
    assert {address: _asked(signed_in, address) for address in counts} == counts


def _asked(client, address: str) -> int:
    """Return how many statements a page takes, once it is warm."""
    client.get(address)
    with CaptureQueriesContext(connection) as statements:
        assert client.get(address).status_code == 200
    return len(statements)


def test_a_secrets_page_tells_what_the_store_holds(store, get):
    one = queries.find_secret("secret/prod/app/key-3", scope=EVERYTHING)
    got = get(f"/secrets/{one.id}/?range=30d")
    assert f"5 principals read it {MANY // 7} times in the last 30 days; 10 calls were denied." in got.text
    assert f"{MANY // 7} ok, 10 denied, 0 errors." in got.all("figure", role="img")[0]["aria-label"]
    known = queries.who_read_and_from_where(one)
    assert {a for reader in known.readers for a in reader.addresses} >= {"10.0.0.1", "10.0.1.1", "10.0.2.1"}
    assert all(reader.versions == [3] for reader in known.readers if reader.count)


def test_a_question_that_takes_too_long_is_answered_by_a_sentence(store, signed_in):
    def slow(execute, sql, params, many, context):
        if "MATERIALIZED" in sql:
            with transaction.atomic():
                context["cursor"].execute("SET LOCAL statement_timeout = 20")
                return execute("SELECT pg_sleep(5)", None, many, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(slow):
        got = signed_in.get("/events/")
    assert got.status_code == 503 and "This question is too wide" in got.content.decode()


@pytest.mark.parametrize(
    "address", ["/events/?range=7d&q=", "/events/?q=-secret:*+outcome:denied+", "/api/v1/events?q="]
)
def test_many_quick_statements_that_take_too_long_together_are_answered_by_a_sentence(
    store, signed_in, monkeypatch, address
):
    """Each word of a query is looked for in every name, and each of these statements is within its own time."""
    looked = []

    def slow(execute, sql, params, many, context):
        if "strpos" in sql:
            looked.append(sql)
            sql = f"SELECT q.* FROM (SELECT pg_sleep(0.01)) s, LATERAL ({sql}) q"
        return execute(sql, params, many, context)

    monkeypatch.setattr(too_slow, "PATIENCE", 0.1)
    with connection.execute_wrapper(slow):
        got = signed_in.get(address + "+".join(f"word{n}" for n in range(20)))
    assert got.status_code == 503 and "This question is too wide" in got.content.decode()
    assert 0 < len(looked) <= 12
