"""Whether a source's lines arrive: what has come, and whether a call of our own is among it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import connection

from audit.models import Generation, Source
from kit.check import Check

NAME = "lines arrive"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source's device has given so far: whole lines, the time of the first, and whether our own call is in."""

    lines: int
    first: datetime | None
    ours: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for: a source, since when, the size of its file then, and the request id of our own call."""

    source: Source
    began: datetime
    size: int = 0
    lines: int = 0
    knock: str = ""


def begin(source: Source, knock: Callable[[], str]) -> Wait:
    """Remember how things stand, then make the vault write a line of ours ("" where we have no token to call with)."""
    began, size, lines = datetime.now(UTC), size_of(source), seen(source).lines
    return Wait(source, began, size, lines, knock())


def wait(waiting: Wait, seconds: float, watch: Callable[[Seen], None] = lambda _: None) -> Seen | None:
    """Look every half second until lines have arrived; None when they did not within `seconds`."""
    until = time.monotonic() + seconds
    while True:
        now = seen(waiting.source, waiting.knock)
        watch(now)
        if now.ours if waiting.knock else now.lines > waiting.lines:
            return now
        if time.monotonic() >= until:
            return None
        time.sleep(min(0.5, max(0.0, until - time.monotonic())))


def seen(source: Source, knock: str = "") -> Seen:
    """Look at what a source's device has given so far."""
    rows = Generation.objects.filter(device=source.device_id).values_list("lines", "first_time")
    times = [first for _, first in rows if first is not None]
    return Seen(sum(lines for lines, _ in rows), min(times, default=None), bool(knock) and _ingested(source, knock))


def _ingested(source: Source, knock: str) -> bool:
    """Whether this device's record of our call is in the store: as the event, or as its sighting of another's."""
    now = datetime.now(UTC)
    around = [now - timedelta(days=2), now + timedelta(days=2)]
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT 1 FROM audit_event e WHERE e.vault = %s AND e.request_id = %s AND e.time BETWEEN %s AND %s
               AND (e.device = %s OR EXISTS (SELECT 1 FROM audit_sighting s WHERE s.event_id = e.id
                    AND s.device = %s AND s.time BETWEEN %s AND %s))""",
            [source.device.vault_id, knock, *around, source.device_id, source.device_id, *around],
        )
        return cursor.fetchone() is not None


def arrived(found: Seen) -> Check:
    """The sentence for lines that came."""
    first = f"the first of {found.first:%Y-%m-%d %H:%M:%S} UTC, " if found.first else ""
    ours = "; our own call is among them" if found.ours else ""
    return Check(NAME, True, f"{first}{found.lines} lines so far{ours}")


def size_of(source: Source) -> int:
    """Return the size of the source's file in bytes, 0 where there is none."""
    try:
        return Path(source.settings["path"]).stat().st_size if "path" in source.settings else 0
    except OSError:
        return 0
