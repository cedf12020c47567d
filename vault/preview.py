"""Shows what a broken line looks like without a byte of its values: for the quarantine, where nothing parses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from vault.vocabulary import ENUMERATED, FIELDS, KEYS

_WORDS = frozenset(word.encode() for word in ENUMERATED | FIELDS | KEYS)
_TOKENS = re.compile(
    rb'(?P<hmac>"hmac-sha256:[0-9a-f]{64}")|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")|(?P<open>"(?:[^"\\\x00-\x1f]|\\.)*)'
    rb"|(?P<punctuation>[{}\[\]:,]+)|(?P<space>[ \t\r\n]+)|(?P<nul>\x00+)|(?P<number>-?\d[\d.eE+-]*)"
    rb'|(?P<word>(?:true|false|null)(?![A-Za-z0-9_]))|(?P<other>[^"{}\[\]:,\s\x00]+|.)',
    re.DOTALL,
)
_TIME = re.compile(rb'"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))"')
_TYPE = re.compile(rb'"type":"(request|response|[a-z]{2,20}-(?:request|response))"')
_ID = re.compile(rb'"request":\{"id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
_LOOK = 65_536


class Head(NamedTuple):
    """What a torn line still tells; empty where it does not."""

    time: str
    type: str
    request_id: str


def preview(raw: bytes, limit: int = 2048) -> str:
    """What `raw` looks like in at most about `limit` characters: punctuation, the API's own words and HMACs stay,
    everything else is its kind and length."""
    parts: list[str] = []
    size = at = 0
    for found in _TOKENS.finditer(raw[:_LOOK]):
        shown = _SHOW[str(found.lastgroup)](found[0])
        if size + len(shown) > limit:
            break
        parts.append(shown)
        size += len(shown)
        at = found.end()
    rest = len(raw) - at
    return "".join(parts) + (f"… {rest} bytes more" if rest else "")


def safe_head(raw: bytes) -> Head:
    """Time, type and request id of a torn line, where they are whole and of the right form."""
    found = (pattern.search(raw[:_LOOK]) for pattern in (_TIME, _TYPE, _ID))
    return Head(*(match[1].decode() if match else "" for match in found))


def _string(token: bytes) -> str:
    if token[1:-1] in _WORDS:
        return token.decode()
    return f'"string, {len(token) - 2}"'


_SHOW: dict[str, Callable[[bytes], str]] = {
    "hmac": bytes.decode,
    "string": _string,
    "open": lambda token: f'"string, {len(token) - 1}',
    "punctuation": bytes.decode,
    "space": lambda token: " ",
    "nul": lambda token: f"<NUL, {len(token)}>",
    "number": lambda token: f"<number, {len(token)}>",
    "word": lambda token: "null" if token == b"null" else "<bool>",
    "other": lambda token: f"<bytes, {len(token)}>",
}
