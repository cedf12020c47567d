"""Joins the lines of one stretch of a file into events, and gives every other byte its class.

`pending` holds requests whose response has not come; it outlives the batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import sha256

from django.conf import settings

from audit.batch import Bad, Batch
from audit.event import Event, Held, hold
from audit.normalise import Normaliser
from vault import framing, masking
from vault.audit_line import decode, is_response
from vault.errors import NotAnAuditLine

SHOWN = 4096
_OLDEST = 1_420_070_400_000_000  # 2015-01-01: before the first Vault
_AHEAD = 2 * 86_400_000_000
WRONG_CLOCK = "its time is before 2015 or in the future: the vault's clock was wrong"


class Joiner:
    """Joins the lines of one batch into events."""

    grammar = framing.VAULT

    def __init__(self, normaliser: Normaliser, pending: dict[str, Held], batch: Batch) -> None:
        self.normaliser, self.pending, self.batch = normaliser, pending, batch
        self.generation = batch.cursor.id
        self.seen: dict[str, Event] = {}
        self.latest = int(time.time() * 1e6) + _AHEAD
        self.framer = framing.Joiner(settings.KEYBOOK.max_line)

    def join(self, lines: list[bytes], position: int) -> None:
        """Take whole physical lines that begin at `position`."""
        generation, take = self.generation, self.take
        for raw in lines:
            here, position = position, position + len(raw) + 1
            try:
                line, exact = decode(raw)
                held = hold(line, exact, raw, generation, here)
            except NotAnAuditLine:
                self._frames(self.framer.feed(raw, here))
                continue
            take(held)
        self._frames(self.framer.give_up())
        self.batch.framing += len(lines)  # their newlines

    def take(self, held: Held) -> None:
        """Take one line: it waits for its other half, completes an event, or repeats what we have."""
        batch, key, pending = self.batch, held.key, self.pending
        if not self.in_time(held.micros):
            self._quarantine(held.raw, held.position, WRONG_CLOCK, held.length, digest=held.digest)
            return
        known = self.seen.get(key)
        if self.is_answer(held):
            if known is not None and known.response is not None:
                batch.repeated += held.length
                return
            event = self.normaliser.event(pending.pop(key, None), held)
            self.seen[key] = event
            batch.events.append(event)
        elif known is not None or key in pending:
            self._request_again(held, known)
        else:
            pending[key] = held

    def in_time(self, micros: int) -> bool:
        """Whether a time lies between the first Vault and the day after tomorrow."""
        return _OLDEST < micros < self.latest

    @staticmethod
    def is_answer(held: Held) -> bool:
        """Whether a line is the response of its call."""
        return is_response(held.line)

    def find(self, findings: Iterable[str]) -> None:
        """Count what was found in the lines that should not stand there."""
        for one in findings:
            self.normaliser.keeper.findings[one] = self.normaliser.keeper.findings.get(one, 0) + 1

    def _request_again(self, held: Held, known: Event | None) -> None:
        """A request line after its response (files read out of order), or the same line a second time."""
        if known is not None and known.request is None:
            self.normaliser.attach(known, held)
        else:
            self.batch.repeated += held.length

    def _frames(self, frames: list[framing.Frame]) -> None:
        """What a line that is no bare audit record is made of: prefix, wrapper, torn, glued or rubbish."""
        for frame in frames:
            if frame.kind is framing.Kind.LINE:
                self._framed_line(frame)
            elif frame.kind is framing.Kind.FRAMING:
                self.batch.framing += frame.length
            else:
                provisional = frame.kind is framing.Kind.TORN_TAIL
                self._quarantine(frame.body, frame.offset, frame.reason, frame.length, provisional)

    def _framed_line(self, frame: framing.Frame) -> None:
        try:
            line, exact = decode(frame.body)
            held = hold(line, exact and not frame.flags, frame.body, self.generation, frame.offset)
        except NotAnAuditLine as error:
            self._quarantine(frame.body, frame.offset, str(error), frame.length)
            return
        held.length = frame.length
        self.find(frame.flags)
        self.take(held)

    def _quarantine(
        self, raw: bytes, position: int, reason: str, length: int, provisional: bool = False, digest: bytes = b""
    ) -> None:
        self.batch.bad.append(
            Bad(position, length, reason, digest or sha256(raw).digest(), masking.preview(raw[:SHOWN]), provisional)
        )

    def rest_of_long_line(self, raw: bytes, position: int) -> int:
        """The end of a line whose beginning was too long to keep."""
        if raw:
            self._quarantine(raw, position, "the end of a line that was longer than KEYBOOK_MAX_LINE", len(raw))
        self.batch.framing += 1
        return position + len(raw) + 1

    def final_piece(self, raw: bytes, position: int) -> None:
        """The bytes after the last whole line of a file that nobody writes to: a record, or one torn for good."""
        if b"\n" in raw:
            self._quarantine(
                raw, position, "the file ends inside a record that a container runtime cut", len(raw), True
            )
        else:
            self._frames(self.framer.tail(raw, position))


def unfinished(data: bytes, used: int, at: int, grammar: framing.Grammar) -> tuple[int, bool] | None:
    """Where in the first `used` bytes a fragment stands whose end has not come, and if whole records stand behind it.

    Container runtimes cut lines at 16 KiB.
    """
    if data.startswith((b'{"time"', b'{"auth"', b'{"kind"')):
        return None
    framer, last = framing.Joiner(settings.KEYBOOK.max_line, grammar), -1
    for line in data[:used].split(b"\n")[:-1]:
        found = framer.feed(line, at)
        if any(frame.kind is framing.Kind.LINE for frame in found):
            last = at
        at += len(line) + 1
    return None if framer.resume_at is None else (framer.resume_at, last >= framer.resume_at)
