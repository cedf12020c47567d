"""Durations as Go writes them (`1h0m0s`, `24h`, `15s`)."""

from __future__ import annotations

import re
from datetime import timedelta

_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+\Z")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 100 * 86400.0


def duration(text: str) -> timedelta | None:
    """Return the length that the text says; None for no text, odd text or more than a century. Bare digits: seconds."""
    text = text.strip()[:64]
    if re.fullmatch(r"\d{1,12}", text):
        text += "s"
    if not _WHOLE.match(text):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return timedelta(seconds=seconds) if seconds <= _LONGEST else None


def in_words(length: timedelta | None) -> str:
    """Return a duration as it is said: `20 s`, `5 min`, `1 h`; "" for None."""
    if length is None:
        return ""
    seconds = int(length.total_seconds())
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
