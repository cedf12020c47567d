"""Seals a wrapping token for the one process that may open it: HPKE (RFC 9180) to the public key of the executor.

The private key lies in a file that the worker of operations alone can read. A sealed token is bound to one change.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_BYTES = 32  # of a private key


class Unsealable(Exception):
    """A sealed token that can't be opened, or a key that can't be read; the message is a sentence for people."""


def seal(token: str, key: bytes, change: str) -> bytes:
    """Return a token as only the holder of the private key can read it, for one change (`C-215`)."""
    return bytes(_SUITE.encrypt(token.encode(), X25519PublicKey.from_public_bytes(key), _bound(change)))


def opened(sealed: bytes, file: str, change: str) -> str:
    """Return a token that was sealed for a change; raises `Unsealable`."""
    try:
        return bytes(_SUITE.decrypt(sealed, _private(file), _bound(change))).decode()
    except (InvalidTag, ValueError):
        pass  # what the library raised may hold parts of it
    raise Unsealable("The wrapping token was sealed for another key or another change, so it can't be opened.")


def public(file: str) -> bytes:
    """Return the public key of a file; makes the file, which nobody else can read, if there is none.

    Raises `Unsealable`.
    """
    if not Path(file).exists():
        _make(Path(file))
    return _private(file).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def mark(key: bytes) -> str:
    """Return how a public key is named."""
    return sha256(key).hexdigest()[:16]


def _make(place: Path) -> None:
    """Make a key whole or not at all; of two that make one at once, the first stays."""
    making = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
            file.write(X25519PrivateKey.generate().private_bytes_raw())
        try:
            os.link(making, place)
        except FileExistsError:
            return
        finally:
            making.unlink()
    except OSError as error:
        raise Unsealable(f"The key {place} can't be made: {error.strerror}.") from None


def _private(file: str) -> X25519PrivateKey:
    try:
        mode = stat.S_IMODE(Path(file).stat().st_mode)
        held = b"" if mode & 0o077 else Path(file).read_bytes()
    except OSError as error:
        raise Unsealable(f"The key {file} can't be read: {error.strerror}.") from None
    if mode & 0o077:
        raise Unsealable(f"Others than the worker may read the key {file} (mode {mode:04o}): remove it and start anew.")
    if len(held) != _BYTES:
        raise Unsealable(f"The key {file} is no key: remove it, and the worker makes another when it starts.")
    return X25519PrivateKey.from_private_bytes(held)


def _bound(change: str) -> bytes:
    return b"keybook wrapping token " + change.encode()
