"""Time on the page of events, in a real browser: the brush by pointer and by keys, the presets, live and its pauses."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

EVENTS = "/events/?range=30d&vault=eu-prod"


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
    assert asked["vault"] == ["eu-prod"] and "range" not in asked
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
