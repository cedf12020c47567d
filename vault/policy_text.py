"""Reads the text of an ACL policy into rules: a path pattern with its capabilities and conditions.

A text that the vault would refuse raises `UnreadableText`; such a policy "could not be read", which is never the same
as one that grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from vault.durations import seconds
from vault.hcl import Block, Item, Listed, Token, bad, parse
from vault.templates import balanced

_VAULT_ONLY = ("subscribe", "recover")
CAPABILITIES = frozenset(("create", "read", "update", "delete", "list", "sudo", "patch", "scan", "deny", *_VAULT_ONLY))
_OLD = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One `path` of a policy, as it is written; `pattern` may end in `*` and hold `+` and `{{identity...}}`.

    Parameters map a name to its values in print (empty: any value). `min_wrap` and `max_wrap` are seconds, 0 for none.
    `unknown` are the names of fields that this reader does not know: they may narrow what the rule grants.
    """

    pattern: str
    capabilities: frozenset[str]
    line: int = 0
    allowed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    denied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    min_wrap: float = 0
    max_wrap: float = 0
    pagination_limit: int = 0
    keys_filter: str = ""
    mfa_methods: tuple[str, ...] = ()
    control_group: bool = False
    expires: datetime | None = None
    unknown: tuple[str, ...] = ()


def rules(text: str) -> tuple[Rule, ...]:
    """Return the rules of a policy's text in their order, templates unfilled; raises `UnreadableText`."""
    items = parse(text)
    for item in items:
        if item.keys[0].value not in ("name", "path"):
            raise bad(f'a policy holds rules like path "...", not {item.keys[0].value}', item.keys[0])
    return tuple(_rule(item) for item in items if item.keys[0].value == "path")


def _rule(item: Item) -> Rule:
    key = item.keys[1] if len(item.keys) > 1 else item.keys[0]  # `path { }` is a rule for the path "path"
    if not isinstance(item.value, Block):
        raise bad("path is followed by the pattern in quotes and a block", key)
    if not balanced(key.value):
        raise bad("the braces of a template don't match", key)
    if "+*" in key.value:
        raise bad("a pattern may not hold +*", key)
    rule = Rule(key.value, _capabilities(item.value), key.line)
    denied = "deny" in rule.capabilities
    for one in item.value.items:
        if not denied or one.keys[0].value == "expiration":  # the vault looks at nothing else beside a deny
            rule = _with(rule, one)
    if rule.unknown and len(item.keys) == 1:
        raise bad('a rule is written path "pattern" { ... }', key)
    if 0 < rule.max_wrap < rule.min_wrap:
        raise bad("max_wrapping_ttl is less than min_wrapping_ttl", key)
    if rule.keys_filter and "list" not in rule.capabilities:
        raise bad("list_scan_response_keys_filter_path needs the capability list", key)
    return rule


def _with(rule: Rule, item: Item) -> Rule:
    name = item.keys[0].value
    if name in ("comment", "policy", "capabilities"):
        return rule
    if name not in _FIELDS:
        return replace(rule, unknown=(*rule.unknown, name))
    return _FIELDS[name](rule, item)


def _capabilities(block: Block) -> frozenset[str]:
    """Return what a block grants: `deny` puts all else out, and what follows it is not even looked at."""
    words = [(token.value, token) for one in block.items if one.keys[0].value == "capabilities" for token in _list(one)]
    old = [one for one in block.items if one.keys[0].value == "policy"]
    if old and (word := _text(old[-1])):
        if word not in _OLD:
            raise bad(f"{word}: no such word for policy; use capabilities", old[-1].keys[0])
        words = ([] if word == "deny" else words) + [(one, old[-1].keys[0]) for one in _OLD[word]]
    found: set[str] = set()
    for word, token in words:
        if word == "deny":
            return frozenset(("deny",))
        if word not in CAPABILITIES:
            raise bad(f"{word}: no such capability", token)
        found.add(word)
    return frozenset(found)


def _token(item: Item) -> Token:
    if not isinstance(item.value, Token):
        raise bad(f"{item.keys[0].value} takes one value", item.keys[0])
    return item.value


def _text(item: Item) -> str:
    token = _token(item)
    if token.kind not in ("string", "heredoc", "number"):
        raise bad(f"{item.keys[0].value} takes a text", token)
    return token.value


def _list(item: Item) -> list[Token]:
    """Return the texts of a list; an empty block counts as an empty list, as it does in the vault."""
    if isinstance(item.value, Block) and not item.value.items:
        return []
    if not isinstance(item.value, Listed):
        raise bad(f"{item.keys[0].value} takes a list in brackets", item.keys[0])
    for one in item.value.values:
        if not isinstance(one, Token) or one.kind not in ("string", "heredoc", "number"):
            raise bad(f"{item.keys[0].value} takes a list of texts", item.keys[0])
    return [one for one in item.value.values if isinstance(one, Token)]


def _parameters(item: Item) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each parameter, in small letters, with the values that it names."""
    if not isinstance(item.value, Block):
        raise bad(f"{item.keys[0].value} takes a block of lists", item.keys[0])
    for one in item.value.items:
        if isinstance(one.value, Token):
            raise bad(f"the parameter {one.keys[0].value} takes a list in brackets", one.keys[0])
        values = one.value.values if isinstance(one.value, Listed) else [one.value]
        yield one.keys[0].value.lower(), tuple(value.value if isinstance(value, Token) else "..." for value in values)


def _span(item: Item) -> float:
    token = _token(item)
    length = seconds(token.value) if token.value else 0.0
    if length is None or token.kind == "bool":
        raise bad(f"{item.keys[0].value} takes a length of time like 90s or 1h", token)
    return length


_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(item: Item) -> datetime | None:
    token, text = _token(item), _text(item)
    try:
        if not text:
            return None
        if re.fullmatch(r"-?[0-9]+", text):
            return _EPOCH + timedelta(seconds=int(text))
        found = _TIME.fullmatch(text)
        if found is not None:
            zone = "+00:00" if found[3] in "Zz" else found[3]
            return datetime.fromisoformat(f"{found[1]}{(found[2] or '')[:7]}{zone}")
    except (ValueError, OverflowError):
        pass
    raise bad("expiration takes a time like 2030-01-31T12:00:00Z", token)


def _limit(item: Item) -> int:
    token = _token(item)
    try:
        return int(token.value, 0)
    except ValueError:
        raise bad("pagination_limit takes a whole number", token) from None


def _words(item: Item) -> tuple[str, ...]:
    return tuple(token.value for token in _list(item))


_FIELDS: dict[str, Callable[[Rule, Item], Rule]] = {
    "allowed_parameters": lambda rule, item: replace(rule, allowed=rule.allowed | dict(_parameters(item))),
    "denied_parameters": lambda rule, item: replace(rule, denied=rule.denied | dict(_parameters(item))),
    "required_parameters": lambda rule, item: replace(rule, required=rule.required + _words(item)),
    "min_wrapping_ttl": lambda rule, item: replace(rule, min_wrap=_span(item)),
    "max_wrapping_ttl": lambda rule, item: replace(rule, max_wrap=_span(item)),
    "mfa_methods": lambda rule, item: replace(rule, mfa_methods=rule.mfa_methods + _words(item)),
    "pagination_limit": lambda rule, item: replace(rule, pagination_limit=_limit(item)),
    "expiration": lambda rule, item: replace(rule, expires=_moment(item)),
    "list_scan_response_keys_filter_path": lambda rule, item: replace(rule, keys_filter=_text(item)),
    "control_group": lambda rule, item: replace(rule, control_group=True),
}
