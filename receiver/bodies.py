"""Takes a body apart into records: one line, lines (NDJSON), a JSON array or an API server's list, plain or gzip."""

from __future__ import annotations

import zlib

import msgspec

from cluster import audit_line

RECORDS = 50_000
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_BLANK = b" \t\r\n"


class TooLarge(Exception):
    """Unpacked, the body is larger than allowed."""


class Unusable(Exception):
    """The body can't be taken apart; the message says why."""


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the body without its Content-Encoding; raises `TooLarge` or `Unusable`.

    Never unpacks more than the limit and one byte, so a bomb costs no more than an honest body.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Unusable("Content-Encoding may be gzip, or nothing. Nothing was kept.")
    return _gunzipped(body, limit)


def _gunzipped(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit + 1
    try:
        while body:
            member = zlib.decompressobj(31)
            parts.append(member.decompress(body, room))
            room -= len(parts[-1])
            if room <= 0:
                raise TooLarge
            if not member.eof:
                raise Unusable("The gzip body ends before its time. Nothing was kept: send it again.")
            body = member.unused_data.lstrip(b"\0")
    except zlib.error:
        raise Unusable("Content-Encoding says gzip, but the body is not. Nothing was kept.") from None
    return b"".join(parts)


def records(body: bytes) -> list[bytes]:
    """Return the records of an unpacked body, in order, blank lines left out; raises `Unusable`."""
    text = body.strip(_BLANK)
    if text.startswith(b"{") and b'"EventList"' in text and (found := audit_line.items(text)) is not None:
        return _bounded(found)
    if text.startswith(b"["):
        try:
            return _bounded([bytes(one) for one in _array(text)])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # a torn array: whole entries in it are salvaged as of a torn line
    if text.count(b"\n") >= 20 * RECORDS:
        return _bounded([b""] * (RECORDS + 1))
    return _bounded([line for line in (one.strip(b" \t\r") for one in text.split(b"\n")) if line])


def _bounded(found: list[bytes]) -> list[bytes]:
    if len(found) > RECORDS:
        raise Unusable(f"The body holds more than {RECORDS} records. Nothing was kept: send smaller batches.")
    return found
