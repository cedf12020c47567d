"""Keeps the picture of one resource: lists it, watches it from there, and goes on after whatever ends the watch.

What is seen goes to a sink, which knows how far it has come; so a loop that ends anywhere is resumed by the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from math import ceil
from random import random
from typing import Any, Protocol

from msgspec.structs import replace

from cluster import answers
from cluster.client import Client, Stream
from cluster.decoding import Event, Unreadable, decode_event, decode_page
from cluster.errors import (
    BrokenAnswer,
    ClusterError,
    Cut,
    Expired,
    NotInstalled,
    NotPermitted,
    NotYet,
    Refused,
    Silence,
    TokenRefused,
    Unavailable,
)
from cluster.pace import Backoff, Pace
from cluster.resources import Resource

WATCHING, LISTING, AWAY = "watching", "listing", "away"
NOT_PERMITTED, NOT_INSTALLED = "not_permitted", "not_installed"


class Sink(Protocol):
    """Where what is seen goes; one thread calls it. What it raises ends the turn."""

    def resume(self, resource: Resource) -> str:
        """Return the version up to which everything has been taken; empty to begin with a list."""

    def begin(self, resource: Resource) -> int:
        """Begin a list and return its generation; an unfinished one before it is void, and `resume` says nothing."""

    def page(self, resource: Resource, generation: int, items: Sequence[Any]) -> None:
        """Take some of the objects that exist: structs of the resource's kind, or `Broken`; the uid is the identity."""

    def listed(self, resource: Resource, generation: int, resource_version: str) -> None:
        """The list is whole: what was not seen in this generation is gone; the version is where the watch begins."""

    def event(self, resource: Resource, event: Event) -> None:
        """Take ADDED, MODIFIED, DELETED or BOOKMARK, and keep its version together with it."""

    def state(self, resource: Resource, state: str, detail: str) -> None:
        """Take the state of the watch; `watching` is said when the server opened it, and when it ended it well."""

    def cut(self, resource: Resource) -> None:
        """The open watch was cut: it doesn't stand any more, and is opened again after a wait; its state stays."""

    def settle(self) -> None:
        """Nothing more waits to be handed over now, or a second has passed: a good moment to commit."""


class Watching:
    """One resource of one cluster, until `until` (a reading of `clock`) or `stop`.

    `run` returns; it raises only what the sink raises. `Unusable` and the like are told as the state "away".
    """

    def __init__(
        self, client: Client, resource: Resource, sink: Sink, *, until: float, stop: threading.Event | None = None,
        pace: Pace | None = None, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random,
    ) -> None:  # fmt: skip
        self._client, self.resource, self._sink = client, resource, sink
        self._until, self._stop, self._clock, self._chance = until, stop or threading.Event(), clock, chance
        self._pace = pace or Pace()
        self._again, self._relist = (Backoff(self._pace, clock, chance) for _ in range(2))
        self._asked = resource  # in the version that the server has
        self._stream: Stream | None = None
        self.version = ""
        self._doubt = True  # whether the version has to be looked at before it is trusted
        self._lists = self._odd = self._refused = 0

    def run(self) -> None:
        """List and watch until the time is over."""
        self.version = self._sink.resume(self.resource)
        while not self._over:
            logins = self._client.logins
            try:
                self._once()
            except (Expired, NotYet):
                self.version = ""
            except TokenRefused as error:
                self._log_in_again(logins, error)
            except NotPermitted as error:
                self._tell(NOT_PERMITTED, error)
                self._rest(self._pace.not_permitted)
            except NotInstalled as error:
                self._try_older(error)
            except Silence:
                self._doubt = True
            except Cut:
                self._doubt = True
                self._sink.cut(self.resource)
                self._rest(self._again.wait())
            except ClusterError as error:
                self._fail(error)

    def interrupt(self) -> None:
        """End the open watch from another thread, after `stop` was set."""
        stream = self._stream
        if stream:
            stream.end()

    @property
    def _over(self) -> bool:
        return self._stop.is_set() or self._clock() >= self._until

    def _rest(self, seconds: float) -> None:
        self._stop.wait(max(0.0, min(seconds, self._until - self._clock())))

    def _tell(self, state: str, error: ClusterError | None = None) -> None:
        self._sink.state(self.resource, state, str(error) if error else "")

    def _once(self) -> None:
        if not self.version:
            self._list()
        elif self._doubt:
            self._ask_whether_reached()
        self._doubt = False
        if self.version and not self._over:
            self._watch()

    def _list(self) -> None:
        """List everything in pages; never at once after another list, whatever the server says."""
        if self._lists:
            self._rest(self._relist.wait())
        if self._over:
            return
        self._lists += 1
        self._tell(LISTING)
        generation, ends = self._sink.begin(self.resource), self._clock() + self._pace.longest_list
        version = token = ""
        while not self._stop.is_set() and self._clock() < ends:
            page = self._page(token)
            version = version or page.resource_version
            if page.items:
                self._sink.page(self.resource, generation, page.items)
            if not page.continue_:
                self._sink.listed(self.resource, generation, version)
                self.version, self._refused = version, 0
                return
            token = self._next(token, page.continue_)
        if not self._stop.is_set():
            raise Unavailable("the list took too long", self._where, "see the API server's load; it is listed again")

    def _page(self, token: str) -> Any:
        raw = self._client.page(self._asked, limit=self._pace.page, token=token)
        try:
            page = decode_page(self._asked, raw)
        except Unreadable as error:
            raise BrokenAnswer("what answered sent no list", self._where, "check what answers there") from error
        if not page.resource_version:
            raise BrokenAnswer("the list has no version", self._where, "check what answers there")
        return page

    def _next(self, before: str, token: str) -> str:
        if token == before:
            raise BrokenAnswer("the list comes to no end", self._where, "check what answers there")
        return token

    def _ask_whether_reached(self) -> None:
        """A version of the server's future (its store was put back) is watched in silence; a list refuses it."""
        asked = {"resourceVersion": self.version, "resourceVersionMatch": "NotOlderThan"}
        self._client.page(self._asked, limit=1, **asked)

    def _watch(self) -> None:
        """Watch from the version that we have until the server, the time or a fault ends it."""
        left, began = self._until - self._clock(), self._clock()
        span = self._pace.shortest_watch + (self._pace.longest_watch - self._pace.shortest_watch) * self._chance()
        silence = min(self._pace.silence, left + 1)
        with self._client.watch(self._asked, self.version, seconds=ceil(min(span, left)), silence=silence) as stream:
            self._stream, self._refused = stream, 0
            self._tell(WATCHING)
            taken = self._take_all(stream)
        self._stream, self._doubt = None, not taken
        if self._over:
            return
        self._tell(WATCHING)
        if self._clock() - began < self._pace.first:
            self._rest(self._again.wait())  # a stream that ends at once, again and again, must not become a hot loop

    def _take_all(self, stream: Stream) -> int:
        taken = 0
        for line in stream:
            self._take(decode_event(self._asked, line))
            taken += 1
            if self._over:
                break
        return taken

    def _take(self, event: Event) -> None:
        if event.failure:
            raise answers.meaning(event.failure, verb="watch", resource=self.resource.plural, where=self._where)
        if not event.resource_version:
            raise BrokenAnswer("an event has no version", self._where, "check what answers there")
        self._sink.event(self.resource, event)
        self.version, self._odd, self._refused = event.resource_version, 0, 0

    @property
    def _where(self) -> str:
        return f"{self._client.address}{self._asked.path}"

    def _fail(self, error: ClusterError) -> None:
        """Tell it and wait; what can't be read again and again is left behind by a new list."""
        self._odd += type(error) in (BrokenAnswer, Unavailable, Refused)
        if self._odd > self._pace.patience:
            self._odd, self.version = 0, ""
        self._doubt = True  # it may have come back with an older store
        self._tell(AWAY, error)
        self._rest(self._again.wait(getattr(error, "retry_after", 0)))

    def _log_in_again(self, logins: int, error: TokenRefused) -> None:
        """Read the token again; only a second refusal is told, for a token that was just renewed is nothing to tell."""
        self._refused += 1
        try:
            self._client.reload(logins)
        except ClusterError as worse:
            self._fail(worse)
            return
        if self._refused > 1:
            self._fail(error)

    def _try_older(self, error: NotInstalled) -> None:
        """Ask for the next older version of the resource that has the same shape, or tell that there is none.

        Every cluster has pods: where one answers that it has none, something else answers.
        """
        if not self.resource.optional:
            what = f"what answered has no {self.resource.plural}: it is no Kubernetes API"
            self._fail(BrokenAnswer(what, error.where, "check the address and any proxy"))
            return
        versions = (self.resource.version, *self.resource.older)
        place = versions.index(self._asked.version) + 1
        self._asked = replace(self.resource, version=versions[place % len(versions)])
        self.version = ""
        if place == len(versions):
            self._tell(NOT_INSTALLED, error)
            self._rest(self._pace.not_installed)
