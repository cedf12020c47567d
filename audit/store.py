"""Appends a batch with its checkpoint in one transaction: events, sightings, line blocks, pairs, cursor, quarantine, gaps.

Events are COPYed in binary. An advisory transaction lock is taken before ids are drawn, so that id order is commit
order and a reader by id misses nothing. The unique index on (vault, request id) of each day is the backstop of dedupe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from typing import Any

import psycopg

from audit import blocks, rollups
from audit.normalise import AMENDS, BY_TOKEN, COLLAPSED, SEEN_RESPONSE, SUPERSEDED, Event, Held
from vault.audit_line import request_key

Connection = psycopg.Connection[tuple[Any, ...]]
STREAM_LOCK = 0x6B62_0002
DAY, HOUR = 86_400_000_000, 3_600_000_000
_PG_EPOCH = 946_684_800_000_000
_MARGIN = 600_000_000  # µs; two devices' readings of one entry differ by µs, so 10 min beside midnight is ample
_SIDES = 3
_BLOCK_BYTES = 4 * 1024 * 1024  # a block is full at about 1,000 lines of usual length or at 4 MiB
_EVENT = Struct(">hiqiqi16s" + "ii" * 8 + "ih" * 7).pack
_SIGHTING = Struct(">hiqiqiq" + "ii" * 2 + "ih" * 3).pack
_HEAD, _TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_EVENT_COLUMNS = (
    "id, time, request_id, principal, token, path, secret, address, version, duration, block, "
    "vault, device, operation, outcome, disclosed, flags, line"
)


class LostRace(Exception):
    """Another ingester moved this file's cursor since we read it: nothing of the batch was kept; the next turn reads again."""


@dataclass(slots=True)
class Bad:
    """Bytes for quarantine."""

    position: int
    length: int
    reason: str
    sha256: bytes
    preview: str
    provisional: bool = False


@dataclass(slots=True)
class GapNote:
    """A hole to record: `key` makes it once only."""

    kind: str
    key: str
    start: datetime | None
    end: datetime | None
    detail: str
    bytes: int = 0


@dataclass(slots=True)
class Cursor:
    """A generation's row as this turn knows it; `turn` is the compare-and-set value."""

    id: int
    position: int
    turn: int
    tail: bytes = b""
    skipping: bool = False


@dataclass(slots=True)
class Batch:
    """What one stretch of one file gave: [start, end) of the generation `cursor.id`."""

    vault_id: int
    device_id: int
    cursor: Cursor
    end: int
    tail: bytes = b""
    skipping: bool = False
    events: list[Event] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    gaps: list[GapNote] = field(default_factory=list)
    findings: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    framing: int = 0
    repeated: int = 0
    received: datetime | None = None
    last_micros: int = 0
    first_micros: int = 0


@dataclass(slots=True)
class Appended:
    """What became of a batch: counts of events and bytes per class."""

    events: int = 0
    duplicates: int = 0
    amended: int = 0
    bytes_event: int = 0
    bytes_duplicate: int = 0
    bytes_quarantine: int = 0
    bytes_framing: int = 0
    quarantined: int = 0


@dataclass(slots=True)
class Known:
    """An event of the store that has the request id of one of ours; `seen` = sides that our device has shown."""

    id: int
    micros: int
    device: int
    flags: int
    seen: int


class Store:
    """One writer's connection; `overlapping` remembers that another device or file has the same events."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.overlapping = False

    def append(self, batch: Batch) -> Appended:
        """Commit a batch or nothing of it; raises `LostRace`, or psycopg's errors when PostgreSQL is away or full."""
        packed = _Blocks(batch)
        with self.connection.transaction():
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", [STREAM_LOCK])
            result = self._events(batch, packed)
            self._side_tables(batch, result)
            if result.events or result.amended:
                rollups.mark_dirty(self.connection, sorted({event.micros // HOUR * HOUR for event in batch.events}))
            self._checkpoint(batch, result)
        return result

    def _events(self, batch: Batch, packed: _Blocks) -> Appended:
        events = batch.events
        if not events:
            return Appended()
        if not self.overlapping:
            near = self._known(batch, [event for event in events if _beside_midnight(event)])
            if not near:
                try:
                    with self.connection.transaction():
                        return self._copy(batch, packed, events, [])
                except psycopg.errors.UniqueViolation:
                    self.overlapping = True
        known = self._known(batch, events)
        self.overlapping = bool(known)
        fresh = [event for event in events if event.key not in known]
        again = [(event, known[event.key]) for event in events if event.key in known]
        return self._copy(batch, packed, fresh, again)

    def _known(self, batch: Batch, events: Sequence[Event]) -> dict[bytes, Known]:
        """Look up which request ids the store has, a day around the batch's times."""
        if not events:
            return {}
        low, high = min(e.micros for e in events) - DAY, max(e.micros for e in events) + DAY
        sql = """
            SELECT uuid_send(request_id), id, (extract(epoch FROM time) * 1000000)::bigint, device, flags
            FROM audit_event WHERE vault = %s AND request_id = ANY(%s::uuid[]) AND flags < 8192
            AND time >= to_timestamp(%s / 1e6) AND time < to_timestamp(%s / 1e6)
        """
        keys = [event.key.hex() for event in events]
        rows = self.connection.execute(sql, [batch.vault_id, keys, low, high]).fetchall()
        found = {
            bytes(key): Known(id_, micros, device, flags, flags & _SIDES if device == batch.device_id else 0)
            for key, id_, micros, device, flags in rows
        }
        self._add_sightings(batch, found, low, high)
        return found

    def _add_sightings(self, batch: Batch, found: dict[bytes, Known], low: int, high: int) -> None:
        if not found:
            return
        sql = """
            SELECT event_id, bit_or(flags) FROM audit_sighting WHERE device = %s AND event_id = ANY(%s)
            AND time >= to_timestamp(%s / 1e6) AND time < to_timestamp(%s / 1e6) GROUP BY event_id
        """
        ids = [known.id for known in found.values()]
        sides = dict(self.connection.execute(sql, [batch.device_id, ids, low, high]).fetchall())
        for known in found.values():
            known.seen |= sides.get(known.id, 0)

    def _copy(
        self, batch: Batch, packed: _Blocks, fresh: Sequence[Event], again: Sequence[tuple[Event, Known]]
    ) -> Appended:
        """Write fresh events, and of known ones what they add: another device's sighting, a late response."""
        result = Appended(events=len(fresh))
        news = [(event, known) for event, known in again if event.flags & _SIDES & ~known.seen]
        late = [pair for pair in news if _is_late_response(*pair)]
        stored = [*fresh, *(event for event, _ in news)]
        packed.place(stored, self._draw("audit_block_seq", packed.count(stored)))
        first = self._draw("audit_event_seq", len(fresh) + len(late) + len(news))
        rows = [_row(batch, event, first + n, packed) for n, event in enumerate(fresh)]
        for n, event in enumerate(fresh):
            event.id = first + n
        first += len(fresh)
        rows += [_late_row(batch, event, known, first + n, packed) for n, (event, known) in enumerate(late)]
        self._send(f"audit_event ({_EVENT_COLUMNS})", rows)
        first += len(late)
        self._send(
            "audit_sighting (seq, event_id, time, delta, block, device, flags, line)",
            [_sighting(batch, event, known, first + n, packed) for n, (event, known) in enumerate(news)],
        )
        self._supersede(late)
        self._send("audit_block (id, time, device, lines, bytes, places, body)", packed.rows(batch.device_id))
        _account(batch, result, fresh, again)
        result.duplicates, result.amended = len(again), len(late)
        self._leases(batch, [*fresh, *(event for event, _ in late)])
        self._pairs([*fresh, *(event for event, _ in late)])
        return result

    def _draw(self, sequence: str, count: int) -> int:
        """Draw `count` numbers in a row (the stream's lock is held); returns the first."""
        if not count:
            return 0
        row = self.connection.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, count - 1]).fetchone()
        assert row is not None  # noqa: S101
        return int(row[0]) - count + 1

    def _send(self, into: str, rows: Sequence[bytes]) -> None:
        if rows:
            with (
                self.connection.cursor() as cursor,
                cursor.copy(f"COPY {into} FROM STDIN (FORMAT binary)") as copy,  # type: ignore[arg-type]
            ):
                copy.write(b"".join((_HEAD, *rows, _TAIL)))

    def _supersede(self, late: Sequence[tuple[Event, Known]]) -> None:
        for _, known in late:
            self.connection.execute(
                "UPDATE audit_event SET flags = flags | %s WHERE id = %s AND time = to_timestamp(%s / 1e6)",
                [SUPERSEDED, known.id, known.micros],
            )

    def _leases(self, batch: Batch, events: Sequence[Event]) -> None:
        issued = [event for event in events if event.lease]
        if issued:
            columns = [
                [event.lease for event in issued],
                [event.id for event in issued],
                [event.micros for event in issued],
                [_secret(event) for event in issued],
                [event.who.principal_id for event in issued],
            ]
            self.connection.execute(
                """INSERT INTO audit_leaseissue (vault_id, lease_id, event_id, time, secret_id, principal_id)
                   SELECT %s, l, e, to_timestamp(t / 1e6), s, p
                   FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS g(l, e, t, s, p)
                   WHERE s > 0 ON CONFLICT DO NOTHING""",
                [batch.vault_id, *columns],
            )

    def _pairs(self, events: Sequence[Event]) -> None:
        """Keep first and last disclosure of each (principal, secret): also what answers "for the first time"."""
        seen: dict[tuple[int, int], tuple[int, int]] = {}
        for event in events:
            secret = _secret(event)
            if event.disclosed and secret:
                key = (event.who.principal_id, secret)
                low, high = seen.get(key, (event.micros, event.micros))
                seen[key] = (min(low, event.micros), max(high, event.micros))
        if seen:
            ordered = sorted(seen)
            columns = [
                [key[0] for key in ordered],
                [key[1] for key in ordered],
                [seen[key][0] for key in ordered],
                [seen[key][1] for key in ordered],
            ]
            self.connection.execute(
                """INSERT INTO audit_pair (principal, secret, first, last)
                   SELECT p, s, to_timestamp(f / 1e6), to_timestamp(l / 1e6)
                   FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[]) AS g(p, s, f, l)
                   ON CONFLICT (principal, secret) DO UPDATE
                   SET first = least(audit_pair.first, excluded.first), last = greatest(audit_pair.last, excluded.last)
                   WHERE audit_pair.first > excluded.first OR audit_pair.last < excluded.last""",
                columns,
            )

    def _side_tables(self, batch: Batch, result: Appended) -> None:
        self._pending(batch)
        self._quarantine(batch, result)
        for gap in batch.gaps:
            self.connection.execute(
                """INSERT INTO audit_gap (device_id, kind, key, start, "end", bytes, detail)
                   VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (device_id, kind, key) DO NOTHING""",
                [batch.device_id, gap.kind, gap.key, gap.start, gap.end, gap.bytes, gap.detail],
            )
        for kind, count in batch.findings.items():
            self.connection.execute(
                """INSERT INTO audit_alarm (device_id, kind, first_at, last_at, count, detail)
                   VALUES (%s, %s, now(), now(), %s, %s) ON CONFLICT (device_id, kind)
                   DO UPDATE SET last_at = now(), count = audit_alarm.count + excluded.count""",
                [
                    batch.device_id,
                    kind,
                    count,
                    f"{kind} in the lines of this device; it was masked before it was stored",
                ],
            )

    def _pending(self, batch: Batch) -> None:
        if batch.released:
            self.connection.execute(
                "DELETE FROM audit_pending WHERE device_id = %s AND request_id = ANY(%s::uuid[])",
                [batch.device_id, [request_key(key, b"")[0].hex() for key in batch.released]],
            )
        for held in batch.held:
            self.connection.execute(
                """INSERT INTO audit_pending
                   (device_id, request_id, generation_id, position, length, sha256, line, time, received_at)
                   VALUES (%s, %s::uuid, %s, %s, %s, %s, %s, to_timestamp(%s / 1e6), %s)
                   ON CONFLICT (device_id, request_id) DO NOTHING""",
                [batch.device_id, request_key(held.key, b"")[0].hex(), held.generation, held.position, held.length, held.sha256,
                 held.stored, held.micros, batch.received],
            )  # fmt: skip

    def _quarantine(self, batch: Batch, result: Appended) -> None:
        """Bytes that are no line; what stood there provisionally (a line still being written) is replaced."""
        self.connection.execute(
            "DELETE FROM audit_quarantine WHERE generation_id = %s AND provisional AND position < %s",
            [batch.cursor.id, batch.end],
        )
        for bad in batch.bad:
            result.quarantined += 1
            result.bytes_quarantine += bad.length
            self.connection.execute(
                """INSERT INTO audit_quarantine
                   (generation_id, position, length, reason, sha256, preview, provisional, at)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, now()) ON CONFLICT (generation_id, position)
                   DO UPDATE SET length = excluded.length, sha256 = excluded.sha256, preview = excluded.preview""",
                [batch.cursor.id, bad.position, bad.length, bad.reason, bad.sha256, bad.preview, bad.provisional],
            )

    def _checkpoint(self, batch: Batch, result: Appended) -> None:
        """Move the cursor only from where we read it: the second of two ingesters of one file writes nothing."""
        result.bytes_framing += batch.framing
        result.bytes_duplicate += batch.repeated
        settled = sum(bad.length for bad in batch.bad if not bad.provisional)
        done = self.connection.execute(
            """UPDATE audit_generation SET position = %s, tail = %s, skipping = %s, turn = turn + 1,
               first_time = coalesce(first_time, to_timestamp(%s / 1e6)),
               last_time = greatest(last_time, to_timestamp(%s / 1e6)),
               lines = lines + %s, events = events + %s, bytes_event = bytes_event + %s, bytes_duplicate = bytes_duplicate + %s,
               bytes_quarantine = bytes_quarantine + %s, bytes_framing = bytes_framing + %s
               WHERE id = %s AND turn = %s AND position = %s""",
            [batch.end, batch.tail, batch.skipping, batch.first_micros or None, batch.last_micros or None,
             batch.lines, result.events, result.bytes_event, result.bytes_duplicate, settled, result.bytes_framing,
             batch.cursor.id, batch.cursor.turn, batch.cursor.position],
        )  # fmt: skip
        if done.rowcount != 1:
            raise LostRace(f"generation {batch.cursor.id} was moved by another ingester; this batch is dropped")
        self.connection.execute(
            "UPDATE audit_device SET seen_at = now(), last_time = greatest(last_time, to_timestamp(%s / 1e6)) WHERE id = %s",
            [batch.last_micros or None, batch.device_id],
        )


class _Blocks:
    """The line blocks of a batch: each holds the lines of one day's events, about 1,000 of them."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.where: dict[bytes, tuple[int, int]] = {}
        self.groups: list[list[Event]] = []
        self.first = 0
        self.bodies: dict[int, bytes] = {}
        self._grouped = self._group(batch.events)
        for index, group in enumerate(self._grouped):
            self.bodies[index] = blocks.pack([held.stored or b"" for event in group for held in event.lines])

    def _group(self, events: Sequence[Event]) -> list[list[Event]]:
        groups: list[list[Event]] = []
        open_: dict[int, tuple[list[Event], int]] = {}
        for event in events:
            day = event.micros // DAY
            group, room = open_.get(day) or ([], 0)
            if room <= 0:
                group, room = [], _BLOCK_BYTES
                groups.append(group)
            group.append(event)
            size = sum([held.length for held in event.lines]) + _BLOCK_BYTES // (blocks.LINES // 2)
            open_[day] = (group, room - size)
        return groups

    def count(self, stored: Sequence[Event]) -> int:
        """Return how many blocks these events take; if some were known already, the blocks are made anew."""
        if len(stored) == len(self.batch.events):
            self.groups = self._grouped
        else:
            self.groups, self.bodies = self._group(stored), {}
        return len(self.groups)

    def place(self, stored: Sequence[Event], first: int) -> None:
        """Number the blocks from `first` and remember where each event's first line stands."""
        self.first = first
        for index, group in enumerate(self.groups):
            line = 0
            for event in group:
                self.where[event.key] = (first + index, line)
                line += 2 if event.request is not None and event.response is not None else 1

    def rows(self, device_id: int) -> list[bytes]:
        """Return the blocks as COPY rows."""
        return [self._row(self.first + index, index, group, device_id) for index, group in enumerate(self.groups)]

    def _row(self, number: int, index: int, group: list[Event], device_id: int) -> bytes:
        lines = [held for event in group for held in event.lines]
        body = self.bodies.get(index) or blocks.pack([held.stored or b"" for held in lines])
        places = blocks.pack_places(
            [held.generation for held in lines],
            [held.position for held in lines],
            [held.length for held in lines],
            b"".join([held.sha256 for held in lines]),
        )
        size = sum(held.length for held in lines)
        fixed = Struct(">hiiiqihihiii").pack(
            7, 4, number, 8, group[0].micros - _PG_EPOCH, 2, device_id, 2, len(lines), 4, size, len(places)
        )
        return b"".join((fixed, places, len(body).to_bytes(4, "big"), body))


def _row(batch: Batch, event: Event, number: int, packed: _Blocks, micros: int = 0, extra: int = 0) -> bytes:
    block, line = packed.where[event.key]
    target, who = event.target, event.who
    flags = event.flags | extra
    if target.collapsed:
        flags |= COLLAPSED
    if who.kind:
        pass
    elif not who.token_id:
        flags &= ~BY_TOKEN
    return _EVENT(
        18, 8, number, 8, (micros or event.micros) - _PG_EPOCH, 16, event.key, 4, who.principal_id, 4, who.token_id,
        4, target.path_id, 4, event.secret_id or target.secret_id, 4, event.address.id, 4, event.version,
        4, event.duration, 4, block, 2, batch.vault_id, 2, batch.device_id, 2, event.operation, 2, event.outcome,
        2, event.disclosed, 2, flags, 2, line,
    )  # fmt: skip


def _late_row(batch: Batch, event: Event, known: Known, number: int, packed: _Blocks) -> bytes:
    """An accepted event never changes: what its late response tells is another row that amends it."""
    event.id = number
    return _row(batch, event, number, packed, known.micros, AMENDS)


def _sighting(batch: Batch, event: Event, known: Known, number: int, packed: _Blocks) -> bytes:
    block, line = packed.where[event.key]
    delta = max(-2_147_483_648, min(event.micros - known.micros, 2_147_483_647))
    return _SIGHTING(
        8, 8, number, 8, known.id, 8, known.micros - _PG_EPOCH, 4, delta, 4, block, 2, batch.device_id,
        2, event.flags & _SIDES, 2, line,
    )  # fmt: skip


def _secret(event: Event) -> int:
    return event.secret_id or event.target.secret_id


def _is_late_response(event: Event, known: Known) -> bool:
    return bool(event.flags & SEEN_RESPONSE) and not known.flags & (SEEN_RESPONSE | SUPERSEDED)


def _beside_midnight(event: Event) -> bool:
    return not _MARGIN < event.micros % DAY < DAY - _MARGIN


def _account(batch: Batch, result: Appended, fresh: Sequence[Event], again: Sequence[tuple[Event, Known]]) -> None:
    """Count each line's bytes in one class; lines held over from an earlier batch were counted as event there."""
    start = batch.cursor.position
    own = batch.cursor.id

    def is_ours(held: Held) -> bool:
        return held.generation == own and held.position >= start

    result.bytes_event = sum(held.length for event in fresh for held in event.lines if is_ours(held))
    result.bytes_event += sum(held.length for held in batch.held if is_ours(held))
    for event, _ in again:
        for held in event.lines:
            result.bytes_duplicate += held.length
            if not is_ours(held):
                result.bytes_event -= held.length
