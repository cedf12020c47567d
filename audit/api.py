"""The record through the API: the stream and the window of events, one event, and what there is to know about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door, place_of
from accounts.scope import EVERYTHING as UNLIMITED
from accounts.scope import Scope
from audit import pull, queries, scoping
from audit.answers import DeviceState, StoredLine
from audit.api_lists import device
from audit.event_filter import Filter, condition
from audit.grades import NO_POD
from audit.item import NOTES, SEEN, moment
from audit.operations import OPERATIONS
from audit.principal import Kind
from audit.pull import Asked
from audit.query_language import EVERYTHING, QueryError, Tree, parse, show
from inventory.verdict import Grade
from kit.cursor import Binding
from kit.parameters import Parameters
from kit.problem import Problem
from vault.reads import Disclosure, Outcome

MOST, USUAL = 10_000, 1_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)


class Events(Door):
    """Events as a stream, in order of acceptance, or of a window, by time."""

    scope, limits = "events:read", True
    parameters = ("cursor", "limit", "q", "since", "until", "format")

    def get(self, request: Request) -> HttpResponse:
        """Give the next page of one of the two."""
        given = self.asked(request)
        given.choice("format", ["native"])
        if "since" in given or "until" in given:
            return self._window(given)
        return self._stream(given)

    def _stream(self, given: Parameters) -> HttpResponse:
        limit, tree = given.limit(USUAL, MOST), tree_of(given)
        binding = self.binding("s", show(tree))
        if given.text("cursor") == "head":
            return self._page_of_stream(binding, [], pull.newest(), pull.forgotten().entry, more=False)
        after, entry = place_of(binding, given.text("cursor")) if "cursor" in given else (0, -1)
        page = pull.stream(after, limit, self._question(tree))
        gone = pull.forgotten(entry, after)  # asked last: a day that is dropped meanwhile is told
        if gone.items and entry >= 0:
            raise _expired(binding, after, gone, self.caller.scope)
        return self._page_of_stream(binding, page.items, page.last, gone.entry, more=page.more)

    def _question(self, tree: Tree) -> pull.Question | None:
        """Return what is to be looked for, None for all."""
        scope = self.caller.scope
        return None if tree == EVERYTHING and scope.everything else lambda: asked_of(tree, scope)

    def _page_of_stream(
        self, binding: Binding, items: Sequence[str], last: int, entry: int, *, more: bool
    ) -> HttpResponse:
        cursor = binding.pack(last, entry)
        return self.page(items, {"next_cursor": cursor, "has_more": more}, cursor)

    def _window(self, given: Parameters) -> HttpResponse:
        since, until = given.window()
        if since is None or until is None:
            missing = "until" if until is None else "since"
            said = f"A window needs both of its ends: {missing} is missing. For the stream leave both out."
            raise Problem("bad-parameter", said, parameter=missing)
        tree = tree_of(given)
        binding = self.binding("w", f"{since} {until} {show(tree)}")
        after = _place(binding, given.text("cursor")) if "cursor" in given else None
        page = pull.window(Filter(since, until, tree, scope=self.caller.scope), given.limit(USUAL, MOST), after)
        cursor = binding.pack((page.last[0] - EPOCH) // MICRO, page.last[1]) if page.last else None
        reached = complete_until(queries.devices(scope=self.caller.scope))
        told: dict[str, object] = {"has_more": cursor is not None, "since": moment(since), "until": moment(until)}
        told["complete_until"] = moment(reached) if reached else None
        if cursor:
            told = {"next_cursor": cursor, **told}
        late = reached is None or until > reached
        if late:
            told["warning"] = LATE
        response = self.page(page.items, told, cursor)
        if late:
            response.headers["Warning"] = f'199 keybook "{LATE}"'
        return response


LATE = "The record is complete only until complete_until; what lies after it may still grow."


def _place(binding: Binding, text: str) -> pull.Place:
    micros, number = place_of(binding, text)
    return EPOCH + micros * MICRO, number


def _expired(binding: Binding, after: int, gone: pull.Forgotten, scope: Scope) -> Problem:
    """Return the problem; how many items are gone is told to those who see all of them."""
    oldest = max(after, pull.oldest() - 1)
    count = f"{gone.items:,} items" if scope.everything else "Items"
    said = (
        f"{count} after this cursor are past retention and gone. Go on with oldest_cursor, which leads to "
        "the oldest item that is kept and not yet yours, and pull more often."
    )
    skipped = gone.items if scope.everything else None
    return Problem("cursor-expired", said, oldest_cursor=binding.pack(oldest, gone.entry), skipped=skipped)


def tree_of(given: Parameters) -> Tree:
    """Return the query; one that is not understood is a problem that says where and what is nearest."""
    try:
        return parse(given.text("q", longest=10_000))
    except QueryError as error:
        raise Problem(
            "query", error.message, parameter="q", position=error.position, length=error.length, nearest=error.nearest
        ) from None


def asked_of(tree: Tree, scope: Scope) -> Asked:
    """Return what a question of the stream asks for, and what of it may be seen; names are looked up now."""
    found, seen = condition(Filter(EPOCH, EPOCH, tree, scope=UNLIMITED)), scoping.among(scope)
    return Asked(found.sql, tuple(found.values), seen[0], tuple(seen[1]))


def complete_until(devices: Sequence[DeviceState]) -> datetime | None:
    """Return until when every followed device has told all; without one, the oldest of the last imported lines."""
    followed = [one for one in devices if one.followed]
    if followed:
        drained = [one.drained for one in followed if one.drained]
        return min(drained) - timedelta(seconds=1) if len(drained) == len(followed) else None
    return min((one.last for one in devices if one.last), default=None)


class Head(Door):
    """Where the stream stands now, and how far each device has been read."""

    scope, limits = "events:read", True
    parameters = ("q",)

    def get(self, request: Request) -> HttpResponse:
        """Give a cursor that begins now, and one that begins at the oldest."""
        given = self.asked(request)
        devices = queries.devices(scope=self.caller.scope)
        reached = complete_until(devices)
        binding, entry = self.binding("s", show(tree_of(given))), pull.forgotten().entry
        return self.document(
            {
                "cursor": binding.pack(pull.newest(), entry),
                "oldest_cursor": binding.pack(pull.oldest() - 1, entry),
                "complete_until": moment(reached) if reached else None,
                "devices": [device(one) for one in devices],
            }
        )


class Types(Door):
    """What kinds of items there are, and which words their fields hold."""

    scope, limits = "events:read", True

    def get(self, request: Request) -> HttpResponse:
        """Give the catalogue."""
        self.asked(request)
        return self.document(
            {
                "types": {
                    "event": "one audited request, as it was known when it was accepted",
                    "amendment": "what was learned later of the event whose id is in `amends`",
                },
                "changes": {
                    "response": "the response came after its request had been accepted without one",
                    "sighting": "another audit device of the vault recorded the same request",
                    "pod": "which pod made the request, or another grade of proof, was worked out later",
                },
                "operations": OPERATIONS,
                "outcomes": [one.label for one in Outcome],
                "disclosed": [one.label for one in Disclosure],
                "kinds": [one.value for one in Kind],
                "grades": [one.value for one in Grade] + [NO_POD],
                "seen": [word for _, word in SEEN],
                "notes": [word for _, word in NOTES],
            }
        )


class OneEvent(Door):
    """One event with its lines as stored."""

    scope, limits = "events:read", True

    def get(self, request: Request, event_id: int) -> HttpResponse:
        """Give an event; one that may not be seen is as if it were not."""
        self.asked(request)
        scope = self.caller.scope
        found = pull.one(event_id, scope)
        if found is None:
            raise Problem("not-found", f"There is no event {event_id}, or it is past retention.")
        lines = [
            {"device": one.device, "type": one.type, "line": one.text, "source": one.source, "offset": one.offset,
             "sha256": one.sha256}
            for one in _lines_of(event_id, scope)
        ]  # fmt: skip
        return self.document({"event": msgspec.Raw(found.encode()), "lines": lines})


def _lines_of(event_id: int, scope: Scope) -> list[StoredLine]:
    """Return the lines of an event; of one that is only seen beside a limited view there are none."""
    try:
        return queries.lines_of(event_id, scope=scope)
    except LookupError:
        return []
