"""How long pages take for a person who is limited to a tenth of the secrets, beside the same for everybody.

No promise names a limited view; a page of it takes at most a second over 300,000 events.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

import requests

from accounts.models import PersonArea, User
from audit.ingest import connect
from bench import desk, filling
from bench.pages import p95, served
from bench.people import IDENTITIES, SECRETS, skewed
from bench.report import Table

TEAM = "secret/prod/payments"  # every tenth secret, the most read one among them
PAGES: dict[str, Callable[[random.Random], str]] = {
    "home": lambda d: "/",
    "events, 24 hours": lambda d: "/events/?range=24h",
    "events, 30 days": lambda d: "/events/?range=30d",
    "denials, 30 days": lambda d: "/events/?range=30d&q=outcome:denied",
    "events of one principal, 30 days": lambda d: (
        f"/events/?range=30d&q=principal:payments/service-{_ten(d, IDENTITIES)}"
    ),
    "values of 30 days": lambda d: "/events/?range=30d&facets=now",
    "values offered, 30 days": lambda d: "/events/suggest/?range=30d&text=principal:pay&at=14",
    "secrets": lambda d: "/secrets/",
    "one secret": lambda d: f"/secrets/{1 + _ten(d, SECRETS)}/",
    "principals": lambda d: "/principals/",
    "one principal": lambda d: f"/principals/{1 + skewed(d, 100)}/",
    "sources": lambda d: "/sources/",
}


def _team(draw: random.Random) -> str:
    return f"payments/service-{_ten(draw, IDENTITIES)}"


def _ten(draw: random.Random, size: int) -> int:
    return skewed(draw, size) // 10 * 10


def measure(given: argparse.Namespace) -> None:
    """Fill a database, fetch each page as a reader, limit the reader, and fetch each page again."""
    with desk.desk() as place:
        place.fresh()
        desk.header()
        with connect() as connection:
            filling.fill(connection, given.events)
        with served(place.url) as (address, session):
            free = {name: _fetch(session, address, path, given.times) for name, path in PAGES.items()}
            PersonArea.objects.create(user=User.objects.get(username="bench"), prefix=TEAM)
            limited = {name: _fetch(session, address, path, given.times) for name, path in PAGES.items()}
    table = Table(f"Pages for a person who sees a tenth of the secrets, over {given.events:,} events")
    for name in PAGES:
        table.atmost(f"{name}, whole page p95, ms", [limited[name]], 1_000, "{:.0f}")
        table.row("the same for somebody who sees all", f"{free[name]:.0f}")
    table.show()


def _fetch(session: requests.Session, address: str, path: Callable[[random.Random], str], times: int) -> float:
    draw, took = random.Random(7), []
    for _ in range(times + 1):
        one = path(draw)
        began = time.perf_counter()
        with session.get(address + one, allow_redirects=False) as answer:
            if answer.status_code != 200:
                raise RuntimeError(f"{one} answered {answer.status_code}")
        took.append((time.perf_counter() - began) * 1000)
    return p95(took[1:])


def main() -> None:
    """Measure the pages of a limited view: `python -m bench.limited`."""
    desk.in_sandbox("bench.limited")
    parser = desk.options(main.__doc__ or "", events=300_000, rounds=1)
    parser.add_argument("--times", type=int, default=20, help="how often each page is fetched (20)")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
