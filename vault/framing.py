"""Cuts the bytes of a log into frames, so that every byte is in exactly one class: line, framing or quarantine.

Newlines are nobody's frame: the lengths of all frames and the number of newlines add up to the bytes consumed.
A bare line of an audit device is one frame. The rest is what happens on the way: text before the JSON, container
wrappers (docker's json-file, CRI), NULs after a crash, a torn line glued to the next (a disk that was full).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple

import msgspec

from vault import strict_json
from vault.strict_json import NotJson, Pairs

LIMIT = 4 * 1024 * 1024


class Kind(StrEnum):
    """What a run of bytes is: `LINE` one audit entry, `FRAMING` no content, the others go to quarantine."""

    LINE = "line"
    FRAMING = "framing"
    BAD = "bad"
    TORN_HEAD = "torn_head"
    TORN_TAIL = "torn_tail"


QUARANTINE = frozenset((Kind.BAD, Kind.TORN_HEAD, Kind.TORN_TAIL))
CONTINUED = "continued"
DUPLICATE_KEYS = "duplicate keys"
GLUED = "torn, glued to the next line"


class Frame(NamedTuple):
    """A run of bytes of one class.

    `offset` and `length` are physical; a line joined from fragments stands at its first fragment and is as long as
    their contents together. `body` is a line's JSON document or the quarantined bytes; framing has none. `flags` may
    hold `DUPLICATE_KEYS`, and `CONTINUED` for the further pieces of an over-long line.
    """

    kind: Kind
    offset: int
    length: int
    body: bytes = b""
    reason: str = ""
    flags: tuple[str, ...] = ()

    def moved(self, by: int) -> Frame:
        """The same frame, further on."""
        return self._replace(offset=self.offset + by)


class Framed(NamedTuple):
    """The frames of a chunk, the bytes they account for, and whether an over-long line goes on behind them."""

    frames: list[Frame]
    consumed: int
    skipping: bool


def frames(chunk: bytes, at: int, *, at_end: bool = False, limit: int = LIMIT, skipping: bool = False) -> Framed:
    """Cut a chunk that begins at the absolute offset `at`, at a line's start or inside a skipped over-long line.

    A last piece without a newline is left for the next call, unless `at_end`: then a whole document is a line and
    anything else a provisional `TORN_TAIL`. A line longer than `limit` becomes `BAD` frames piece by piece, so memory
    is bounded by the chunk; `(at + consumed, skipping)` is all that a later call needs to go on. Unfinished fragments
    of a container log are not consumed either: give the next call the bytes from there on, and more.
    """
    joiner = Joiner(limit)
    found, start = _skipped(chunk, at, limit) if skipping else ([], 0)
    if skipping and start == 0:
        return Framed(found, len(chunk), True)
    while (end := chunk.find(b"\n", start)) != -1:
        found += joiner.feed(chunk[start:end], at + start)
        start = end + 1
    tail = chunk[start:]
    if at_end:
        return Framed([*found, *joiner.tail(tail, at + start)], len(chunk), False)
    if len(tail) > limit:
        return Framed([*found, *joiner.give_up(), _too_long(tail, at + start, limit)], len(chunk), True)
    return _without_unfinished(found, at, start, joiner, len(chunk) > limit)


def _skipped(chunk: bytes, at: int, limit: int) -> tuple[list[Frame], int]:
    """The next piece of an over-long line, and where the next line begins (0: not in this chunk)."""
    end = chunk.find(b"\n")
    piece = chunk if end == -1 else chunk[:end]
    found = [_too_long(piece, at, limit)._replace(flags=(CONTINUED,))] if piece else []
    return found, end + 1


def _too_long(piece: bytes, offset: int, limit: int) -> Frame:
    return Frame(Kind.BAD, offset, len(piece), piece, f"longer than {limit} bytes")


def _without_unfinished(found: list[Frame], at: int, consumed: int, joiner: Joiner, full: bool) -> Framed:
    """Leave fragments whose end has not come to the next call, or give them up when the chunk can't grow."""
    since = joiner.resume_at
    if since is None:
        return Framed(found, consumed, False)
    if full:
        return Framed([*found, *joiner.give_up()], consumed, False)
    return Framed([frame for frame in found if frame.offset < since], since - at, False)


# --- container logs -----------------------------------------------------------------------------------------------

_CRI = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) (stdout|stderr) ([PF])(?::[^ ]*)? ")


class _Fragment(NamedTuple):
    """One record of a container log: its content within the physical line `[offset, offset + length)`."""

    stream: str
    partial: bool
    content: bytes
    offset: int
    length: int
    start: int
    end: int


class Joiner:
    """Puts fragments of container logs together, per stream; a line of any other kind passes through."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._open: dict[str, list[_Fragment]] = {}
        self._spans: list[tuple[int, int]] = []

    @property
    def resume_at(self) -> int | None:
        """Where to read on while the end of a fragment has not come, None if nothing is unfinished.

        That is the oldest unfinished fragment, or the beginning of a finished line that reaches beyond it.
        """
        since = min((fragments[0].offset for fragments in self._open.values()), default=None)
        for start, end in reversed(self._spans):  # by end, the latest first
            if since is not None and start < since < end:
                since = start
        return since

    def feed(self, line: bytes, offset: int) -> list[Frame]:
        """The frames of one physical line, and of the fragments that it completes."""
        if len(line) > self._limit:
            return [_too_long(line, offset, self._limit)]
        fragment = _fragment(line, offset)
        if fragment is None:
            return frame_line(line, offset)
        fragments = self._open.setdefault(fragment.stream, [])
        fragments.append(fragment)
        if fragment.partial:
            too_long = sum(len(one.content) for one in fragments) > self._limit
            return self._abandon(fragment.stream, f"longer than {self._limit} bytes") if too_long else []
        if len(fragments) > 1:
            self._spans.append((fragments[0].offset, offset + len(line)))
        return _joined(self._open.pop(fragment.stream), line)

    def tail(self, piece: bytes, offset: int) -> list[Frame]:
        """The frames of the last piece of a file, which has no newline; what is unfinished is a provisional tail."""
        found = self.feed(piece, offset) if piece else []
        if found and found[-1].kind in (Kind.BAD, Kind.TORN_HEAD):
            found[-1] = found[-1]._replace(kind=Kind.TORN_TAIL, reason="the file ends inside this line")
        return found + [frame._replace(kind=Kind.TORN_TAIL) for frame in self.give_up()]

    def give_up(self) -> list[Frame]:
        """Quarantine all fragments whose end did not come."""
        return [frame for stream in tuple(self._open) for frame in self._abandon(stream, "a fragment without its end")]

    def _abandon(self, stream: str, reason: str) -> list[Frame]:
        return [Frame(Kind.BAD, one.offset, one.length, one.content, reason) for one in self._open.pop(stream)]


def _fragment(line: bytes, offset: int) -> _Fragment | None:
    """A record of CRI (`<time> stdout F <text>`) or of docker's json-file driver, None for anything else."""
    if (found := _CRI.match(line)) is not None:
        content = line[found.end() :]
        return _Fragment(found[1].decode(), found[2] == b"P", content, offset, len(line), found.end(), len(line))
    if not line.startswith(b'{"log":"'):
        return None
    try:
        members = _members(line)
        log, stream = msgspec.json.decode(members["log"]), msgspec.json.decode(members.get("stream", _STDOUT))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    end = 7 + len(members["log"])
    partial = not log.endswith("\n")
    return _Fragment(str(stream), partial, log.removesuffix("\n").encode(), offset, len(line), 7, end)


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_STDOUT = msgspec.Raw(b'"stdout"')


def _joined(fragments: list[_Fragment], last: bytes) -> list[Frame]:
    """The frames of a complete record: wrappers are framing, the contents together are judged as one line."""
    only = fragments[0]
    inner = frame_line(b"".join(one.content for one in fragments))
    if only.stream == "stderr" and all(frame.kind in (Kind.FRAMING, Kind.BAD) for frame in inner):
        return [Frame(Kind.FRAMING, one.offset, one.length) for one in fragments]  # the server's own log
    if len(fragments) == 1 and last.endswith(only.content):  # unescaped, so the inner frames have their true places
        return [Frame(Kind.FRAMING, only.offset, only.start), *(one.moved(only.offset + only.start) for one in inner)]
    size = sum(one.end - one.start for one in fragments)
    return _wrappers(fragments) + _resized(inner, only.offset + only.start, size)


def _wrappers(fragments: list[_Fragment]) -> list[Frame]:
    found = []
    for one in fragments:
        found.append(Frame(Kind.FRAMING, one.offset, one.start))
        if one.end < one.length:
            found.append(Frame(Kind.FRAMING, one.offset + one.end, one.length - one.end))
    return found


def _resized(inner: list[Frame], offset: int, size: int) -> list[Frame]:
    """Frames of an escaped or fragmented text, whose inner places mean nothing: the first content has all its bytes."""
    content = [frame for frame in inner if frame.kind is not Kind.FRAMING]
    if not content:
        return [Frame(Kind.FRAMING, offset, size)]
    return [frame._replace(offset=offset, length=0 if index else size) for index, frame in enumerate(content)]


# --- one line -----------------------------------------------------------------------------------------------------

_EDGE = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r]*")
_MARK = re.compile(rb'\{"(?:time":"|auth":\{)')
_NULS = re.compile(rb"\x00+")
_SYSLOG = re.compile(rb"<\d{1,3}>")
_WRAPPED = ("log", "message", "@message", "MESSAGE", "line", "event")
_BUDGET = 16
_TYPE = re.compile(r"[a-z][a-z-]{0,39}")
_raw_decode = JSONDecoder().raw_decode


def frame_line(line: bytes, offset: int = 0) -> list[Frame]:
    """The frames of one physical line without its newline; their lengths add up to its length."""
    return [frame.moved(offset) for frame in _edges(line)]


def _edges(line: bytes) -> Iterator[Frame]:
    """Set aside a byte order mark and white space at both ends, then look at what is between."""
    start = _edge(line)
    end = max(start, len(line.rstrip(b" \t\r")))
    if start:
        yield Frame(Kind.FRAMING, 0, start)
    if end > start:
        yield from (frame.moved(start) for frame in _content(line[start:end]))
    if len(line) > end:
        yield Frame(Kind.FRAMING, end, len(line) - end)


def _edge(line: bytes) -> int:
    found = _EDGE.match(line)
    return found.end() if found else 0


def _content(text: bytes) -> Iterator[Frame]:
    try:
        value = _document(text)
    except NotJson as error:
        yield from _between_nuls(text, str(error)) if b"\0" in text else _salvaged(text, str(error))
        return
    yield from [_line(value, 0, text)] if _is_entry(value) else _unwrapped(text)


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


def _is_entry(value: Any) -> bool:
    """Whether a document is an audit entry: it has a type that is a word, and an `auth` or `request` object."""
    if not isinstance(value, Pairs) or not isinstance(kind := value.last("type"), str) or not _TYPE.fullmatch(kind):
        return False
    return isinstance(value.last("request"), Pairs) or isinstance(value.last("auth"), Pairs)


def _line(value: Pairs, offset: int, text: bytes) -> Frame:
    flags = (DUPLICATE_KEYS,) if strict_json.anywhere_duplicated(value) else ()
    return Frame(Kind.LINE, offset, len(text), text, flags=flags)


def _between_nuls(text: bytes, reason: str) -> Iterator[Frame]:
    """A run of NULs is what a crash leaves where bytes were promised to the file and never written."""
    at = 0
    for run in _NULS.finditer(text):
        if run.start() > at:
            yield from (frame.moved(at) for frame in _edges(text[at : run.start()]))
        yield Frame(Kind.BAD, run.start(), len(run[0]), run[0], "NUL bytes")
        at = run.end()
    if at < len(text):
        yield from (frame.moved(at) for frame in _edges(text[at:]))


def _salvaged(text: bytes, reason: str) -> Iterator[Frame]:
    """Whatever whole entries stand in a line that is no JSON as a whole."""
    done = 0
    for start, end, value in _entries(text):
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


def _entries(text: bytes) -> Iterator[tuple[int, int, Pairs]]:
    """Whole entries in a broken line: at its first brace, and wherever an entry's beginning stands.

    Each beginning may be read to the line's end in vain, so the work is bounded; the last one is always tried.
    """
    letters = text.decode("latin-1")  # one character a byte; the strict parser judges the slice afterwards
    starts = sorted({found.start() for found in _MARK.finditer(text)} | ({text.find(b"{")} - {-1}))
    budget, done = _BUDGET * max(len(text), 65_536), 0
    for start in starts:
        if start < done or (budget < 0 and start != starts[-1]):
            continue
        end = _object_end(letters, start)
        budget -= (end or len(text)) - start
        value = _entry(text[start:end]) if end else None
        if end and value is not None:
            yield start, end, value
            done = end


def _object_end(letters: str, start: int) -> int:
    try:
        return _raw_decode(letters, start)[1]
    except (JSONDecodeError, RecursionError):
        return 0


def _entry(text: bytes) -> Pairs | None:
    try:
        value = _document(text)
    except NotJson:
        return None
    return value if _is_entry(value) else None


def _unwrapped(text: bytes) -> Iterator[Frame]:
    """A log shipper's JSON around the entry: the entry's own bytes are the line, the rest framing."""
    for name, raw in _wrapped(text):
        inner = [frame for frame in _edges(_inside(raw)) if frame.kind is not Kind.FRAMING]
        if any(frame.kind is Kind.LINE for frame in inner):
            start = text.find(raw, text.find(name.encode()))
            yield Frame(Kind.FRAMING, 0, start)
            yield from _resized(inner, start, len(raw))
            yield Frame(Kind.FRAMING, start + len(raw), len(text) - start - len(raw))
            return
    yield Frame(Kind.BAD, 0, len(text), text, "JSON, but not an audit entry")


def _wrapped(text: bytes) -> list[tuple[str, bytes]]:
    try:
        members = _members(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [(name, bytes(members[name])) for name in _WRAPPED if name in members]


def _inside(raw: bytes) -> bytes:
    """The text of a JSON string, or an object as it stands."""
    if not raw.startswith(b'"'):
        return raw
    text: str = msgspec.json.decode(raw)
    return text.rstrip("\n").encode()
