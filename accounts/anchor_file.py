"""The anchor: a file outside of the database to which heads of the trail are only ever added, a line of JSON each.

Each line is numbered and names the SHA-256 of the line before, so a line can't be changed or taken out alone. A line
that was torn by a full disk or a crash is left as it is: the next one begins on a line of its own, and the chain goes
from whole line to whole line.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from accounts.trail_proof import BrokenAnchor, Head
from kit.chain import NOTHING_BEFORE

FORM = "keybook.anchor.1"
LONGEST = 4_096  # octets of a line; ours have under 400
PATIENCE = 5.0  # seconds that another writer may take
_TYPES = {"line": int, "position": int, "entries": int, "hash": str, "at": str, "previous": str}


class AnchorTrouble(Exception):
    """The anchor can't be read or written; the message says what happened to which file, and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line: its head, its number in the file, and its own hash."""

    head: Head
    number: int
    previous: str
    sha256: str


def heads(path: Path) -> Iterator[Head]:
    """Return the heads that the file has now, oldest first; raises `AnchorTrouble`, and `BrokenAnchor` while read."""
    with _opened(path, os.O_RDONLY) as file:
        own = os.dup(file)
        size = os.fstat(file).st_size
    return (line.head for line in _chained(path, own, size))


def last_line(path: Path) -> Line | None:
    """Return the newest whole line, None for a file that is empty or not there. Raises `AnchorTrouble`."""
    try:
        with _opened(path, os.O_RDONLY) as file:
            return _last(path, file)
    except AnchorTrouble as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def append(path: Path, choose: Callable[[Line | None], Head | None]) -> Head | None:
    """Add the head that `choose` gives when it sees the newest line, None for none; on the disk when this returns.

    Only one process at a time is here. Raises `AnchorTrouble`; what `choose` raises goes through.
    """
    with _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
        _lock(path, file)
        before = _last(path, file)
        head = choose(before)
        if head is not None:
            try:
                _write(file, _text(head, before))
            except OSError as error:
                raise AnchorTrouble(
                    f"The anchor {path} could not be written ({error.strerror}). Make room or mend the disk; the head "
                    "is written again within a minute.",
                ) from error
            if before is None:
                _sync_folder(path)
        return head


def _text(head: Head, before: Line | None) -> bytes:
    chained = {"line": before.number + 1 if before else 1, "previous": before.sha256 if before else NOTHING_BEFORE}
    return json.dumps({"form": FORM, **asdict(head), **chained}).encode()


def _write(file: int, text: bytes) -> None:
    size = os.fstat(file).st_size
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    rest = (b"\n" if torn else b"") + text + b"\n"
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a regular file, never through a last link; a new one is its owner's alone."""
    try:
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        mend = "Correct KEYBOOK_ANCHOR or the file's permission: it is a plain file, and no link."
        raise AnchorTrouble(f"The anchor {path} can't be opened ({error.strerror}). {mend}") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise AnchorTrouble(f"The anchor {path} is no plain file. Correct KEYBOOK_ANCHOR.")
        yield file
    finally:
        os.close(file)


def _lock(path: Path, file: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > until:
            raise AnchorTrouble(f"Another process holds the anchor {path}; the head is written again within a minute.")
        time.sleep(0.02)


def _last(path: Path, file: int) -> Line | None:
    size = os.fstat(file).st_size
    end = os.pread(file, 8 * LONGEST, max(0, size - 8 * LONGEST))
    for raw in reversed(end.split(b"\n")):
        if (line := _line(raw)) is not None:
            return line
    if size:
        raise AnchorTrouble(f"The anchor {path} ends with no line of ours. Move it aside; a new one begins by itself.")
    return None


def _line(raw: bytes) -> Line | None:
    """Return a whole line, None for anything else: a torn one, or one of another form."""
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("form") != FORM:
        return None
    if any(type(told.get(name)) is not kind for name, kind in _TYPES.items()):
        return None
    if not all(told[name].isascii() for name, kind in _TYPES.items() if kind is str):
        return None
    head = Head(told["position"], told["hash"], told["entries"], told["at"])
    return Line(head, told["line"], told["previous"], sha256(raw).hexdigest())


def _chained(path: Path, file: int, size: int) -> Iterator[Line]:
    number, previous, position = 0, NOTHING_BEFORE, 0
    with os.fdopen(file, "rb") as lines:
        while lines.tell() < size:
            line = _line(lines.readline(LONGEST).rstrip(b"\n"))
            if line is None:
                continue  # torn: the chain must close over it
            if (line.number, line.previous) != (number + 1, previous):
                raise BrokenAnchor(
                    f"The anchor {path} is broken after line {number}: lines were changed or taken out. What it saw "
                    "before is believed, and nothing after."
                )
            if line.head.position < position:
                raise BrokenAnchor(f"The anchor {path} goes back at line {line.number}: no writer of ours does that.")
            number, previous, position = line.number, line.sha256, line.head.position
            yield line
