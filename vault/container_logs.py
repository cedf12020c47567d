"""Takes container logs apart: docker's json-file and CRI records, whose long lines come in fragments."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from vault.frame import LIMIT, Frame, Grammar, Kind, too_long
from vault.salvage import frame_line, members_of, resized

_CRI = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) (stdout|stderr) ([PF])(?::[^ ]*)? ")

_DOCKER = re.compile(rb'\{"log": ?(?=")')


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

    def __init__(self, limit: int = LIMIT, grammar: Grammar | None = None) -> None:
        self._limit, self._grammar = limit, grammar
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
            return [*self.give_up(), too_long(line, offset, self._limit)]
        fragment = _fragment(line, offset)
        found = self._too_far(offset + len(line))
        return found + (frame_line(line, offset, self._grammar) if fragment is None else self._join(fragment))

    def _too_far(self, end: int) -> list[Frame]:
        """Give up what lies more than the limit behind, so that the answer does not depend on how the bytes came."""
        far = [stream for stream, fragments in self._open.items() if end - fragments[0].offset > self._limit]
        return [frame for stream in far for frame in self._abandon(stream)]

    def _join(self, fragment: _Fragment) -> list[Frame]:
        fragments = self._open.setdefault(fragment.stream, [])
        fragments.append(fragment)
        if fragment.partial:
            return []
        if len(fragments) > 1:
            self._spans.append((fragments[0].offset, fragment.offset + fragment.length))
        return _joined(self._open.pop(fragment.stream), self._grammar)

    def tail(self, piece: bytes, offset: int) -> list[Frame]:
        """The frames of the last piece of a file, which has no newline; what is unfinished is a provisional tail."""
        found = self.feed(piece, offset) if piece else []
        if found and found[-1].kind in (Kind.BAD, Kind.TORN_HEAD):
            found[-1] = found[-1]._replace(kind=Kind.TORN_TAIL, reason="the file ends inside this line")
        return found + [frame._replace(kind=Kind.TORN_TAIL) for frame in self.give_up()]

    def give_up(self) -> list[Frame]:
        """Quarantine all fragments whose end did not come."""
        return [frame for stream in tuple(self._open) for frame in self._abandon(stream)]

    def _abandon(self, stream: str) -> list[Frame]:
        reason = "a fragment without its end"
        return [Frame(Kind.BAD, one.offset, one.length, one.content, reason) for one in self._open.pop(stream)]


def _fragment(line: bytes, offset: int) -> _Fragment | None:
    """A record of CRI (`<time> stdout F <text>`) or of docker's json-file driver, None for anything else."""
    if (found := _CRI.match(line)) is not None:
        content = line[found.end() :]
        return _Fragment(found[1].decode(), found[2] == b"P", content, offset, len(line), found.end(), len(line))
    beginning = _DOCKER.match(line)
    if beginning is None:
        return None
    try:
        members = members_of(line)
        log, stream = msgspec.json.decode(members["log"]), msgspec.json.decode(members.get("stream", _STDOUT))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    start, partial = beginning.end(), not log.endswith("\n")
    content = log.removesuffix("\n").encode()
    return _Fragment(str(stream), partial, content, offset, len(line), start, start + len(members["log"]))


_STDOUT = msgspec.Raw(b'"stdout"')


def _joined(fragments: list[_Fragment], grammar: Grammar | None) -> list[Frame]:
    """The frames of a complete record: wrappers are framing, the contents together are judged as one line."""
    only = fragments[0]
    inner = frame_line(b"".join(one.content for one in fragments), 0, grammar)
    if only.stream == "stderr" and all(frame.kind in (Kind.FRAMING, Kind.BAD) for frame in inner):
        return [Frame(Kind.FRAMING, one.offset, one.length) for one in fragments]  # the server's own log
    if len(fragments) == 1 and only.end == only.length:  # unescaped, so the inner frames have their true places
        return [Frame(Kind.FRAMING, only.offset, only.start), *(one.moved(only.offset + only.start) for one in inner)]
    size = sum(one.end - one.start for one in fragments)
    return _wrappers(fragments) + resized(inner, only.offset + only.start, size)


def _wrappers(fragments: list[_Fragment]) -> list[Frame]:
    found = []
    for one in fragments:
        found.append(Frame(Kind.FRAMING, one.offset, one.start))
        if one.end < one.length:
            found.append(Frame(Kind.FRAMING, one.offset + one.end, one.length - one.end))
    return found
