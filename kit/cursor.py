"""Cursors: where a reader stands, opaque and signed, bound to one list, one question and one view of it. Pure."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct

_FORM = 1
_BODY = Struct(">BcqqQQ")  # form, list, two numbers, digests of the question and of the view
_MAC = 16
LENGTH = -(-(_BODY.size + _MAC) * 4 // 3)  # characters


class CursorRefused(ValueError):
    """This text leads nowhere; `why` is `malformed`, `foreign`, `list`, `query` or `scope`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Binding:
    """What a cursor is good for: the list (one letter), the question and the view, and the key that signs it."""

    key: bytes
    kind: str
    question: str
    view: str

    def pack(self, first: int, second: int = 0) -> str:
        """Return the cursor of a place, which is one or two whole numbers."""
        body = _BODY.pack(_FORM, self.kind.encode(), first, second, _digest(self.question), _digest(self.view))
        return urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def unpack(self, text: str) -> tuple[int, int]:
        """Return the place; raises `CursorRefused`. A wrong signature is told before anything that it covers."""
        body, mac = _cut(text)
        if not hmac.compare_digest(mac, self._mac(body)):
            raise CursorRefused("foreign")
        _, kind, first, second, question, view = _BODY.unpack(body)
        told = {"list": kind == self.kind.encode(), "query": question == _digest(self.question)}
        told["scope"] = view == _digest(self.view)
        for why, fits in told.items():
            if not fits:
                raise CursorRefused(why)
        return first, second

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self.key, body, sha256).digest()[:_MAC]


def _cut(text: str) -> tuple[bytes, bytes]:
    try:
        whole = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)) if len(text) == LENGTH else b""
    except (Error, ValueError):
        whole = b""
    if len(whole) != _BODY.size + _MAC or whole[0] != _FORM or urlsafe_b64encode(whole).rstrip(b"=").decode() != text:
        raise CursorRefused("malformed")
    return whole[: _BODY.size], whole[_BODY.size :]


def _digest(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")
