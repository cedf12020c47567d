"""The demo's own story, as a newcomer meets it: in by the printed link, three questions, a stolen token, a gap."""

from __future__ import annotations

import json
import re
import subprocess
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from tests.browser.axe import faults
from tests.browser.conftest import _visit
from tests.sandbox.shows import ROOT, environment, own_home, shown

BANK = "secret/prod/ledger/bank-sftp"
ELSEWHERE = "198.51.100.23"


@pytest.fixture(scope="module")
def demo():
    """Run `make demo`; yields its address, the printed link, the addresses that it says to try, and its home."""
    with own_home() as home, shown(home) as (_, port, said):
        link = re.search(r"^Open  (\S+)$", said, re.MULTILINE)
        assert link, said
        tries = re.findall(rf"http://127\.0\.0\.1:{port}/\S+\?\S+", said)
        yield SimpleNamespace(url=f"http://127.0.0.1:{port}", link=link[1], tries=tries, home=home)


@pytest.fixture
def newcomer(demo, chromium):
    """Open a window in which the newcomer is in; at the end the browser may have complained of nothing."""
    made = subprocess.run(
        [str(ROOT / "bin/keybook"), "demo_link", "--role", "administrator"],
        env=environment(demo.home), capture_output=True, text=True, check=True,
    )  # fmt: skip
    visit = _visit(demo, chromium)
    visit.page.goto(demo.url + made.stdout.strip())
    visit.page.get_by_role("button", name="Enter").click()
    visit.page.wait_for_url(f"{demo.url}/")
    yield visit
    visit.context.close()
    assert visit.trouble == []


def test_the_printed_link_lets_a_newcomer_in_once(demo, chromium):
    visit = _visit(demo, chromium)
    visit.page.goto(demo.link)
    visit.page.get_by_role("button", name="Enter").click()
    visit.page.wait_for_url(f"{demo.url}/")
    expect(visit.page.get_by_role("heading", name="Who read", exact=True)).to_be_visible()
    again = _visit(demo, chromium)
    again.page.goto(demo.link)
    again.page.get_by_role("button", name="Enter").click()
    expect(again.page.locator("body")).to_contain_text("used")
    for one in (visit, again):
        one.context.close()


def test_home_answers_who_read_the_banks_login(demo, newcomer):
    page = newcomer.page
    page.locator("#ask").fill(BANK)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url(re.compile(r"/secrets/\d+/"))
    told = subprocess.run(
        [str(ROOT / "bin/keybook"), "who_read", BANK, "--json"],
        env=environment(demo.home), capture_output=True, text=True, check=True,
    )  # fmt: skip
    readers = {one["principal"] for one in json.loads(told.stdout)["readers"] if one["count"]}
    assert {"payments/ledger", "payments/payout", "alice", "root"} <= readers
    for name in readers:
        expect(page.locator("#readers")).to_contain_text(name)
    assert faults(page) == []


def test_a_principals_page_shows_what_it_read_and_where_its_stolen_token_was_used(demo, newcomer):
    page = newcomer.page
    page.goto(f"{demo.url}/principals/?q=payments/ledger")
    page.locator("a.row-link", has_text="ledger").first.click()
    page.wait_for_url(re.compile(r"/principals/\d+/"))
    expect(page.locator("main")).to_contain_text("bank-sftp")
    expect(page.locator("main")).to_contain_text(ELSEWHERE)
    assert faults(page) == []


def test_the_address_that_the_demo_says_to_try_shows_the_thefts_reads(demo, newcomer):
    page = newcomer.page
    theft = next(address for address in demo.tries if ELSEWHERE in address)
    page.goto(theft)
    rows = page.locator("#rows tbody tr:has(a[id^=event-])")
    expect(rows).not_to_have_count(0)
    for row in rows.all():
        expect(row).to_contain_text(ELSEWHERE)
        expect(row).to_contain_text("ledger")
    expect(page.locator("main")).to_contain_text("denied")
    assert faults(page) == []


def test_what_was_not_recorded_is_hatched_and_told(demo, newcomer):
    page = newcomer.page
    page.goto(f"{demo.url}/events/?range=30d")
    expect(page.locator("main")).to_contain_text("no audit data")
    expect(page.locator("#rows tr.gap, .hole").first).to_be_attached()
    expect(page.locator("main")).to_contain_text("Not complete")
