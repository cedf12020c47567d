"""Times in playbooks: `24h` ago or a moment, settled once when a plan is made. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d{1,6})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """Return a time in UTC: `30m`, `24h`, `7d`, `2w` before `now`, a date or a moment. Raises `ValueError`."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        said = f"{text[:40]!r} is no time. Write 2026-11-18, 2026-11-18T02:00:00Z or how long ago: 30m, 24h, 7d."
        raise ValueError(said) from None


def written(at: datetime) -> str:
    """Return a time as a plan keeps it, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def shown(at: datetime | None) -> str:
    """Return a time as people read it in an answer, to the second; empty for none."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ""
