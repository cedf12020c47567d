"""Seals what webhooks are signed with under KEYBOOK_NOTICE_KEY, so that a copy of the database signs nothing."""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from accounts.not_done import NotDone

MARK = "whsec_"  # how Standard Webhooks begins a secret, so that scanners know one
_UNSET = (
    "KEYBOOK_NOTICE_KEY is not set, so a webhook could not be signed. Set it for web and the worker notices, the same."
)


class Unsealable(Exception):
    """A secret that can't be opened: another key sealed it, or none is set."""


def fresh() -> str:
    """Return a new secret: 32 random bytes as Standard Webhooks writes them."""
    return MARK + base64.b64encode(secrets.token_bytes(32)).decode()


def seal(secret: str) -> str:
    """Return a secret as a row keeps it. Raises `NotDone` without a key."""
    cipher = _cipher()
    if cipher is None:
        raise NotDone(_UNSET)
    return cipher.encrypt(secret.encode()).decode()


def unseal(sealed: str) -> bytes:
    """Return the bytes that sign. Raises `Unsealable`."""
    cipher = _cipher()
    if cipher is None:
        raise Unsealable(_UNSET)
    try:
        return base64.b64decode(cipher.decrypt(sealed.encode()).decode().removeprefix(MARK))
    except InvalidToken:
        raise Unsealable(
            "The secret of this webhook was sealed under another KEYBOOK_NOTICE_KEY. Make a new secret."
        ) from None


def _cipher() -> Fernet | None:
    key = settings.KEYBOOK.notice_key
    if not key:
        return None
    derived = hashlib.blake2b(key.encode(), digest_size=32, person=b"notices").digest()
    return Fernet(base64.urlsafe_b64encode(derived))
