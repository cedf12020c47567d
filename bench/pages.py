"""P5 and P6: the questions and the pages over millions of events, and whether they stay as fast with ten times more.

Two databases of one shape, the second ten times the first. Each question is asked of the store with other secrets,
principals and times; each page is fetched over HTTP from gunicorn by a signed-in reader, the first byte is timed.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from statistics import quantiles

import requests
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import Role, User
from accounts.scope import EVERYTHING
from audit import callers, event_search, queries
from audit.event_filter import Filter, condition
from audit.ingest import connect
from audit.query_tree import matches
from bench import desk, filling, machine
from bench.people import IDENTITIES, SECRETS, skewed
from bench.report import Table

_HOTTEST = 1
_WARM = 3  # times that are not counted
Ask = Callable[[random.Random, datetime], object]


def _secret(draw: random.Random) -> queries.SecretRef:
    return queries.secret(1 + skewed(draw, SECRETS), scope=EVERYTHING)


def _caller(draw: random.Random) -> str:
    return callers.caller(1 + skewed(draw, IDENTITIES), scope=EVERYTHING).name


def _name(draw: random.Random) -> str:
    return _secret(draw).name


def _search(one: Filter, ask: Callable[..., object]) -> object:
    return ask(one, condition(one))


def _window(draw: random.Random, now: datetime) -> tuple[datetime, datetime]:
    start = now - timedelta(hours=draw.randrange(6, 24 * 27))
    return start, start + timedelta(hours=6)


WEEK, DAY, MONTH = timedelta(days=7), timedelta(days=1), timedelta(days=filling.DAYS)
QUESTIONS: dict[str, tuple[Ask, bool]] = {
    "who read a secret, 7 days": (lambda d, now: queries.who_read(_secret(d), now - WEEK, now), False),
    "who read the most read secret, 7 days": (
        lambda d, now: queries.who_read(queries.secret(_HOTTEST, scope=EVERYTHING), now - WEEK, now),
        False,
    ),
    "time line of all events, 30 days": (
        lambda d, now: _search(Filter(now - MONTH, now, scope=EVERYTHING), event_search.timeline),
        False,
    ),
    "the last 100 events of a principal": (
        lambda d, now: event_search.events(
            one := Filter(now - MONTH, now, matches("principal", [_caller(d)]), scope=EVERYTHING),
            condition(one),
            100,
        ),
        False,
    ),
    "the first 100 events of a window of 6 hours": (
        lambda d, now: event_search.events(one := Filter(*_window(d, now), scope=EVERYTHING), condition(one), 100),
        False,
    ),
    "seven facets of one secret, 7 days": (
        lambda d, now: _search(
            Filter(now - WEEK, now, matches("secret", [_name(d)]), scope=EVERYTHING), event_search.facets
        ),
        True,
    ),
    "what a principal read, first ever, 7 days": (
        lambda d, now: callers.secrets_of(1 + skewed(d, IDENTITIES), now - WEEK, now, scope=EVERYTHING),
        False,
    ),
    "one event with its lines": (lambda d, now: _one_event(d), False),
}
PAGES: dict[str, Callable[[random.Random], str]] = {
    "home": lambda d: "/",
    "events, 24 hours": lambda d: "/events/?range=24h",
    "events of one secret, 7 days": lambda d: f"/events/?range=7d&q=secret:{_name(d)}",
    "denials of a prefix, 7 days": lambda d: (
        f"/events/?range=7d&q=outcome:denied+secret:{_name(d).rpartition('/')[0]}/*"
    ),
    "events with a word, 24 hours": lambda d: f"/events/?range=24h&q=credential-{skewed(d, SECRETS)}",
    "a secret or a principal, 7 days": lambda d: f"/events/?range=7d&q=secret:{_name(d)}+OR+principal:{_caller(d)}",
    "secrets": lambda d: "/secrets/",
    "one secret": lambda d: f"/secrets/{1 + skewed(d, SECRETS)}/",
    "the most read secret": lambda d: f"/secrets/{_HOTTEST}/",
    "principals": lambda d: "/principals/",
    "one principal": lambda d: f"/principals/{1 + skewed(d, IDENTITIES)}/",
    "one event": lambda d: f"/events/{_event(d)}/",
    "sources": lambda d: "/sources/",
}
_newest = 0


def _event(draw: random.Random) -> int:
    """An event of the newest day, whose lines are kept."""
    return _newest - draw.randrange(_newest // filling.DAYS)


def _one_event(draw: random.Random) -> object:
    number = _event(draw)
    return queries.event(number, scope=EVERYTHING), queries.lines_of(number, scope=EVERYTHING)


def measure(given: argparse.Namespace) -> None:
    """Fill both databases one after the other, ask and fetch, and print the table."""
    found: list[dict[str, float]] = []
    with desk.desk() as place:
        for number, events in enumerate((given.events // 10, given.events)):
            place.fresh()
            if not number:
                desk.header()
            began = time.monotonic()
            with connect() as connection:
                filling.fill(connection, events)
            print(f"  {events} events made in {time.monotonic() - began:.0f} s", flush=True)
            machine.wait_until_calm(given.patience)
            found.append(_ask_all(given, events) | _fetch_all(given, place.url))
            print(f"Cores that others kept busy just after: {machine.cores_of_others():.2f}.", flush=True)
    _show(*found)


def _ask_all(given: argparse.Namespace, events: int) -> dict[str, float]:
    global _newest  # noqa: PLW0603 - the size of the database that is asked now
    _newest = events // filling.DAYS * filling.DAYS
    draw, now = random.Random(7), datetime.now(UTC)
    found = {}
    for name, (ask, _) in QUESTIONS.items():
        found[name] = p95([_timed(ask, draw, now) for _ in range(given.times + _WARM)][_WARM:])
        print(f"  {name}: p95 {found[name]:.1f} ms", flush=True)
    return found


def _fetch_all(given: argparse.Namespace, url: str) -> dict[str, float]:
    draw, found = random.Random(7), {}
    with served(url) as (address, session):
        for name, path in PAGES.items():
            took = fetch(session, name, lambda path=path: address + path(draw), max(2, given.times // 3))  # type: ignore[misc]
            found[f"page {name}"] = p95(took)
            print(f"  page {name}: p95 {found[f'page {name}']:.1f} ms", flush=True)
    return found


def fetch(session: requests.Session, name: str, address: Callable[[], str], times: int) -> list[float]:
    """Return how long the first byte of a page took each time, in ms; raises `RuntimeError` for what is no page."""
    took = []
    for _ in range(times + _WARM):
        url, began = address(), time.perf_counter()
        with session.get(url, stream=True, allow_redirects=False) as answer:
            took.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{name} answered {answer.status_code}")
            answer.content  # noqa: B018 - read, so that the connection can be used again
    return took[_WARM:]


@contextmanager
def served(url: str) -> Iterator[tuple[str, requests.Session]]:
    """Serve the pages with gunicorn as the product does, and sign a reader in; ends the server afterwards."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{door.fileno()}", "--threads", "4"]
        own = {**os.environ, "DATABASE_URL": url, "KEYBOOK_ALLOWED_HOSTS": "127.0.0.1"}
        with subprocess.Popen(command, env=own, pass_fds=[door.fileno()], stderr=subprocess.DEVNULL) as server:
            try:
                session = requests.Session()
                session.cookies.set(settings.SESSION_COOKIE_NAME, _signed_in(), domain="127.0.0.1")
                yield f"http://127.0.0.1:{door.getsockname()[1]}", session
            finally:
                server.terminate()


def _signed_in() -> str:
    """Return the key of a session of a reader, made for this."""
    reader, _ = User.objects.get_or_create(username="bench", defaults={"role": Role.READER})
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(reader.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = reader.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def _timed(ask: Ask, draw: random.Random, now: datetime) -> float:
    began = time.perf_counter()
    ask(draw, now)
    return (time.perf_counter() - began) * 1000


def p95(took: list[float]) -> float:
    """Return what 95 of 100 do not exceed."""
    return quantiles(took, n=100, method="inclusive")[94]


def _show(small: dict[str, float], large: dict[str, float]) -> None:
    table = Table("P5 and P6: questions and pages over millions of events")
    for name, (_, is_facet) in QUESTIONS.items():
        table.atmost(f"{name}, p95, ms", [large[name]], 50, "{:.1f}")
        table.atmost("the same over a tenth of the events", [large[name] / small[name]], 2 if is_facet else 1.5)
    for name in (f"page {page}" for page in PAGES):
        table.atmost(f"{name}, first byte p95, ms", [large[name]], 150, "{:.1f}")
        table.row("the same over a tenth of the events", f"{large[name] / small[name]:.2f}")
    table.show()


def main() -> None:
    """Measure P5 and P6: `python -m bench.pages`."""
    desk.in_sandbox("bench.pages")
    parser = desk.options(main.__doc__, events=10_000_000, rounds=1)
    parser.add_argument("--times", type=int, default=100, help="how often each question is asked (100)")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
