"""Keeps the trail's head outside of the database: `now` writes it when it is new and the trail still holds the last."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from accounts import anchor_file
from accounts.anchor_file import AnchorTrouble, Line
from accounts.models import TrailEntry
from accounts.trail_proof import Head

__all__ = ["AnchorTrouble", "TrailWentBack", "behind", "faults", "keep", "newest", "now", "place"]
_log = logging.getLogger("keybook.accounts")


class TrailWentBack(Exception):
    """The trail no longer holds what was anchored; the message says what to do. Nothing was written."""


def place() -> Path | None:
    """Return where the anchor is, None when the setting names none."""
    return Path(settings.KEYBOOK.anchor) if settings.KEYBOOK.anchor else None


def now() -> Head | None:
    """Write the trail's head to the anchor and return it; None when it stands there already, or there is no anchor.

    Call it after the commit of what it should cover. Raises `AnchorTrouble` when the file can't be read or written,
    `TrailWentBack` when the trail was cut or rewritten behind the last head.
    """
    path = place()
    if path is None or not (path.exists() or _head()):
        return None
    return anchor_file.append(path, _next)


def keep() -> None:
    """Write the head as every minute does: what prevents it is said in the log, and the next minute tries again."""
    try:
        now()
    except (AnchorTrouble, TrailWentBack) as error:
        _log.error("%s", error)


def newest(path: Path) -> Line | None:
    """Return the anchor's newest line, None while it has none. Raises `AnchorTrouble`."""
    return anchor_file.last_line(path)


def behind(line: Line | None) -> datetime | None:
    """Return since when an entry waits to be anchored behind a line; None when none does."""
    waiting = TrailEntry.objects.filter(position__gt=line.head.position if line else 0)
    return waiting.order_by("position").values_list("at", flat=True).first()


def faults(line: Line | None) -> str:
    """Return the sentence about a trail that no longer holds a line's head, "" for one that does."""
    if line is None:
        return ""
    kept = TrailEntry.objects.filter(position=line.head.position).values_list("hash", flat=True).first()
    if kept == line.head.hash:
        return ""
    what = "is gone from the trail" if kept is None else "is another one in the trail now"
    return (
        f"Entry {line.head.position}, anchored at {line.head.at}, {what}: the trail was cut, rewritten or set "
        "back to an older state."
    )


def _next(last: Line | None) -> Head | None:
    if fault := faults(last):
        raise TrailWentBack(
            f"{fault} Run manage.py verify_trail. If an older database was restored on purpose, move the anchor aside "
            "and keep it: a new one begins by itself."
        )
    head = _head()
    return head if head and (last is None or head.position > last.head.position) else None


def _head() -> Head | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT position, hash, (SELECT count(*) FROM accounts_trailentry) FROM accounts_trailentry "
            "WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1"
        )
        row = cursor.fetchone()
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Head(row[0], row[1], row[2], at) if row else None
