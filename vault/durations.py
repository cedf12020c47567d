"""Reads a length of time as Go and the vault write it."""

from __future__ import annotations

import re

_SPAN = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h|d)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float | None:
    """Return the length of a Go duration (`90s`, `1h30m`, `2d`, a bare number of seconds), None if it is none."""
    if re.fullmatch(r"-?[0-9]+", text):
        return float(text)
    parts = list(_SPAN.finditer(text))
    if not parts or "".join(one[0] for one in parts) != text:
        return None
    return sum(float(one[1]) * _UNITS[one[2]] for one in parts)
