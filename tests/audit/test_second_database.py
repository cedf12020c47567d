"""A limited view answers as Keybook without limits does over a record that never held more than that view shows."""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import unified_diff
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from accounts.scope import EVERYTHING, Area, Scope
from audit import callers, event_search, export, lookup, pull, pulse, queries, suggest
from audit.closed import BEGIN, END
from audit.event_filter import Filter, condition
from audit.principal import Kind
from audit.query_language import parse
from audit.query_tree import EVERYTHING as EVERY
from audit.query_tree import Tree
from dashboard import limits
from tests.api.conftest import _plain_http, let_in
from tests.audit.past import Past
from tests.audit.second import Lines, Second, lines_of, second_database
from tests.audit.test_scope_oracle import QUERIES, WINDOWS
from tests.audit.wide import NOW, Seen, Stored, everything, scopes, visible, write

__all__ = ["_plain_http", "let_in"]
SCOPES, FAST = range(18), {7}
Question = Callable[[Scope], Any]


@dataclass
class Both:
    """The first database with a whole log, and the second with what a scope and a window leave of it."""

    first: Past
    second: Second
    log: Lines
    events: list[Stored]

    def differences(self, scope: Scope, questions: dict[str, Question]) -> str:
        """Say to which questions a limited person here and an unlimited one there get different answers."""
        limited = {name: alone(ask, scope) for name, ask in questions.items()}
        with self.second.asked():
            whole = {name: alone(ask, EVERYTHING) for name, ask in questions.items()}
        return "\n".join(unlike(name, limited[name], whole[name]) for name in questions if limited[name] != whole[name])


def unlike(name: str, limited: Any, whole: Any) -> str:
    """Say in what two answers differ: of pages the lines, of all else the fields."""
    if not isinstance(limited, tuple) or not isinstance(limited[-1], str):
        return f"{name}: {limited}\n  but over what is seen: {whole}"
    words = [[str(part) for part in one[:-1]] + one[-1].splitlines() for one in (limited, whole)]
    return "\n".join(unified_diff(*words, name, "over what is seen", lineterm="", n=0))


def alone(ask: Question, scope: Scope) -> Any:
    """Ask, and undo what asking has left: an export stands in the trail."""
    with transaction.atomic():
        answer = ask(scope)
        transaction.set_rollback(True)
    return answer


@pytest.fixture(scope="module", params=["made up", "recorded"])
def both(request, empty_past, recorded, tmp_path_factory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("logs")
    with empty_past() as first, second_database(tmp_path_factory.mktemp("second")) as second:
        if request.param == "made up":
            files = {(vault, "file"): file for vault, file in write(folder).items()}
        else:
            files = {("demo", "file"): folder / "audit.log", ("demo", "http"): folder / "audit-http.log"}
            for file in files.values():
                file.write_bytes(recorded(file.name))
        for (vault, device), file in files.items():
            first.take(file, vault=vault, device=device)
        second.number_as(first)
        yield Both(first, second, lines_of(files), everything(first))


@pytest.fixture(params=[pytest.param(n, marks=[] if n in FAST else [pytest.mark.long]) for n in SCOPES])
def number(request) -> int:
    return request.param


@pytest.fixture
def scope(number, both) -> Scope:
    secrets = {(e.seen.vault, e.namespace, e.relative) for e in both.events if e.seen.secret_id}
    return [Scope.of([Area()]), *scopes(len(SCOPES), 23, secrets)[1:]][number]


@pytest.fixture
def window(number, both) -> tuple[datetime, datetime]:
    """A stretch of time, another for the next scope; the recorded log is shorter, so it is cut in like parts."""
    since, until = WINDOWS[number % len(WINDOWS)]
    first, last = both.events[-1].seen.time, both.events[0].seen.time
    share = min(1, (last - first) / timedelta(days=12))
    return last - (NOW - since) * share, last - (NOW - until) * share


def told(ask: Callable[..., Any], *given: Any, **named: Any) -> Question:
    """Return a question, answered by what it returns or by the words of its refusal."""

    def answer(scope: Scope) -> Any:
        try:
            return ask(*given, **named, scope=scope)
        except LookupError as refusal:
            return f"{type(refusal).__name__}: {refusal}"

    return answer


def some(dice: random.Random, values: set[Any], count: int = 12) -> list[Any]:
    return dice.sample(ordered := sorted(values), min(len(ordered), count))


def names_and_things(number: int, events: list[Stored]) -> dict[str, Question]:
    """Return questions that have no window: lists, one thing by its number, names that somebody types."""
    dice, all_of = random.Random(number), [one.seen for one in events]
    secrets, people = some(dice, {e.secret_id for e in all_of} - {0}), some(dice, {e.principal_id for e in all_of})
    typed = some(dice, {e.secret for e in all_of} - {""}, 8) + some(dice, {e.principal for e in all_of}, 6)
    ids = [e.id for e in dice.sample(all_of, 25)] + [99_999_999]
    asked: dict[str, Question] = {
        "secrets": told(queries.secrets, limit=1_000),
        "principals": told(callers.callers, limit=1_000),
        "kinds of principals": told(callers.kinds),
    }
    for id in [*secrets, 999_999]:
        asked[f"secret {id}"] = told(queries.secret, id)
        asked[f"readers of {id}"] = told(readers, id, BEGIN, END)
    for id in [*people, 999_999]:
        asked[f"principal {id}"] = told(callers.caller, id)
        asked[f"addresses of {id}"] = told(addresses, id)
        asked[f"what {id} did"] = told(callers.secrets_of, id, BEGIN, END)
    for name in [*typed, *(name[:-2] for name in typed[:5]), "nobody/of/this/name"]:
        asked[f"find {name}"] = told(queries.find_secret, name)
        asked[f"what did {name} read"] = told(read_by, name)
        asked[f"what is {name}"] = told(lookup.what_is, name)
        asked[f"what begins with {name}"] = told(lookup.what_begins, name)
    for address in some(dice, {e.address for e in all_of}, 6):
        asked[f"what is {address}"] = told(lookup.what_is, address)
    for id in ids:
        asked[f"event {id}"] = told(whole, id)
        asked[f"token of {id}"] = told(token, id)
    return asked


def addresses(id: int, *, scope: Scope) -> Any:
    """Return what a page of a principal would: nothing where it would not be there."""
    callers.caller(id, scope=scope)
    return sorted(callers.addresses_of(id, END, scope=scope), key=lambda use: use.address)


def readers(id: int, since: datetime, until: datetime, *, scope: Scope) -> Any:
    """Return who read a secret; holes and what is complete are of a whole vault, not of a view."""
    return queries.who_read(queries.secret(id, scope=scope), since, until).readers


def read_by(name: str, *, scope: Scope) -> Any:
    """Return what somebody read; until when the record is complete is of a whole vault."""
    return queries.what_read(name, scope=scope).secrets


def whole(id: int, *, scope: Scope) -> Any:
    """Return an event with its lines; places in a file are those of the file that was read."""
    one = queries.event(id, scope=scope)
    lines = [] if one.hidden else queries.lines_of(id, scope=scope)
    return one, pull.one(id, scope), [replace(line, source="", offset=0) for line in lines]


def token(id: int, *, scope: Scope) -> Any:
    """Return an event's token; since when it is known is not told to a limited view."""
    found = callers.token_of(id, scope=scope)
    return found and replace(found, first=None)


def in_a_window(number: int, window: tuple[datetime, datetime], events: list[Stored]) -> dict[str, Question]:
    """Return questions of one stretch of time: lists, counts, facets, what is offered, and what leaves the house."""
    dice, there = random.Random(number), [e.seen for e in events if window[0] <= e.seen.time < window[1]]
    other = [e.seen for e in events]
    asked: dict[str, Question] = {"first page": lambda scope: pulse.used_by(list(Kind), *window, scope=scope)}
    for text in [*dice.sample(TELLING, 6), *about(dice.choice(there or other)), *about(dice.choice(other))]:
        for name, ask in EVENTS.items():
            asked[f"{name} of {text}"] = partial(of_events, ask, window, parse(text))
    for field in ("secret", "path", "principal", "address", "vault", "outcome", "version"):
        asked[f"offered of {field}"] = partial(of_events, partial(offered, field), window, EVERY)
    for id in some(dice, {e.secret_id for e in there} - {0}):
        asked[f"readers of {id}"] = told(readers, id, *window)
    for id in some(dice, {e.principal_id for e in there}):
        asked[f"what {id} did"] = told(did, id, *window)
    return asked


def did(id: int, since: datetime, until: datetime, *, scope: Scope) -> Any:
    """Return what somebody did in a window; the first time ever lies before a window that is all there is."""
    return [replace(one, ever=None) for one in callers.secrets_of(id, since, until, scope=scope)]


def of_events(ask: Callable[[Filter], Any], window: tuple[datetime, datetime], tree: Tree, scope: Scope) -> Any:
    return ask(Filter(*window, tree, scope=scope))


# A redacted event of the second database has nothing that it disclosed, and a path without a name. Somebody without
# limits never meets such ones, so they are not asked for: `path:*` is whatever has a path, and hidden ones show none.
TELLING = [text for text in QUERIES if "disclosed" not in text and text not in ("path:*", 'path:""*')]


def about(one: Seen) -> list[str]:
    """Return queries for what an event tells, which the scope may hide."""
    path = f'path:"{one.path}"'
    secret = [f'secret:"{one.secret}"', f'-secret:"{one.secret}"', f'"{one.secret.rsplit("/", 1)[-1]}"']
    return [path, f"-{path}", f"request:{one.request_id}", f"id:{one.id}", *(secret if one.secret else [])]


def listed(one: Filter) -> Any:
    """Return the newest events, those before and after some place, and how many come after it."""
    known = condition(one)
    rows = event_search.events(one, known, 50)
    if not rows:
        return []
    place = (rows[-1].time, rows[-1].id)
    before, after = (event_search.events(one, known, 30, **{way: place}) for way in ("before", "after"))
    return rows, before, after, event_search.count_after(one, known, place, 1_000)


def exported(one: Filter) -> Any:
    return [row for page in export.pages(one, condition(one), 1 << 40) for row in page]


def pulled(one: Filter) -> Any:
    """Return what the API gives of a window, page by page."""
    place, items = None, []
    while True:
        page = pull.window(one, 60, place)
        items += [json.loads(line) for line in page.items]
        if (place := page.last) is None:
            return items


def settled(one: Filter) -> Any:
    return event_search.settled(one, condition(one))


EVENTS: dict[str, Callable[[Filter], Any]] = {
    "list": listed,
    "count": lambda one: event_search.count_up_to(one, 70),
    "time line": lambda one: event_search.timeline(one, settled(one)),
    "facets": lambda one: event_search.facets(one, settled(one)),
    "export": exported,
    "window of the API": pulled,
}


def offered(field: str, one: Filter) -> Any:
    """Return the values that are offered with a count; by its name alone a limited view is offered none."""
    return {offer.value: offer.count for offer in suggest.values(field, "", one, 1_000) if offer.count is not None}


@pytest.mark.long
def test_the_second_database_with_everything_in_it_answers_as_the_first(both):
    everyone = visible(EVERYTHING, both.events, BEGIN, END)
    both.second.fill(both.log, both.events, everyone)
    asked = names_and_things(0, both.events)
    assert not (found := both.differences(EVERYTHING, asked)), found


def test_what_is_there_is_what_would_be_there_if_no_more_had_ever_been(both, scope, number):
    both.second.fill(both.log, both.events, visible(scope, both.events, BEGIN, END), scope)
    assert not (found := both.differences(scope, names_and_things(number, both.events))), found


def test_what_a_window_shows_is_what_it_would_show_if_no_more_had_ever_been(both, scope, number, window, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 40)
    monkeypatch.setattr(suggest, "PATIENCE", 60_000)
    both.second.fill(both.log, both.events, visible(scope, both.events, *window), scope)
    assert not (found := both.differences(scope, in_a_window(number, window, both.events))), found


# -- the same over HTTP: pages, files and the API ----------------------------------------------------------------------

# What differs between two answers to the same question: marks of a session and of a moment; and what is told beyond
# the view, or less: how far numbers of events have come, where in its file a line stood, since when a token is known,
# what an empty list would hold over 30 days, a nameless device; and whether the view or Keybook has no source.
MOVING = re.compile(
    r'nonce="[^"]*"|hx-nonce=\S+|value="[A-Za-z0-9]{64}"|[\d:]{8}|\b\d+(\.\d)? (s|min|h)\b|up to event \d+'
    r'|"newest":? ?(value=")?\d+'
    r'|"asked_at":"[^"]*"|"export","","[^"]*"|data-copy="[^"]*"|<span class="mono">[^<]*</span> at byte [\d,]+'
    r'| ?<span class="quiet">first seen [^<]*</span>|(?<=line-place"><span class="mono">)[^<]*'
    r"|<li><span>over 30 days, not .*?</li>"
    r'|<h2 id="empty-fact"><svg [^>]*><use href="#i-(?:filter|source)"></use></svg>No audit source.*?</section>'
    r'|<span class="strip-part strip-device">\w+/ <b>no line yet</b></span>|(?<=\n)\s+(?=\n)',
    re.DOTALL,
)
FACTS = ("next_cursor", "offset", "source")


@pytest.fixture
def page(monkeypatch) -> Callable[[str], Question]:
    """Return what makes a question of a page's address: a person asks, limited as the question says."""

    def at(address: str, **form: str) -> Question:
        def ask(scope: Scope) -> Any:
            monkeypatch.setattr(limits, "scope_of", lambda person: scope)
            client = Client()
            client.force_login(User.objects.create_user("cat"))
            response = client.post(address, form) if form else client.get(address)
            body = b"".join(response.streaming_content) if response.streaming else response.content
            said = MOVING.sub("", MOVING.sub("", html.unescape(body.decode())))
            return response.status_code, response.headers.get("Location"), said

        return ask

    return at


@pytest.fixture
def api(let_in) -> Callable[[str], Question]:
    """Return what makes a question of an address of the API: a collector asks, limited as the question says."""

    def at(address: str) -> Question:
        def ask(scope: Scope) -> Any:
            answer = let_in(scope=scope).ask(address)
            return answer.status, plain(answer.json)

        return ask

    return at


def plain(told: Any) -> Any:
    """Return a document without signed places and places in files."""
    if isinstance(told, dict):
        return {name: plain(value) for name, value in told.items() if name not in FACTS}
    return [plain(one) for one in told] if isinstance(told, list) else told


SECOND = timedelta(seconds=1)
ENDS = [(-1, -SECOND), (0, SECOND)]  # the oldest event and the newest, and how much further to look


def test_pages_and_api_tell_of_names_and_things_what_they_would(both, scope, number, page, api):
    both.second.fill(both.log, both.events, visible(scope, both.events, BEGIN, END), scope)
    dice, all_of = random.Random(number), [one.seen for one in both.events]
    first, last = (f"{both.events[place].seen.time + more:%Y-%m-%dT%H:%M:%S}Z" for place, more in ENDS)
    addresses = ["/secrets/", "/principals/", "/secrets/999999/", "/principals/999999/", "/events/99999999/"]
    for one in dice.sample(all_of, 3):
        names = [quote(one.secret or one.path), quote(one.principal), one.address]
        addresses += [f"/ask/?q={name}" for name in names] + [f"/secrets/?q={names[0]}", f"/principals/?q={names[1]}"]
        addresses += [f"/secrets/{one.secret_id}/?since={first}&until={last}"] if one.secret_id else []
        addresses += [f"/principals/{one.principal_id}/?since={first}&until={last}"]
        addresses += [f"/events/{one.id}/?tab={tab}" for tab in ("summary", "who", "line")]
    asked = {address: page(address) for address in addresses}
    told = ["/secrets?limit=1000", "/principals?limit=1000", "/events/99999999", "/secrets/999999/readers"]
    told += [f"/events/{one.id}" for one in dice.sample(all_of, 8)]
    told += [f"/secrets/{id}/readers" for id in some(dice, {e.secret_id for e in all_of} - {0}, 4)]
    assert not (found := both.differences(scope, asked | {f"/api/v1{address}": api(address) for address in told})), (
        found
    )


def test_pages_files_and_api_tell_of_a_window_what_they_would(both, scope, number, window, page, api):
    both.second.fill(both.log, both.events, visible(scope, both.events, *window), scope)
    dice, all_of = random.Random(number), [one.seen for one in both.events]
    since, until = (f"{time:%Y-%m-%dT%H:%M:%S.%fZ}" for time in window)
    span = f"since={since}&until={until}"
    times = {"since": since, "until": until}
    asked: dict[str, Question] = {}
    for text in [*dice.sample(TELLING, 3), *dice.sample(about(dice.choice(all_of)), 2), "outcom:denied"]:
        address = f"/events/?{span}&q={quote(text)}&facets=now"
        asked[address] = page(address)
        for kind in ("csv", "ndjson"):
            asked[f"{kind} of {text}"] = page("/events/export/", **times, q=text, format=kind)
        asked[f"API: {text}"] = api(f"/events?{span}&limit=50&q={quote(text)}")
    assert not (found := both.differences(scope, asked)), found
