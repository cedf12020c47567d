"""The two shapes of the first walk: a line held with its place, and the event that its lines make."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

import msgspec

from audit import operations
from audit.dictionary import Address, Target, Who
from cluster.audit_line import Record
from vault.audit_line import Line, Request, decode, microseconds, request_key
from vault.errors import NotAnAuditLine

SEEN_REQUEST, SEEN_RESPONSE, SUPERSEDED, BY_TOKEN, COLLAPSED, SYNTHETIC, WRAPPED = 1, 2, 4, 8, 16, 32, 64
SUSPICIOUS, AMENDS = 128, 8192
# What a late response amended is counted by its amendment. Written with `<>`: PostgreSQL guesses that one row in 200
# passes `flags & 4 = 0`, and then sorts a whole month instead of walking an index to the first hundred.
ALIVE = f"flags & {SUPERSEDED} <> {SUPERSEDED}"
OPERATIONS = operations.OPERATIONS


class Held(msgspec.Struct, gc=False, eq=False):
    """One line with its place; `length` counts its bytes there, `stored` is set once it is known how it may be kept."""

    line: Line
    exact: bool
    raw: bytes
    generation: int
    position: int
    length: int
    micros: int
    key: str
    stored: bytes | None = None
    digest: bytes = b""
    call: Record | None = None  # of a Kubernetes API server; then `line` says nothing


def hold(line: Line, exact: bool, raw: bytes, generation: int, position: int) -> Held:
    """Return the line with its place; raises `NotAnAuditLine` when its time can't be read.

    The key is the request id; entries without one get a key made from their content.
    """
    key = line.request.id or sha256(raw).hexdigest()
    return Held(line, exact, raw, generation, position, len(raw), microseconds(line.time), key)


def held_again(
    key: UUID, stored: bytes, digest: bytes, *, generation: int, position: int, length: int, micros: int
) -> Held:
    """Return a line that waited in the store: its form there is masked, so its id and time may not stand in it."""
    try:
        line, _ = decode(stored)
    except NotAnAuditLine:
        line = Line(type="request", request=Request(id=str(key)))
    known = line.request.id if request_key(line.request.id, b"")[0] == key.bytes else str(key)
    return Held(line, True, stored, generation, position, length, micros, known, stored, digest)


class Event(msgspec.Struct, gc=False, eq=False):
    """One audited call of one device: its request and response lines joined (either may be missing)."""

    request: Held | None
    response: Held | None
    key: bytes
    micros: int
    flags: int
    who: Who
    target: Target
    address: Address
    operation: int
    outcome: int = 0
    disclosed: int = 0
    version: int = 0
    secret_id: int = 0
    id: int = 0
    block: int = 0
    line: int = 0
    lease: str = ""
    unwraps: bytes = b""
    wraps: bytes = b""
    took: int = -1  # µs until the answer, where one line alone tells it

    @property
    def lines(self) -> list[Held]:
        """The event's lines, request first."""
        return [held for held in (self.request, self.response) if held is not None]
