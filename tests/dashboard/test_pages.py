"""What the pages say: the answer first, evidence below, a closing line under each list, hostile text inert."""

from __future__ import annotations

import html
from datetime import timedelta
from urllib.parse import quote

import pytest

from audit import queries
from audit.queries import Gap, Uses
from tests.dashboard.conftest import Page
from tests.dashboard.record import HOSTILE, Record, full, small

NAME = "secret/prod/ledger/bank-sftp"


# -- finding a secret ------------------------------------------------------------------------------------------------


def test_the_list_names_every_secret_and_is_closed_by_a_double_line(page):
    got = page("/secrets/")
    assert [a["href"] for a in got.all("a", class_="") if a.get("class") == "row-link"] == [
        "/secrets/1/",
        "/secrets/2/",
    ]
    assert "2 secrets. This is every one that the audit log names." in got.text
    assert got.all("div", **{"class": "closing-double"})


def test_an_exact_name_opens_its_page(signed_in, record):
    assert signed_in.get("/secrets/", {"q": f" {NAME} "}).headers["Location"] == "/secrets/1/"


def test_the_begin_of_a_name_lists_what_begins_so(page):
    got = page("/secrets/?q=secret/prod/ledger/b")
    assert "bank-sftp" in got.text and "db-url" not in got.text


def test_a_name_never_seen_is_said_with_the_nearest(page):
    got = page("/secrets/?q=secret/prod/ledger/bank-sfpt")
    assert "No call to secret/prod/ledger/bank-sfpt was ever seen" in got.text
    assert got.all("a", href="/secrets/1/")


def test_a_long_list_goes_on_from_name_to_name(show, page):
    record = show(Record())
    for number in range(450):
        record.add_secret(f"secret/{number:03}")
    seen, address = [], "/secrets/"
    while address:
        got = page(address)
        seen += [own["title"] for own in got.all("span", title="secret/")]
        on = [a for a in got.all("a") if a.get("class") == "closing-action"]
        assert bool(on) == bool(got.all("div", **{"class": "closing-dashed"}))
        address = f"/secrets/{on[0]['href']}" if on else ""
    assert seen == [f"secret/{number:03}" for number in range(450)]


def test_the_empty_list_tells_no_source_from_no_secret(show, page):
    record = show(Record())
    assert "No audit source yet" in page("/secrets/").text
    record.states = small().states
    assert "No line of the audit log names a secret yet" in page("/secrets/").text


@pytest.mark.parametrize("query", ["q=%00", "q=" + "a" * 1001, "after=%00"])
def test_a_name_that_can_be_none_is_refused_in_plain_words(page, query):
    assert "No secret's name holds a null character" in page(f"/secrets/?{query}", status=400).text


# -- one secret --------------------------------------------------------------------------------------------------------


def test_the_page_opens_with_the_answer(page):
    text = page("/secrets/1/").text
    assert "2 principals read it 4 times in the last 30 days; 1 call was denied." in text
    assert "by payments/ledger ." in text or "by payments/ledger." in text


def test_the_answers_numbers_lead_to_their_evidence(page):
    got = page("/secrets/1/")
    for place in ("readers", "events"):
        assert got.all("a", href=f"#{place}") and got.by_id(place) is not None


def test_each_reader_stands_with_counts_times_addresses_versions_and_grade(page):
    text = page("/secrets/1/").text
    assert "payments/ledger 3 0 denied" in text
    assert "mira.holt 1 0 denied" in text
    assert "checkout/checkout 0 1 denied – –" in text
    assert "service account only" in text and "not a pod" in text
    assert "3 principals, 4 reads, 1 denied. Complete until" in text


def test_a_complete_record_is_closed_by_double_lines_only(page):
    got = page("/secrets/1/")
    assert len(got.all("div", **{"class": "closing-double"})) == 2
    assert not got.all("div", **{"class": "closing-dashed"})


def test_a_hole_is_a_row_among_the_calls_and_opens_every_line(page, record):
    now = record.now
    record.gaps = [Gap("cut", "file", now - timedelta(hours=3), now - timedelta(hours=2), "the file was cut")]
    got = page("/secrets/1/")
    assert not got.all("div", **{"class": "closing-double"})
    assert len(got.all("div", **{"class": "closing-dashed"})) == 2
    assert len(got.all("tr", **{"class": "gap"})) == 1
    assert "The record is not complete : reads may have happened that we cannot show." in got.text.replace(
        "complete:", "complete :"
    )
    assert got.all("rect", **{"class": "hole", "height": "100"})


def test_without_a_read_the_page_says_whether_anything_is_missing(page, record):
    whole = page("/secrets/2/").text
    assert "No read is recorded in the last 30 days, and nothing is missing." in whole
    record.complete_until = record.now - timedelta(days=2)
    holed = page("/secrets/2/").text
    assert "No read is known in the last 30 days." in holed
    assert "Reads may have happened that we cannot show." in holed


def test_ranges_are_addresses(page):
    assert "read it 1 time in the last hour" in page("/secrets/1/?range=1h").text
    assert "read it 3 times in the last 24 hours" in page("/secrets/1/?range=24h").text
    assert "read it 4 times since its first read" in page("/secrets/1/?range=all").text


def test_pages_of_readers_meet_and_the_sentence_counts_all_of_them(show, page):
    record = show(small())
    record.happened.clear()
    for number in range(250):
        name = f"shop/app-{number:03}"
        record.add_event(record.known[0], timedelta(minutes=number), principal_id=100 + number, principal=name)
    seen, address = [], "/secrets/1/"
    while address:
        got = page(address)
        assert "250 principals read it 250 times" in got.text and "250 principals, 250 reads, 0 denied." in got.text
        seen += [own["id"] for own in got.all("a", id="reader-")]
        more = got.by_id("more-readers")
        assert got.text.count("more follow") == 0 and bool(more) != ("201 to 250 shown." in got.text)
        address = more and f"/secrets/1/{more['href']}"
    assert len(seen) == len(set(seen)) == 250
    assert "none at this place" in page("/secrets/1/?readers=300").text
    page("/secrets/1/?readers=x", status=400)


def test_addresses_of_only_the_newest_calls_say_so(show, page, monkeypatch):
    record = show(small())
    assert "of the newest" not in page("/secrets/1/").text
    monkeypatch.setattr(queries, "uses_of", lambda answer, some, newest: Uses({}, capped=True))
    assert record.known and "addresses and versions of the newest 5,000 calls" in page("/secrets/1/").text


def test_an_absolute_range_is_half_open(page, record):
    first, last = min(r.time for r in record.happened), max(r.time for r in record.happened)
    address = f"/secrets/1/?since={quote(first.isoformat())}&until={quote(last.isoformat())}"
    assert "2 principals read it 3 times from" in page(address).text


def test_a_time_that_is_none_is_told_and_the_default_shown(page):
    got = page("/secrets/1/?since=yesterday")
    assert "“yesterday” is not a time. Write it as 2026-11-18 02:00, in UTC." in got.text
    assert "The page shows what was asked in the last 30 days." in got.text
    assert got.by_id("since")["aria-invalid"] == "true" and got.by_id("since")["value"] == "yesterday"


def test_the_time_line_is_a_picture_with_words_or_a_table(page):
    picture = page("/secrets/1/")
    assert "4 ok, 1 denied, 0 errors. Nothing is missing." in picture.all("figure", role="img")[0]["aria-label"]
    assert picture.all("a", href="view=table")
    table = page("/secrets/1/?view=table")
    assert not table.all("figure") and "Times without a row have no event." in table.text


def test_a_reader_filters_the_calls_by_the_address(page):
    got = page("/secrets/1/?principal=4")
    assert "principal is mira.holt" in got.text
    assert [own["id"] for own in got.all("a", id="event-")] == ["event-4"]


@pytest.mark.parametrize("principal", ["x", "-1", "0", "9" * 30, "2147483648"])
def test_a_principal_that_is_no_key_is_refused(page, principal):
    page(f"/secrets/1/?principal={principal}", status=400)


def test_a_principal_without_calls_is_said(page):
    assert "No call in the last 30 days by this principal." in page("/secrets/1/?principal=77").text


@pytest.mark.parametrize(
    "htmx", [{}, {"HX-Request": "true", "HX-Target": "section#events"}], ids=["whole page", "part"]
)
def test_pages_of_calls_meet_without_a_double_or_a_loss(show, page, htmx):
    record = show(small())
    for number in range(250):
        record.add_event(record.known[0], timedelta(minutes=number // 3))
    seen, address = [], "/secrets/1/"
    while address:
        got = page(address, **htmx)
        seen += [own["id"] for own in got.all("a", id="event-")]
        older = got.by_id("older")
        address = older and f"/secrets/1/{older['href']}"
    assert len(seen) == len(set(seen)) == len(record.happened)


def test_htmx_gets_the_part_that_it_will_place_and_nothing_around_it(page):
    part = page("/secrets/1/", **{"HX-Request": "true", "HX-Target": "section#events"})
    assert part.elements[0] == ("section", part.by_id("events"))
    assert not part.all("html") and not part.by_id("readers")
    answer = page("/secrets/1/?range=1h", **{"HX-Request": "true", "HX-Target": "div#answer"})
    assert answer.elements[0][1]["id"] == "answer" and answer.by_id("readers")


def test_a_part_that_no_page_has_is_answered_by_the_whole(page):
    assert page("/secrets/1/", **{"HX-Request": "true", "HX-Target": "div#main"}).all("html")


def test_a_secret_that_is_not_there_is_said(page):
    assert "No secret has the key 77." in page("/secrets/77/", status=404).text


# -- one event ---------------------------------------------------------------------------------------------------------


def test_an_event_shows_who_what_and_its_lines_as_stored(page):
    got = page("/events/5/")
    assert "denied read, nothing disclosed" in got.text
    assert "checkout/checkout" in got.text and "10.42.3.15" in got.text
    got = page("/events/5/?tab=line")
    assert "response from file" in got.text and "response from http" in got.text
    assert '"password": "string, 40"' in got.text
    assert "/var/log/vault/audit-file.log at byte 3,089,812" in got.text
    assert "2 lines. These are all that are kept of this event." in got.text


def test_an_event_lies_in_the_drawer_of_its_secret_by_the_address(page):
    got = page("/secrets/1/?event=1")
    assert got.by_id("event-head") and got.all("a", **{"data-closes": "drawer", "href": "?"})
    assert got.all("tr", **{"class": "picked"})


def test_an_event_that_is_not_kept_leaves_the_page_as_it_is(page):
    assert not page("/secrets/1/?event=4711").by_id("event-head")


# -- every page --------------------------------------------------------------------------------------------------------

EVERY = ["/secrets/", "/secrets/?q=secret/prod/l", "/secrets/?q=nothing", "/secrets/1/", "/secrets/1/?view=table",
         "/secrets/1/?event=9&principal=1", "/secrets/12/", "/events/1/", "/nothing"]  # fmt: skip


@pytest.mark.parametrize("address", EVERY)
def test_a_page_has_one_heading_its_landmarks_and_names_for_all_that_can_be_used(show, signed_in, address):
    show(full())
    got = Page.of(signed_in.get(address))
    assert len(got.all("h1")) == 1
    assert len(got.all("main")) == len(got.all("nav", id="rail")) == len(got.all("footer")) == 1
    ids = [own["id"] for _, own in got.elements if "id" in own]
    assert len(ids) == len(set(ids))
    assert all(own.get("scope") for own in got.all("th"))
    labelled = {own["for"] for own in got.all("label")}
    fields = [own for tag in ("input", "select") for own in got.all(tag) if own.get("type") != "hidden"]
    assert all(own.get("aria-label") or own["id"] in labelled for own in fields)
    pointed = {own[key] for _, own in got.elements for key in ("aria-labelledby", "aria-describedby") if key in own}
    assert pointed <= set(ids)


@pytest.mark.parametrize("address", EVERY)
def test_a_rendered_page_has_no_style_no_handler_and_the_nonce_on_every_htmx_element(show, signed_in, address):
    show(full())
    response = signed_in.get(address)
    nonce = response.wsgi_request.csp_nonce
    for tag, own in Page.of(response).elements:
        assert tag != "style" and "style" not in own
        assert not [name for name in own if name.startswith("on")]
        if any(name.startswith("hx-") for name in own):
            assert own.get("hx-nonce") == str(nonce)


HOSTILE_PAGES = [
    "/secrets/",
    *(f"/secrets/{number}/?event={number - 11}" for number in range(12, 19)),
    "/secrets/?q=" + quote(HOSTILE[0]) + "x",
    "/secrets/1/?since=" + quote(HOSTILE[1]),
]


@pytest.mark.parametrize("address", HOSTILE_PAGES)
def test_hostile_names_are_text(show, signed_in, address):
    show(full())
    response = signed_in.get(address)
    assert response.status_code == 200
    got = Page.of(response)
    assert all(own.get("src", "").startswith("/static/") for own in got.all("script"))
    assert not got.all("img")
    body = html.unescape(response.content.decode())
    assert "\u202e" not in body and "\u200b" not in body and "\x00" not in body


def test_a_name_in_the_template_language_stays_a_name(show, page):
    show(full())
    assert "{{ 7|add:7 }}{% url 'home' %}" in page("/secrets/").text
