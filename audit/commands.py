"""What the commands of this room share: how they fail, how they read times."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.core.management.base import CommandParser
from django.db import DatabaseError, InterfaceError

from audit.batch import LostRace
from audit.ingest import Busy
from audit.sources.file import UnusableFile

BAD_INPUT, TRY_AGAIN, INTERRUPTED = 2, 1, 130


class BadInput(Exception):
    """The input can't be used; the message names it and the mend."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn what a person can mend into one sentence on standard error and an exit code: 2 for input, 1 for the rest."""
    try:
        yield
    except (BadInput, UnusableFile) as error:
        _leave(str(error), BAD_INPUT)
    except (Busy, LostRace) as error:
        _leave(f"{error}. Nothing was lost; run the command again.", TRY_AGAIN)
    except KeyboardInterrupt:
        _leave("Stopped. What was committed stays; to go on, run the command again.", INTERRUPTED)
    except (psycopg.Error, DatabaseError, InterfaceError) as error:
        sentence = _about_database(error)
        if sentence is None:
            raise
        _leave(sentence, TRY_AGAIN)


def _about_database(error: Exception) -> str | None:
    """The sentence about what an operator of PostgreSQL can mend; None for what is our own fault."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    match cause:
        case psycopg.errors.UndefinedTable():
            return "The database has no tables of Keybook yet. Run manage.py migrate."
        case psycopg.errors.DiskFull() | psycopg.errors.IoError():
            return f"PostgreSQL has no room left ({_first(cause)}). Make room and run again; no cursor moved."
        case psycopg.errors.ReadOnlySqlTransaction():
            mend = "Name the primary in DATABASE_URL, or let it write, and run again; no cursor moved."
            return f"PostgreSQL is read-only ({_first(cause)}). {mend}"
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return f"PostgreSQL did not answer ({_first(cause)}). Check DATABASE_URL and run again; no cursor moved."
    return None


def _leave(sentence: str, code: int) -> None:
    sys.stderr.write(visible(sentence.rstrip()) + "\n")
    sys.exit(code)


def _first(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


_AGO = re.compile(r"(\d{1,6})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def take_window(parser: CommandParser) -> None:
    """Let a command be asked of a window of time, and for JSON."""
    parser.add_argument("--since", help="2026-11-18, 2026-11-18T02:00:00Z or 24h (UTC)")
    parser.add_argument("--until", help="the end of the window, not included")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def read_window(given: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return the window that a command was asked of; raises `BadInput`."""
    return read_time(given["since"], "--since"), read_time(given["until"], "--until")


def read_time(text: str | None, name: str) -> datetime | None:
    """Read `2026-11-18`, `2026-11-18T02:00[:00][Z|+01:00]` (else UTC) or how long ago, `24h`; raises `BadInput`."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            f"{name} {text!r} is not a time. Write 2026-11-18, 2026-11-18T02:00:00Z or how long ago: 30m, 24h, 7d."
        ) from None


def as_json(value: object) -> object:
    """Return a value as JSON takes it: times as ISO 8601 in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def table(head: list[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under a head, numbers to the right; control characters are shown, never sent to the terminal."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [all(isinstance(row[n], int) for row in rows) for n in range(len(head))]

    def line(row: list[str]) -> str:
        return "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, cells)])


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return "-" if value is None else visible(str(value))


def visible(text: str) -> str:
    """Return text for a terminal: control characters and changes of direction are spelt out."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
