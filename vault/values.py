"""Makes a value by chance; nobody keeps it but who asked."""

from __future__ import annotations

import secrets
import string

SIGNS = string.ascii_letters + string.digits + "-_.~"  # those that need no quoting in a URL, a shell or a DSN


def made(length: int = 32, signs: str = SIGNS) -> str:
    """Return so many random signs; raises `ValueError` for fewer than 16, or for fewer than 16 kinds of them."""
    if length < 16 or len(set(signs)) < 16:
        raise ValueError("a value takes at least 16 signs of at least 16 kinds")
    return "".join(secrets.choice(signs) for _ in range(length))
