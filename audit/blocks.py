"""Lines as stored: blocks of about 1,000 masked lines, compressed, with each original's place and SHA-256."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

LINES = 1_000
_LEVEL = 3
_SEPARATOR = b"\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the original of a line stands: generation of the file, byte offset, length in bytes, SHA-256."""

    generation: int
    position: int
    length: int
    sha256: bytes


def pack(bodies: Sequence[bytes]) -> bytes:
    """Compress masked lines (none holds a newline) into one body."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(_SEPARATOR.join(bodies))


def pack_places(generations: Sequence[int], positions: Sequence[int], lengths: Sequence[int], hashes: bytes) -> bytes:
    """Pack the places of a block's lines, column by column; hashes are 32 bytes each, in the same order."""
    deltas = array("q", (now - before for before, now in zip([0, *positions], positions, strict=False)))
    columns = array("i", generations).tobytes() + deltas.tobytes() + array("q", lengths).tobytes()
    return hashes + zstandard.ZstdCompressor(level=_LEVEL).compress(columns)


def unpack(body: bytes) -> list[bytes]:
    """Return the masked lines of a body."""
    return zstandard.ZstdDecompressor().decompress(body).split(_SEPARATOR)


def unpack_places(packed: bytes, lines: int) -> list[Place]:
    """Return the places of a block of so many lines."""
    columns = zstandard.ZstdDecompressor().decompress(packed[32 * lines :])
    generations, deltas, lengths = array("i"), array("q"), array("q")
    generations.frombytes(columns[: 4 * lines])
    deltas.frombytes(columns[4 * lines : 12 * lines])
    lengths.frombytes(columns[12 * lines :])
    places, position = [], 0
    for index in range(lines):
        position += deltas[index]
        digest = packed[32 * index : 32 * index + 32]
        places.append(Place(generations[index], position, lengths[index], digest))
    return places
