"""Tells when an open file was made: Python's `stat` leaves that out on Linux, so the C library is asked."""

from __future__ import annotations

import ctypes
import struct
from datetime import UTC, datetime, timedelta

_EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: the descriptor itself
_BIRTH = 0x800  # STATX_BTIME
_SIZE, _MASK_AT, _BIRTH_AT = 256, 0, 80  # of struct statx, the same on every machine
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def born(descriptor: int) -> datetime | None:
    """Return when the file of a descriptor was made; None where the file system or the C library can't say."""
    ask = getattr(ctypes.CDLL(None), "statx", None)
    told = ctypes.create_string_buffer(_SIZE)
    if ask is None or ask(descriptor, b"", _EMPTY_PATH, _BIRTH, told) != 0:
        return None
    if not struct.unpack_from("=I", told, _MASK_AT)[0] & _BIRTH:
        return None
    seconds, nanoseconds = struct.unpack_from("=qI", told, _BIRTH_AT)
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
