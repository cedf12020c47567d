"""Each of 500 hostile strings on every page that could hold it, in a real browser: nothing runs, all stays text."""

from __future__ import annotations

import csv
import io
import json
import re
from urllib.parse import urljoin, urlsplit

import pytest

from dashboard.words import visible
from tests.browser.conftest import opened_by, served
from tests.browser.hostile import packs, strings, write
from tests.browser.test_events import FOREIGN, WIDER
from tests.browser.test_export import _export
from tests.dashboard.test_export import _is_live, _split

pytestmark = pytest.mark.long
MOST = len(strings()) - 8  # that a name may hold: a few are longer than a column, a token's name, a list's print
# "each": a vault in which every string stands by itself in a row. "packed": one whose names hold several, so that few
# pages of one thing show them all.
FILL = """
from tests.browser.hostile_rows import fill
from accounts.models import User
User.objects.filter(username="cat").update(role="administrator")
fill("packed")
"""
ROWS = """
from audit.models import Principal, Secret
of = {"packed principals": ("principals", Principal), "packed secrets": ("secrets", Secret)}
name, model = of[NAME]
for one in model.objects.filter(vault__name="packed"):
    print(f"/{name}/{one.pk}/")
"""
LISTS = {
    "events": "/events/?range=24h&vault=each", "events as a table": "/events/?range=24h&vault=each&view=table",
    "secrets": "/secrets/?q=secret/h", "principals": "/principals/?kind=human", "leases": "/leases/",
    "leases that outlive their pods": "/leases/?orphaned=yes", "pods": "/pods/", "troubled pods": "/pods/?troubled=yes",
    "workloads": "/workloads/", "sources": "/sources/", "settings": "/settings/sources/", "people": "/people/",
    "trail": "/trail/", "tokens": "/account/tokens/", "home": "/", "packed events": "/events/?range=24h&vault=packed",
}  # fmt: skip
# Whose rows lead to a page of one thing, and what is asked of each: its tabs, its parts.
THINGS = {
    "packed events": ["", "?tab=who", "?tab=line", "?tab=around"], "packed secrets": ["?range=24h&present=now"],
    "packed principals": ["?range=24h"], "leases": [""], "pods": [""], "workloads": [""], "people": [""],
}  # fmt: skip


# The innermost elements that reach out of the window, and what they say.
TOO_WIDE = """() => [...document.querySelectorAll("main *")]
    .filter((one) => one.checkVisibility() && !one.closest(".strip, .rail"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one, _, all) => !all.some((other) => other !== one && one.contains(other)))
    .slice(0, 3).map((one) => `${one.parentElement.outerHTML.slice(0, 150)}`)"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    logs = tmp_path_factory.mktemp("hostile")
    assert write(logs / "each.log") == len(strings()) >= 500
    write(logs / "packed.log", found=packs(240))
    files = {(name, "file"): [f"{name}.log"] for name in ("each", "packed")}
    with served(logs, files, {}, KEYBOOK_REQUIRE_MFA="false") as running:
        running.manage("shell", "-v", "0", "-c", FILL)
        yield running


@pytest.fixture(scope="module")
def visit(hostile, chromium):
    """Return one window for all pages; what went wrong in it is asked after each test."""
    one = opened_by(hostile, chromium)
    one.sign_in()
    yield one
    one.context.close()


@pytest.fixture(autouse=True)
def _nothing_went_wrong(visit):
    visit.trouble.clear()
    yield
    assert visit.trouble == []


def look(visit, address: str) -> str:
    """Open a page, see that it holds nothing but text, and return that text, with what only a pointer shows."""
    page = visit.go(address)
    assert page.evaluate(WIDER) <= 0, (address, page.evaluate(TOO_WIDE))
    assert page.locator("#rail").is_visible(), address
    assert page.evaluate(FOREIGN) == 0, address
    return page.evaluate("""() => document.querySelector("main").textContent + [...document.querySelectorAll(
        "main [title], main [aria-label]")].map((one) => one.title + one.ariaLabel).join(" ")""")


def walk(visit, address: str) -> tuple[str, list[str]]:
    """Go through all pages of a list; returns all that they show, and the addresses behind their rows."""
    todo, met, shown, rows = [address], {address}, "", []
    while todo:
        here = todo.pop()
        shown += look(visit, here)
        page = visit.page
        rows += page.locator("main .row-link").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        for more in page.locator("main .closing-action").all():
            to = urljoin(here, more.get_attribute("href") or "").partition("#")[0]
            back = re.match("new|first", more.inner_text().strip(), re.IGNORECASE)
            if urlsplit(to).path == urlsplit(address).path and not back and to not in met:
                met.add(to)
                todo.append(to)
    return shown, list(dict.fromkeys(rows))


@pytest.mark.parametrize("name", LISTS)
def test_every_list_shows_them_as_text_from_its_first_page_to_its_last(visit, name):
    shown, rows = walk(visit, LISTS[name])
    assert held(shown) >= MOST
    assert len(rows) in (0, len(strings())) or "each" not in LISTS[name]


def held(shown: str) -> int:
    """Return how many strings stand in a text, with what can't be seen spelt out."""
    there = squeezed(shown)
    return sum(squeezed(visible(one)) in there for one in strings())


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def things(visit, name: str) -> list[str]:
    """Return the addresses of what the packed vault has, where a list has those of both vaults."""
    return visit.site.manage("shell", "-v", "0", "-c", f"NAME = {name!r}{ROWS}").split()


@pytest.mark.parametrize("name", THINGS)
def test_every_page_of_one_thing_shows_them_as_text(visit, name):
    rows = walk(visit, LISTS[name])[1] if name in LISTS else things(visit, name)
    shown = ""
    for row in rows:
        for more in THINGS[name]:
            shown += look(visit, row.partition("?")[0] + more)
    assert rows and held(shown) >= MOST


def test_no_cell_of_an_export_is_a_formula_and_each_string_is_in_it(visit):
    page = visit.go("/events/?range=24h&q=vault:each")
    _, text = _export(page, "NDJSON")
    events = [json.loads(line) for line in text.splitlines()[1:-1]]
    assert len(events) == len(strings())
    _, text = _export(page, "CSV")
    assert [value for value in _split(text) if _is_live(value)] == []
    assert len([row for row in csv.DictReader(io.StringIO(text)) if row["type"] == "event"]) == len(strings())
