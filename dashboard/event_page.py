"""What the page, and the drawer, of one event show."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from audit import queries
from dashboard.words import visible


@dataclass(frozen=True, slots=True)
class Line:
    """One line as stored, laid out for reading."""

    line: queries.StoredLine
    text: str


@dataclass
class EventPage:
    """One event with its lines."""

    row: queries.EventRow

    @classmethod
    def find(cls, event_id: int) -> EventPage | None:
        """Return the event's page, or None when the event is unknown or past retention."""
        try:
            return cls(queries.event(event_id))
        except LookupError:
            return None

    @cached_property
    def lines(self) -> list[Line]:
        """Return the lines as stored, one for each device and type."""
        return [Line(line, laid_out(line.text)) for line in queries.lines_of(self.row.id)]

    @cached_property
    def what(self) -> str:
        """Return what was disclosed, in words."""
        return f"1 {self.row.disclosed} disclosed" if self.row.disclosed else "nothing disclosed"


def laid_out(text: str) -> str:
    """Return a line of JSON indented for reading; what is no JSON stays as it is. Unseen characters become escapes."""
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return visible(text, keep="\n")
