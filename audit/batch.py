"""What goes from the reader of a file to the store, and what comes back: plain records without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from audit.event import Event, Held


class LostRace(Exception):
    """Another ingester moved this file's cursor since we read it: nothing of the batch was kept."""


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
    """What one stretch of one file gave: [start, end) of the generation `cursor.id`; `spooled` = rows it came from."""

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
    others: int = 0  # records that are whole and none of ours; their bytes are framing
    exact: bool = False  # an event's time is its call's own, so that one id with two times is two calls
    repeated: int = 0
    received: datetime | None = None
    last_micros: int = 0
    first_micros: int = 0
    spooled: list[int] = field(default_factory=list)
    ours: bool = False  # some of the events may be calls of our own identities

    def saw(self, micros: int) -> None:
        """Note the time of a record that becomes no event; 0 for none."""
        if micros:
            self.first_micros = min(self.first_micros or micros, micros)
            self.last_micros = max(self.last_micros, micros)


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
