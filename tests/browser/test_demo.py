"""The demo's own story, as a newcomer meets it: in by the printed link, three questions, a stolen token, a gap."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import faults
from tests.browser.conftest import Visit, opened_by
from tests.sandbox.shows import ROOT, environment

BANK = "secret/prod/ledger/bank-sftp"
ELSEWHERE = "198.51.100.23"


@pytest.fixture(scope="module")
def demo(demos):
    """Run `make demo`; returns its address, the printed link, the addresses that it says to try, and its home."""
    found = demos.running()
    link = re.search(r"^Open  (\S+)$", found.said, re.MULTILINE)
    assert link, found.said
    url = f"http://127.0.0.1:{found.port}"
    tries = re.findall(rf"{re.escape(url)}/\S+\?\S+", found.said)
    return SimpleNamespace(url=url, link=link[1], tries=tries, home=demos.home)


@pytest.fixture(scope="module")
def entered(demo, chromium) -> Iterator[Visit]:
    """Let the newcomer in by a link of the command, in one window for all questions."""
    made = subprocess.run(
        [str(ROOT / "bin/keybook"), "demo_link", "--role", "administrator"],
        env=environment(demo.home), capture_output=True, text=True, check=True,
    )  # fmt: skip
    visit = opened_by(demo, chromium)
    visit.page.goto(demo.url + made.stdout.strip())
    visit.page.get_by_role("button", name="Enter").click()
    visit.page.wait_for_url(f"{demo.url}/")
    yield visit
    visit.context.close()


@pytest.fixture
def newcomer(demo, entered) -> Iterator[Visit]:
    """Show the newcomer Home; at the end the browser may have complained of nothing."""
    entered.page.goto(f"{demo.url}/")
    yield entered
    assert entered.trouble == []


def test_the_printed_link_lets_a_newcomer_in_once(demo, chromium):
    visit = opened_by(demo, chromium)
    visit.page.goto(demo.link)
    visit.page.get_by_role("button", name="Enter").click()
    visit.page.wait_for_url(f"{demo.url}/")
    expect(visit.page.get_by_role("heading", name="Who read", exact=True)).to_be_visible()
    again = opened_by(demo, chromium)
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


def from_home(demo, page: Page, words: str) -> Locator:
    """Return the line of Home that says so; the picture of a cluster that was just connected takes its time."""
    end = time.monotonic() + 90
    while True:
        page.goto(f"{demo.url}/")
        line = page.locator(".trouble").filter(has_text=re.compile(words))
        if line.count():
            return line.first
        assert time.monotonic() < end, page.locator("main").inner_text()
        page.wait_for_timeout(1_000)


def test_a_pod_that_is_stuck_in_init_is_two_clicks_from_home_with_its_cause(demo, newcomer):
    page = newcomer.page
    from_home(demo, page, "get (its|their) secrets").get_by_role("link", name="Open").click()
    page.wait_for_url("**/pods/?troubled=yes")
    page.locator("#rows tr", has=page.locator(".a-trouble .warn-words")).locator(".row-link").first.click()
    page.wait_for_url(re.compile(r"/pods/[^/]+/[^/]+/"))
    expect(page.locator("#doctor")).to_contain_text(re.compile(r"cause \d+"))
    expect(page.locator("#doctor")).to_contain_text("Do:")
    expect(page.locator(".sentence")).to_contain_text("Stuck before its start since")
    assert faults(page) == []


def test_a_pod_on_an_old_version_is_two_clicks_from_home(demo, newcomer):
    page = newcomer.page
    from_home(demo, page, "an old version of").get_by_role("link", name="Open").click()
    page.wait_for_url(re.compile(r"/secrets/\d+/"))
    expect(page.locator("#behind")).to_contain_text(re.compile(r"v\d+ old"))
    page.locator("#behind a[href^='/pods/']").first.click()
    page.wait_for_url(re.compile(r"/pods/[^/]+/[^/]+/"))
    expect(page.locator("#gets")).to_contain_text(re.compile(r"v\d+ old"))
    expect(page.locator(".sentence")).to_contain_text("it is on an old version of")
    assert faults(page) == []
    page.goto(f"{demo.url}/pods/?old=yes")
    expect(page.locator("#rows .row-link")).not_to_have_count(0)
    expect(page.locator("#rows")).to_contain_text("old version of")


def test_a_lease_that_outlives_its_pod_is_two_clicks_from_home(demo, newcomer):
    page = newcomer.page
    from_home(demo, page, "outlive").get_by_role("link", name="Open").click()
    page.wait_for_url("**/leases/?*")
    page.locator(".leases .row-link").first.click()
    page.wait_for_url(re.compile(r"/leases/\d+/"))
    expect(page.locator(".sentence")).to_contain_text("It outlives its pod by")
    assert faults(page) == []
