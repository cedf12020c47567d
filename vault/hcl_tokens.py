"""Cuts the text of a policy, HCL 1 or JSON, into tokens with their place, as the vault's own scanner does."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple


class UnreadableText(Exception):
    """A text that is no HCL or JSON as the vault reads it; the message is a sentence with line and column."""

    def __init__(self, what: str, line: int, column: int) -> None:
        self.what, self.line, self.column = what, line, column
        super().__init__(f"line {line}, column {column}: {what}")


class Token(NamedTuple):
    """One token: its kind, its value (a string's is unquoted), and where it begins, both counted from 1.

    Kinds are `name`, `string`, `heredoc`, `number`, `float`, `bool`, `null`, `end`, and the signs themselves.
    """

    kind: str
    value: str
    line: int
    column: int


_SPACE = " \t\n\r"
_NUMBER = re.compile(r"-?0[xX][0-9a-fA-F]+|(?:-?[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]*)?")
_HEREDOC = re.compile(r"<<(-?\w+)\r?\n")
_PLAIN = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_DIGITS = {"x": 2, "u": 4, "U": 8}
_FORBIDDEN = re.compile("[\0\ue123]")


def tokens(text: str, *, json: bool) -> Iterator[Token]:
    """Yield the tokens of a text, `end` last; raises `UnreadableText`. JSON has `:` and no comments."""
    return _Scanner(text, json).run()


def _in_name(letter: str, more: str) -> bool:
    return letter.isalpha() or letter.isdecimal() or letter in more


class _Scanner:
    def __init__(self, text: str, json: bool) -> None:
        self._text = text if json else text.replace("\r\n", "\n")
        self._json = json
        self._at = 0
        self._ends = [found.start() for found in re.finditer("\n", self._text)]
        self._signs = "{}[],:" if json else "{}[],=.+-"

    def run(self) -> Iterator[Token]:
        self._refuse(_FORBIDDEN.search(self._text))
        while self._skip():
            begin = self._at
            kind, value = self._one(self._text[begin])
            yield Token(kind, value, *self._place(begin))
        yield Token("end", "", *self._place(len(self._text)))

    def _refuse(self, found: re.Match[str] | None) -> None:
        if found is not None:
            raise self._bad("a character that no policy may hold", found.start())

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_left(self._ends, at)
        return line + 1, at - (self._ends[line - 1] if line else -1)

    def _bad(self, what: str, at: int) -> UnreadableText:
        return UnreadableText(what, *self._place(at))

    def _skip(self) -> bool:
        """Go on to the next token; tells whether there is one."""
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter in _SPACE:
                self._at += 1
            elif letter in "#/" and not self._json:
                self._at = self._after_comment(letter)
            else:
                return True
        return False

    def _after_comment(self, letter: str) -> int:
        text, at = self._text, self._at
        if text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0:
                raise self._bad("a comment that begins with /* does not end", at)
            return end + 2
        if letter == "/" and not text.startswith("//", at):
            raise self._bad("a single / is no comment", at)
        end = text.find("\n", at)
        return len(text) if end < 0 else end

    def _one(self, letter: str) -> tuple[str, str]:
        if letter == '"':
            return "string", self._string()
        if letter.isalpha() or letter == "_":
            return self._name()
        number = _NUMBER.match(self._text, self._at)
        if number:
            return self._number(number[0])
        if letter == "<" and not self._json:
            return "heredoc", self._heredoc()
        if letter not in self._signs:
            raise self._bad(f"the character {letter} has no meaning here", self._at)
        self._at += 1
        return letter, letter

    def _name(self) -> tuple[str, str]:
        begin, more = self._at, "-_" if self._json else "-_."
        while self._at < len(self._text) and _in_name(self._text[self._at], more):
            self._at += 1
        word = self._text[begin : self._at]
        if self._json and word not in ("true", "false", "null"):
            raise self._bad(f"{word} stands without quotes", begin)
        if word in ("true", "false"):
            return "bool", word
        return ("null" if self._json else "name"), word

    def _number(self, text: str) -> tuple[str, str]:
        self._at += len(text)
        whole = text.lower().startswith(("0x", "-0x")) or not set(text) & set(".eE")
        return ("number" if whole else "float"), text

    def _string(self) -> str:
        """Unquote the string that begins here; what stands in ${} stays as it is, quotes and all, but not in JSON."""
        begin, made = self._at, bytearray()
        self._at += 1
        while True:
            letter = self._text[self._at : self._at + 1]
            if letter in ("", "\n"):
                raise self._bad("a string does not end on its line", begin)
            if letter == '"':
                self._at += 1
                return made.decode("utf-8", "surrogateescape")
            if letter == "$" and not self._json and self._text.startswith("${", self._at):
                made += self._interpolation().encode()
            elif letter == "\\":
                made += self._escape()
            else:
                made += letter.encode("utf-8", "surrogateescape")
                self._at += 1

    def _interpolation(self) -> str:
        begin, depth = self._at, 0
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 1
            depth += (letter == "{") - (letter == "}")
            if letter == "}" and not depth:
                return self._text[begin : self._at]
        raise self._bad("a ${ in a string does not end", begin)

    def _escape(self) -> bytes:
        begin, letter = self._at, self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if letter in _PLAIN and letter:
            return bytes((_PLAIN[letter],))
        base, length = (16, _DIGITS[letter]) if letter in _DIGITS else (8, 3)
        self._at -= base == 8
        digits = self._text[self._at : self._at + length]
        self._at += length
        known = "01234567" if base == 8 else "0123456789abcdefABCDEF"
        if len(digits) < length or any(one not in known for one in digits):
            raise self._bad("an escape in a string that the vault does not know", begin)
        return self._character(int(digits, base), letter in ("u", "U"), begin)

    def _character(self, number: int, unicode: bool, begin: int) -> bytes:
        surrogate = 0xD800 <= number <= 0xDFFF
        if number > (0x10FFFF if unicode else 255) or (surrogate and self._json):
            raise self._bad("an escape in a string that stands for no character", begin)
        if unicode:
            return (chr(0xFFFD) if surrogate else chr(number)).encode()
        return bytes((number,))

    def _heredoc(self) -> str:
        opening = _HEREDOC.match(self._text, self._at)
        if opening is None:
            raise self._bad("a < that begins no heredoc (<<WORD at the end of a line)", self._at)
        marker, begin = opening[1], opening.end()
        ends = re.compile(rf"\s*{re.escape(marker.lstrip('-'))}\r*")
        at = begin
        while (end := self._text.find("\n", at)) >= 0:
            if end - at >= len(marker.encode()) and ends.fullmatch(self._text[at:end]):
                self._at = end + 1
                return self._text[begin:at]
            at = end + 1
        raise self._bad(f"the heredoc {marker} does not end", self._at)
