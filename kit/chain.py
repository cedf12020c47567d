"""A hash chain: each link's SHA-256 covers its own fields and the link before, so none can change alone.

The bytes that are hashed are netstrings: each field as `<octets of its UTF-8>:<the text>,`, a number as its decimal
digits, nothing at all as `-,`. No two lists of fields give the same bytes. The first field names the form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

NOTHING_BEFORE = "0" * 64  # what the first link names as the one before it

Field = str | int | None


def digest(form: str, fields: Iterable[Field]) -> str:
    """Return the SHA-256, in 64 hex digits, of fields in their order under a form's name such as `keybook.trail.1`."""
    return sha256(b"".join(map(_framed, (form, *fields)))).hexdigest()


def _framed(value: Field) -> bytes:
    if value is None:
        return b"-,"
    octets = (value if isinstance(value, str) else str(value)).encode()
    return b"%d:%b," % (len(octets), octets)


def json_text(document: Mapping[str, object]) -> str:
    """Return a document exactly as PostgreSQL prints its `jsonb`: shorter names first, then by their octets.

    True for texts, whole numbers, yes, no, nothing, and lists and mappings of them; other numbers PostgreSQL prints
    in its own way.
    """
    return json.dumps(_sorted(document), ensure_ascii=False)


def _sorted(value: object) -> object:
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _sorted(value[name]) for name in names}
    return [_sorted(one) for one in value] if isinstance(value, list) else value
