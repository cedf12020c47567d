"""Time on the page of events, in a real browser: the brush by pointer and by keys, the presets, live and its pauses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.story import CAST, Log

EVENTS = "/events/?range=30d&q=vault:eu-prod"


@pytest.fixture
def page(cat) -> Page:
    """Return the events of a month in a window of cat's."""
    return cat.go(EVENTS)


def _asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def _told(page: Page) -> int:
    """Return how many events the words of the brush name."""
    words = page.locator("#brush").get_attribute("aria-valuetext") or ""
    return sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:ok|denied|error)", words))


def _total(page: Page) -> int:
    return int(page.locator("#timeline-head b").inner_text().split()[0].replace(",", ""))


def _drag(page: Page, begin: float, end: float) -> None:
    """Drag over the picture between two shares of its width, and hold the button."""
    box = page.locator("#brush").bounding_box()
    page.mouse.move(box["x"] + box["width"] * begin, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, box["y"] + 60, steps=4)


def test_dragging_on_the_picture_sets_fixed_times_and_holds_as_many_events_as_it_said(page):
    page.evaluate("window.same = true")
    _drag(page, 0.55, 0.8)
    expect(page.locator(".brush-edge").first).to_be_visible()
    told = _told(page)
    page.mouse.up()
    page.wait_for_url(re.compile("since="))
    expect(page.locator("#timeline-head")).to_contain_text("from ")
    asked = _asked(page)
    assert asked["q"] == ["vault:eu-prod"] and "range" not in asked
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:00\.000Z", asked[name][0]) for name in ("since", "until"))
    assert _total(page) == told > 0
    assert page.evaluate("window.same")


def test_escape_and_the_way_back_restore_the_time_before_the_brush(page):
    for restore in (lambda: page.keyboard.press("Escape"), page.go_back):
        _drag(page, 0.8, 0.55)  # from right to left
        page.mouse.up()
        page.wait_for_url(re.compile("since="))
        expect(page.locator("#timeline-head")).to_contain_text("from ")
        restore()
        page.wait_for_url(re.compile("range=30d"))
        expect(page.locator("#range-30d")).to_have_attribute("aria-current", "true")


def test_escape_while_dragging_lets_go_and_a_mere_click_chooses_nothing(page):
    _drag(page, 0.2, 0.4)
    page.keyboard.press("Escape")
    page.mouse.move(10, 10)
    page.mouse.up()
    expect(page.locator(".brush-edge").first).to_be_hidden()
    page.locator("#brush").click()
    assert "range=30d" in page.url


def test_a_time_is_chosen_by_keys_and_read_aloud(page):
    brush = page.get_by_role("slider")
    brush.focus()
    for key in ("ArrowLeft", "ArrowLeft", *["Shift+ArrowLeft"] * 30):
        page.keyboard.press(key)
    told = _told(page)
    assert re.match(r"\d+ \w{3} \d\d:\d\d to ", brush.get_attribute("aria-valuetext"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("since="))
    expect(page.locator("#timeline-head")).to_contain_text("from ")
    assert _total(page) == told > 0


def test_a_stretch_without_data_is_hatched_and_said(page):
    expect(page.locator(".chart-plot .hole").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.chart-plot .hole')).fill").startswith(
        'url("#hatch")'
    )
    spoken = []
    page.locator("#brush").focus()
    page.keyboard.press("Home")
    for _ in range(120):
        spoken.append(page.locator("#brush").get_attribute("aria-valuetext"))
        page.keyboard.press("ArrowRight")
    assert any("audit data is missing" in words for words in spoken)


def test_denials_and_errors_are_never_too_thin_to_see(page):
    heights = page.locator(".bar-denied, .bar-error").evaluate_all("all => all.map((one) => one.height.baseVal.value)")
    assert heights and min(heights) - 1 >= 2.5  # a pixel of it is the gap to its neighbour


def test_the_picture_of_the_first_page_leads_to_the_events_of_the_time_chosen(cat):
    page = cat.go("/")
    _drag(page, 0.5, 0.9)
    page.mouse.up()
    page.wait_for_url(re.compile(r"/events/\?since="))


def test_a_ready_range_stays_relative_in_the_address_and_a_copied_link_pins_it(cat):
    cat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = cat.go("/events/?range=30d&q=outcome:denied")
    page.evaluate("window.same = true")
    page.get_by_role("link", name="7 d", exact=True).click()
    expect(page.locator("#range-7d")).to_have_attribute("aria-current", "true")
    assert _asked(page) == {"q": ["outcome:denied"], "range": ["7d"]} and page.evaluate("window.same")
    page.keyboard.press("c")
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    pinned = parse_qs(urlsplit(copied).query)
    assert copied.startswith(f"{cat.site.url}/events/?") and set(pinned) == {"q", "since", "until"}
    since, until = (datetime.fromisoformat(pinned[name][0]) for name in ("since", "until"))
    assert until - since == timedelta(days=7)
    cat.page.goto(copied)
    expect(page.locator("#timeline-head")).to_contain_text("from ")
    expect(page.locator("#ask")).to_have_value("outcome:denied")


def test_fixed_times_are_typed_and_a_wrong_one_is_told(page):
    page.get_by_text("Absolute…").click()
    page.get_by_label("From", exact=True).fill("2026-11-18 02:00")
    page.get_by_label("to", exact=True).fill("2026-11-18 01:00")
    page.locator(".absolute-form").get_by_role("button", name="Show").click()
    expect(page.locator("#range-errors")).to_be_visible()
    page.get_by_label("to", exact=True).fill("2026-11-18 04:00")
    page.locator(".absolute-form").get_by_role("button", name="Show").click()
    expect(page.locator(".absolute summary")).to_contain_text("Wed 18 Nov 02:00 to 04:00 UTC")
    expect(page.locator("#ask")).to_have_value("vault:eu-prod")


@pytest.fixture
def live(window):
    """Return the live page in a low window whose tab can be made to look hidden."""
    visit = window(signed_in=True, viewport={"width": 1440, "height": 420})
    visit.context.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.away === true})")
    page = visit.go("/events/?range=live")
    expect(page.locator("#waiting")).to_contain_text("Live: the newest events")
    return visit


def _resume(page: Page) -> None:
    page.locator("[data-resume]").click()
    expect(page.locator("#waiting")).to_contain_text("Live: the newest events")
    expect(page.locator("#range-live")).to_have_text("Live", use_inner_text=True)


def test_live_pauses_on_scrolling_and_in_a_hidden_tab_and_says_why(live):
    page = live.page
    page.evaluate("scrollTo(0, 200)")
    expect(page.locator("#waiting")).to_contain_text("Paused because you scrolled")
    expect(page.locator("#range-live")).to_have_text("Live, paused", use_inner_text=True)
    _resume(page)
    assert page.evaluate("scrollY") == 0
    page.evaluate("window.away = true")
    expect(page.locator("#range-live")).to_have_text("Live, paused", use_inner_text=True)
    page.evaluate("window.away = false")
    expect(page.locator("#waiting")).to_contain_text("Paused because this tab was hidden")
    _resume(page)


def _read_just_now(site, secret: str) -> None:
    """Have three reads of a secret come into the record."""
    log = Log(seed=len(secret))
    for ago in (1, 2, 3):
        log.read(secret, datetime.now(UTC) - timedelta(seconds=ago), CAST[0])
    path = Path(site.environment["KEYBOOK_LOG_ROOTS"]) / f"{secret.rpartition('/')[2]}.log"
    log.write(path)
    site.manage("ingest_file", str(path), "--vault", "eu-prod", "--device", "file")


def test_what_comes_into_an_empty_live_list_is_marked_as_new(live, site):
    page = live.go("/events/?range=live&q=secret:secret/prod/ledger/first-read")
    expect(page.locator("#waiting")).to_contain_text("Live: the newest events")
    _read_just_now(site, "secret/prod/ledger/first-read")
    expect(page.locator("#rows tr.new", has_text="first-read")).to_have_count(3)


def test_a_paused_live_list_says_how_many_events_wait_and_shows_them_when_asked(live, site):
    page = live.page
    page.evaluate("document.getSelection().selectAllChildren(document.querySelector('h1'))")
    expect(page.locator("#waiting")).to_contain_text("Paused because you selected text")
    _read_just_now(site, "secret/prod/ledger/just-now")
    expect(page.locator("#waiting")).to_contain_text("3 new events wait")
    expect(page.locator("#rows")).not_to_contain_text("just-now")
    page.get_by_role("link", name="Show 3").click()
    expect(page.locator("#rows tr.new", has_text="just-now").first).to_be_visible()
