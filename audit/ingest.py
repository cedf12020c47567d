"""Reads log files in bounded turns and hands joined events to the store: the only writer of events.

While one batch commits, the next is read and joined (one thread waits for PostgreSQL, the other works). What a turn
remembers is memory only: cursor, held requests and rows commit together, so killing it anywhere loses nothing.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections

from audit import native, partitions
from audit.batch import Appended, Bad, Batch, Cursor, GapNote
from audit.dictionary import Dictionary, moment
from audit.event import Held, held_again
from audit.joiner import Joiner, unfinished
from audit.native import NativeNormaliser
from audit.native_joiner import NativeJoiner
from audit.normalise import Normaliser
from audit.packing import DAY
from audit.sources.content import KUBERNETES
from audit.sources.file import TAIL, LogFile, tail_hash
from audit.store import Connection, Store
from vault import masking
from vault.framing import Grammar

CHUNK = 8 * 1024 * 1024
NO_RESPONSE_AFTER = 10.0
_DEVICE_LOCK = 0x6B62
_WHOSE = "SELECT d.vault_id, v.kind, v.name FROM audit_device d JOIN audit_vault v ON v.id = d.vault_id WHERE d.id = %s"

# Of the connection parameters: what makes Django's cursors and adapters; all others are libpq's.
_DJANGOS_OWN = {"cursor_factory", "context", "prepare_threshold"}


class Busy(Exception):
    """Another process reads this device's files now."""


@dataclass(slots=True)
class Report:
    """What a turn did; bytes are those consumed in this turn, per class."""

    bytes: int = 0
    lines: int = 0
    events: int = 0
    duplicates: int = 0
    amended: int = 0
    quarantined: int = 0
    gaps: int = 0
    others: int = 0
    bytes_event: int = 0
    bytes_duplicate: int = 0
    bytes_quarantine: int = 0
    bytes_framing: int = 0
    bytes_waiting: int = 0
    drained: bool = True
    notes: list[str] = field(default_factory=list)

    def add(self, done: Appended) -> None:
        """Add what became of one batch."""
        for each in fields(done):
            setattr(self, each.name, getattr(self, each.name) + getattr(done, each.name))


def connect() -> Connection:
    """Open a connection of our own to the default database, in autocommit, as DATABASE_URL says, `sslmode` included."""
    given = connections["default"].get_connection_params()
    wanted = {name: value for name, value in given.items() if name not in _DJANGOS_OWN}
    return psycopg.connect(**wanted | {"autocommit": True, "application_name": "keybook ingest"})


@contextmanager
def turn(device_id: int) -> Iterator[Turn]:
    """Hold the device's lock for one turn; raises `Busy` when another ingester has it."""
    with connect() as writer, connect() as looker:
        row = looker.execute("SELECT pg_try_advisory_lock(%s, %s)", [_DEVICE_LOCK, device_id]).fetchone()
        if not row or not row[0]:
            raise Busy("another ingester is reading this device's files; its turn ends by itself")
        with ThreadPoolExecutor(1, "commit") as pool, _two_threads_that_alternate():
            yield Turn(device_id, writer, looker, pool)
        # A server notices a closed connection a little later, so a next turn that comes at once would find it busy.
        looker.execute("SELECT pg_advisory_unlock(%s, %s)", [_DEVICE_LOCK, device_id])


@contextmanager
def _two_threads_that_alternate() -> Iterator[None]:
    """Let the committing thread have the interpreter within 0.2 ms of asking, not 5 ms; nothing here makes cycles.

    Measured: with the default interval most of a commit's wall time is waiting for the interpreter.
    """
    interval, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(0.0002)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collecting:
            gc.enable()


class Turn:
    """One device's turn over one or more files."""

    def __init__(self, device_id: int, writer: Connection, looker: Connection, pool: ThreadPoolExecutor) -> None:
        row = looker.execute(_WHOSE, [device_id]).fetchone()
        assert row is not None  # noqa: S101 - callers made the device
        self.vault_id, self.device_id = int(row[0]), device_id
        self.kind, self.vault_name = str(row[1]), str(row[2])
        self.store, self.looker, self.pool = Store(writer), looker, pool
        self.words = Dictionary(looker, self.vault_id, device_id)
        self.report = Report()
        self.pending: dict[str, Held] = {}
        self.stored: set[str] = set()
        self.since: dict[str, float] = {}
        self._flight: Future[Appended] | None = None
        self.be(self.kind)

    def be(self, kind: str) -> None:
        """Read as a vault's log or as a cluster's; the name may have stood for neither until its first record."""
        self.kind = kind
        cluster = kind == KUBERNETES
        self.normaliser = NativeNormaliser(self.vault_name) if cluster else Normaliser(self.words.mounts())
        self._load_pending()

    def joiner(self, batch: Batch) -> Joiner:
        """Return what joins one batch's lines."""
        if isinstance(self.normaliser, NativeNormaliser):
            return NativeJoiner(self.normaliser, self.pending, batch)
        return Joiner(self.normaliser, self.pending, batch)

    def held_again(self, key: UUID, stored: bytes, digest: bytes, **place: int) -> Held:
        """Return a line that waited, masked; raises `NotARecord` for one that is not of our kind of log."""
        again = native.held_again if self.kind == KUBERNETES else held_again
        return again(key, stored, digest, **place)

    def _load_pending(self) -> None:
        rows = self.looker.execute(
            """SELECT request_id, line, sha256, generation_id, position, length,
               (extract(epoch FROM time) * 1000000)::bigint, extract(epoch FROM now() - received_at)
               FROM audit_pending WHERE device_id = %s""",
            [self.device_id],
        )
        for key, line, digest, generation, position, length, micros, age in rows:
            held = self.held_again(
                key, bytes(line), bytes(digest), generation=generation, position=position, length=length, micros=micros
            )
            self.pending[held.key] = held
            self.stored.add(held.key)
            self.since[held.key] = time.monotonic() - float(age)

    def read(
        self, log: LogFile, cursor: Cursor, *, at_end: bool, deadline: float | None = None,
        gaps: Sequence[GapNote] = (), watch: Callable[[int], None] | None = None,
    ) -> Cursor:  # fmt: skip
        """Read one file from its cursor to its end or the deadline; `at_end` = nobody writes to it any more."""
        notes, size = list(gaps), CHUNK
        while True:
            data, last = self._next_chunk(log, cursor, size)
            if not data:
                break
            batch, used = self._batch(data, cursor, final=at_end and last)
            if not used and not batch.bad and not notes:
                if last:
                    break
                size = 2 * len(data)  # it ends in a container's long record
                continue
            batch.gaps, notes, size = notes, [], CHUNK
            batch.tail = self._tail(cursor, data, used, log)
            cursor = self._commit(batch)
            if watch:
                watch(used)
            if last or (deadline is not None and time.monotonic() > deadline):
                self.report.drained &= last
                break
        return cursor

    def _next_chunk(self, log: LogFile, cursor: Cursor, size: int) -> tuple[bytes, bool]:
        """Read on, and tell whether the file ends there; nothing when it was cut and refilled while we read."""
        while True:
            data = log.read(cursor.position, size)
            if not data or not log.is_still(log.fingerprint or b"", cursor.position + len(data)):
                return b"", True
            if len(data) < size or b"\n" in data or size >= settings.KEYBOOK.max_line:
                return data, len(data) < size
            size = min(size * 2, settings.KEYBOOK.max_line)

    def _tail(self, cursor: Cursor, data: bytes, used: int, log: LogFile) -> bytes:
        end = cursor.position + used
        return tail_hash(data[used - TAIL : used]) if used >= TAIL else log.tail_before(end)

    def _batch(self, data: bytes, cursor: Cursor, *, final: bool) -> tuple[Batch, int]:
        """Join the whole lines of `data`; returns the batch and how many bytes it consumes."""
        used = data.rfind(b"\n") + 1
        batch = Batch(self.vault_id, self.device_id, cursor, cursor.position, received=datetime.now(UTC))
        if used == 0 and len(data) >= settings.KEYBOOK.max_line:
            self._too_long(batch, data)
            return batch, len(data)
        joiner = self.joiner(batch)
        used = _before_fragment(data, used, cursor.position, joiner.grammar, final=final)
        whole = data.rfind(b"\n") + 1 == used  # nothing is held back, so the chunk need not be copied
        lines = (data if whole else data[:used]).split(b"\n")
        lines.pop()
        position = cursor.position
        if cursor.skipping and lines:
            position = joiner.rest_of_long_line(lines.pop(0), position)
        joiner.join(lines, position)
        if final:
            joiner.final_piece(data[used:], cursor.position + used)
            waiting = sum(bad.length for bad in batch.bad if bad.provisional)
            self.report.bytes_waiting += waiting
            used = len(data) - waiting
        batch.end = cursor.position + used
        batch.lines = len(lines)
        self.report.lines += batch.lines
        return batch, used

    def _too_long(self, batch: Batch, data: bytes) -> None:
        limit = settings.KEYBOOK.max_line
        reason = f"longer than {limit} bytes (KEYBOOK_MAX_LINE); raise it and import the file again under a new device"
        batch.bad.append(
            Bad(batch.cursor.position, len(data), reason, sha256(data).digest(), masking.preview(data[:4096]))
        )
        batch.end, batch.skipping = batch.cursor.position + len(data), True

    def take(self, batch: Batch) -> Cursor:
        """Commit a batch that was joined elsewhere; returns the cursor behind it."""
        self.report.lines += batch.lines
        return self._commit(batch)

    def _commit(self, batch: Batch) -> Cursor:
        """Settle the names of a batch, wait for the one before, and send this one on its way."""
        self._settle(batch)
        self.wait()
        self.report.bytes += batch.end - batch.cursor.position
        self.report.others += batch.others
        after = Cursor(batch.cursor.id, batch.end, batch.cursor.turn + 1, batch.tail, batch.skipping)
        self._flight = self.pool.submit(self.store.append, batch)
        return after

    def _settle(self, batch: Batch) -> None:
        self._hold(batch)
        mind = self.normaliser
        self.words.settle_mounts(mind.changed_mounts)
        self.words.settle_principals(mind.new_whos)
        self.words.settle_addresses(mind.new_addresses)
        self.words.settle_targets(mind.new_targets)
        self._settle_wraps(batch)
        batch.findings, mind.keeper.findings = mind.keeper.findings, {}
        batch.ours = mind.marked
        mind.changed_mounts, mind.new_whos, mind.new_addresses, mind.new_targets = [], [], [], []
        if batch.events:
            days = {event.micros // DAY for event in batch.events}
            partitions.ensure(self.looker, {moment(day * DAY).date() for day in days})
        for micros in _line_times(batch):
            batch.saw(micros)

    def _hold(self, batch: Batch) -> None:
        """Requests still without a response are kept with the cursor; those that got one are released."""
        for key, held in self.pending.items():
            if key not in self.stored:
                if held.stored is None:
                    held.stored = self.normaliser.keeper.store_alone(held)
                batch.held.append(held)
        batch.released = [key for key in self.stored if key not in self.pending]
        now = time.monotonic()
        for key in self.pending:
            self.since.setdefault(key, now)
        self.stored = set(self.pending)

    def _settle_wraps(self, batch: Batch) -> None:
        """Write down what was wrapped, and name the unwraps whose wrapping this turn has not seen."""
        wraps = [(e.wraps, e.target.secret_id, self.normaliser.wraps[e.wraps][1], e.micros)
                 for e in batch.events if e.wraps and e.target.secret_id]  # fmt: skip
        self.words.remember_wraps(wraps)
        for event in batch.events:
            known = self.normaliser.wraps.get(event.unwraps) if event.unwraps else None
            if known is not None:
                event.secret_id = known[0].secret_id
        unknown = [e for e in batch.events if e.unwraps and not e.secret_id and not e.target.secret_id]
        if unknown:
            found = self.words.wrapped({event.unwraps for event in unknown})
            for event in unknown:
                event.secret_id, event.disclosed = found.get(event.unwraps, (0, event.disclosed))

    def wait(self) -> None:
        """Wait until the batch in flight is committed; raises what its transaction raised."""
        if self._flight is not None:
            flight, self._flight = self._flight, None
            self.report.add(flight.result())

    def accept_unanswered(
        self, cursor: Cursor, *, older_than: float = NO_RESPONSE_AFTER, before: int | None = None
    ) -> Cursor:
        """Accept requests that have waited so many seconds (and were written before µs `before`) as `no_response`."""
        now = time.monotonic()
        keys = [
            key
            for key, held in self.pending.items()
            if now - self.since.get(key, now) >= older_than and (before is None or held.micros < before)
        ]
        if not keys:
            return cursor
        self.wait()
        batch = Batch(self.vault_id, self.device_id, cursor, cursor.position, cursor.tail, cursor.skipping)
        for key in keys:
            held = self.pending.pop(key)
            self.since.pop(key, None)
            batch.events.append(self.normaliser.event(held, None))
        return self._commit(batch)


def _line_times(batch: Batch) -> tuple[int, int]:
    """The times (µs) of the first and the last line of this stretch, 0 for none; lines stand nearly in order of time.

    An event's own time will not do: it may be that of a request read long before.
    """
    own, start, near = batch.cursor.id, batch.cursor.position, 200
    some = batch.events if len(batch.events) <= 2 * near else batch.events[:near] + batch.events[-near:]
    lines = [held for event in some for held in event.lines] + batch.held
    ours = [held for held in lines if held.generation == own and held.position >= start]
    if not ours:
        return 0, 0
    return min(ours, key=lambda held: held.position).micros, max(held.micros for held in ours)


def _before_fragment(data: bytes, used: int, position: int, grammar: Grammar, *, final: bool) -> int:
    """Take whole lines only up to a container's fragment whose end may yet come; else all of them.

    Waiting is in vain when the chunk can't grow, and at a file's end when whole records stand behind the fragment.
    """
    fragment = unfinished(data, used, position, grammar)
    if fragment is None:
        return used
    at, records_behind = fragment
    in_vain = records_behind if final else at == position and len(data) >= settings.KEYBOOK.max_line
    return used if in_vain else at - position


def find_generation(looker: Connection, device_id: int, log: LogFile, follows: int = 0, border: str = "") -> Cursor:
    """Return our cursor in this file, known by content; a file cut or changed behind the cursor starts a new one."""
    rows = looker.execute(
        """SELECT id, position, turn, tail, skipping, fork FROM audit_generation
           WHERE device_id = %s AND fingerprint = %s ORDER BY fork DESC""",
        [device_id, log.fingerprint],
    ).fetchall()
    for id_, position, turn_, tail, skipping, _ in rows:
        size = log.size()
        if (size is None or size >= position) and log.tail_before(position) == bytes(tail):
            looker.execute(
                "UPDATE audit_generation SET path = %s, inode = %s WHERE id = %s", [log.path, log.inode, id_]
            )
            return Cursor(id_, position, turn_, bytes(tail), skipping)
    fork = rows[0][5] + 1 if rows else 0
    row = looker.execute(
        """INSERT INTO audit_generation (device_id, fingerprint, fork, path, inode, follows_id, border, position, tail,
           skipping, turn, lines, events, bytes_event, bytes_duplicate, bytes_quarantine, bytes_framing)
           VALUES (%s, %s, %s, %s, %s, %s, %s, 0, '', false, 0, 0, 0, 0, 0, 0, 0) RETURNING id""",
        [device_id, log.fingerprint, fork, log.path, log.inode, follows or None, border],
    ).fetchone()
    assert row is not None  # noqa: S101
    return Cursor(int(row[0]), 0, 0)
