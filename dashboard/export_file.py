"""An export's bytes, CSV or NDJSON: a first record that says what was asked, the events, a last that says all came.

A file without its last record is not whole, whatever cut it. When the database gives a page up, the last record says
so and the connection breaks, so that the browser does not take the part for the file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from django.db import Error

from audit.answers import EventRow
from audit.export import Running, as_object, exact
from dashboard.record_holes import Known
from dashboard.time_range import TimeRange
from dashboard.words import counted, visible

# A spreadsheet takes a cell for a formula by its first character, and splits at other marks than we did where it is set
# to a country that writes numbers with commas. A mark in front keeps it text; one in front of our own keeps it plain
# that taking one away gives the name as it was.
_LIVE = re.compile("(^|[,;\t|\"])([\\s]*)(?=[=+\\-@'\uff1d\uff0b\uff0d\uff20])")
COLUMNS = (
    "type", "id", "time", "vault", "outcome", "operation", "disclosed", "secret", "path", "version", "principal",
    "kind", "address", "devices", "request_id", "note",
)  # fmt: skip


def cell(value: object) -> object:
    """Return a value as a cell that no spreadsheet takes for a formula, with what can't be seen spelt out."""
    if value is None or isinstance(value, int):
        return value
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return _LIVE.sub(r"\1\2'", visible(text))


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of the time asked for of which something is not known."""

    since: str
    until: str
    sentence: str


@dataclass(frozen=True, slots=True)
class About:
    """What the first record and the last say beside the events: the question and how complete its answer is."""

    question: str
    since: datetime
    until: datetime
    asked_at: datetime
    asked_by: str
    complete: bool
    complete_until: datetime | None
    sentence: str
    holes: Sequence[Hole]


def about(record: Known, question: str, asked_by: str) -> About:
    """Return what a file says of a question over the time of a record."""
    return About(
        *(question, record.since, record.until, record.now, asked_by),
        *(record.closing.complete, record.complete_until, record.closing.sentence),
        [Hole(exact(hole.start), exact(hole.end), hole.sentence) for hole in record.holes],
    )


def file_name(what: str, span: TimeRange, kind: str) -> str:
    """Return `keybook-events-20261118T020000Z-20261118T040000Z.csv`: the times are absolute and in UTC."""
    since, until = (f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" for moment in (span.since, span.until))
    return f"keybook-{what}-{since}-{until}.{kind}"


class Layout(Protocol):
    """How a format writes the three kinds of record, each as bytes that end a line."""

    type: str

    def head(self, about: About, newest: int) -> bytes:
        """Write what was asked."""

    def events(self, rows: Iterable[EventRow]) -> bytes:
        """Write some events."""

    def end(self, about: About, rows: int) -> bytes:
        """Write that all of them came."""

    def broken(self, rows: int, why: str) -> bytes:
        """Write that not all of them came."""


class Ndjson:
    """One JSON object a line, names exactly as the vault wrote them."""

    type = "application/x-ndjson"

    def head(self, about: About, newest: int) -> bytes:
        """Write what was asked."""
        return self._line(
            type="export", question=about.question, since=exact(about.since), until=exact(about.until),
            asked_at=exact(about.asked_at), asked_by=about.asked_by, newest=newest,
        )  # fmt: skip

    def events(self, rows: Iterable[EventRow]) -> bytes:
        """Write some events."""
        return _one_line_each(
            msgspec.json.Encoder().encode_lines([{"type": "event", **as_object(row)} for row in rows])
        )

    def end(self, about: About, rows: int) -> bytes:
        """Write that all of them came."""
        until = exact(about.complete_until) if about.complete_until else None
        return self._line(
            type="end", end=True, rows=rows, complete=about.complete, complete_until=until,
            holes=[asdict(hole) for hole in about.holes],
        )  # fmt: skip

    def broken(self, rows: int, why: str) -> bytes:
        """Write that not all of them came."""
        return self._line(type="broken", end=False, rows=rows, why=why)

    @staticmethod
    def _line(**values: Any) -> bytes:
        return _one_line_each(msgspec.json.encode(values) + b"\n")


def _one_line_each(lines: bytes) -> bytes:
    """Escape what JSON leaves as it is and some readers take for the end of a line; it stands in strings only."""
    for char in ("\u0085", "\u2028", "\u2029"):
        lines = lines.replace(char.encode(), f"\\u{ord(char):04x}".encode())
    return lines


class Csv:
    """RFC 4180 with a head of columns, every cell quoted; each record has all columns, so that any reader takes it."""

    type = "text/csv; charset=utf-8"

    def head(self, about: About, newest: int) -> bytes:
        """Write the columns and what was asked."""
        note = (
            f"Events from {exact(about.since)} to {exact(about.until)}, newest first, up to event {newest}. "
            f"Question: {about.question or 'every event'}. Asked by {about.asked_by}."
        )
        columns = dict(zip(COLUMNS, COLUMNS, strict=True))
        return self._lines([columns, {"type": "export", "time": exact(about.asked_at), "note": note}])

    def events(self, rows: Iterable[EventRow]) -> bytes:
        """Write some events."""
        return self._lines({"type": "event", **as_object(row)} for row in rows)

    def end(self, about: About, rows: int) -> bytes:
        """Write that all of them came."""
        holes = " ".join(hole.sentence for hole in about.holes) if len(about.holes) > 1 else ""
        note = f"{counted(rows, 'row')}. {about.sentence} {holes}".strip()
        until = exact(about.complete_until) if about.complete_until else None
        return self._lines([{"type": "end", "time": until, "note": note}])

    def broken(self, rows: int, why: str) -> bytes:
        """Write that not all of them came."""
        return self._lines([{"type": "broken", "note": f"Not whole: {counted(rows, 'row')} came. {why}"}])

    @staticmethod
    def _lines(records: Iterable[Mapping[str, object]]) -> bytes:
        text = io.StringIO(newline="")
        write = csv.writer(text, quoting=csv.QUOTE_ALL)
        write.writerows([cell(record.get(name)) for name in COLUMNS] for record in records)
        return text.getvalue().encode()


LAYOUTS: dict[str, type[Csv] | type[Ndjson]] = {"csv": Csv, "ndjson": Ndjson}
GAVE_UP = "The database gave the next rows up, or its connection broke. Ask again, over a shorter time."


class Body:
    """The bytes of one export, for a streamed answer; whoever sends them closes it, however far they came."""

    def __init__(self, running: Running, layout: Layout, about: About) -> None:
        self.running, self.layout, self.about = running, layout, about

    def __iter__(self) -> Iterator[bytes]:
        yield self.layout.head(self.about, self.running.until_id)
        try:
            for page in self.running:
                yield self.layout.events(page)
        except Error:
            yield self.layout.broken(self.running.rows, GAVE_UP)
            raise
        yield self.layout.end(self.about, self.running.rows)
        self.running.whole = True  # reached when the sender asks for more: the last record has gone out

    def close(self) -> None:
        """End the export."""
        self.running.close()
