"""Takes an answer of the API apart, whatever its shape: what is not there or is something else becomes empty."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def object_of(value: Any) -> dict[str, Any]:
    """Return a JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the texts of a list, none for anything else."""
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def strings_of(value: Any) -> dict[str, str]:
    """Return an object whose values are texts."""
    return {str(key): str(one) for key, one in object_of(value).items()}


def moment_of(text: Any) -> datetime | None:
    """Return a time of the API, whose decimals are up to nine; None for what is no time."""
    try:
        whole, _, decimals = str(text).removesuffix("Z").partition(".")
        return datetime.fromisoformat(f"{whole}.{decimals[:6]:0<6}").replace(tzinfo=UTC)
    except ValueError:
        return None
