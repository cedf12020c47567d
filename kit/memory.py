"""A memory that stays bounded."""

from __future__ import annotations

from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
LIMIT = 100_000


def remember(memory: dict[_Key, _Value], limit: int = LIMIT) -> dict[_Key, _Value]:
    """Return the memory, emptied if it is full: that costs a few look-ups and bounds what a process holds."""
    if len(memory) >= limit:
        memory.clear()
    return memory
