"""Exports in a real browser: the file really arrives and is the list; hostile names stay text; a zone of one's own."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hostile import strings
from tests.dashboard.test_export import _is_live, _split

EVENTS = "/events/?range=30d&q=vault:eu-prod+outcome:denied"


def _export(page: Page, kind: str) -> tuple[str, str]:
    """Press the button, choose a format, and return the name and the text of the file that came."""
    menu = page.locator(".export").first
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with page.expect_download() as coming:
        menu.get_by_role("button", name=f"As {kind}").click()
    assert coming.value.failure() is None
    return coming.value.suggested_filename, Path(coming.value.path()).read_text()


def _listed(page: Page) -> list[int]:
    """Walk the list to its end with its own links."""
    seen: list[int] = []
    while True:
        seen += [int(one.removeprefix("event-")) for one in page.locator("#rows tr a[id^=event-]").evaluate_all(
            "links => links.map(link => link.id)")]  # fmt: skip
        if not page.locator("#older").count():
            return seen
        page.goto(page.url.partition("?")[0] + page.locator("#older").get_attribute("href"))


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_file_arrives_and_holds_what_the_list_shows(window, scripts):
    page = window(signed_in=True, java_script_enabled=scripts).go(EVENTS)
    said = page.locator(".export summary").inner_text()
    name, text = _export(page, "NDJSON")
    records = [json.loads(line) for line in text.splitlines()]
    ids = [one["id"] for one in records if one["type"] == "event"]
    assert re.fullmatch(r"keybook-events-\d{8}T\d{6}Z-\d{8}T\d{6}Z\.ndjson", name)
    assert said.strip() == f"Export {len(ids)} rows" and records[-1]["rows"] == len(ids) > 20
    _, text = _export(page, "CSV")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["id"]) for row in rows if row["type"] == "event"] == ids
    if scripts:
        assert _listed(page) == ids


def test_hostile_names_arrive_whole_in_ndjson_and_as_text_in_csv(cat):
    page = cat.go("/events/?range=30d&q=vault:hostile")
    _, text = _export(page, "NDJSON")
    events = [json.loads(line) for line in text.splitlines()[1:-1]]
    names = " ".join(f"{one['path']} {one['principal']} {one['address']}" for one in events)
    assert sum(text in names for text in strings()) > 300
    _, text = _export(page, "CSV")
    assert [value for value in _split(text) if _is_live(value)] == []
    assert text.count("'=HYPERLINK") > 0


@pytest.mark.parametrize("kind", ["busy", "principal"])
def test_one_secret_and_one_principal_export_their_calls(pages, cat, kind):
    page = cat.go(pages[kind].partition("?")[0] + "?range=7d&q=outcome:denied,error,ok")
    said = int(re.sub(r"\D", "", page.locator(".export summary").inner_text()))
    _, text = _export(page, "NDJSON")
    last = json.loads(text.splitlines()[-1])
    assert last["end"] is True and last["rows"] == said > 0


def test_a_zone_of_ones_own_moves_every_time_on_the_page_and_none_in_the_address(cat):
    page = cat.go("/account/")
    try:
        page.get_by_label("Time zone").select_option("Asia/Kathmandu")
        page.get_by_role("button", name="Use this zone").click()
        expect(page.get_by_text("Pages print and take times in Asia/Kathmandu, +05:45 now.")).to_be_visible()
        page = cat.go(EVENTS)
        expect(page.locator("#rows thead")).to_contain_text("+05:45")
        first = page.locator("#rows time").first
        shown, exact = first.inner_text(), first.get_attribute("datetime")
        moment = datetime.fromisoformat(exact)
        minutes = (moment.hour * 60 + moment.minute + 5 * 60 + 45) % (24 * 60)
        assert shown.startswith(f"{minutes // 60:02}:{minutes % 60:02}:{moment:%S}")
        page.get_by_text("Absolute…").click()
        page.locator("#since").fill("2026-11-18 07:45")
        page.locator("#until").fill("2026-11-18 09:45")
        page.locator(".absolute-form").get_by_role("button", name="Show").click()
        expect(page.locator(".absolute summary")).to_contain_text("Wed 18 Nov 07:45 to 09:45 +05:45")
        assert "q=vault" in page.url
        pinned = page.get_by_role("button", name="Copy link").get_attribute("data-copy")
        assert "since=2026-11-18T02%3A00%3A00.000Z" in pinned and "zone" not in pinned
    finally:
        page = cat.go("/account/")
        page.get_by_label("Time zone").select_option("UTC")
        page.get_by_role("button", name="Use this zone").click()
        expect(page.get_by_text("Pages print and take times in UTC")).to_be_visible()
