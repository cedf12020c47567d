"""Masks `data` objects: what is not an HMAC and not on the mount type's list becomes its kind and length.

A thorough walk of the parsed object decides; what it decided for one literal text (all but the HMACs, which change
while the shape repeats for months) is remembered and filled with the next object's HMACs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, NamedTuple

from vault import data_rules, strict_json
from vault.data_rules import Rules, rules_for
from vault.plain_text import TOKEN
from vault.shapes import HMAC_GROWS, HMAC_START, Memory, put_together, shape, take_apart
from vault.strict_json import DEEPEST, Number, Pairs

HMAC = re.compile(r"hmac-sha256:[0-9a-f]{64}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")


class Form(NamedTuple):
    """How an object of one shape is masked: keep `head` bytes, fill the template with the HMACs from `first` on, keep
    `tail` bytes at the end."""

    head: int
    template: bytes
    first: int
    holes: int
    tail: int

    def fill(self, data: bytes, hmacs: list[bytes]) -> bytes:
        """The object masked."""
        middle = self.template % tuple(hmacs[self.first : self.first + self.holes])
        return data[: self.head] + middle + data[len(data) - self.tail :]


# By rules and shape; None if an object of the shape is safe as it is.
_forms: dict[Rules, Memory[Form | None]] = defaultdict(Memory)
_OTHER = bytes.maketrans(b"0123456789", b"1234567898")  # no zero, which must not begin a number


def mask_data(data: bytes, *, mount_type: str, path: str, operation: str, side: str, kv_version: int = 0) -> bytes:
    """One raw `data` object, masked; the very same object when nothing needs masking.

    Depends on its arguments only. Never raises: what can't be parsed becomes one string that tells its length.
    """
    return mask_by(data, rules_for(mount_type, path, operation, side, kv_version))


def mask_by(data: bytes, rules: Rules) -> bytes:
    """`mask_data` for a caller who remembers the rules of a path."""
    apart = take_apart(data)
    if apart is None:
        return _thoroughly(data, rules)
    literal, hmacs = apart
    try:
        form = _forms[rules][shape(literal)]
    except KeyError:
        return _learn(data, rules, literal, hmacs)
    return data if form is None else form.fill(data, hmacs)


def form_of(data: bytes, rules: Rules) -> tuple[bytes, list[bytes], Form | None] | None:
    """The shape of an object, its HMACs and how objects of that shape are masked (None: safe as they are).

    None if that is not known, or not the same for all of the shape.
    """
    apart = take_apart(data)
    if apart is None:
        return None
    key = shape(apart[0])
    forms = _forms[rules]
    return (key, apart[1], forms[key]) if key in forms else None


def _learn(data: bytes, rules: Rules, literal: bytes, hmacs: list[bytes]) -> bytes:
    """Mask thoroughly, and remember how if a twin of the object (other digits, other HMACs) is masked alike."""
    masked = _thoroughly(data, rules)
    if masked == data:
        _forms[rules].learn(shape(literal), None)
        return data
    apart = take_apart(masked)
    if apart is not None and literal.count(b"\0") == apart[0].count(b"\0") == len(hmacs):
        form = _form(literal, apart[0])
        others = [hmac[::-1] for hmac in hmacs]
        twin = put_together(literal.translate(_OTHER), others)
        if form.fill(twin, others) == _thoroughly(twin, rules):
            _forms[rules].learn(shape(literal), form)
    return masked


def _form(literal: bytes, wanted: bytes) -> Form:
    """What of a literal text stays at both ends, and what stands between."""
    head = _alike(literal, wanted)
    tail = _alike(literal[head:][::-1], wanted[head:][::-1])
    first, last = literal[:head].count(b"\0"), literal[len(literal) - tail :].count(b"\0")
    middle = wanted[head : len(wanted) - tail]
    template = middle.replace(b"%", b"%%").replace(b"\0", HMAC_START + b"%b")
    return Form(head + HMAC_GROWS * first, template, first, middle.count(b"\0"), tail + HMAC_GROWS * last)


def _alike(one: bytes, other: bytes) -> int:
    """How many first bytes two texts share."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


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
            return self._object(value, data_rules.USER, depth)
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
    names = {key for key, _ in pairs}
    if names == data_rules.RAW_ANSWER.keys and HMAC.fullmatch(str(pairs.last("http_raw_body"))):
        return data_rules.RAW_ANSWER
    if names == data_rules.ERROR_ANSWER.keys:
        return data_rules.ERROR_ANSWER
    if rules is data_rules.WRAPPED:
        return _unwrapped(pairs, names)
    return data_rules.USER if rules is data_rules.KV2 and not names <= data_rules.KV2.keys else rules


def _unwrapped(pairs: Pairs, names: set[str]) -> Rules:
    metadata = pairs.last("metadata")
    if names == {"data", "metadata"} and isinstance(metadata, Pairs):
        return data_rules.KV2 if {key for key, _ in metadata} <= data_rules.KV2.keys else data_rules.USER
    return data_rules.BY_MOUNT["approle"] if names <= data_rules.SECRET_ID else data_rules.USER
