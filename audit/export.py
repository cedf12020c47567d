"""Events for a file: every row that a question has at one moment, in pages; that it was asked and what came is kept.

No transaction spans the pages: one that stayed open for as long as somebody downloads would hold back ingestion, which
makes and drops daily partitions, and vacuum. Instead the file is bounded by the newest event at its start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import Error, connection, transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.trail import LONGEST, Detail, Subject, record, without_tokens
from audit import event_search
from audit.answers import EventRow
from audit.event import AMENDS
from audit.event_filter import Condition, Filter

PAGE = 2_000  # events of one statement, far under the time that a statement of the web process may take
AT_ONCE = 2  # exports of one person
_LOCK = 0x6B65
_SLOTS = 2**31  # PostgreSQL takes two numbers of 32 bits for a lock
# An event whose late response came after the start is told by its amendment, so that it is neither lost nor doubled.
_AS_OF = f"""
    AND (id <= %s OR (flags & {AMENDS} <> 0 AND EXISTS (
        SELECT FROM audit_event o WHERE o.vault = audit_event.vault AND o.request_id = audit_event.request_id
        AND o.flags < {AMENDS} AND o.time = audit_event.time AND o.id <= %s)))
"""
# The same of an event of which only its number and time are left to know it by.
_BESIDE_AS_OF = f"""
    AND (id <= %s OR EXISTS (SELECT FROM audit_event e JOIN audit_event o
        ON o.vault = e.vault AND o.request_id = e.request_id AND o.time = e.time
        WHERE e.id = audit_event.id AND e.time = audit_event.time AND e.flags & {AMENDS} <> 0
        AND o.flags < {AMENDS} AND o.id <= %s))
"""
_log = logging.getLogger(__name__)


class TooMany(Exception):
    """This person has as many exports under way as one may have; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file is to hold: a question with its condition, the same in words, and the file's format and name."""

    filter: Filter
    known: Condition
    words: str
    format: str
    name: str


def newest() -> int:
    """Return the id of the newest event of all: ids are in the order of commits, so none below it can still appear."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM audit_event")
        return int(cursor.fetchone()[0])


def pages(one: Filter, known: Condition, until_id: int) -> Iterator[list[EventRow]]:
    """Yield the events of a question that were there when `until_id` was the newest, newest first, in pages."""
    bounded = known.also((_AS_OF, [until_id, until_id]), (_BESIDE_AS_OF, [until_id, until_id]))
    place = None
    while True:
        some = event_search.events(one, bounded, PAGE, before=place)
        if some:
            yield some
        if len(some) < PAGE:
            return
        place = (some[-1].time, some[-1].id)


class Running:
    """An export under way: iterate it once; `close` frees its place and writes into the trail what came of it."""

    def __init__(self, asked: Asked, until_id: int, actor: User, request: HttpRequest | None) -> None:
        self.asked, self.until_id, self.actor, self.request = asked, until_id, actor, request
        self.rows, self.whole = 0, False
        self._slot: int | None = _take(actor)
        self.entry = 0
        try:
            self.entry = self._tell("audit.export.asked", _facts(asked, until_id))
        finally:
            if not self.entry:
                _free(self._slot)

    def __iter__(self) -> Iterator[list[EventRow]]:
        for page in pages(self.asked.filter, self.asked.known, self.until_id):
            self.rows += len(page)
            yield page

    def close(self) -> None:
        """End it, whole or not; the second time does nothing."""
        if self._slot is None:
            return
        slot, self._slot = self._slot, None
        try:
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()  # a page may have failed because it broke
            _free(slot)
            self._tell("audit.export.ended", {"asked": self.entry, "rows": self.rows, "whole": self.whole})
        except Error:
            _log.exception(
                "The end of the export of trail entry %s, %s rows, is not in the trail.", self.entry, self.rows
            )

    def _tell(self, verb: str, details: dict[str, Detail]) -> int:
        with transaction.atomic():
            subject = Subject("export", None, self.asked.name)
            return int(record(self.actor, verb, subject, details=details, request=self.request).pk)


def start(asked: Asked, *, until_id: int | None = None, actor: User, request: HttpRequest | None = None) -> Running:
    """Begin an export of what was there when `until_id` was the newest event (now, without one); raises `TooMany`."""
    now = newest()
    return Running(asked, min(until_id or now, now), actor, request)


def as_object(row: EventRow) -> dict[str, Any]:
    """Return an event as an object of plain values, its names as the vault wrote them, its time in UTC."""
    return {
        "id": row.id,
        "time": exact(row.time),
        "vault": row.vault,
        "outcome": row.outcome,
        "operation": row.operation,
        "disclosed": row.disclosed or None,
        "secret": row.secret or None,
        "path": row.path,
        "version": row.version,
        "principal": row.principal,
        "kind": row.kind,
        "address": row.address,
        "devices": row.devices,
        "request_id": row.request_id,
    }


def exact(moment: datetime) -> str:
    """Return a moment in UTC to the microsecond, as ISO 8601 writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _facts(asked: Asked, until_id: int) -> dict[str, Detail]:
    """Return what the trail keeps of a question; a long one in pieces, because a file's evidence may not be cut."""
    words = without_tokens(asked.words).replace("\0", "\N{REPLACEMENT CHARACTER}")  # before a piece can end in one
    pieces = [words[at : at + LONGEST] for at in range(0, len(words), LONGEST)]
    return {
        "format": asked.format,
        "query": pieces if len(pieces) > 1 else words,
        "since": exact(asked.filter.since),
        "until": exact(asked.filter.until),
        "newest": until_id,
    }


def _take(actor: User) -> int:
    """Return a place among this person's exports; PostgreSQL frees it if this process dies. Raises `TooMany`."""
    for number in range(AT_ONCE):
        slot = (actor.pk * AT_ONCE + number) % _SLOTS
        if _ask("SELECT pg_try_advisory_lock(%s, %s)", slot):
            return slot
    raise TooMany(f"{AT_ONCE} exports of yours are under way. Wait until one of them ends, or stop its download.")


def _free(slot: int) -> None:
    _ask("SELECT pg_advisory_unlock(%s, %s)", slot)


def _ask(statement: str, slot: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [_LOCK, slot])
        return bool(cursor.fetchone()[0])
