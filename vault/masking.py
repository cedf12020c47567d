"""Masks a whole audit line before it is stored, and says which of its parts may be stored as they stand.

The rule (nothing that is not an HMAC, a list's entry or an open field of the entry) holds for any key order, unknown
fields and duplicate keys: each of a doubled key's values is masked, and a doubled field makes every `data` a user's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vault import strict_json
from vault.data_masking import mask_by, mask_data
from vault.data_rules import Rules, rules_for
from vault.line_masking import LineMask, quote
from vault.plain_text import find_plain_token, mask_error, mask_login_path
from vault.preview import Head, preview, safe_head
from vault.shapes import Memory, shape_of
from vault.strict_json import Pairs

__all__ = [
    "Head", "Masked", "Rules", "auth_is_safe", "find_plain_token", "headers_are_safe", "mask_by", "mask_data",
    "mask_error", "mask_line", "mask_login_path", "preview", "rules_for", "safe_head",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Masked:
    """A line as it may be stored, and what was found in it: see `FINDINGS`."""

    line: bytes
    findings: frozenset[str]


FINDINGS = ("plain token", "plain accessor", "duplicate keys", "unknown field", "unreadable")


def mask_line(raw: bytes, *, failed_login: bool = False, kv_version: int = 0) -> Masked:
    """One JSON document, masked thoroughly; slow, and never raises.

    `failed_login` says that the login this line belongs to failed, or may still fail (its response has not come); a
    response entry of a login that shows no `auth` is one without being told.
    """
    try:
        parsed = strict_json.loads(raw)
    except strict_json.NotJson:
        parsed = None
    if not isinstance(parsed, Pairs):
        return Masked(f'{{"unreadable":{quote(preview(raw))}}}'.encode(), frozenset(("unreadable",)))
    walk = LineMask(parsed, failed_login=failed_login, kv_version=kv_version)
    text = walk.entry(parsed)
    if walk.data.plain_token:
        walk.findings.add("plain token")
    return Masked(text.encode("utf-8", "replace"), frozenset(walk.findings))


_safe_auth: Memory[bool] = Memory()
_safe_headers: Memory[bool] = Memory()


def auth_is_safe(raw: bytes) -> bool:
    """Whether an `auth` object may be stored as it stands: its token is an HMAC, nothing is unknown or doubled."""
    return _is_safe(raw, _safe_auth, LineMask.auth)


def headers_are_safe(raw: bytes) -> bool:
    """Whether a `headers` object may be stored as it stands: no credentials in plain."""
    return _is_safe(raw, _safe_headers, LineMask.headers)


def _is_safe(raw: bytes, memory: Memory[bool], part: Callable[[LineMask, Any], str]) -> bool:
    """The answer for this shape of object: it depends on neither digits nor HMACs."""
    key = shape_of(raw)
    if key is None:
        return False
    safe = memory.get(key)
    if safe is None:
        safe = _is_kept(raw, part)
        memory.learn(key, safe)
    return safe


def _is_kept(raw: bytes, part: Callable[[LineMask, Any], str]) -> bool:
    try:
        parsed = strict_json.loads(raw)
    except strict_json.NotJson:
        return False
    walk = LineMask(Pairs([("", parsed)]))
    part(walk, parsed)
    return not walk.changed and not walk.findings - {"plain accessor"}
