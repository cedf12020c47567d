"""Makes tokens that carry their own checksum, so that a mistyped one is told from a wrong one without a look-up."""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from zlib import crc32

_BODY, _CHECK = 43, 8
_ANY = re.compile(rf"(?<![A-Za-z0-9_-])[a-z]{{3}}_[A-Za-z0-9_-]{{{_BODY}}}[0-9a-f]{{{_CHECK}}}(?![A-Za-z0-9_-])")


def make(prefix: str) -> str:
    """Return a new token: the prefix, 32 random bytes in base64url, 8 hex digits of their CRC-32."""
    body = urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return prefix + body + _check(prefix + body)


def is_whole(token: str, prefix: str) -> bool:
    """Whether a text has the form of a token of this kind and its checksum fits."""
    if len(token) != len(prefix) + _BODY + _CHECK or not token.startswith(prefix) or not token.isascii():
        return False
    return token[-_CHECK:] == _check(token[:-_CHECK])


def scrub(text: str) -> str:
    """Return the text without whole tokens of any prefix: each becomes `<token, length>`."""
    return _ANY.sub(lambda found: f"<token, {len(found[0])}>", text)


def digest(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256; 32 random bytes need no salt and no slow hash."""
    return sha256(token.encode()).digest()


def _check(text: str) -> str:
    return f"{crc32(text.encode()):08x}"
