"""Reads a packed file (.gz, .zst, any number of members) by unpacked offset, in bounded memory and in one pass.

The log's reader asks for a stretch, uses its whole lines, and asks again from the first byte it has not used; so the
last stretch is kept, and nothing is unpacked twice. What stands before a damage is given; then the file ends there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import zstandard

_STEP = 1024  # packed bytes; the most that zstd makes of them is about 40 MiB
_BEHIND = 64  # kept before the last stretch, for the hash of the bytes before a cursor


def _gzip() -> Any:
    return zlib.decompressobj(31)


def _zstd() -> Any:
    return zstandard.ZstdDecompressor().decompressobj()


PACKED: dict[bytes, Callable[[], Any]] = {b"\x1f\x8b": _gzip, b"\x28\xb5\x2f\xfd": _zstd}


class Unpacked:
    """A packed file; `damaged` says what is wrong with it once reading has come so far."""

    def __init__(self, raw: BinaryIO, make: Callable[[], Any]) -> None:
        self.raw, self.make = raw, make
        self.damaged = ""
        self._start, self._kept = 0, b""
        self._pieces = self._unpack()

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` unpacked bytes from `position`; going back further than the last stretch starts anew."""
        if position < self._start:
            self._start, self._kept, self._pieces = 0, b"", self._unpack()
        parts, end = [self._kept], self._start + len(self._kept)
        while end < position + size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            end += len(piece)
            if end <= position - _BEHIND:
                parts, self._start = [], end
        kept = b"".join(parts)
        cut = max(0, min(position - _BEHIND - self._start, len(kept)))
        self._start, self._kept = self._start + cut, kept[cut:]
        at = position - self._start
        return self._kept[at : at + size]

    def _unpack(self) -> Iterator[bytes]:
        """Unpack in small steps: decompressors raise before they hand out the last good bytes of a large one."""
        self.raw.seek(0)
        unpack, begun, packed = self.make(), False, b""
        try:
            while packed := packed or self.raw.read(_STEP):
                if not begun and self.make is _gzip and not (packed := packed.lstrip(b"\0")):
                    continue  # a gzip file may be padded with NULs
                begun = True
                yield unpack.decompress(packed)
                packed = unpack.unused_data
                if unpack.eof:
                    unpack, begun = self.make(), False
            if begun:
                self.damaged = "the archive is damaged or cut short (it ends within a member)"
        except (zlib.error, zstandard.ZstdError) as error:
            self.damaged = f"the archive is damaged or cut short ({error})"

    def fileno(self) -> int:
        """Return the descriptor of the packed file."""
        return self.raw.fileno()

    def close(self) -> None:
        """Close the packed file."""
        self.raw.close()
