"""Frames one physical line: the audit entries in it, whatever stands around them, and why the rest is no entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from typing import Any

import msgspec

from vault import strict_json
from vault.frame import DUPLICATE_KEYS, GLUED, Frame, Grammar, Kind
from vault.strict_json import NotJson, Pairs

_EDGE = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r]*")
_MARK = re.compile(rb'\{"(?:time":"|auth":\{)')
_NULS = re.compile(rb"\x00+")
_SYSLOG = re.compile(rb"<\d{1,3}>")
_WRAPPED = ("log", "message", "@message", "MESSAGE", "line", "event")
_BUDGET = 16
_RUNS = 50  # of NULs in one line; a crash leaves one
_WRAPPERS = 4  # one in another: a container runtime's, a shipper's, a bus's; each is parsed whole, so they are bounded
_TYPE = re.compile(r"[a-z][a-z-]{0,39}")
_raw_decode = JSONDecoder(parse_int=str, parse_float=str).raw_decode  # Python refuses integers of 5,000 digits
members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def frame_line(line: bytes, offset: int = 0, grammar: Grammar | None = None) -> list[Frame]:
    """The frames of one physical line without its newline; their lengths add up to its length.

    The grammar is that of a vault's entries, unless another is given.
    """
    return [frame.moved(offset) for frame in _edges(line, grammar or VAULT)]


def _edges(line: bytes, grammar: Grammar, inside: int = 0) -> Iterator[Frame]:
    """Set aside a byte order mark and white space at both ends, then look at what is between."""
    start = _edge(line)
    end = max(start, len(line.rstrip(b" \t\r")))
    if start:
        yield Frame(Kind.FRAMING, 0, start)
    if end > start:
        yield from (frame.moved(start) for frame in _content(line[start:end], grammar, inside))
    if len(line) > end:
        yield Frame(Kind.FRAMING, end, len(line) - end)


def _edge(line: bytes) -> int:
    found = _EDGE.match(line)
    return found.end() if found else 0


def _content(text: bytes, grammar: Grammar, inside: int) -> Iterator[Frame]:
    try:
        value = _document(text)
    except NotJson as error:
        yield from _between_nuls(text, grammar) if b"\0" in text else _salvaged(text, str(error), grammar)
        return
    entry = isinstance(value, Pairs) and grammar.is_entry(value)
    yield from [_line(value, 0, text)] if entry else _unwrapped(text, grammar, inside)


def _document(text: bytes) -> Any:
    """The parsed document; raises `NotJson` for whatever the strict parser of the lines would refuse too."""
    value = strict_json.loads(text)
    try:
        _skim(text)
    except msgspec.ValidationError:
        pass  # JSON, but no object
    except (msgspec.DecodeError, RecursionError):
        raise NotJson("holds half of a surrogate pair, or is nested too deep") from None
    return value


class _Any(msgspec.Struct):
    pass


_skim = msgspec.json.Decoder(_Any).decode


def _is_entry(value: Pairs) -> bool:
    """Whether a document is an audit entry: it has a type that is a word, and an `auth` or `request` object."""
    if not isinstance(kind := value.last("type"), str) or not _TYPE.fullmatch(kind):
        return False
    return isinstance(value.last("request"), Pairs) or isinstance(value.last("auth"), Pairs)


VAULT = Grammar(_MARK, _is_entry)


def _line(value: Pairs, offset: int, text: bytes) -> Frame:
    flags = (DUPLICATE_KEYS,) if strict_json.anywhere_duplicated(value) else ()
    return Frame(Kind.LINE, offset, len(text), text, flags=flags)


def _between_nuls(text: bytes, grammar: Grammar) -> Iterator[Frame]:
    """A run of NULs is what a crash leaves where bytes were promised to the file and never written.

    Behind many of them only whole entries are looked for, so that a line full of NULs makes few frames and little work.
    """
    at = 0
    for run in islice(_NULS.finditer(text), _RUNS):
        if run.start() > at:
            yield from (frame.moved(at) for frame in _edges(text[at : run.start()], grammar))
        yield Frame(Kind.BAD, run.start(), len(run[0]), run[0], "NUL bytes")
        at = run.end()
    if at < len(text):
        rest = text[at:]
        found = _salvaged(rest, "full of NUL bytes", grammar) if b"\0" in rest else _edges(rest, grammar)
        yield from (frame.moved(at) for frame in found)


def _salvaged(text: bytes, reason: str, grammar: Grammar) -> Iterator[Frame]:
    """Whatever whole entries stand in a line that is no JSON as a whole."""
    done = 0
    for start, end, value in _entries(text, grammar):
        if start > done:
            yield _before(text[done:start], done)
        yield _line(value, start, text[start:end])
        done = end
    if done == 0:
        yield Frame(Kind.BAD, 0, len(text), text, reason)
    elif done < len(text):
        yield _garbage(text[done:], done, "garbage after a whole line")


def _before(head: bytes, offset: int) -> Frame:
    """What stands before a whole entry: text that somebody put there, or the rest of a torn line."""
    if b"{" in head or b"}" in head or (b'"' in head and not _SYSLOG.match(head)):
        return Frame(Kind.TORN_HEAD, offset, len(head), head, GLUED)
    return Frame(Kind.FRAMING, offset, len(head)) if _is_text(head) else _garbage(head, offset, "garbage before a line")


def _garbage(text: bytes, offset: int, reason: str) -> Frame:
    if not text.strip(b" \t\r,"):
        return Frame(Kind.FRAMING, offset, len(text))
    return Frame(Kind.BAD, offset, len(text), text, reason)


def _is_text(head: bytes) -> bool:
    try:
        return len(head) <= 4096 and head.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _entries(text: bytes, grammar: Grammar) -> Iterator[tuple[int, int, Pairs]]:
    """Whole entries in a broken line: at its first brace, and wherever an entry's beginning stands.

    Each beginning may be read to the line's end in vain, so the work is bounded; the last one is always tried.
    """
    letters = text.decode("latin-1")  # one character a byte; the strict parser judges the slice afterwards
    starts = sorted({found.start() for found in grammar.beginning.finditer(text)} | ({text.find(b"{")} - {-1}))
    budget, done = _BUDGET * max(len(text), 65_536), 0
    for start in starts:
        if start < done or (budget < 0 and start != starts[-1]):
            continue
        end = _object_end(letters, start)
        budget -= (end or len(text)) - start
        value = _entry(text[start:end], grammar) if end else None
        if end and value is not None:
            yield start, end, value
            done = end


def _object_end(letters: str, start: int) -> int:
    try:
        return _raw_decode(letters, start)[1]
    except (JSONDecodeError, RecursionError):
        return 0


def _entry(text: bytes, grammar: Grammar) -> Pairs | None:
    try:
        value = _document(text)
    except NotJson:
        return None
    return value if isinstance(value, Pairs) and grammar.is_entry(value) else None


def _unwrapped(text: bytes, grammar: Grammar, inside: int) -> Iterator[Frame]:
    """A log shipper's JSON around the entry: the entry's own bytes are the line, the rest framing."""
    for raw in _wrapped(text) if inside < _WRAPPERS else ():
        inner = [frame for frame in _edges(_inside(raw), grammar, inside + 1) if frame.kind is not Kind.FRAMING]
        if any(frame.kind is Kind.LINE for frame in inner):
            start = text.find(raw)
            yield Frame(Kind.FRAMING, 0, start)
            yield from resized(inner, start, len(raw))
            yield Frame(Kind.FRAMING, start + len(raw), len(text) - start - len(raw))
            return
    yield Frame(Kind.BAD, 0, len(text), text, "JSON, but not an audit entry")


def _wrapped(text: bytes) -> list[bytes]:
    try:
        members = members_of(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [bytes(members[name]) for name in _WRAPPED if name in members]


def _inside(raw: bytes) -> bytes:
    """The text of a JSON string, or an object as it stands."""
    if not raw.startswith(b'"'):
        return raw
    try:
        return msgspec.json.decode(raw, type=str).rstrip("\n").encode()
    except (msgspec.DecodeError, UnicodeError):
        return b""


def resized(inner: list[Frame], offset: int, size: int) -> list[Frame]:
    """Frames of an escaped or fragmented text, whose inner places mean nothing: the first content has all its bytes."""
    content = [frame for frame in inner if frame.kind is not Kind.FRAMING]
    if not content:
        return [Frame(Kind.FRAMING, offset, size)]
    return [frame._replace(offset=offset, length=0 if index else size) for index, frame in enumerate(content)]
