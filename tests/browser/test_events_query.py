"""The query bar in a real browser: offers, errors and what mends them, chips, facets, hostile texts, no scripts."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import faults
from tests.browser.hostile import strings
from tests.browser.screens import CONTRAST, CUT

EVENTS = "/events/?range=30d&q=vault:eu-prod"


@pytest.fixture
def page(cat) -> Page:
    """Return the events of a month in a window of cat's, with the cursor behind the query."""
    page = cat.go(EVENTS)
    page.keyboard.press("/")
    expect(page.locator("#ask")).to_be_focused()
    page.keyboard.press("End")
    return page


def _asked(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query).get("q", [""])[0]


def _offered(page: Page) -> list[str]:
    expect(page.locator("#offers")).to_be_visible()
    return page.locator(".offer .offer-text").all_inner_texts()


def _rows(page: Page) -> int:
    return page.locator("#rows tbody tr:not(.day, .gap)").count()


def test_fields_and_then_their_top_values_are_offered_and_taken_by_tab(page):
    page.keyboard.type(" outc", delay=20)
    assert _offered(page) == ["outcome"]
    page.keyboard.press("Tab")
    expect(page.locator("#ask")).to_have_value("vault:eu-prod outcome:")
    expect(page.locator(".offer").first).to_contain_text("ok")
    assert "denied" in _offered(page)
    page.keyboard.type("de")
    expect(page.locator(".offer")).to_have_count(1)
    assert re.fullmatch(r"denied\s*\d+", page.locator(".offer").inner_text())
    page.keyboard.press("Tab")
    expect(page.locator("#ask")).to_have_value("vault:eu-prod outcome:denied ")
    expect(page.locator("#offers")).to_be_hidden()
    page.evaluate("window.same = true")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(23)
    assert _asked(page) == "vault:eu-prod outcome:denied" and page.evaluate("window.same")
    expect(page.locator("#ask")).to_be_focused()


def test_arrows_move_through_the_offers_escape_closes_them_and_a_press_takes_one(page):
    page.keyboard.type(" kind:", delay=20)
    first, second = _offered(page)[:2]
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_contain_text(second)
    assert page.locator("#ask").get_attribute("aria-activedescendant") == "offer-2"
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("option", selected=True)).to_contain_text(first)
    page.keyboard.press("Escape")
    expect(page.locator("#offers")).to_be_hidden()
    expect(page.locator("#ask")).to_have_value("vault:eu-prod kind:")
    page.keyboard.press("ArrowDown")
    page.locator(".offer", has_text=second).click()
    expect(page.locator("#ask")).to_have_value(f"vault:eu-prod kind:{second} ")
    page.keyboard.press("Tab")
    expect(page.locator("#ask")).not_to_be_focused()


def test_a_misspelt_field_is_underlined_and_named_while_the_rows_stay_and_tab_takes_the_nearest(page):
    before = page.url
    rows = _rows(page)
    page.keyboard.type(" outcme:denied ", delay=20)
    fault = page.locator("#query-below .query-fault")
    expect(fault).to_contain_text('No field "outcme" at position 15')
    expect(fault).to_contain_text("Nearest: outcome")
    expect(page.locator(".query-paint .query-wrong")).to_have_text("outcme")
    assert page.evaluate("getComputedStyle(document.querySelector('.query-wrong')).textDecorationStyle") == "wavy"
    expect(page.locator("#ask")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Enter")
    expect(fault).to_contain_text("still show the last query that was understood")
    assert page.url == before and _rows(page) == rows
    page.keyboard.press("Tab")
    expect(page.locator("#ask")).to_have_value("vault:eu-prod outcome:denied ")
    expect(fault).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(23)


def test_escape_restores_the_query_that_was_understood(page):
    page.keyboard.type(" (kind:")
    page.keyboard.press("Enter")
    expect(page.locator("#query-below .query-fault")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#ask")).to_have_value("vault:eu-prod")
    expect(page.locator("#query-below .query-fault")).to_have_count(0)
    expect(page.locator("#query-below .chips")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#ask")).not_to_be_focused()


def test_an_error_in_the_address_is_told_with_a_way_out(cat):
    page = cat.go("/events/?range=30d&q=outcme:denied vault:eu-prod")
    expect(page.locator(".query-fault")).to_contain_text("The rows below show every event of this time")
    expect(page.locator(".query-paint .query-wrong")).to_have_text("outcme")
    page.locator(".query-fault a").click()
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(23)
    assert _asked(page) == "outcome:denied vault:eu-prod"


def test_chips_are_a_view_of_the_text_and_a_facet_has_three_states(page):
    picks = page.locator(".facet-value", has_text=re.compile("^denied"))
    page.get_by_role("link", name=re.compile("^denied 23")).click()
    expect(page.locator("#ask")).to_have_value("vault:eu-prod outcome:denied")
    expect(page.locator(".filter-chip", has_text="outcome is denied")).to_be_visible()
    included = page.locator(".facet-included", has_text="denied")
    expect(included.locator(".box svg")).to_be_visible()
    included.locator(".facet-pick").click(modifiers=["Alt"])
    expect(page.locator("#ask")).to_have_value("vault:eu-prod -outcome:denied")
    excluded = page.locator(".facet-excluded", has_text="denied")
    struck = "getComputedStyle(document.querySelector('.facet-excluded .facet-name')).textDecorationLine"
    assert page.evaluate(struck) == "line-through"
    excluded.locator(".facet-pick").click()
    expect(page.locator("#ask")).to_have_value("vault:eu-prod")
    expect(picks.locator(".box svg")).to_have_count(0)
    page.locator(".filter-chip", has_text="vault is").locator("a").click()
    expect(page.locator("#ask")).to_have_value("")


def test_colours_tell_fields_exclusions_and_signs_apart(page):
    page.keyboard.type(" -kind:human AND (bank OR version>=3)")
    parts = page.locator(".query-paint span span").evaluate_all(
        "all => all.map((one) => [one.className, one.textContent])"
    )
    assert "".join(text for _, text in parts) == "vault:eu-prod -kind:human AND (bank OR version>=3)"
    by_class = {css: [text for kind, text in parts if kind == css] for css, _ in parts}
    assert by_class["query-name"] == ["vault", "kind", "version"]
    assert by_class["query-minus"] == ["-"] and by_class["query-word"] == ["AND", "OR"]
    assert page.evaluate("getComputedStyle(document.querySelector('#ask')).color").endswith("0)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_an_open_bar_can_be_read_by_everybody(window, scheme, width):
    visit = window(signed_in=True, color_scheme=scheme, viewport={"width": width, "height": 844})
    page = visit.go("/events/?range=30d")
    page.locator("#ask").click()
    page.keyboard.type("outcme:ok kind:")
    expect(page.locator("#offers")).to_be_visible()
    expect(page.locator(".query-fault").first).to_contain_text("outcme")
    assert faults(page, scheme) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(CUT) == page.evaluate(CONTRAST) == []


def test_the_bar_is_a_plain_form_without_scripts(window):
    visit = window(signed_in=True, java_script_enabled=False)
    page = visit.go("/events/?range=30d")
    page.get_by_label("Query").fill("vault:eu-prod outcome:denied")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(23)
    page.get_by_role("link", name="Leave out denied").click()
    expect(page.locator(".filter-chip-not", has_text="not outcome")).to_be_visible()
    visit.go("/events/?range=30d&q=outcme:denied")
    expect(page.locator("mark.query-wrong")).to_have_text("outcme")
    page.locator(".query-fault a").click()
    expect(page.locator(".filter-chip", has_text="outcome is")).to_be_visible()


FOREIGN = "document.querySelectorAll('main :is(script, iframe, base, style, meta, img, [onload], [onerror])').length"


def _ask_until_offered(page: Page) -> None:
    """Ask again while the server is too busy to count the values in time, which offers none."""
    for _ in range(20):
        with page.expect_response(re.compile("/events/suggest/")):
            page.keyboard.press("ArrowDown")
        page.wait_for_timeout(100)
        if page.locator("#offers").is_visible():
            return


def _stays_text(visit, text: str) -> None:
    page = visit.go(f"/events/?range=24h&q={quote(text)}")
    page.locator("#ask").focus()
    page.keyboard.press("End")
    with page.expect_response(re.compile("/events/suggest/")):
        page.keyboard.press("ArrowDown")
    assert page.evaluate(FOREIGN) == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_hostile_texts_stay_text_in_the_bar_its_copy_its_errors_and_its_offers(window):
    visit = window(signed_in=True)
    for text in strings()[::60]:
        _stays_text(visit, text)
        _stays_text(visit, f"{text}:x")
    page = visit.go("/events/?range=24h&q=vault:hostile")
    for start in ("principal:", "address:", "path:secret/data/h/", "secret:secret/h/"):
        page.locator("#ask").fill(f"vault:hostile {start}")
        _ask_until_offered(page)
        assert len(_offered(page)) == 8 and page.evaluate(FOREIGN) == 0
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=vault%3Ahostile"))
    expect(page.locator("#rows tbody tr:not(.day, .gap)")).to_have_count(1)


@pytest.mark.long
def test_all_hostile_texts_stay_text_in_the_bar(window):
    visit = window(signed_in=True)
    for text in strings():
        _stays_text(visit, text)
