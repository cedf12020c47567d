"""Appends a batch with its checkpoint in one transaction: events, sightings, blocks, pairs, cursor, quarantine, gaps.

Events are COPYed in binary. An advisory transaction lock is taken before ids are drawn, so that id order is commit
order and a reader by id misses nothing. The unique index on (vault, request id) of each day is the backstop of dedupe.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import sql

from audit import ours, packing, rollups
from audit.batch import Appended, Batch, LostRace
from audit.event import AMENDS, SEEN_RESPONSE, SUPERSEDED, SUSPICIOUS, Event
from audit.packing import DAY, Blocks
from kit.arrays import numbers, texts
from vault.audit_line import request_key

Connection = psycopg.Connection[tuple[Any, ...]]
STREAM_LOCK = 0x6B62_0002
HOUR = 3_600_000_000
_MARGIN = 600_000_000  # µs; two devices' readings of one entry differ by µs, so 10 min beside midnight is ample
_SIDES = 3
_MENDS = {
    "secret value": ". The API server's audit policy has Secrets logged with their objects: set level Metadata for "
    "them, and clean the files that hold the values"
}


@dataclass(slots=True)
class Known:
    """An event of the store that has the request id of one of ours; `seen` = sides that our device has shown."""

    id: int
    micros: int
    device: int
    flags: int
    seen: int


_Call = tuple[bytes, int]  # a request id and, where only both tell a call, its time


def _call(event: Event) -> _Call:
    return event.key, 0


def _exact_call(event: Event) -> _Call:
    return event.key, event.micros


class Store:
    """One writer's connection; `overlapping` remembers that another device or file has the same events."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.overlapping = False

    def append(self, batch: Batch) -> Appended:
        """Commit a batch or nothing of it; raises `LostRace`, or psycopg's errors when PostgreSQL is away or full."""
        packed = None if self.overlapping else Blocks(batch.events)
        with self.connection.transaction():
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", [STREAM_LOCK])
            result = self._events(batch, packed)
            self._side_tables(batch, result)
            if result.events or result.amended:
                rollups.mark_dirty(self.connection, sorted({event.micros // HOUR * HOUR for event in batch.events}))
            self._checkpoint(batch, result)
        return result

    def _events(self, batch: Batch, packed: Blocks | None) -> Appended:
        events = batch.events
        if not events:
            result = Appended()
            _account(batch, result, [], [])  # requests that are held for their response
            return result
        if not self.overlapping:
            last = DAY - _MARGIN
            near = self._known(batch, [event for event in events if not _MARGIN < event.micros % DAY < last])
            if not near:
                try:
                    with self.connection.transaction():
                        return self._copy(batch, packed, events, [])
                except psycopg.errors.UniqueViolation:
                    self.overlapping = True
        known = self._known(batch, events)
        if batch.exact:
            known |= self._set_apart(batch, events, known)
        call = _exact_call if batch.exact else _call
        fresh = [event for event in events if call(event) not in known]
        again = [(event, known[call(event)]) for event in events if call(event) in known]
        self.overlapping = bool(again)
        return self._copy(batch, packed, fresh, again)

    def _set_apart(self, batch: Batch, events: Sequence[Event], known: dict[_Call, Known]) -> dict[_Call, Known]:
        """Give calls that came under an id which another call has an id of their own, the same whenever it is made.

        An API server lets its clients choose ids: whoever takes a known one must not hide a read behind it.
        """
        times: dict[bytes, set[int]] = defaultdict(set)
        for key, micros in known:
            times[key].add(micros)
        reused = []
        for event in events:
            of_id = times[event.key]
            if of_id and event.micros not in of_id:
                event.key = sha256(event.key + event.micros.to_bytes(8, "big")).digest()[:16]
                event.flags |= SUSPICIOUS
                reused.append(event)
            of_id.add(event.micros)
        return self._known(batch, reused)

    def _known(self, batch: Batch, events: Sequence[Event]) -> dict[_Call, Known]:
        """Look up which request ids the store has, a day around the batch's times."""
        if not events:
            return {}
        low, high = min(e.micros for e in events) - DAY, max(e.micros for e in events) + DAY
        query = """
            SELECT uuid_send(request_id), id, (extract(epoch FROM time) * 1000000)::bigint, device, flags
            FROM audit_event WHERE vault = %s AND request_id = ANY(%s::uuid[]) AND flags < 8192
            AND time >= to_timestamp(%s / 1e6) AND time < to_timestamp(%s / 1e6)
        """
        keys = f"{{{','.join([event.key.hex() for event in events])}}}"
        rows = self.connection.execute(query, [batch.vault_id, keys, low, high]).fetchall()
        found = {
            (bytes(key), micros if batch.exact else 0): Known(
                id_, micros, device, flags, flags & _SIDES if device == batch.device_id else 0
            )
            for key, id_, micros, device, flags in rows
        }
        self._add_sightings(batch, found, low, high)
        return found

    def _add_sightings(self, batch: Batch, found: dict[_Call, Known], low: int, high: int) -> None:
        if not found:
            return
        query = """
            SELECT event_id, bit_or(flags) FROM audit_sighting WHERE device = %s AND event_id = ANY(%s::bigint[])
            AND time >= to_timestamp(%s / 1e6) AND time < to_timestamp(%s / 1e6) GROUP BY event_id
        """
        ids = [known.id for known in found.values()]
        asked = [batch.device_id, numbers(ids), low, high]
        sides: dict[int, int] = dict(self.connection.execute(query, asked).fetchall())
        for known in found.values():
            known.seen |= sides.get(known.id, 0)

    def _copy(
        self, batch: Batch, packed: Blocks | None, fresh: Sequence[Event], again: Sequence[tuple[Event, Known]]
    ) -> Appended:
        """Write fresh events, and of known ones what they add: another device's sighting, a late response."""
        news = [(event, known) for event, known in again if event.flags & _SIDES & ~known.seen]
        late = [pair for pair in news if _is_late_response(*pair)]
        if again or packed is None:
            packed = Blocks([*fresh, *(event for event, _ in news)])
        block = self._draw("audit_block_seq", len(packed.groups))
        first = self._draw("audit_event_seq", len(fresh) + len(late) + len(news))
        for number, event in enumerate(fresh, first):
            event.id = number
        self._send("audit_event", packing.EVENT_COLUMNS, self._rows(batch, fresh, block))
        self._amend(batch, late, first + len(fresh), block)
        first += len(fresh) + len(late)
        if batch.ours:
            ours.keep(self.connection, batch.vault_id, batch.device_id, _told(fresh, late, news, first))
        sightings = [
            packing.sighting_row(batch.device_id, event, known.id, known.micros, number, block)
            for number, (event, known) in enumerate(news, first)
        ]
        self._send("audit_sighting", packing.SIGHTING_COLUMNS, sightings)
        self._send("audit_block", packing.BLOCK_COLUMNS, packed.rows(block, batch.device_id))
        told = [*fresh, *(event for event, _ in late)] if late else fresh
        self._leases(batch, told)
        self._pairs(told)
        result = Appended(events=len(fresh), duplicates=len(again), amended=len(late))
        _account(batch, result, fresh, again)
        return result

    def _rows(self, batch: Batch, events: Sequence[Event], block: int) -> list[bytes]:
        return packing.event_rows(batch.vault_id, batch.device_id, events, block)

    def _amend(self, batch: Batch, late: Sequence[tuple[Event, Known]], first: int, block: int) -> None:
        """An accepted event never changes: what its late response tells is another row, which amends it."""
        for number, (event, known) in enumerate(late, first):
            event.id, event.micros, sides = number, known.micros, event.flags
            event.flags |= AMENDS
            self._send("audit_event", packing.EVENT_COLUMNS, self._rows(batch, [event], block))
            event.flags = sides
            self.connection.execute(
                "UPDATE audit_event SET flags = flags | %s WHERE id = %s AND time = to_timestamp(%s / 1e6)",
                [SUPERSEDED, known.id, known.micros],
            )

    def _draw(self, sequence: str, count: int) -> int:
        """Draw `count` numbers in a row (the stream's lock is held); returns the first."""
        if not count:
            return 0
        row = self.connection.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, count - 1]).fetchone()
        assert row is not None  # noqa: S101
        return int(row[0]) - count + 1

    def _send(self, table: str, columns: str, rows: Sequence[bytes]) -> None:
        if rows:
            statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
                sql.Identifier(table), sql.SQL(columns)
            )
            with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(b"".join((packing.HEAD, *rows, packing.TAIL)))

    def _leases(self, batch: Batch, events: Sequence[Event]) -> None:
        issued = [event for event in events if event.lease]
        if issued:
            columns = [
                texts([event.lease for event in issued]),
                numbers([event.id for event in issued]),
                numbers([event.micros for event in issued]),
                numbers([_secret(event) for event in issued]),
                numbers([event.who.principal_id for event in issued]),
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
        told = sorted([
            (event.micros, (event.who.principal_id << 32) + (event.secret_id or event.target.secret_id))
            for event in events
            if event.disclosed and (event.secret_id or event.target.secret_id)
        ])  # fmt: skip
        if told:
            last = {key: micros for micros, key in told}
            first = {key: micros for micros, key in reversed(told)}
            ordered = sorted(first)
            columns = [
                numbers([key >> 32 for key in ordered]),
                numbers([key & 0xFFFF_FFFF for key in ordered]),
                numbers([first[key] for key in ordered]),
                numbers([last[key] for key in ordered]),
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
                [
                    batch.device_id,
                    gap.kind,
                    gap.key,
                    gap.start,
                    gap.end or _moment(batch.first_micros),
                    gap.bytes,
                    gap.detail,
                ],
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
                    f"{kind} in the lines of this device; it was masked before it was stored{_MENDS.get(kind, '')}",
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
                [batch.device_id, request_key(held.key, b"")[0].hex(), held.generation, held.position, held.length,
                 held.digest or sha256(held.raw).digest(),
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
               lines = lines + %s, events = events + %s, others = others + %s,
               bytes_event = bytes_event + %s, bytes_duplicate = bytes_duplicate + %s,
               bytes_quarantine = bytes_quarantine + %s, bytes_framing = bytes_framing + %s
               WHERE id = %s AND turn = %s AND position = %s""",
            [batch.end, batch.tail, batch.skipping, batch.first_micros or None, batch.last_micros or None,
             batch.lines, result.events, batch.others, result.bytes_event, result.bytes_duplicate, settled,
             result.bytes_framing, batch.cursor.id, batch.cursor.turn, batch.cursor.position],
        )  # fmt: skip
        if done.rowcount != 1:
            raise LostRace(f"generation {batch.cursor.id} was moved by another ingester; this batch is dropped")
        if batch.spooled:
            gone = self.connection.execute("DELETE FROM audit_spool WHERE id = ANY(%s)", [batch.spooled])
            if gone.rowcount != len(batch.spooled):
                raise LostRace("rows of the spool were taken by another ingester; this batch is dropped")
        self.connection.execute(
            """UPDATE audit_device SET seen_at = now(), last_time = greatest(last_time, to_timestamp(%s / 1e6))
               WHERE id = %s""",
            [batch.last_micros or None, batch.device_id],
        )


def _moment(micros: int) -> datetime | None:
    return datetime.fromtimestamp(micros / 1e6, UTC) if micros else None


def _secret(event: Event) -> int:
    return event.secret_id or event.target.secret_id


def _told(
    fresh: Sequence[Event], late: Sequence[tuple[Event, Known]], news: Sequence[tuple[Event, Known]], first: int
) -> Iterator[ours.Told]:
    """Return events as they were filed just now; `first` is the number of the first sighting among `news`."""
    yield from (ours.Told(event, event.id, event.micros, event.id) for event in fresh)
    yield from (ours.Told(event, known.id, known.micros, event.id, late=True) for event, known in late)
    lately = {known.id for _, known in late}
    for number, (event, known) in enumerate(news, first):
        if known.id not in lately:
            yield ours.Told(event, known.id, known.micros, number)


def _is_late_response(event: Event, known: Known) -> bool:
    return bool(event.flags & SEEN_RESPONSE) and not known.flags & (SEEN_RESPONSE | SUPERSEDED)


def _account(batch: Batch, result: Appended, fresh: Sequence[Event], again: Sequence[tuple[Event, Known]]) -> None:
    """Count each line's bytes in one class; lines held over from an earlier batch were counted as event there."""
    start, own = batch.cursor.position, batch.cursor.id
    lines = [held for event in fresh for held in (event.request, event.response) if held is not None]
    lines += batch.held
    result.bytes_event = sum([held.length for held in lines if held.generation == own and held.position >= start])
    for event, _ in again:
        for held in event.lines:
            result.bytes_duplicate += held.length
            if held.generation != own or held.position < start:
                result.bytes_event -= held.length
