"""One event beside the list, in a real browser: tabs, copies, what to do next with it, and that nothing moves."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.story import BUSY

EVENTS = f"/events/?range=30d&q=vault:eu-prod secret:{BUSY}"

PLACES = """() => ['.chart-plot', '.facets', '#rows thead', '#rows tbody tr:nth-child(12)'].map((one) => {
    const box = document.querySelector(one).getBoundingClientRect();
    return [one, box.top, box.height, one === '.chart-plot' ? box.width : 0];
})"""
SHIFTS = """() => new Promise((done) => {
    const name = (source) => source.node?.className || source.node?.nodeName;
    const seen = (list) => done(list.getEntries().map((one) => [one.value, ...one.sources.map(name)]));
    new PerformanceObserver(seen).observe({type: "layout-shift", buffered: true});
    setTimeout(() => done([]), 300);
})"""


@pytest.fixture
def page(cat) -> Page:
    """Return the reads of the busy secret, with the second row open, in a window that may read its clipboard."""
    cat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = cat.go(EVENTS)
    page.locator("#rows .row-link").nth(1).click()
    expect(page.locator("#drawer h2")).to_be_focused()
    return page


def _copied(page: Page, button: str) -> str:
    one = page.locator("#drawer").get_by_role("button", name=button)
    one.click()
    expect(one).to_have_text("Copied")
    return page.evaluate("navigator.clipboard.readText()")


def _event(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query)["event"][0]


def test_the_link_pins_its_times_and_leads_back_to_the_open_event(page, cat):
    link = _copied(page, "Copy link to this event")
    asked = parse_qs(urlsplit(link).query)
    assert set(asked) == {"q", "since", "until", "event"} and asked["event"] == [_event(page)]
    heading = page.locator("#drawer h2").inner_text()
    page.goto(link)
    expect(page.locator("#drawer h2")).to_have_text(heading)
    expect(page.locator(f"tr.picked #event-{asked['event'][0]}")).to_be_visible()


def test_json_and_curl_are_copied_whole(page, cat):
    event = json.loads(_copied(page, "Copy as JSON"))
    assert event["secret"] == BUSY and event["id"] == int(_event(page))
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
    curl = _copied(page, "Copy as a curl command")
    assert curl == f'curl -H "Authorization: Bearer $KEYBOOK_TOKEN" {cat.site.url}/api/v1/events/{event["id"]}'


def test_the_key_c_copies_the_open_event_before_the_page(page):
    page.keyboard.press("c")
    expect(page.locator("#drawer").get_by_text("Copied")).to_be_visible()
    assert f"event={_event(page)}" in page.evaluate("navigator.clipboard.readText()")


def test_five_minutes_around_it_are_shown_with_it_open(page):
    event = _event(page)
    time = datetime.fromisoformat(page.locator("#drawer time").first.get_attribute("datetime"))
    page.locator("#drawer").get_by_role("link", name="±5 min").click()
    expect(page.locator("#timeline-head")).to_contain_text("from ")
    asked = parse_qs(urlsplit(page.url).query)
    since, until = (datetime.fromisoformat(asked[name][0]) for name in ("since", "until"))
    assert (time - since, until - time) == (timedelta(minutes=5), timedelta(minutes=5))
    expect(page.locator(f"tr.picked #event-{event}")).to_be_visible()
    expect(page.locator("#drawer h2")).to_be_visible()


def test_filtering_by_it_adds_to_the_query_or_leaves_it_out(page):
    page.get_by_text("Filter by this").click()
    page.locator(".menu a", has_text="principal").click()
    expect(page.locator("#ask")).to_have_value(re.compile(rf"^vault:eu-prod secret:{BUSY} principal:\S+$"))
    page.locator("#rows .row-link").first.click()
    page.get_by_text("Filter by this").click()
    page.get_by_role("link", name=re.compile("^Leave out address")).click()
    expect(page.locator("#ask")).to_have_value(re.compile(r" -address:\S+$"))


def test_every_tab_is_there_but_a_lease_that_is_not_known(page):
    assert page.locator("#drawer .tabs a").all_inner_texts() == ["Summary", "Who", "Around", "Line as stored"]


def test_opening_an_event_moves_neither_the_picture_nor_the_facets_nor_the_rows(cat):
    page = cat.go(f"{EVENTS} principal:payments/ledger")
    before = page.evaluate(PLACES)
    page.locator("#rows .row-link").nth(3).click()
    expect(page.locator("#drawer h2")).to_be_focused()
    assert page.evaluate(PLACES) == before
    page.keyboard.press("j")
    expect(page.locator("#rows tr.picked")).to_have_count(1)
    assert page.evaluate(PLACES) == before


@pytest.mark.parametrize("width", [1440, 1100, 390])
def test_a_page_does_not_shift_while_it_loads(window, width):
    visit = window(signed_in=True, viewport={"width": width, "height": 900})
    page = visit.go(f"{EVENTS} outcme:x")
    assert [shift for shift in page.evaluate(SHIFTS) if shift[0] >= 0.01] == []


def test_closing_gives_the_focus_back_and_the_address_forgets_the_event(page):
    row = page.locator("#rows .row-link").nth(1)
    page.locator("#drawer").get_by_role("link", name="Close").click()
    expect(row).to_be_focused()
    expect(page.locator("#drawer")).to_be_empty()
    assert "event=" not in page.url
