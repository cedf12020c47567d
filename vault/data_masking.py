"""Masks `data` objects: what is not an HMAC and not on the mount type's list becomes its kind and length.

A thorough walk of the parsed object decides; what it decided for one literal text (all but the HMACs, which change
while the shape repeats for months) is remembered and filled with the next object's HMACs.
"""

from __future__ import annotations

import re
from typing import Any

from vault import strict_json, vocabulary
from vault.plain_text import TOKEN
from vault.strict_json import DEEPEST, Number, Pairs
from vault.vocabulary import Rules

HMAC = re.compile(r"hmac-sha256:[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_KV2_PATH = re.compile(r"/(?:data|metadata|delete|undelete|destroy|subkeys)/|/config$")
_SPLIT = b'"hmac-sha256:'
_HEX = b"0123456789abcdef"
_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_KV2_CUT = b'},"metadata":{"created_time":"'
_REMEMBER, _LONGEST = 20_000, 4_096

_safe: set[tuple[Rules, bytes]] = set()
_forms: dict[tuple[Rules, bytes], list[bytes]] = {}


def rules_for(mount_type: str, path: str, operation: str, side: str, kv_version: int = 0) -> Rules:
    """The rules for one `data` object; `path` is the request's, `side` is `request` or `response`.

    `kv_version` 0 (not known) takes a KV path with one of version 2's segments for version 2; data of an unknown mount
    type is a user's own, all of it.
    """
    if side == "response" and operation in ("list", "scan"):
        return vocabulary.LIST
    kind = mount_type.removeprefix("ns_")
    if kind == "kv":
        second = kv_version == 2 or (kv_version == 0 and _KV2_PATH.search(path) is not None)
        return vocabulary.KV2 if second else vocabulary.USER
    if kind == "system" and path.startswith(("sys/wrapping/wrap", "sys/wrapping/unwrap", "sys/raw/")):
        return vocabulary.WRAPPED if side == "response" else vocabulary.SYSTEM
    return vocabulary.BY_MOUNT.get(kind, vocabulary.USER)


def mask_data(data: bytes, *, mount_type: str, path: str, operation: str, side: str, kv_version: int = 0) -> bytes:
    """One raw `data` object, masked; the very same object when nothing needs masking.

    Depends on its arguments only. Never raises: what can't be parsed becomes one string that tells its length.
    """
    return _remembered(data, rules_for(mount_type, path, operation, side, kv_version))


def _remembered(data: bytes, rules: Rules) -> bytes:
    pieces = data.split(_SPLIT)
    literal = _literal(pieces)
    if literal is None or len(literal) > _LONGEST:
        return _thoroughly(data, rules)
    shape = (rules, literal.translate(_ZERO))
    if shape in _safe:
        return data
    form = _forms.get((rules, literal))
    if form is not None:
        return _filled(form, pieces)
    if rules is vocabulary.KV2 and data.startswith(b'{"data":{') and (cut := data.rfind(_KV2_CUT)) != -1:
        return _kv2_read(data, cut)
    masked = _thoroughly(data, rules)
    if masked == data:
        _learn_safe(shape)
        return data
    _learn_form((rules, literal), masked, pieces)
    return masked


def _kv2_read(data: bytes, cut: int) -> bytes:
    """A KV v2 read in Go's order: the secret's keys repeat with every version, its metadata's dates don't."""
    value = _remembered(data[8 : cut + 1], vocabulary.BELOW)
    metadata = _remembered(data[cut + 13 : -1], vocabulary.KV2)
    if not (value.startswith(b"{") and metadata.startswith(b"{")):
        return _thoroughly(data, vocabulary.KV2)
    return b'{"data":' + value + b',"metadata":' + metadata + b"}"


def _literal(pieces: list[bytes]) -> bytes | None:
    """What stands between the HMACs, joined by NUL (which JSON text can't hold); None if one is not a whole HMAC."""
    kept = [pieces[0]]
    for piece in pieces[1:]:
        if piece[64:65] != b'"' or piece[:64].translate(None, _HEX):
            return None
        kept.append(piece[65:])
    return b"\0".join(kept)


def _filled(form: list[bytes], pieces: list[bytes]) -> bytes:
    """A remembered form with the HMACs of these pieces."""
    parts = [form[0]]
    for text, piece in zip(form[1:], pieces[1:], strict=True):
        parts += (_SPLIT, piece[:65], text)
    return b"".join(parts)


def _learn_safe(shape: tuple[Rules, bytes]) -> None:
    if len(_safe) >= _REMEMBER:
        _safe.clear()
    _safe.add(shape)


def _learn_form(key: tuple[Rules, bytes], masked: bytes, pieces: list[bytes]) -> None:
    """Remember a masked form, if it holds the same HMACs in the same order as the original."""
    if len(_forms) >= _REMEMBER:
        _forms.clear()
    parts = masked.split(_SPLIT)
    if [part[:65] for part in parts[1:]] == [piece[:65] for piece in pieces[1:]]:
        _forms[key] = [parts[0], *(part[65:] for part in parts[1:])]


def _thoroughly(data: bytes, rules: Rules) -> bytes:
    try:
        parsed = strict_json.loads(data)
    except strict_json.NotJson:
        return f'"unreadable, {len(data)}"'.encode()
    return DataMask().mask(parsed, rules).encode()


class DataMask:
    """One thorough walk; `plain_token` tells whether a leaf that was masked looked like a token."""

    def __init__(self) -> None:
        self.plain_token = False

    def mask(self, parsed: Any, rules: Rules) -> str:
        """The JSON text of one parsed `data` value, masked by its rules."""
        if not isinstance(parsed, Pairs):
            return self.user(parsed)
        return self._object(parsed, _for_shape(parsed, rules), 1)

    def user(self, value: Any, depth: int = 1) -> str:
        """Anything whose key names belong to a user: all of it is masked."""
        if depth > DEEPEST and isinstance(value, list):
            return '"nested"'
        if isinstance(value, Pairs):
            return self._object(value, vocabulary.BELOW, depth)
        if isinstance(value, list):
            return f"[{','.join(self.user(item, depth + 1) for item in value)}]"
        return self._leaf(value)

    def _object(self, pairs: Pairs, rules: Rules, depth: int, numbered: bool = False) -> str:
        members = []
        for number, (key, value) in enumerate(pairs, 1):
            if key in rules.keys:
                members.append(f'"{key}":{self._known(key, value, rules, depth + 1)}')
            elif numbered and key.isascii() and key.isdigit() and len(key) <= 6:
                members.append(f'"{key}":{self._allowed(value, rules, depth + 1)}')
            else:
                members.append(f'"key {number}, {len(key)}":{self.user(value, depth + 1)}')
        return "{" + ",".join(members) + "}"

    def _known(self, key: str, value: Any, rules: Rules, depth: int) -> str:
        """The value below a key of the API."""
        if depth > DEEPEST or key in rules.user:
            return self.user(value, depth)
        if isinstance(value, Pairs):
            return self._object(value, rules, depth, key in rules.numbered)
        if key in rules.allow:
            return self._allowed(value, rules, depth)
        if isinstance(value, list):
            return f"[{','.join(self._item(item, rules, depth + 1) for item in value)}]"
        return self._leaf(value)

    def _item(self, value: Any, rules: Rules, depth: int) -> str:
        if isinstance(value, Pairs) and depth <= DEEPEST:
            return self._object(value, rules, depth)
        return self.user(value, depth)

    def _allowed(self, value: Any, rules: Rules, depth: int) -> str:
        """A value whose key is on the list: numbers, dates and switches stay, any other text does not."""
        if isinstance(value, Pairs) or depth > DEEPEST:
            return self._item(value, rules, depth)
        if isinstance(value, list):
            return f"[{','.join(self._allowed(item, rules, depth + 1) for item in value)}]"
        if isinstance(value, Number) and len(value) <= 20:
            return str(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str) and TIME.fullmatch(value):
            return f'"{value}"'
        return self._leaf(value)

    def _leaf(self, value: Any) -> str:
        """One leaf as it may be stored: an HMAC or null as it is, else its kind and length."""
        if value is None:
            return "null"
        if isinstance(value, bool):
            return '"bool"'
        if isinstance(value, Number):
            return f'"number, {len(value)}"'
        if HMAC.fullmatch(value):
            return f'"{value}"'
        self.plain_token = self.plain_token or TOKEN.search(value) is not None
        return f'"{"time" if TIME.fullmatch(value) else "string"}, {len(value)}"'


def _for_shape(pairs: Pairs, rules: Rules) -> Rules:
    """Answers that any mount gives, an unwrapped answer, and KV paths whose object is not version 2's after all."""
    if rules is vocabulary.BELOW:
        return rules
    names = {key for key, _ in pairs}
    if names == vocabulary.RAW_ANSWER.keys and HMAC.fullmatch(str(pairs.last("http_raw_body"))):
        return vocabulary.RAW_ANSWER
    if names == vocabulary.ERROR_ANSWER.keys:
        return vocabulary.ERROR_ANSWER
    if rules is vocabulary.WRAPPED:
        return _unwrapped(pairs, names)
    return vocabulary.USER if rules is vocabulary.KV2 and not names <= vocabulary.KV2.keys else rules


def _unwrapped(pairs: Pairs, names: set[str]) -> Rules:
    metadata = pairs.last("metadata")
    if names == {"data", "metadata"} and isinstance(metadata, Pairs):
        return vocabulary.KV2 if {key for key, _ in metadata} <= vocabulary.KV2.keys else vocabulary.USER
    return vocabulary.BY_MOUNT["approle"] if names <= vocabulary.SECRET_ID else vocabulary.USER
