"""The button that exports what a page shows: its words, and what it sends so that the file is what stood there."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.time_range import TimeRange
from dashboard.words import counted


@dataclass(frozen=True, slots=True)
class ExportForm:
    """The form of one question: where it goes, what it sends, how many rows come of it."""

    action: str
    fields: list[tuple[str, str]]
    count: int

    @property
    def words(self) -> str:
        """Return what the button says: the verb and the count."""
        return f"Export {counted(self.count, 'row')}"


def export_form(action: str, span: TimeRange, query: str, count: int, newest: int) -> ExportForm:
    """Return the form for a question.

    The times are fixed as the page had them, to the microsecond, and `newest` is the newest event that it could know of
    when it counted.
    """
    fixed = {"since": span.since.isoformat(), "until": span.until.isoformat(), "newest": str(newest)}
    return ExportForm(action, [("q", query), *fixed.items()], count)
