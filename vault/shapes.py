"""The shape of a JSON text: what stays when HMACs and digits change, as they do from one audit line to the next."""

from __future__ import annotations

import re
from typing import Generic, TypeVar

HMAC_START = b'"hmac-sha256:'
HMAC_GROWS = len(HMAC_START) + 64 - 1  # an HMAC is so much longer than the NUL in its place
_HMAC = re.compile(HMAC_START + b"([0-9a-f]{64})")
_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_T = TypeVar("_T")


def take_apart(text: bytes) -> tuple[bytes, list[bytes]] | None:
    """The text with a NUL for the beginning and the digits of each HMAC, and the HMACs' digits.

    None if the text holds a NUL, which JSON does not.
    """
    if b"\0" in text:
        return None
    parts = _HMAC.split(text)
    return b"\0".join(parts[::2]), parts[1::2]


def put_together(literal: bytes, digits: list[bytes]) -> bytes:
    """The text of `take_apart`, with these HMACs; there must be as many as the literal has NULs."""
    first, *others = literal.split(b"\0")
    return b"".join([first, *[HMAC_START + hmac + piece for hmac, piece in zip(digits, others, strict=True)]])


def shape(literal: bytes) -> bytes:
    """The literal with every digit a zero, so that numbers and dates of one length have one shape."""
    return literal.translate(_ZERO)


def shape_of(text: bytes) -> bytes | None:
    """The shape of a text; None if it holds a NUL."""
    return None if b"\0" in text else _HMAC.sub(b"\0", text).translate(_ZERO)


class Memory(dict[bytes, _T], Generic[_T]):
    """What was worked out for a shape; emptied when its keys have grown to `limit` bytes, so it is bounded."""

    def __init__(self, limit: int = 8 * 1024 * 1024, longest: int = 32_768) -> None:
        super().__init__()
        self._limit, self._longest, self._size = limit, longest, 0

    def learn(self, key: bytes, value: _T) -> None:
        """Remember a value, unless its key is very long."""
        if len(key) > self._longest:
            return
        if self._size > self._limit:
            self.clear()
            self._size = 0
        self._size += len(key) + 100
        self[key] = value
