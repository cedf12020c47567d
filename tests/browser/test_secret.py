"""From signing in to one event: what a reviewer does, in a real browser over real data."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.browser.story import HOSTILE


def _true_reads(truth: dict) -> dict[str, Counter]:
    """Return reads by secret and printed principal, where the corpus names a service account."""
    counts: dict[str, Counter] = {}
    for account, secrets in truth["reads_by_service_account"].items():
        for secret, number in secrets.items():
            counts.setdefault(secret, Counter())[account] += number
    return counts


def _readers(page) -> dict[str, int]:
    rows = page.locator("#readers tbody tr")
    names = rows.locator(".a-name .path").evaluate_all("all => all.map(one => one.title)")
    counts = rows.locator(".a-did").all_inner_texts()
    return {name: int(count.replace(",", "")) for name, count in zip(names, counts, strict=True)}


def test_a_wrong_password_is_told_in_one_sentence(window):
    visit = window()
    visit.go("/secrets/")
    visit.page.get_by_label("Name").fill("cat")
    visit.page.get_by_label("Password").fill("wrong")
    visit.page.get_by_role("button", name="Sign in").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("No person with this name and password may sign in.")
    visit.trouble.clear()  # the browser's own note of the answer 400


def test_a_one_time_link_signs_in_once_and_leaves_no_code_in_the_address(window, site):
    visit = window()
    visit.go(site.manage("demo_link"))
    code = visit.page.get_by_label("Code").input_value()
    assert len(code) == 43
    assert visit.page.url == f"{site.url}/enter/"
    visit.page.get_by_role("button", name="Enter").click()
    visit.page.wait_for_url(f"{site.url}/")
    again = window()
    again.go(f"/enter/#{code}")
    again.page.get_by_role("button", name="Enter").click()
    expect(again.page.get_by_role("alert")).to_contain_text("was used already")
    again.trouble.clear()  # the browser's own note of the answer 400


def test_a_one_time_link_works_without_scripts_by_its_code(window, site):
    visit = window(java_script_enabled=False)
    path = site.manage("demo_link")
    visit.go(path)
    expect(visit.page.get_by_text("Without JavaScript")).to_be_visible()
    visit.page.get_by_label("Code").fill(path.partition("#")[2])
    visit.page.get_by_role("button", name="Enter").click()
    visit.page.wait_for_url(f"{site.url}/")


def test_signing_out_closes_the_door(window):
    cat = window().sign_in()
    cat.page.get_by_role("button", name="Sign out").click()
    cat.page.wait_for_url("**/sign-in/")
    cat.go("/secrets/")
    assert "/sign-in/" in cat.page.url


@pytest.mark.parametrize(
    "secret", ["secret/prod/ledger/bank-sftp", "legacy/payments/shared", "database/static-creds/ledger-batch"]
)
def test_the_page_counts_as_the_corpus_truth_does(cat, site, secret):
    page = cat.ask(secret)
    if page.get_by_role("heading", name="Names that begin with").count():  # the story has one of the same name
        page.locator("tr", has_text="demo").get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/secrets/\d+/"))  # before it, the table is that of names
    shown = {name: count for name, count in _readers(page).items() if count}
    true = _true_reads(site.truth)[secret]
    assert {name: count for name, count in shown.items() if name in true} == dict(true)
    total = sum(reads.get(secret, 0) for reads in site.truth["reads"].values())
    assert sum(shown.values()) == total


@pytest.fixture
def page(cat, pages):
    """Return the page of the busy secret in cat's window."""
    return cat.go(pages["busy"])


def test_older_calls_come_without_a_new_page_and_the_address_follows(page):
    page.evaluate("window.stayed = true")
    first = page.locator("#events [data-opens]").first.get_attribute("id")
    page.locator("#older").click()
    page.wait_for_url("**before=**")
    expect(page.locator(f"#{first}")).to_have_count(0)
    assert page.evaluate("window.stayed")
    page.get_by_role("link", name="Newest").click()
    expect(page.locator(f"#{first}")).to_have_count(1)


def test_going_back_shows_what_was_there(page):
    first = page.locator("#events [data-opens]").first.get_attribute("id")
    page.locator("#older").click()
    page.wait_for_url("**before=**")
    page.go_back()
    expect(page.locator(f"#{first}")).to_have_count(1)


def test_a_range_changes_the_whole_answer_in_place(page):
    page.evaluate("window.stayed = true")
    page.get_by_role("link", name="7 d", exact=True).click()
    expect(page.locator(".sentence")).to_contain_text("in the last 7 days")
    expect(page.locator("#range-7d")).to_have_attribute("aria-current", "true")
    expect(page.locator("#range-7d")).to_be_focused()
    assert "range=7d" in page.url and page.evaluate("window.stayed")


def test_an_absolute_range_is_asked_for_in_utc(page):
    page.get_by_text("Absolute…").click()
    page.get_by_label("From", exact=True).fill("2026-11-18 02:00")
    page.get_by_label("to", exact=True).fill("yesterday")
    page.locator(".absolute-form").get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("“yesterday” is not a time.")


def test_a_reader_filters_the_calls(page):
    page.locator("#readers a", has_text="mira.holt").click()
    chip = page.locator(".filter-chip", has_text="principal is mira.holt")
    expect(chip).to_be_visible()
    assert set(page.locator("#events tbody .a-name").all_inner_texts()) == {"mira.holt"}
    page.get_by_role("link", name="Show every principal").click()
    expect(chip).to_have_count(0)


def test_a_hole_is_hatched_in_the_picture_and_a_line_says_so(page):
    assert page.locator(".chart .hole").count() >= 1
    assert page.locator(".closing-double").count() == 0
    expect(page.locator("#readers .closing")).to_contain_text("Not complete")


def test_a_row_opens_the_drawer_and_escape_returns_to_it(page):
    row = page.locator("#events [data-opens]").nth(2)
    name = row.get_attribute("id")
    row.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer h2")).to_be_focused()
    assert f"event={name.removeprefix('event-')}" in page.url
    expect(page.locator(f"tr:has(#{name})")).to_have_class("picked")
    expect(page.locator("#drawer .summary")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    expect(page.locator(f"#{name}")).to_be_focused()
    assert "event=" not in page.url


def test_the_drawer_is_walked_from_its_head_to_its_last_line(page):
    page.locator("#events [data-opens]").first.click()
    expect(page.locator("#drawer h2")).to_be_focused()
    order = []
    for _ in range(7):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.innerText.trim().slice(0, 9) || document.activeElement.ariaLabel")
        )
    assert order == ["Open page", "Link", "JSON", "curl", "±5 min", "Filter by", "Summary"]
    page.locator("#drawer h2").focus()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Close"
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_be_hidden()


def test_an_address_with_an_event_opens_the_drawer_again(page):
    page.locator("#events [data-opens]").first.click()
    expect(page.locator("#drawer h2")).to_be_focused()
    page.reload()
    expect(page.locator("#drawer .summary")).to_be_visible()
    page.get_by_role("link", name="Close").click()
    expect(page.locator("#drawer")).to_be_hidden()


def test_a_link_is_copied_with_fixed_times(window, pages):
    visit = window(signed_in=True, permissions=["clipboard-read", "clipboard-write"])
    page = visit.go(pages["busy"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/secrets/\d+/\?since=2026[^&]*&until=2026", copied)


def test_everything_can_be_read_without_scripts(window, pages):
    visit = window(signed_in=True, java_script_enabled=False)
    page = visit.go(pages["busy"])
    expect(page.locator(".sentence")).to_contain_text("in the last 30 days")
    page.locator("#older").click()
    assert "before=" in page.url
    page.get_by_role("link", name="As a table").click()
    expect(page.locator("table.figures")).to_be_visible()
    page.locator("#events [data-opens]").first.click()
    expect(page.locator("#drawer h2")).to_contain_text("bank-sftp")
    page.get_by_role("link", name="Line as stored").click()
    expect(page.locator(".stored")).to_have_count(2)
    assert page.get_by_role("button", name="Copy link").count() == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_text(cat, name):
    page = cat.ask(name)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    title = page.locator("h1 .path").get_attribute("title")
    assert title == name.replace("\u202e", "\\u202e")
    page.locator("#events [data-opens]").first.click()
    expect(page.locator("#drawer h2")).to_be_focused()
    assert page.locator("img").count() == 0
    assert page.evaluate("document.querySelectorAll('body script:not([src])').length") == 0


def test_markup_that_got_in_would_be_inert(cat, page):
    stripped = page.evaluate("""() => {
        const button = document.createElement("button");
        button.setAttribute("hx-get", "/events/1/");
        button.setAttribute("hx-nonce", "guessed");
        document.body.append(button);
        htmx.process(button);
        return [...button.attributes].map((a) => a.name).filter((name) => name.startsWith("hx-"));
    }""")
    assert stripped == []
    assert "nonce mismatch" in cat.trouble.pop()
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("() => { document.body.innerHTML = '<img src=x onerror=alert(1)>'; }")
    told = ("require-trusted-types-for", "requires 'TrustedHTML'")  # the report and the console's line, in either order
    for _ in range(100):
        if all(any(word in words for words in cat.trouble) for word in told):
            break
        page.wait_for_timeout(100)
    assert any("require-trusted-types-for" in words for words in cat.trouble)
    cat.trouble.clear()


def test_a_session_that_ended_leads_to_the_sign_in_page_not_into_the_table(cat, page):
    cat.context.clear_cookies()
    page.locator("#older").click()
    page.wait_for_url("**/sign-in/**")
    cat.trouble.clear()  # the browser's own note of the answer 401
