"""Signs the job tokens of the story's CI: ECDSA on P-256 (ES256) in a few lines, for no library of ours signs.

Good for a demo's throw-away key alone: the arithmetic takes a time that depends on the key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any

# NIST P-256 (FIPS 186-4, D.1.2.3): field, order, base point; a = -3.
FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
# The DER of a SubjectPublicKeyInfo for id-ecPublicKey on prime256v1, up to the point (RFC 5480).
DER_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
Point = tuple[int, int] | None  # None is the point at infinity


def encode(part: bytes) -> str:
    """Return base64url without padding, as JSON Web Signature has it (RFC 7515)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _add(one: Point, two: Point) -> Point:
    if one is None or two is None:
        return one or two
    (x1, y1), (x2, y2) = one, two
    if x1 == x2 and (y1 + y2) % FIELD == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, FIELD) if one == two else (y2 - y1) * pow(x2 - x1, -1, FIELD)
    x = (slope * slope - x1 - x2) % FIELD
    return x, (slope * (x1 - x) - y1) % FIELD


def _times(factor: int) -> tuple[int, int]:
    """Return the base point times `factor` (1 to ORDER - 1)."""
    total: Point = None
    double: Point = BASE
    while factor:
        if factor & 1:
            total = _add(total, double)
        double = _add(double, double)
        factor >>= 1
    if total is None:
        raise ValueError("the factor is a multiple of the group's order")
    return total


class CiKey:
    """A CI's signing key for as long as the process lives."""

    def __init__(self) -> None:
        """Make a key."""
        self._secret = secrets.randbelow(ORDER - 1) + 1

    def pem(self) -> str:
        """Return the public key as PEM."""
        x, y = _times(self._secret)
        body = base64.encodebytes(DER_HEAD + b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"

    def token(self, claims: dict[str, Any], life: int = 600) -> str:
        """Return a signed token that is good for `life` seconds."""
        now = int(time.time())
        parts = ({"alg": "ES256", "typ": "JWT"}, {**claims, "iat": now, "nbf": now, "exp": now + life})
        text = ".".join(encode(json.dumps(part).encode()) for part in parts)
        return f"{text}.{encode(self._sign(text.encode()))}"

    def _sign(self, text: bytes) -> bytes:
        """Return r and s, 32 bytes each (RFC 7518, 3.4)."""
        digest = int.from_bytes(hashlib.sha256(text).digest(), "big")
        while True:
            nonce = secrets.randbelow(ORDER - 1) + 1
            r = _times(nonce)[0] % ORDER
            s = pow(nonce, -1, ORDER) * (digest + r * self._secret) % ORDER
            if r and s:
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")
