"""Every page in light and in dark, wide and narrow: nothing cut, nothing over the edge, all of it readable."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.screens import SCREENS

# Each text with the first painted ground behind it, as the screen shows both.
CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const known = new Map(), grounds = new Map();
    const remembered = (kept, key, work) => kept.has(key) ? kept.get(key) : kept.set(key, work()).get(key);
    const bytes = (colour) => remembered(known, colour, () => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    });
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => !element ? bytes("Canvas") : remembered(grounds, element, () => {
        const paint = bytes(getComputedStyle(element).backgroundColor);
        return paint[3] === 255 ? paint : ground(element.parentElement);
    });
    const poor = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const element = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || !element.checkVisibility() || element.closest(".sprite, script, title"))
            continue;
        const style = getComputedStyle(element);
        const ink = element instanceof SVGElement ? style.fill : style.color;
        const [high, low] = [light(bytes(ink)), light(ground(element))].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${walk.currentNode.data.trim().slice(0, 40)}`);
    }
    return poor;
}"""
# Boxes that hide a part of what is in them, without being made to scroll; the copy over the query scrolls with it.
CUT = """() => [...document.querySelectorAll("main *, nav *, footer *, aside *")]
    .filter((one) => one.checkVisibility() && one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1
        && ["hidden", "clip"].includes(getComputedStyle(one).overflowX) && !one.closest("thead, input, .query-paint"))
    .map((one) => `${one.className || one.tagName}: ${one.innerText.slice(0, 40)}`)"""
SMALL = """() => [...document.querySelectorAll("a, button, input, summary")]
    .filter((one) => one.checkVisibility() && !one.closest(".sentence, .crumbs, .closing, .skip, .legend"))
    .map((one) => [one, (one.matches(".row-link") ? one.closest("tr") : one).getBoundingClientRect()])
    .filter(([one, box]) => box.height < 24 || box.width < 24)
    .map(([one, box]) => `${one.className} ${one.innerText.slice(0, 20)} ${box.width}x${box.height}`)"""


@pytest.mark.parametrize("width, scheme", SCREENS)
def test_no_page_is_cut_or_scrolls_sideways_and_all_text_can_be_read(pages, window, width, scheme):
    visit = window(
        signed_in=True, viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    found = {}
    for name, address in pages.items():
        page = visit.go(address)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found[name] = [f"{over} px over the edge"] if over > 0 else []
        found[name] += page.evaluate(CUT) + page.evaluate(CONTRAST) + page.evaluate(SMALL)
    visit.trouble.clear()  # the browser's own note of the page that is not there
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


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
