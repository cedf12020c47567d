"""Keybook as people meet it: an own database, logs ingested by the command, gunicorn, and a real Chromium."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright
from psycopg import sql

from sandbox.seed import BLANK, SEED
from tests.browser.hostile import write
from tests.browser.story import BUSY, HOSTILE, month

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/data/corpus"
RECORDED = b"2026-11-21T"  # the day of the recorded logs, which grow old; a page's range ends now
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PASSWORD = "a long enough password"
PATIENCE = 60_000  # ms; a machine may be busy with other tests
expect.set_options(timeout=PATIENCE)


def _chromium() -> str | None:
    named = os.environ.get("KEYBOOK_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


def pytest_collection_modifyitems(items):
    """Mark every test of this folder, and say why when it can't run; in CI it has to.

    They come last: while the browser is driven, a loop runs in this thread, and Django refuses its database there.
    """
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    there = [item for item in items if item.path.match("sandbox/test_demo.py")]  # ends the demo that is looked at here
    late = {*here, *there}
    items[:] = [item for item in items if item not in late] + here + there
    missing = "no Chromium is found" if not _chromium() else "no DATABASE_URL: run it by bin/sandbox"
    able = _chromium() and os.environ.get("DATABASE_URL")
    for item in here:
        item.add_marker(pytest.mark.browser)
        if not able and os.environ.get("CI") != "true":
            item.add_marker(pytest.mark.skip(reason=missing))


@dataclass
class Site:
    """A running Keybook: its address, its environment, and what its log said was true."""

    url: str
    environment: dict[str, str]
    truth: dict

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _server() -> psycopg.Connection:
    """Open a connection in which databases can be made and dropped."""
    return psycopg.connect(
        psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname="postgres"), autocommit=True
    )


def _make_database(template: str) -> str:
    """Make a database beside the tests' as a copy of another, and return its name."""
    name = f"keybook_browser_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    with _server() as server:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        server.execute(made)
    return name


@contextmanager
def own_database(template: str = "") -> Iterator[str]:
    """Make a database of our own, a copy of `template` or in bin/test of one with the schema; it goes at the end."""
    name = _make_database(template or (BLANK if os.environ.get(SEED) else "template1"))
    yield _url(name)
    _drop_database(name)


def _drop_database(name: str) -> None:
    with _server() as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _url(database: str) -> str:
    return psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=database)


def _manage_all(environment: dict[str, str], commands: list[list[str]]) -> None:
    """Run management commands one after the other in one process."""
    argv = [sys.executable, "-m", "sandbox.manage", json.dumps(commands)]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


Files = dict[tuple[str, str], list[str]]


def _environment(database: str, logs: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database,
        "KEYBOOK_SECRET_KEY": "only-for-the-browser-tests-" + "k" * 40 + "0123456789",
        "KEYBOOK_SECURE_COOKIES": "false",
        "KEYBOOK_LOG_ROOTS": str(logs),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _fill(environment: dict[str, str], logs: Path, files: Files) -> None:
    """Lay the schema where there is none, ingest files of a folder, by vault and device, and make cat."""
    read = [
        ["ingest_file", *(str(logs / name) for name in names), "--vault", vault, "--device", device]
        for (vault, device), names in files.items()
    ]
    make = f"from accounts.models import User; User.objects.create_user('cat', password={PASSWORD!r})"
    schema = [] if os.environ.get(SEED) else [["migrate", "-v", "0"]]
    _manage_all(environment, [*schema, *read, ["shell", "-v", "0", "-c", make]])


@contextmanager
def served(logs: Path, files: Files, truth: dict, filled: str = "", **more: str) -> Iterator[Site]:
    """Ingest files of a folder, by vault and device, into a database of their own, and serve it to cat.

    `filled` is a database that has all that already, to be copied. `more` is added to the environment; `{port}` in it
    is the server's. Its own address is `KEYBOOK_URL`, if that is there: browsers give passkeys to `localhost` alone.
    """
    with own_database(filled) as database, socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        environment = _environment(database, logs) | {name: value.format(port=port) for name, value in more.items()}
        address = environment["KEYBOOK_URL"] if "KEYBOOK_URL" in more else f"http://127.0.0.1:{port}"
        if not filled:
            _fill(environment, logs, files)
        server = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{door.fileno()}", "--threads", "4",
                  "--no-control-socket", "--log-level", "warning", "config.wsgi"]  # fmt: skip
        process = subprocess.Popen(server, cwd=ROOT, env=environment, pass_fds=[door.fileno()])
        yield Site(address, environment, truth)
        process.terminate()
        process.wait(20)


def unpack(logs: Path, now: datetime) -> dict:
    """Write the recorded logs as if they were of three days before `now`, and return what is true of them."""
    day = f"{now - timedelta(days=3):%Y-%m-%dT}".encode()
    plain = {}
    for name in ("audit.log", "audit-http.log", "truth.json"):
        with (CORPUS / f"{name}.zst").open("rb") as packed:
            plain[name] = zstandard.ZstdDecompressor().stream_reader(packed).read()
    for name in ("audit.log", "audit-http.log"):
        (logs / name).write_bytes(plain[name].replace(RECORDED, day))
    return json.loads(plain["truth.json"])


def _month(logs: Path) -> dict[str, Any]:
    """Ingest the recorded corpus and a month of our own story; returns the database's name and what is true of it."""
    logs.mkdir(exist_ok=True)
    truth = unpack(logs, datetime.now(UTC))
    hole = datetime.now(UTC) - timedelta(days=18, hours=20)
    month().write(logs / "old.log", logs / "new.log", without=(hole, hole + timedelta(hours=16, minutes=50)))
    write(logs / "hostile.log")
    files = {
        ("demo", "file"): ["audit.log"], ("demo", "http"): ["audit-http.log"], ("hostile", "file"): ["hostile.log"],
        ("eu-prod", "file"): ["old.log", "new.log"],
    }  # fmt: skip
    database = _make_database(BLANK if os.environ.get(SEED) else "template1")
    _fill(_environment(_url(database), logs), logs, files)
    return {"database": database, "truth": truth}


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Serve the recorded corpus and a month of our own story.

    In bin/test all workers serve copies of what the first of them ingested, which goes with the server.
    """
    shared, seeded = tmp_path_factory.getbasetemp(), bool(os.environ.get(SEED))
    if seeded and os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    logs, made = shared / "browser-logs", shared / "browser-site.json"
    with (shared / "browser-site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_text(json.dumps(_month(logs)))
    begun = json.loads(made.read_text())
    with served(logs, {}, begun["truth"], begun["database"]) as running:
        yield running
    if not seeded:
        _drop_database(begun["database"])


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=_chromium(), args=flags)
        yield browser
        browser.close()


def opened_at(page: Page, url: str) -> Page:
    """Open an address; once more if the page in front came anew by itself in that moment."""
    try:
        page.goto(url)
    except Error as taken:
        if not any(words in str(taken) for words in ("ERR_ABORTED", "interrupted by another navigation")):
            raise
        page.wait_for_load_state()
        page.goto(url)
    return page


@dataclass
class Visit:
    """One person's window, and everything that went wrong in it; a test that expects trouble takes it out."""

    site: Site
    context: BrowserContext
    page: Page
    trouble: list[str] = field(default_factory=list)

    def go(self, address: str) -> Page:
        """Open an address of the site."""
        return opened_at(self.page, self.site.url + address)

    def sign_in(self, name: str = "cat") -> Visit:
        """Sign somebody in by password."""
        self.go("/sign-in/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.site.url}/")
        return self

    def ask(self, name: str) -> Page:
        """Ask who read a secret."""
        self.go("/secrets/")
        self.page.get_by_label("Who read").fill(name)
        with self.page.expect_navigation():
            self.page.get_by_role("button", name="Ask").click()
        return self.page


WATCH = """
document.addEventListener("securitypolicyviolation",
    (e) => report(`CSP ${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`));
"""


def opened_by(site: Site, browser: Browser, **options) -> Visit:
    """Open a window that writes down whatever its browser complains about."""
    options.setdefault("viewport", {"width": 1440, "height": 900})
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    visit = Visit(site, context, page)
    context.expose_binding("report", lambda _, words: visit.trouble.append(words))
    context.add_init_script(WATCH)
    page.on("console", lambda m: visit.trouble.append(f"console: {m.text}") if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: visit.trouble.append(f"page: {error}"))
    page.on("dialog", lambda dialog: (visit.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    return visit


@pytest.fixture(scope="session")
def session(site, chromium):
    """Sign cat in once, and return what a browser keeps of it."""
    visit = opened_by(site, chromium)
    visit.sign_in()
    state = visit.context.storage_state()
    visit.context.close()
    return state


@pytest.fixture(scope="session")
def pages(site, chromium, session) -> dict[str, str]:
    """Return an address of every kind of page."""
    visit = opened_by(site, chromium, storage_state=session)
    page = visit.ask(BUSY)
    page.locator("tr", has_text="eu-prod").get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/secrets/\d+/"))
    busy = page.url.removeprefix(site.url)
    event = page.locator("#events [data-opens]").first.get_attribute("id").removeprefix("event-")
    long = visit.ask(HOSTILE[3]).url.removeprefix(site.url)
    # Of the story, which goes on until now; the recorded corpus grows old.
    rows = visit.go("/principals/?q=payments/").locator("tr", has_text="eu-prod")
    person = rows.locator(".row-link").first.get_attribute("href")
    visit.context.close()
    begin = datetime.now(UTC) - timedelta(days=5)
    return {
        "list": "/secrets/",
        "unknown": "/secrets/?q=secret/prod/ledger/bank-sfpt",
        "busy": busy,
        "figures": f"{busy}?view=table",
        "absolute": f"{busy}?since={begin:%Y-%m-%dT%H:%M}&until={begin + timedelta(hours=26):%Y-%m-%dT%H:%M}",
        "wrong time": f"{busy}?since=yesterday",
        "drawer": f"{busy}?event={event}",
        "event": f"/events/{event}/",
        "long name": long,
        "nothing": "/nothing/here",
        "home": "/",
        "ask": "/ask/?q=secret/prod",
        "events": "/events/?range=30d",
        "question": "/events/?range=7d&q=vault:eu-prod secret:secret/prod/* -outcome:error kind:service_account bank",
        "no event": "/events/?range=1h&principal=nobody&outcome=denied",
        "event who": f"/events/?range=30d&event={event}&tab=who",
        "event around": f"/events/?range=30d&event={event}&tab=around",
        "live": "/events/?range=live",
        "principals": "/principals/",
        "principal": person or "",
        "sources": "/sources/",
    }


@contextmanager
def people(site: Site, browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Give a function that opens a window in which somebody signs in; at the end none may have seen an error."""
    opened: list[Visit] = []

    def start(name: str, **options) -> Visit:
        opened.append(opened_by(site, browser, **options))
        return opened[-1].sign_in(name)

    yield start
    for visit in opened:
        visit.context.close()
    assert [trouble for visit in opened for trouble in visit.trouble] == []


@pytest.fixture
def window(site, chromium, request):
    """Return a function that opens a window; at the end none may have seen an error or a blocked script."""
    opened: list[Visit] = []

    def start(signed_in: bool = False, **options) -> Visit:
        if signed_in:
            options["storage_state"] = request.getfixturevalue("session")
        opened.append(opened_by(site, chromium, **options))
        return opened[-1]

    yield start
    for visit in opened:
        visit.context.close()
    assert [trouble for visit in opened for trouble in visit.trouble] == []


@pytest.fixture
def cat(window) -> Visit:
    """Return a wide window in which cat is signed in."""
    return window(signed_in=True)
