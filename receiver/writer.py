"""Commits what waits to the spool, all of it in one statement, and tells each sender what became of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import psycopg

from receiver.link import Link
from receiver.row import Row

_INSERT = """
    INSERT INTO audit_spool (device_id, key, micros, sha256, length, line, findings, reason, received_at)
    SELECT d, k, m, h, n, l, f, r, now() FROM unnest(
        %b::int[], %b::uuid[], %b::bigint[], %b::bytea[], %b::bigint[], %b::bytea[], %b::text[], %b::text[]
    ) AS g(d, k, m, h, n, l, f, r)
"""
_POSTS, _GROUP_BYTES = 2_000, 8 * 1024 * 1024
_AGAIN = 0.25  # seconds between two attempts to reach PostgreSQL


class Loop(Protocol):
    """The event loop as this thread needs it."""

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: object) -> object:
        """Have a function called by the loop's own thread."""


@dataclass(slots=True, eq=False)
class Post:
    """The rows of one request and whom to tell; `done` is called once, in the loop's thread."""

    device_id: int
    rows: list[Row]
    done: Callable[[bool], None]
    bytes: int = 0

    def __post_init__(self) -> None:
        self.bytes = sum([len(row.line) for row in self.rows]) + 256 * len(self.rows)


class Writer:
    """One thread that commits; the queue before it is bounded in posts and in bytes.

    `up` says whether PostgreSQL takes rows as far as we know: while it is False nothing is queued, so that senders
    hear at once. A statement that lasts longer than `patience` seconds is abandoned with its connection.
    """

    def __init__(self, name: str, link: Link, loop: Loop, *, patience: float, most_bytes: int) -> None:
        self.link, self.loop, self.patience, self.most_bytes = link, loop, patience, most_bytes
        self.up = False
        self.queued_bytes = 0
        self._queue: deque[Post] = deque()
        self._bell = threading.Condition()
        self._busy_since = 0.0
        self._stopping = False
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def put(self, post: Post) -> bool:
        """Queue a post, from the loop's thread; False when there is no room for it."""
        with self._bell:
            full = len(self._queue) >= _POSTS or self.queued_bytes + post.bytes > self.most_bytes
            if full and self._queue:
                return False
            self._queue.append(post)
            self.queued_bytes += post.bytes
            self._bell.notify()
        return True

    def watch(self) -> None:
        """Abandon a statement that PostgreSQL does not answer; the loop calls this ten times a second."""
        since = self._busy_since
        if since and time.monotonic() - since > self.patience:
            self.up = False
            self.link.cut()
            self._fail_waiting()

    def stop(self) -> None:
        """End the thread once the queue is empty."""
        with self._bell:
            self._stopping = True
            self._bell.notify()

    def _run(self) -> None:
        while not self._stopping or self._queue:
            try:
                self._connect()
            except psycopg.Error:
                self.up = False
                self._fail_waiting()
                time.sleep(_AGAIN)
                continue
            if group := self._group():
                self._tell(group, self._committed(group))
        self.link.drop()

    def _connect(self) -> None:
        if self.link.broken:
            self.link.drop()
            self._busy_since = time.monotonic()
            try:
                self.link.connection()
            finally:
                self._busy_since = 0.0
        self.up = True

    def _group(self) -> list[Post]:
        """Wait for posts and take all that wait, up to a group's size."""
        group: list[Post] = []
        room = _GROUP_BYTES
        with self._bell:
            if not self._queue:
                self._bell.wait(1.0)
            while self._queue and (room > 0 or not group):
                group.append(self._queue.popleft())
                room -= group[-1].bytes
                self.queued_bytes -= group[-1].bytes
        return group

    def _committed(self, group: list[Post]) -> list[bool]:
        """Whether each post is stored; a connection that broke meanwhile is tried anew once (a repetition is harmless).

        Rows that PostgreSQL refuses must not take the others with them, so they are then tried post by post.
        """
        try:
            try:
                self._insert(group)
            except psycopg.OperationalError:
                if not self.link.broken or not self.up:
                    raise
                self._connect()
                self._insert(group)
        except (psycopg.DataError, psycopg.IntegrityError):
            return [self._committed([post])[0] for post in group] if len(group) > 1 else [False]
        except psycopg.Error:
            return [False] * len(group)
        return [True] * len(group)

    def _insert(self, group: list[Post]) -> None:
        rows = [(post.device_id, row) for post in group for row in post.rows]
        self._busy_since = time.monotonic()
        try:
            self.link.connection().execute(
                _INSERT,
                [
                    [device for device, _ in rows],
                    [row.key.hex() for _, row in rows],
                    [row.micros for _, row in rows],
                    [row.sha256 for _, row in rows],
                    [row.length for _, row in rows],
                    [row.line for _, row in rows],
                    [row.findings for _, row in rows],
                    [row.reason for _, row in rows],
                ],
            )
        finally:
            self._busy_since = 0.0

    def _fail_waiting(self) -> None:
        with self._bell:
            waiting = list(self._queue)
            self._queue.clear()
            self.queued_bytes = 0
        if waiting:
            self._tell(waiting, [False] * len(waiting))

    def _tell(self, group: list[Post], stored: list[bool]) -> None:
        self.loop.call_soon_threadsafe(_tell, group, stored)


def _tell(group: list[Post], stored: list[bool]) -> None:
    for post, kept in zip(group, stored, strict=True):
        post.done(kept)
