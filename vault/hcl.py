"""Reads HCL 1 and its JSON form into items with their place: the grammar that Vault and OpenBao read policies with.

Why our own: the parsers that Python has read HCL 2, another grammar. They refuse what a vault has accepted for years
(quoted keys at the top, a heredoc's `-`), accept what it refuses, and give no place for a wrong value. What is lenient
here is lenient in the vault: a policy has to mean here what it means there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vault.hcl_tokens import Token, UnreadableText, tokens

__all__ = ["Block", "Item", "Listed", "Token", "UnreadableText", "parse"]


@dataclass(slots=True)
class Block:
    """What stands between braces: items in their order."""

    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Listed:
    """What stands between brackets."""

    values: list[Value] = field(default_factory=list)


@dataclass(slots=True)
class Item:
    """Keys and their value: `path "a" { ... }` has two keys. A value is a token, a list or a block."""

    keys: list[Token]
    value: Value


Value = Token | Listed | Block
_LITERALS = ("number", "float", "bool", "string", "heredoc")
_DEEPEST = 100  # blocks within blocks; a real policy has three


def parse(text: str) -> list[Item]:
    """Return the items of a text; one that begins with `{` is JSON. Raises `UnreadableText`."""
    json = text.strip().startswith("{")
    return _Json(tokens(text, json=True)).whole() if json else _Hcl(tokens(text, json=False)).items(top=True)


class _Ended(Exception):
    """The text ended where a value should stand."""


class _Reader:
    """The tokens with one looked at ahead."""

    def __init__(self, stream: Iterator[Token]) -> None:
        self._stream = stream
        self._next: Token | None = None
        self._depth = 0

    def peek(self) -> Token:
        if self._next is None:
            self._next = next(self._stream)
        return self._next

    def take(self) -> Token:
        token = self.peek()
        if token.kind != "end":
            self._next = None
        return token

    def deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise bad("blocks stand too deep in each other", token)


def bad(what: str, token: Token) -> UnreadableText:
    """Return the error for a token: what is wrong with it, where it stands."""
    return UnreadableText(what, token.line, token.column)


class _Hcl(_Reader):
    def items(self, *, top: bool) -> list[Item]:
        found: list[Item] = []
        while self.peek().kind != "end" and (top or self.peek().kind != "}"):
            try:
                found.append(self._item())
            except _Ended:
                break  # `name =` at the very end: the vault drops it in silence
            if self.peek().kind == ",":
                self.take()
        return found

    def _item(self) -> Item:
        keys = []
        while self.peek().kind in ("name", "string"):
            keys.append(self.take())
        sign = self.take()
        if not keys or sign.kind not in ("=", "{"):
            wanted = "{ or = after the name" if keys else "a name"
            raise bad(f"expected {wanted}, found {_shown(sign)}", sign)
        if sign.kind == "{":
            return Item(keys, self._block(sign))
        if len(keys) > 1:
            raise bad("expected { after two names, found =", sign)
        return Item(keys, self._value())

    def _value(self) -> Value:
        token = self.take()
        if token.kind == "end":
            raise _Ended
        if token.kind in _LITERALS:
            return token
        if token.kind == "{":
            return self._block(token)
        if token.kind == "[":
            return self._list(token)
        raise bad(f"expected a value, found {_shown(token)}", token)

    def _block(self, opening: Token) -> Block:
        self.deeper(opening)
        made = Block(self.items(top=False))
        closing = self.take()
        if closing.kind != "}":
            raise bad(f"the {{ of line {opening.line} is not closed before {_shown(closing)}", closing)
        self._depth -= 1
        return made

    def _list(self, opening: Token) -> Listed:
        """A comma has to follow a value, and may stand alone; only a list in a list needs none after it."""
        self.deeper(opening)
        made, comma = Listed(), False
        while (token := self.take()).kind != "]":
            if token.kind == ",":
                comma = False
            elif comma or token.kind not in (*_LITERALS, "{", "["):
                wanted = "a comma or ]" if comma else "a value or ]"
                raise bad(f"expected {wanted} in the list, found {_shown(token)}", token)
            else:
                made.values.append(self._listed(token))
                comma = token.kind != "["
        self._depth -= 1
        return made

    def _listed(self, token: Token) -> Value:
        if token.kind == "{":
            return self._block(token)
        return self._list(token) if token.kind == "[" else token


class _Json(_Reader):
    """The vault's JSON is loose: it does not ask for what closes, ignores what follows, and flattens blocks."""

    def whole(self) -> list[Item]:
        opening = self.take()
        if opening.kind != "{":
            raise bad(f"expected {{, found {_shown(opening)}", opening)
        return [flat for item in self._items() for flat in _flattened(item)]

    def _items(self) -> list[Item]:
        found: list[Item] = []
        while self.peek().kind not in ("end", "}"):
            try:
                found.append(self._item())
            except _Ended:
                return found
            if self.peek().kind != ",":
                break
            self.take()
        self.take()  # whatever it is
        return found

    def _item(self) -> Item:
        keys = []
        while (token := self.take()).kind == "string":
            keys.append(token)
        if token.kind == "end":
            raise _Ended
        if token.kind != ":" or not keys:
            raise bad(f"expected a name in quotes and a colon, found {_shown(token)}", token)
        return Item(keys, self._value())

    def _value(self) -> Value:
        token = self.take()
        if token.kind == "end":
            raise _Ended
        if token.kind == "null":
            return Token("string", "", token.line, token.column)
        if token.kind in _LITERALS:
            return token
        if token.kind not in "{[":
            raise bad(f"expected a value, found {_shown(token)}", token)
        self.deeper(token)
        made: Value = Block(self._items()) if token.kind == "{" else self._list()
        self._depth -= 1
        return made

    def _list(self) -> Listed:
        made = Listed()
        while (token := self.take()).kind != "]":
            if token.kind in ("number", "float", "string"):
                made.values.append(token)
            elif token.kind == "{":
                self.deeper(token)
                made.values.append(Block(self._items()))
                self._depth -= 1
            elif token.kind not in (",", "bool", "["):
                raise bad(f"expected a value or ] in the list, found {_shown(token)}", token)
        return made


def _flattened(item: Item) -> Iterator[Item]:
    """Yield `a {b {...}}` as `a b {...}`, and a list of blocks as one item each; what holds no block stays."""
    value = item.value
    if isinstance(value, Block):
        if value.items and all(isinstance(one.value, Block) for one in value.items):
            for one in value.items:
                yield from _flattened(Item(item.keys + one.keys, one.value))
            return
        value.items = [flat for one in value.items for flat in _flattened(one)]
    elif isinstance(value, Listed) and value.values and all(isinstance(one, Block) for one in value.values):
        for block in value.values:
            yield from _flattened(Item(item.keys, block))
        return
    yield item


def _shown(token: Token) -> str:
    if token.kind == "end":
        return "the end of the text"
    return f'"{token.value}"' if token.kind == "string" else token.value.strip() or token.kind
