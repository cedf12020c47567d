"""Getting in as a person does: by a link, a new password, an app's code; and what an administrator does for others."""

from __future__ import annotations

import json
import re
from time import sleep, time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.browser.axe import faults
from tests.browser.conftest import Site, Visit
from tests.browser.screens import CONTRAST, CUT, SMALL

NEW = "a password of many words"
SCHEME = "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"


def _code(secret: str, steps: int) -> str:
    """Return the code of the half minute that is `steps` from now; one before it is refused when this one is over."""
    if steps < 0 and (left := 30 - time() % 30) < 10:
        sleep(left + 0.1)
    return format_hotp_value(hotp_value(secret, int(time()) // 30 + steps))


def _look(page: Page) -> list[str]:
    """Return what is wrong with a page to look at: cut, too pale, too small, over the edge, or serious by axe."""
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    found = [f"{over} px over the edge"] if over > 0 else []
    found += page.evaluate(CUT) + page.evaluate(CONTRAST) + page.evaluate(SMALL)
    return found + [f"axe: {one}" for one in faults(page, page.evaluate(SCHEME))]


def _press(page: Page, name: str, role: str = "button") -> None:
    """Press what leads to another page, and wait until that is there."""
    with page.expect_navigation():
        page.get_by_role(role, name=name, exact=role == "button").click()


def _is_in(page: Page, site: Site) -> bool:
    """Return whether this is the first page of somebody who is signed in."""
    return page.url in {f"{site.url}/", f"{site.url}/secrets/"} and page.locator("#rail").count() == 1


def _unseen(_page: Page) -> list[str]:
    """Look at nothing: the page is on the way of a test of other pages."""
    return []


def _enter(visit: Visit, site: Site, name: str, role: str, look=_unseen) -> list[str]:
    """Make a person, follow their link, choose a password; returns what `look` says of the pages on the way."""
    document = json.loads(site.manage("create_user", name, "--role", role, "--json"))
    page = visit.go(document["link"])
    wrong = look(page)
    _press(page, "Enter")
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("The same again").fill(NEW)
    wrong += look(page)
    _press(page, "Set password")
    assert page.url != f"{site.url}/enter/password/"
    return wrong


def _set_up(page: Page, look=_unseen) -> tuple[str, list[str]]:
    """Set up an app; returns its secret and what `look` says of the pages."""
    secret = page.locator("#secret").inner_text()
    wrong = look(page)
    page.get_by_label("Code").fill(_code(secret, -1))
    _press(page, "Set up the second factor")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return secret, wrong + look(page)


@pytest.mark.parametrize(
    "scheme, width",
    [
        ("light", 1440),
        ("dark", 320),
        *(pytest.param(*one, marks=pytest.mark.long) for one in [("dark", 1440), ("light", 390)]),
    ],
)
def test_from_a_link_to_a_password_and_a_second_factor_and_in_again_by_both(window, site, scheme, width):
    visit = window(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    name = f"ann-{scheme}-{width}"
    wrong = _enter(visit, site, name, "operator", _look)
    page = visit.page
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    secret, more = _set_up(page, _look)
    _press(page, "I have kept them", "link")
    assert _is_in(page, site)
    visit.go("/account/")
    wrong += more + _look(page)
    if width < 720:
        page.get_by_role("button", name="Menu").click()
    _press(page, "Sign out")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(NEW)
    wrong += _look(page)
    _press(page, "Sign in")
    wrong += _look(page)
    page.get_by_label("Code").fill(_code(secret, 0))
    _press(page, "Sign in")
    assert _is_in(page, site)
    assert wrong == []


@pytest.mark.parametrize("scheme, width", [("light", 1440), ("dark", 390)])
def test_an_administrator_makes_and_disables_a_person_and_reads_it_in_the_trail(window, site, scheme, width):
    visit = window(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    _enter(visit, site, f"eve-{scheme}", "administrator")
    _set_up(visit.page)
    page, name, wrong = visit.go("/people/"), f"dan-{scheme}", []
    wrong += _look(page)
    _press(page, "Make a person", "link")
    page.get_by_label("Name").fill(name)
    page.get_by_role("radio", name="operator").check()
    wrong += _look(page)
    _press(page, "Make the person")
    link = page.locator("#link").inner_text()
    assert link.startswith(f"{site.url}/enter/#")
    wrong += _look(page)
    other = window()
    other.page.goto(link)
    _press(other.page, "Enter")
    expect(other.page.get_by_role("heading", name="Choose a password")).to_be_visible()
    _press(page, f"To {name}", "link")
    wrong += _look(page)
    _press(page, f"Disable {name}")
    expect(page.get_by_text("is disabled and may not enter")).to_be_visible()
    page = visit.go("/trail/")
    wrong += _look(page)
    expect(page.locator("tbody tr:not(.day)").first).to_contain_text("accounts.user.disabled")
    expect(page.locator("tbody tr:not(.day)").first).to_contain_text(name)
    page.get_by_role("textbox", name="Did").fill("accounts.link")
    page.get_by_role("textbox", name="To").fill(name)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("link", name="Without did accounts.link")).to_be_visible()
    wrong += _look(page)
    expect(page.locator("tbody tr:not(.day)")).to_have_count(2)
    expect(page.get_by_text("These are all that fit")).to_be_visible()
    page.get_by_role("link", name="Without did accounts.link").click()
    expect(page.get_by_role("textbox", name="Did")).to_have_value("")
    assert wrong == []


def test_all_of_it_works_without_scripts(window, site):
    visit = window(java_script_enabled=False)
    path, _, code = json.loads(site.manage("create_user", "bare", "--role", "reader", "--json"))["link"].partition("#")
    visit.go(path)
    visit.page.get_by_label("Code").fill(code)
    _press(visit.page, "Enter")
    visit.page.get_by_label("New password").fill(NEW)
    visit.page.get_by_label("The same again").fill(NEW)
    _press(visit.page, "Set password")
    assert _is_in(visit.page, site)
    visit.go("/account/second-factor/")
    secret = visit.page.locator("#secret").inner_text()
    visit.page.get_by_label("Code").fill(_code(secret, 0))
    _press(visit.page, "Set up the second factor")
    assert len(visit.page.locator("#codes").inner_text().split()) == 10


def test_a_password_guessed_too_often_is_told_until_when(window, site):
    site.manage("create_user", "guessed", "--role", "reader")
    visit = window()
    for _ in range(6):
        visit.go("/sign-in/")
        visit.page.get_by_label("Name").fill("guessed")
        visit.page.get_by_label("Password").fill("a guess")
        _press(visit.page, "Sign in")
    expect(visit.page.get_by_role("alert")).to_contain_text(re.compile(r"looked at after \d\d:\d\d:\d\d UTC"))
    assert _look(visit.page) == []
    assert all("429" in one or "400" in one for one in visit.trouble)
    visit.trouble.clear()  # the browser's own notes of the answers 400 and 429
