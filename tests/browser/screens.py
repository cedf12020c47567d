"""The windows in which every page is looked at, and what is wrong with a page as it looks there."""

from __future__ import annotations

import pytest

from tests.browser.axe import faults
from tests.browser.conftest import Visit

_EACH = [(1440, "light"), (1100, "dark"), (390, "light"), (320, "dark")]
_MORE = [(1440, "dark"), (800, "light"), (800, "dark"), (390, "dark")]
# Each width and each scheme in every run, one window that becomes all of them; all pairs, each page loaded anew in it,
# in the long form.
SCREENS = [
    pytest.param(_EACH, id="each"),
    *(pytest.param([one], marks=pytest.mark.long, id=f"{one[0]}-{one[1]}") for one in _EACH + _MORE),
]
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


def wrong(visit: Visit, addresses: dict[str, str], screens: list[tuple[int, str]], *, axe: bool = True) -> dict:
    """Look at pages in windows; returns what is cut, too pale, too small, over the edge, or serious by axe where."""
    visit.page.emulate_media(reduced_motion="reduce")
    found = {}
    for name, address in addresses.items():
        for place, (width, scheme) in enumerate(screens):
            visit.page.set_viewport_size({"width": width, "height": 844})
            visit.page.emulate_media(color_scheme=scheme)
            page = visit.page if place else visit.go(address)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            seen = [f"{over} px over the edge"] if over > 0 else []
            seen += page.evaluate(CUT) + page.evaluate(CONTRAST) + page.evaluate(SMALL)
            if axe and width == 1440:
                seen += faults(page, scheme)
            if seen:
                found[f"{name} {width} {scheme}"] = seen
    return found
