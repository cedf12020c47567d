"""The pages of events, principals and sources in a real browser: walked, followed, read without scripts, attacked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import faults
from tests.browser.hostile import strings
from tests.browser.story import BUSY

EVENTS = "/events/?range=30d&vault=eu-prod"


@pytest.fixture
def page(cat) -> Page:
    """Return the events of a month in a window of cat's."""
    return cat.go(EVENTS)


# test_look.py measures the contrast of every text; the long form has axe look at colours too.
@pytest.mark.parametrize(
    "scheme, colours",
    [("light", False), *(pytest.param(scheme, True, marks=pytest.mark.long) for scheme in ("light", "dark"))],
)
def test_no_page_has_a_serious_fault_for_those_who_see_or_point_otherwise(pages, window, scheme, colours):
    visit = window(signed_in=True, color_scheme=scheme, reduced_motion="reduce")
    found = {}
    for name, address in pages.items():
        found[name] = faults(visit.go(address), scheme, colours=colours)
    visit.trouble.clear()  # the browser's own note of the page that is not there
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_question_on_the_first_page_leads_to_the_answer(cat):
    page = cat.go("/")
    page.get_by_label("A secret, a principal or an address").fill("mira.holt")
    page.get_by_role("button", name="Ask").click()
    expect(page).to_have_url(re.compile(r"/principals/\d+/\?range=30d"))
    expect(page.locator(".sentence")).to_contain_text("It read")


def test_a_value_beside_the_list_narrows_it_in_place_and_can_be_left_out(page):
    page.evaluate("window.same = true")
    page.get_by_role("link", name=re.compile("^denied 23")).click()
    chip = page.locator(".filter-chip", has_text="outcome is denied")
    expect(chip).to_be_visible()
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(23)
    assert page.evaluate("window.same") and "outcome%3Adenied" in page.url
    chip.locator("a").click()
    expect(chip).to_have_count(0)


def test_an_alternative_click_leaves_a_value_out(page):
    page.get_by_role("link", name=re.compile("^denied 23")).click(modifiers=["Alt"])
    expect(page.locator(".filter-chip-not")).to_contain_text("not outcome denied")


def test_rows_are_walked_opened_and_closed_by_keys(page):
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("#rows .row-link").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer h2")).to_be_focused()
    assert "event=" in page.url
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_empty()
    expect(second).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#ask")).to_be_focused()


def test_keys_lead_to_pages_and_can_be_switched_off(page):
    page.keyboard.press("?")
    expect(page.locator("#keys-help")).to_be_visible()
    page.get_by_label("Switch single keys off in this browser").check()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("#rows .row-link").first).not_to_be_focused()
    page.keyboard.press("?")
    page.get_by_label("Switch single keys off in this browser").uncheck()
    page.locator("#keys-help").get_by_role("button", name="Close").click()
    expect(page.locator("#keys-help")).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator("#rows .row-link").first).to_be_focused()


def test_two_keys_lead_to_a_page(page):
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile("/secrets/$"))


def test_the_drawers_tabs_show_their_part_and_the_address_follows(page):
    page.locator("#rows .row-link").first.click()
    for tab, words in (("Who", "The log proves"), ("Around", "All of these ten minutes"), ("Line as stored", "sha256")):
        page.locator("#drawer .tabs").get_by_role("link", name=tab).click()
        expect(page.locator("#drawer .tabs [aria-current]")).to_have_text(tab)
        if tab != "Who":
            expect(page.locator("#drawer")).to_contain_text(words)
    assert "tab=line" in page.url


def test_live_follows_until_one_looks_elsewhere_and_says_so(cat):
    page = cat.go("/events/?range=live")
    with page.expect_response(lambda answer: "range=live" in answer.url):
        pass
    expect(page.locator("#waiting")).to_contain_text("Live")
    page.evaluate("document.getSelection().selectAllChildren(document.querySelector('h1'))")
    expect(page.locator("#waiting")).to_contain_text("Paused because you selected text")
    page.locator("[data-resume]").click()
    expect(page.locator("#waiting")).to_contain_text("Live")


def test_everything_of_these_pages_is_read_without_scripts(pages, window):
    visit = window(signed_in=True, java_script_enabled=False)
    page = visit.go(f"{EVENTS}&secret={BUSY}&outcome=denied")
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(23)
    page.locator("#rows .row-link").first.click()
    expect(page.locator("#drawer h2")).to_contain_text("bank-sftp")
    page.locator("#drawer").get_by_role("link", name="Line as stored").click()
    expect(page.locator("#drawer .stored").first).to_contain_text("checkout")
    page.get_by_role("link", name="Close").click()
    expect(page.locator("#drawer")).to_be_empty()


ALL_HOSTILE = "/events/?range=24h&vault=hostile"


def _walk(visit, address: str, link: str, most: int) -> list[str]:
    """Go from page to page of a list, and return the addresses behind its rows."""
    found: list[str] = []
    begin = address.partition("?")[0]
    while address and len(found) < most:
        page = visit.go(address)
        found += page.locator("main .row-link").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        on = page.locator(link)
        address = begin + (on.first.get_attribute("href") or "") if on.count() else ""
    return found[:most]


# Elements that no page of ours has inside its main part.
FOREIGN = "document.querySelectorAll('main :is(script, iframe, base, style, meta, img, [onload], [onerror])').length"
# By how much anything is wider than its room, once the drawer stands: the columns clip what reaches out of them.
WIDER = """async () => {
    const drawer = document.querySelector("#drawer");
    await Promise.all((drawer ? drawer.getAnimations() : []).map((slide) => slide.finished));
    const rooms = [document.documentElement, ...document.querySelectorAll(".columns-facets")];
    return Math.max(...rooms.map((room) => room.scrollWidth - room.clientWidth));
}"""


def _is_only_text(visit, addresses: list[str]) -> None:
    for address in addresses:
        page = visit.go(address)
        assert page.evaluate(WIDER) <= 0, address
        assert page.locator("#rail").is_visible(), address
        assert page.evaluate(FOREIGN) == 0, address


def test_hostile_names_stay_text_in_every_column_and_the_layout_holds(site, window):
    visit = window(signed_in=True)
    rows = _walk(visit, ALL_HOSTILE, "#older", 10_000)
    assert len(rows) == len(strings()) >= 500
    lists = [
        ALL_HOSTILE,
        f"{ALL_HOSTILE}&view=table",
        "/secrets/?q=secret/h",
        "/principals/?kind=human",
        "/sources/",
        "/",
    ]
    some = [f"/events/{rows[n]}&tab={tab}" for n in range(0, 500, 60) for tab in ("summary", "who", "line")]
    people = _walk(visit, "/principals/?kind=human", ".closing-action", 100)
    _is_only_text(visit, lists + some + people[::12])


# Shows the drawer anew, holds it at the start of its slide, and measures how far the page then reaches out.
SLIDING = """() => {
    const drawer = document.querySelector("#drawer");
    drawer.hidden = true;
    drawer.getBoundingClientRect();
    drawer.hidden = false;
    const slides = drawer.getAnimations();
    slides.forEach((slide) => { slide.pause(); slide.currentTime = 0; });
    return [slides.length, document.documentElement.scrollWidth - innerWidth];
}"""


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_a_drawer_that_slides_in_never_widens_the_page(window, width):
    page = window(signed_in=True, viewport={"width": width, "height": 900}).go(EVENTS)
    page.locator("#rows .row-link").first.click()
    expect(page.locator("#drawer h2")).to_be_focused()
    assert page.evaluate(SLIDING) == [1, 0]
