"""Makes rows fit their tables: who may make an object in a cluster chooses texts and numbers without end. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar, cast

LONGEST = 1_000  # bytes of a text in an index, which holds two of them and a namespace
HIGHEST, LARGEST = 2**31 - 1, 2**63 - 1
_INDEXED = frozenset(["uid", "name", "path", "workload_uid", "workload_name", "pod_uid", "pod_name", "k8s_secret"])
_Row = TypeVar("_Row", bound=NamedTuple)


def row(given: _Row) -> _Row:
    """Return a row whose texts and numbers its table and its indexes take."""
    fields: Any = given
    fit = (_fit(name, value) for name, value in zip(fields._fields, fields, strict=True))
    return cast("_Row", fields._make(fit))


def text(given: str, longest: int = LONGEST) -> str:
    """Return a text as an index takes it: without NUL, and a long one cut, with a mark that tells it from others."""
    found = clean(given)
    if len(found) * 4 <= longest or len(raw := found.encode()) <= longest:
        return found
    mark = blake2b(raw, digest_size=8).hexdigest()
    return f"{raw[: longest - 20].decode(errors='ignore')}…{mark}"


def clean(given: str) -> str:
    """Return a text without NUL, which PostgreSQL keeps in none."""
    return given.replace("\0", "\ufffd") if "\0" in given else given


def _fit(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return text(value) if name in _INDEXED else clean(value)
    if isinstance(value, list):
        return [_fit("", one) for one in value]
    if isinstance(value, int):
        return min(max(value, 0), LARGEST if name == "lease_seconds" else HIGHEST)
    return value
