"""Every page in light and in dark, wide and narrow: nothing cut, nothing over the edge, all of it readable."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.screens import CONTRAST, CUT, SCREENS, wrong


@pytest.mark.parametrize("screens", SCREENS)
def test_no_page_is_cut_or_scrolls_sideways_and_all_text_can_be_read(pages, window, screens):
    visit = window(signed_in=True)
    found = wrong(visit, pages, screens, axe=False)
    visit.trouble.clear()  # the browser's own note of the page that is not there
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_doors_can_be_read(window, scheme):
    visit = window(color_scheme=scheme, viewport={"width": 320, "height": 700})
    for address in ("/sign-in/", "/enter/"):
        page = visit.go(address)
        assert page.evaluate(CONTRAST) == page.evaluate(CUT) == []


def test_dark_and_light_follow_the_system(window):
    grounds = set()
    for scheme in ("light", "dark"):
        page = window(signed_in=True, color_scheme=scheme).go("/secrets/")
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_the_evidence_is_set_in_our_own_face(cat, pages):
    page = cat.go(pages["busy"])
    page.evaluate("document.fonts.ready")
    assert page.evaluate("[...document.fonts].map((face) => `${face.family} ${face.status}`)") == [
        "Keybook Mono loaded"
    ]


def test_the_menu_of_a_phone_opens_without_scripts(window):
    visit = window(signed_in=True, viewport={"width": 390, "height": 844}, java_script_enabled=False)
    visit.go("/secrets/")
    expect(visit.page.get_by_role("navigation", name="Pages")).to_be_hidden()
    visit.page.get_by_role("button", name="Menu").click()
    visit.page.get_by_role("link", name="Secrets").click()
    expect(visit.page.get_by_role("heading", name="Secrets")).to_be_visible()


def test_the_first_tab_skips_to_the_page(cat):
    cat.go("/secrets/")
    cat.page.keyboard.press("Tab")
    skip = cat.page.get_by_role("link", name="Skip to the page")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    cat.page.keyboard.press("Enter")
    expect(cat.page.locator("main")).to_be_focused()


def test_nothing_is_asked_of_another_host(cat, pages):
    asked = []
    cat.page.on("request", lambda request: asked.append(request.url))
    for address in pages.values():
        cat.go(address)
    cat.trouble.clear()  # the browser's own note of the page that is not there
    assert [url for url in asked if not url.startswith(cat.site.url)] == []


def test_a_page_under_forced_colours_still_tells_its_bars_apart(window, pages):
    visit = window(signed_in=True, forced_colors="active")
    page = visit.go(pages["busy"])
    fills = page.evaluate(
        "['ok', 'denied'].map((kind) => getComputedStyle(document.querySelector(`.bar-${kind}`)).fill)"
    )
    assert fills[0] != fills[1]
