"""What a browser's passkey answered, as a form carries it."""

from __future__ import annotations

import json
from typing import Any

LONGEST = 50_000  # characters


def answer(text: str) -> dict[str, Any] | None:
    """Return the answer that a form carries as JSON; None where it carries none that can be read."""
    if not text or len(text) > LONGEST:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
