"""Judges how a followed log was rotated since we last looked: which file follows which, and what is lost between them.

A vault that is not told goes on writing to the file that it has open. So a log was *renamed* when the next lines stand
in a file made later, and *copied and cut* when they stand in a file that was there already while it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Min

from audit.batch import Cursor, GapNote
from audit.ingest import Turn
from audit.models import RENAMED, Generation, Source
from audit.sources.file import LogFile

_OPENING = timedelta(milliseconds=20)  # a line may get its time a little before its file is made
CUT = "copytruncate"
VANISHED = "vanished"
_WORDS = {
    CUT: "the log was copied and cut; lines written between the copy and the cut are in no file",
    VANISHED: "the log was cut or replaced, and no file has its earlier content; lines after our cursor are lost",
}


class Chain:
    """The logs that began after the one that was live at our last look, and what each of them follows."""

    def __init__(self, work: Turn, source: Source, logs: Sequence[LogFile]) -> None:
        self.work, self.source, self.logs = work, source, logs
        self.lost = is_lost(source, logs)
        self.since = _since(source, logs)

    def link(self, log: LogFile) -> tuple[int, str]:
        """Return the generation that a log follows and how that one ended; 0 and nothing for what we knew before."""
        if log not in self.since:
            return 0, ""
        at = self.since.index(log)
        self.work.wait()  # the older file's last lines may still be on their way
        older = self._newest(self.since[at - 1]) if at else Generation.objects.get(pk=self.source.live_id or 0)
        if self.lost and not at:
            return older.pk, VANISHED
        return older.pk, CUT if self._was_cut(older) else RENAMED

    def was_live(self, log: LogFile) -> bool:
        """Whether this is the very file that was live at our last look, not another that got its inode."""
        live = self.source.live
        looks = [at for at in (self.source.drained_at, live and live.last_time) if at]
        reused = log.born is not None and looks and log.born > max(looks)
        return log.inode == self.source.live_inode and not reused

    def _newest(self, log: LogFile) -> Generation:
        return Generation.objects.filter(device=self.source.device, fingerprint=log.fingerprint).latest("fork")

    def _was_cut(self, older: Generation) -> bool:
        """Whether one of the files after `older` was there while `older` was written: then its lines stood in that."""
        place = _places(self.logs, bytes(older.fingerprint))[0]
        new = {None} | {one.fingerprint for one in self.since}  # the live log too, whose copy is being made just now
        after = [one for one in self.logs[place + 1 :] if one.fingerprint in new]
        files = [one for one in after if not one.packed and one.fingerprint != bytes(older.fingerprint)]
        return any(self.was_live(one) or _was_there(older, one) for one in files)

    def gap_before(self, cursor: Cursor) -> list[GapNote]:
        """The note for what may be lost between a generation and the one before it: from its last line on."""
        new = Generation.objects.get(pk=cursor.id)
        if new.border in ("", RENAMED) or new.follows_id is None:
            return []
        self.work.wait()
        older = new.follows
        while older is not None and older.last_time is None:
            older = older.follows
        start = older.last_time if older else None
        detail = f"{new.path}: {_WORDS[new.border]}. Rotate by rename and SIGHUP to lose nothing."
        return [GapNote(new.border, f"{new.follows_id}-{new.pk}", start, None, detail)]


def is_lost(source: Source, logs: Sequence[LogFile]) -> bool:
    """Whether no file has the content of the log that was live at our last look."""
    return source.live is not None and not _places(logs, bytes(source.live.fingerprint))


def _places(logs: Sequence[LogFile], content: bytes) -> list[int]:
    return [place for place, log in enumerate(logs) if log.fingerprint == content]


def _since(source: Source, logs: Sequence[LogFile]) -> list[LogFile]:
    """The logs after the one that was live at our last look, oldest first, each content once.

    A file packed just now may look younger than it is; what we met before the then live one is left out.
    """
    if source.live is None:
        return []
    old = bytes(source.live.fingerprint)
    start = min(_places(logs, old), default=-1) + 1
    after: dict[bytes, LogFile] = {}
    for log in logs[start:]:
        if log.fingerprint is not None and log.fingerprint != old:
            after.setdefault(log.fingerprint, log)
    met = _first_met(source, [old, *after]) if after else {}
    return [log for content, log in after.items() if content not in met or met[content] > met[old]]


def _first_met(source: Source, contents: Sequence[bytes]) -> dict[bytes, int]:
    rows = Generation.objects.filter(device=source.device, fingerprint__in=contents)
    return {bytes(content): first for content, first in rows.values_list("fingerprint").annotate(first=Min("pk"))}


def _was_there(older: Generation, log: LogFile) -> bool:
    """Whether a file was there already when the first line of an older log was written, by the same clock as ours.

    A short log is asked by its middle: a file system's clock may be 10 ms late.
    """
    if log.born is None or older.first_time is None or older.last_time is None:
        return False
    begun = older.first_time + min((older.last_time - older.first_time) / 2, _OPENING)
    return log.born < begun <= datetime.now(UTC)
