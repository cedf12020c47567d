"""Judges requests: whose token it is, what the body holds, and which writer commits it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from kit import tokens
from receiver import answers, bodies
from receiver.answers import Answer
from receiver.book import Book, Sender
from receiver.records import Desk, Mounts
from receiver.request import Request
from receiver.settings import Settings
from receiver.wire import Wire
from receiver.writer import Post, Writer

PREFIX, AUDIT, LIVE = "kbr_", ("/audit", "/audit/"), "/health/live"
_CONNECTIONS, _IDLE = 1_000, 120.0  # Go keeps an idle connection for 90 s: ours must not end first
_HELD = 8  # how many of the largest bodies may be in memory at once
_JOBS = 8
_STRANGER = 0.02  # seconds between two looks whether the tokens were read again


class House:
    """One process's judgement; everything here runs in the loop's thread but `_apart`."""

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, book: Book, quick: Writer, bulk: Writer
    ) -> None:
        """`quick` commits single lines, `bulk` batches, so that these never wait for those."""
        self.deadline, self.largest_body = settings.deadline, settings.largest_body
        self._longest, self._loop = settings.longest_line, loop
        self._book, self._quick, self._bulk = book, quick, bulk
        self._mounts: Mounts = book.mounts
        self._pool, self._jobs = ThreadPoolExecutor(1, "bulk"), 0
        self._held = 0
        self._wires: dict[Wire, None] = {}
        self.told: Counter[str] = Counter()

    # Connections.
    def entered(self, wire: Wire) -> bool:
        """Make room for a connection by closing the one that was idle the longest."""
        if len(self._wires) >= _CONNECTIONS:
            idle = next((one for one in self._wires if one.is_idle), None)
            if idle is None:
                return False
            self.left(idle)
            idle.close()
        self._wires[wire] = None
        return True

    def left(self, wire: Wire) -> None:
        """Forget a connection."""
        self._wires.pop(wire, None)

    def answered(self, wire: Wire, answer: Answer) -> None:
        """Count an answer."""
        self.told[f"answers_{answer.status}"] += 1
        if self._wires.pop(wire, wire) is None:
            self._wires[wire] = None  # now the newest

    def close_idle(self, older_than: float = _IDLE) -> None:
        """Close the connections that nothing came on for so many seconds."""
        before = self._loop.time() - older_than
        for wire in [one for one in self._wires if one.is_idle and one.since <= before]:
            wire.close()

    @property
    def is_empty(self) -> bool:
        """Whether no request is under way."""
        return all(wire.is_idle for wire in self._wires)

    def room_for(self, more: int) -> bool:
        """Account for bytes of bodies that are held."""
        if more > 0 and self._held + more > _HELD * self.largest_body:
            return False
        self._held += more
        return True

    # Requests.
    def admit(self, request: Request) -> Answer | None:
        """Judge a request by its head, before its body comes."""
        if request.path == LIVE and request.method in ("GET", "HEAD"):
            return self._live()
        if request.path not in AUDIT:
            return answers.NOT_FOUND
        return answers.NOT_ALLOWED if request.method != "POST" else self._admit_sender(request)

    def _admit_sender(self, request: Request) -> Answer | None:
        if not tokens.is_whole(request.token, PREFIX):
            return answers.UNAUTHORIZED
        if not self._book.is_fresh:
            return answers.UNCHECKED
        request.sender = self._sender(request)
        if request.sender is None and not request.is_small:
            return answers.UNAUTHORIZED
        return None if self._writer(request).up else answers.DOWN

    def _live(self) -> Answer:
        spool = "up" if self._quick.up and self._bulk.up and self._book.is_fresh else "down"
        return Answer(200, {"status": "live", "spool": spool, "queued_bytes": self._queued(), **self.told})

    def _queued(self) -> int:
        return self._quick.queued_bytes + self._bulk.queued_bytes

    def _sender(self, request: Request) -> Sender | None:
        """Whose token it is. The look-up is by the token's SHA-256, so its time says nothing about other tokens."""
        return self._book.senders.get(tokens.digest(request.token))

    def _writer(self, request: Request) -> Writer:
        return self._quick if request.is_small else self._bulk

    def take(self, request: Request, body: bytes) -> None:
        """Judge a whole request."""
        sender = request.sender
        if isinstance(sender, Sender):
            self._book.used.add(sender.token_id)
            self._unpack(request, body, sender)
        else:
            self._book.look_again()
            self._loop.call_later(_STRANGER, self._stranger, request, body)

    def _stranger(self, request: Request, body: bytes) -> None:
        """A token that we don't know may have been made just now: judge it by tokens read after it came."""
        if request.answered:
            return
        if self._book.read_at <= request.began:
            self._loop.call_later(_STRANGER, self._stranger, request, body)
            return
        request.sender = self._sender(request)
        if request.sender is None:
            self._reply(request, answers.UNAUTHORIZED)
        else:
            self.take(request, body)

    def _unpack(self, request: Request, body: bytes, sender: Sender) -> None:
        if request.is_one_line(body):
            self._spool(request, sender, self._judged(body, request.encoding, sender), self._quick)
        elif self._jobs >= _JOBS:
            self._reply(request, answers.BUSY)
        else:
            self._jobs += 1
            self._pool.submit(self._apart, request, sender, body)

    def _apart(self, request: Request, sender: Sender, body: bytes) -> None:
        """Judge a batch in a thread of its own, so that single lines don't wait for it."""
        judged = self._judged(body, request.encoding, sender)
        self._loop.call_soon_threadsafe(self._judged_apart, request, sender, judged)

    def _judged_apart(self, request: Request, sender: Sender, judged: Desk | Answer) -> None:
        self._jobs -= 1
        self._spool(request, sender, judged, self._bulk)

    def _judged(self, body: bytes, encoding: str, sender: Sender) -> Desk | Answer:
        """Mask the records of a body; an answer when it can't be taken apart. A fault of ours is answered too."""
        try:
            return self._masked(body, encoding, sender)
        except Exception as error:
            sys.stderr.write(f"receiver: It failed on a body ({type(error).__name__}), which was refused. Report it.\n")
            return answers.FAULT

    def _masked(self, body: bytes, encoding: str, sender: Sender) -> Desk | Answer:
        try:
            found = bodies.records(bodies.unpacked(body, encoding, self.largest_body))
        except bodies.TooLarge:
            return answers.too_large(self.largest_body)
        except bodies.Unusable as error:
            return answers.refused(400, str(error))
        desk = Desk(sender.vault_id, self._mounts, self._longest)
        desk.take(found)
        return desk if desk.rows else answers.EMPTY

    def _spool(self, request: Request, sender: Sender, judged: Desk | Answer, writer: Writer) -> None:
        if request.answered:
            return
        if isinstance(judged, Answer):
            self._reply(request, judged)
            return
        told = judged

        def done(stored: bool) -> None:
            if stored:
                self.told["accepted"] += told.good
                self.told["quarantined"] += told.bad
            self._reply(request, _verdict(told) if stored else answers.DOWN)

        if not writer.up:
            self._reply(request, answers.DOWN)
        elif not writer.put(Post(sender.device_id, judged.rows, done)):
            self._reply(request, answers.BUSY)

    @staticmethod
    def _reply(request: Request, answer: Answer) -> None:
        if request.turn is not None:
            request.turn(answer)


def _verdict(desk: Desk) -> Answer:
    counts: dict[str, object] = {"accepted": desk.good, "quarantined": desk.bad}
    if desk.good:
        return Answer(200, counts)
    return Answer(400, {"error": "Nothing in the body is an audit record.", **counts})
