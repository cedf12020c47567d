"""Audit log files: found by name, known by content, read from where we stopped, however they are rotated or packed."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from audit.sources import birth
from audit.sources.unpacked import PACKED, Unpacked

TAIL = 64
FIRST_LINE = 1024 * 1024
_AGE = r"[._-]\d[\dTZ:.+_-]*"
_PLACES = Path("/proc/self/fd")  # Linux: where each open file lies now
_PACKING = r"(?:\.(?:gz|zst))?"


class UnusableFile(Exception):
    """A path that can't be read as an audit log; the message says why and what to do."""


@dataclass(slots=True)
class LogFile:
    """One regular file, opened: `fingerprint` is the SHA-256 of its first whole line, None while it has none.

    `born` is when the file was made, None where the file system does not keep that.
    """

    path: str
    handle: BinaryIO | Unpacked
    inode: int
    packed: bool
    fingerprint: bytes | None
    damaged: str = ""
    settled: bool = False
    born: datetime | None = None

    def read(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from (unpacked) offset `position`; a damaged archive gives what is whole."""
        if isinstance(self.handle, Unpacked):
            data, self.damaged = self.handle.read_at(position, size), self.handle.damaged
            return data
        self.handle.seek(position)
        return self.handle.read(size)

    def size(self) -> int | None:
        """Return the size now, None for a packed file (its unpacked size is not known)."""
        return None if self.packed else os.fstat(self.handle.fileno()).st_size

    def is_still(self, fingerprint: bytes, end: int) -> bool:
        """Whether the file still is the one that we began to read: not cut and refilled meanwhile."""
        if self.packed:
            return True
        size = self.size()
        return size is not None and size >= end and fingerprint in self._fingerprints_now()

    def _fingerprints_now(self) -> tuple[bytes | None, bytes]:
        """The first line's hash, and that of a file with a single line that still lacks its newline."""
        head = os.pread(self.handle.fileno(), FIRST_LINE, 0)
        return _hash_of_first(head), b"" if b"\n" in head else sha256(head).digest()

    def tail_before(self, position: int) -> bytes:
        """Return the hash of the bytes just before `position`: tells a refilled file from one that grew."""
        if position == 0:
            return b""
        return tail_hash(self.read(max(0, position - TAIL), min(TAIL, position)))

    def close(self) -> None:
        """Close the file."""
        self.handle.close()


def tail_hash(last: bytes) -> bytes:
    """Return the SHA-256 of the last bytes before a cursor."""
    return sha256(last[-TAIL:]).digest()


def open_log(path: str | Path, roots: list[str] | None = None) -> LogFile:
    """Open a regular file; raises `UnusableFile`. With `roots`, the resolved path must lie under one of them."""
    shown = str(path)
    try:
        resolved = os.path.realpath(path, strict=True)
    except FileNotFoundError:
        raise UnusableFile(f"{shown}: there is no such file. Check the name; nothing was read.") from None
    except OSError as error:
        raise UnusableFile(f"{shown}: {error.strerror}. Nothing was read.") from None
    if roots is not None:
        _check_roots(shown, resolved, roots)
    return _opened(shown, resolved, roots)


def _check_roots(shown: str, resolved: str, roots: list[str]) -> None:
    allowed = [os.path.realpath(root) for root in roots if root]
    if not any(resolved == root or resolved.startswith(root.rstrip("/") + "/") for root in allowed):
        raise UnusableFile(
            f"{shown}: resolves to {resolved}, which is outside KEYBOOK_LOG_ROOTS ({':'.join(roots) or 'empty'}). "
            "Add its folder there or follow another file."
        )


def _opened(shown: str, resolved: str, roots: list[str] | None) -> LogFile:
    try:
        descriptor = os.open(resolved, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        who = f"uid {os.geteuid()}"
        raise UnusableFile(
            f"{shown}: {who} may not read it. Give the audit device mode=0640 and add this user to the file's group."
        ) from None
    except OSError as error:
        raise UnusableFile(f"{shown}: {error.strerror}. Nothing was read.") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "not a regular file"
        raise UnusableFile(f"{shown}: is {kind}. Name the audit log file itself.")
    raw = os.fdopen(descriptor, "rb", buffering=0)
    if roots is not None:
        _check_place(shown, raw, roots)
    handle, packed = _unpacking(raw)
    log = LogFile(resolved, handle, facts.st_ino, packed, None, born=birth.born(descriptor))
    log.fingerprint = _first_line(log)
    return log


def _check_place(shown: str, raw: BinaryIO, roots: list[str]) -> None:
    """Ask where the opened file lies: a folder on the way may have become a link since the path was resolved."""
    place = _PLACES / str(raw.fileno())
    try:
        if place.is_symlink():
            _check_roots(shown, str(place.readlink()), roots)
    except UnusableFile:
        raw.close()
        raise


def _unpacking(raw: BinaryIO) -> tuple[BinaryIO | Unpacked, bool]:
    """Choose the decompressor by the first bytes, not by the name."""
    magic = raw.read(4)
    raw.seek(0)
    for known, make in PACKED.items():
        if magic.startswith(known):
            return Unpacked(raw, make), True
    return raw, False


def _first_line(log: LogFile) -> bytes | None:
    head = log.read(0, FIRST_LINE)
    return _hash_of_first(head)


def _hash_of_first(head: bytes) -> bytes | None:
    end = head.find(b"\n")
    if end < 0 and len(head) < FIRST_LINE:
        return None
    return sha256(head[: end if end >= 0 else FIRST_LINE]).digest()


def family(path: str | Path) -> list[Path]:
    """Return a log and its rotated brothers, oldest first, the live one last.

    A copy and what was cut right after it may have one time, because a file system's clock ticks in milliseconds: then
    the higher number is the older one.

    Brothers are named by a number or a date (`audit.log.1`, `audit.log-20261121.gz`, `audit-2026-11-21.log`):
    `audit-http.log` is another device's log.
    """
    live = Path(path)
    if not live.parent.is_dir():
        return []
    stem, suffix = re.escape(live.stem), re.escape(live.suffix)
    brother = re.compile(rf"(?:{stem}{suffix}(?:{_AGE}|[.-]old)?|{stem}{_AGE}{suffix}){_PACKING}")
    found = [one for one in live.parent.iterdir() if one.name != live.name and brother.fullmatch(one.name)]
    aged = [(modified, -_number(one), one.name, one) for one in found if (modified := _modified(one)) is not None]
    return [one for *_, one in sorted(aged)] + ([live] if live.exists() else [])


def _number(path: Path) -> int:
    """Return the number of a rotated log, 0 for one that is named otherwise, such as by its date."""
    found = re.search(r"(?<!\d)[._-](\d{1,4})(?:\.[a-z]+)*$", path.name)
    return int(found[1]) if found else 0


def _modified(path: Path) -> int | None:
    """Return when a file was changed, in nanoseconds; None for one that is being renamed: the next look finds it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
