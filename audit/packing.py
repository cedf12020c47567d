"""Packs events, sightings and line blocks as rows of PostgreSQL's binary COPY."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct

from audit import blocks
from audit.event import BY_TOKEN, COLLAPSED, Event, Held

DAY = 86_400_000_000
HEAD, TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
EVENT_COLUMNS = (
    "id, time, request_id, principal, token, path, secret, address, version, duration, block, "
    "vault, device, operation, outcome, disclosed, flags, line"
)
SIGHTING_COLUMNS = "seq, event_id, time, delta, block, device, flags, line"
BLOCK_COLUMNS = "id, time, device, lines, bytes, places, body"
_PG_EPOCH = 946_684_800_000_000
_EVENT = Struct(">hiqiqi16s" + "ii" * 8 + "ih" * 7).pack
_SIGHTING = Struct(">hiqiqiq" + "ii" * 2 + "ih" * 3).pack
_BLOCK = Struct(">hiiiqihihiii").pack
_INT = 2_147_483_647
_BLOCK_BYTES = 4 * 1024 * 1024


class Blocks:
    """The line blocks of some events: each holds the lines of one day, about 1,000 of them or 4 MiB.

    Places (`event.block`, `event.line`) count from 0; `first` is added when the rows are made.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.groups: list[list[Held]] = []
        self.days: list[int] = []
        open_: dict[int, int] = {}
        rooms: list[int] = []
        for event in events:
            day = event.micros // DAY
            index = open_.get(day, -1)
            if index < 0 or rooms[index] <= 0:
                index = open_[day] = len(self.groups)
                self.groups.append([])
                self.days.append(event.micros)
                rooms.append(_BLOCK_BYTES)
            group, request, response = self.groups[index], event.request, event.response
            event.block, event.line = index, len(group)
            if request is not None:
                group.append(request)
                rooms[index] -= request.length + _BLOCK_BYTES // blocks.LINES
            if response is not None:
                group.append(response)
                rooms[index] -= response.length + _BLOCK_BYTES // blocks.LINES
        self.bodies = [blocks.pack([held.stored or b"" for held in group]) for group in self.groups]

    def rows(self, first: int, device_id: int) -> list[bytes]:
        """Return the blocks, numbered from `first`, as COPY rows."""
        made: list[bytes] = []
        for index, lines in enumerate(self.groups):
            places = blocks.pack_places(
                [held.generation for held in lines],
                [held.position for held in lines],
                [held.length for held in lines],
                b"".join([held.digest or sha256(held.raw).digest() for held in lines]),
            )
            size = min(sum([held.length for held in lines]), _INT)
            day, body = self.days[index] - _PG_EPOCH, self.bodies[index]
            head = _BLOCK(7, 4, first + index, 8, day, 2, device_id, 2, len(lines), 4, size, len(places))
            made += (head, places, len(body).to_bytes(4, "big"), body)
        return made


def event_rows(vault_id: int, device_id: int, events: Sequence[Event], first_block: int) -> list[bytes]:
    """Return events, whose ids are set, as COPY rows; fixed width, 0 stands for "none"."""
    made: list[bytes] = []
    row, epoch = _EVENT, _PG_EPOCH
    for event in events:
        target, who, request, response = event.target, event.who, event.request, event.response
        duration, flags = min(event.took, _INT), event.flags
        if request is not None and response is not None:
            duration = min(max(response.micros - request.micros, 0), _INT)
        if target.collapsed:
            flags |= COLLAPSED
        if not who.kind and not who.token_id:
            flags &= ~BY_TOKEN
        made.append(row(
            18, 8, event.id, 8, event.micros - epoch, 16, event.key, 4, who.principal_id, 4, who.token_id,
            4, target.path_id, 4, event.secret_id or target.secret_id, 4, event.address.id, 4, event.version,
            4, duration, 4, first_block + event.block, 2, vault_id, 2, device_id, 2, event.operation,
            2, event.outcome, 2, event.disclosed, 2, flags, 2, event.line,
        ))  # fmt: skip
    return made


def sighting_row(device_id: int, event: Event, event_id: int, micros: int, seq: int, first_block: int) -> bytes:
    """Return one device's sighting of an event (id and time of the event itself) as a COPY row."""
    delta = max(-_INT, min(event.micros - micros, _INT))
    return _SIGHTING(
        8, 8, seq, 8, event_id, 8, micros - _PG_EPOCH, 4, delta, 4, first_block + event.block, 2, device_id,
        2, event.flags & 3, 2, event.line,
    )  # fmt: skip
