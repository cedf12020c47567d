"""What an operator asks of the past: import these files, follow that log, forget old days."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from django.conf import settings
from django.db.models import Min

from audit import attributing, devices, kinds, lineage, partitions, rollups, spooling
from audit.ingest import Busy, Report, Turn, connect, find_generation, turn
from audit.models import Device, Generation, Source, Vault
from audit.sources import content
from audit.sources.content import KUBERNETES
from audit.sources.file import LogFile, UnusableFile, family, open_log
from audit.sources.spool import KIND

_LOOK = 4 * 1024 * 1024
_GRACE = 10.0


@dataclass(slots=True)
class Imported:
    """What `import_files` did: totals over the files, in the classes that every byte falls into."""

    files: int = 0
    bytes: int = 0
    lines: int = 0
    events: int = 0
    duplicates: int = 0
    quarantined: int = 0
    gaps: int = 0
    accounted: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def import_files(
    paths: Sequence[str], *, vault: str, device: str = "file", watch: Callable[[int], None] | None = None
) -> Imported:
    """Import audit log files into a vault's device; importing again changes nothing.

    Raises `UnusableFile` before anything is written when one of the files can't be read or is no audit log, and
    `Busy` when the device is being read by another process. `watch` is told of consumed (unpacked) bytes.
    """
    began = time.monotonic()
    logs: list[LogFile] = []
    shown: dict[str, str] = {}
    try:
        for path in paths:
            logs.append(open_log(path))
            shown[path] = _must_be_audit_log(logs[-1])
        one, notes = _device(vault, device, shown)
        with turn(one.pk) as work:
            done = _import(work, sorted(logs, key=_first_moment), watch)
        done.notes[:0] = notes
        done.gaps = devices.reconcile(one.vault_id)
        rollups.close()
    finally:
        for log in logs:
            log.close()
    done.seconds = round(time.monotonic() - began, 3)
    return done


def _import(work: Turn, logs: Sequence[LogFile], watch: Callable[[int], None] | None) -> Imported:
    done = Imported(files=len(logs))
    before, torn, cursor = 0, 0, None
    for log in logs:
        if log.fingerprint is None:
            torn += _only_a_beginning(log, done)
            continue
        cursor = find_generation(work.looker, work.device_id, log)
        known = Generation.objects.get(pk=cursor.id)
        before += cursor.position
        done.lines += known.lines
        done.duplicates += known.lines
        if watch:
            watch(cursor.position)
        cursor = work.read(log, cursor, at_end=True, watch=watch)
        if log.damaged:
            done.notes.append(f"{log.path}: {log.damaged}; what is whole was read")
    if cursor is not None:
        work.accept_unanswered(cursor, older_than=0, before=int((time.time() - 10) * 1e6))
    work.wait()
    _total(done, work.report, before, torn)
    return done


def _only_a_beginning(log: LogFile, done: Imported) -> int:
    """Say what is to do with a file that has no whole line; returns its bytes, none for an empty file."""
    size = len(log.read(0, _LOOK))
    if size:
        damage = f" ({log.damaged})" if log.damaged else ""
        done.quarantined += 1
        done.notes.append(
            f"{log.path}: holds only the beginning of a line{damage}; nothing was read, import it when it is whole"
        )
    return size


def _total(done: Imported, report: Report, before: int, torn: int) -> None:
    """Bytes that an earlier import consumed are duplicates of this one."""
    done.accounted = {
        "events": report.bytes_event,
        "duplicates": report.bytes_duplicate + before,
        "quarantine": report.bytes_quarantine + torn,
        "gaps": 0,
        "framing": report.bytes_framing,
    }
    done.bytes = report.bytes + before + report.bytes_waiting + torn
    done.lines += report.lines
    done.events = report.events
    done.quarantined += report.quarantined
    if report.others:
        done.notes.append(f"{report.others:,} records are of other resources than Secrets; they are counted as framing")
    done.duplicates += report.duplicates


def _device(vault: str, device: str, shown: Mapping[str, str] = MappingProxyType({})) -> tuple[Device, list[str]]:
    """Return the device, made if new, and the sentences that say so; `shown` are logs and what they are by content.

    Raises `UnusableFile` when the name stands for the other kind of log, and makes nothing then.
    """
    notes = []
    kind, place = kinds.one_of(shown), next(iter(shown), "")
    kinds.check(Vault.objects.filter(name=vault).first(), kind, place)
    one, new = Vault.objects.get_or_create(name=vault)
    kinds.settle(one, kind, place)
    if new:
        what = "Kubernetes cluster" if kind == KUBERNETES else "vault"
        notes.append(f"{what} {vault} is new; it was made")
    which, new = Device.objects.get_or_create(vault=one, name=device)
    if new:
        notes.append(f"audit device {device} of {vault} is new; it was made")
    return which, notes


def _must_be_audit_log(log: LogFile) -> str:
    """Refuse a file in whose first MiB nothing is an audit record; an empty file is allowed.

    Returns the kind of the first record, empty while nothing tells.
    """
    head = log.read(0, _LOOK)
    if not head and log.damaged:
        raise UnusableFile(f"{log.path}: {log.damaged}. Nothing was read.")
    kind, maybe = content.kind_of(head)
    if log.fingerprint is None and maybe:
        log.fingerprint = sha256(head).digest()  # a single line, whole but for its newline
    if head and not maybe and b"\n" in head:
        raise UnusableFile(
            f"{log.path}: none of its first lines is an audit record of Vault, OpenBao or a Kubernetes API server. "
            "Name the file that the audit device writes (file_path of the device, --audit-log-path of the API "
            "server); nothing was imported."
        )
    if head and b"\n" not in head and len(head) < _LOOK and not maybe and not _BEGUN.search(head):
        raise UnusableFile(f"{log.path}: is not an audit log. Nothing was imported.")
    return kind


_BEGUN = re.compile(rb'"type":"re|"auditID":"')
_MOMENT = re.compile(rb'"(?:time|requestReceivedTimestamp)":"(.{19})', re.DOTALL)


def _first_moment(log: LogFile) -> str:
    """The first record's time as text orders files well enough: oldest first."""
    found = _MOMENT.search(log.read(0, 64 * 1024))
    return found[1].decode("ascii", "replace") if found else ""


def follow_file(path: str, *, vault: str, device: str = "file") -> Source:
    """Add a live log file, which must lie under KEYBOOK_LOG_ROOTS; raises `UnusableFile`. Twice changes nothing."""
    roots = settings.KEYBOOK.log_roots.split(":")
    with closing(open_log(path, roots)) as log:
        kind = content.kind_of(log.read(0, _LOOK))[0]
    one, _ = _device(vault, device, {path: kind})
    source, _ = Source.objects.get_or_create(device=one, kind="file", settings={"path": path})
    return source


def read_source(source: Source, *, seconds: float = 20.0) -> Report | None:
    """Take one bounded turn over a followed log and its rotated brothers, or over the spool; None when it is busy.

    What prevents the turn is kept in `source.trouble` as a sentence, for the pages and `doctor`.
    """
    deadline = time.monotonic() + seconds
    logs: list[LogFile] = []
    try:
        for log in () if source.kind == KIND else _open_family(source):
            logs.append(log)  # one by one, so that what is open is closed if the next can't be opened
        with turn(source.device_id) as work:
            if source.kind == KIND:
                report = spooling.read(work, deadline)
            else:
                report = _read_family(work, source, logs, deadline)
    except Busy:
        return None
    except UnusableFile as error:
        note_trouble(source, str(error))
        return None
    finally:
        for log in logs:
            log.close()
    if report.drained:
        Source.objects.filter(pk=source.pk).update(trouble="", drained_at=datetime.now(UTC))
    return report


_read_whole: dict[tuple[int, str], tuple[tuple[int, int, int], bytes | None]] = {}  # by device and path


def note_trouble(source: Source, sentence: str) -> None:
    """Keep what prevents a source's turn, for the pages and `doctor`; the next whole turn clears it."""
    Source.objects.filter(pk=source.pk).update(trouble=sentence)


def _open_family(source: Source) -> Iterator[LogFile]:
    """Open the live log and its rotated brothers; what did not change since it was read is not opened again."""
    roots = settings.KEYBOOK.log_roots.split(":")
    path = source.settings["path"]
    found = family(path)
    if not found or str(found[-1]) != str(path):
        open_log(path, roots).close()  # says what is wrong with the live one
    for one in found[:-1]:
        yield _unchanged(source.device_id, one) or open_log(one, roots)
    yield open_log(found[-1], roots)


def _unchanged(device_id: int, path: Path) -> LogFile | None:
    known = _read_whole.get((device_id, str(path)))
    if known is None or known[0] != _stamp(path):
        return None
    return LogFile(str(path), BytesIO(), known[0][0], True, known[1], settled=True)


def _stamp(path: str | Path) -> tuple[int, int, int]:
    try:
        facts = Path(path).stat()
    except OSError:
        return (0, 0, 0)
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _read_family(work: Turn, source: Source, logs: list[LogFile], deadline: float) -> Report:
    source.refresh_from_db()
    _settle_kind(work, source, logs)
    found = _look_again(source, logs) if lineage.is_lost(source, logs) else logs
    chain = lineage.Chain(work, source, found)
    cursor = None
    for log in found:
        if log.fingerprint is None or log.settled:
            continue
        if work.report.bytes and time.monotonic() > deadline:
            work.report.drained = False  # many files may wait, and a turn is short
            break
        live = log is found[-1]
        stamp = _stamp(log.path)
        work.wait()  # a copy that is being made has the content of the live log, and so its cursor
        cursor = find_generation(work.looker, work.device_id, log, *chain.link(log))
        if cursor.position == 0:
            kinds.check(source.device.vault, content.kind_of(log.read(0, _LOOK))[0], log.path)
        gaps = chain.gap_before(cursor) if cursor.position == 0 else []
        if live and (source.live_id, source.live_inode) != (cursor.id, log.inode):
            Source.objects.filter(pk=source.pk).update(live_id=cursor.id, live_inode=log.inode)
        still = not live and time.time() - stamp[2] / 1e9 > _GRACE  # a torn last line stays torn
        cursor = work.read(log, cursor, at_end=still, deadline=deadline, gaps=gaps)
        if still and work.report.drained:
            work.wait()
            _read_whole[source.device_id, log.path] = (stamp, log.fingerprint)
    if cursor is not None:
        work.accept_unanswered(cursor)
    work.wait()
    if source.live_inode and found[-1].fingerprint is None and not any(chain.was_live(log) for log in found):
        Source.objects.filter(pk=source.pk).update(live_inode=0)  # another file may get its inode
    return work.report


def _settle_kind(work: Turn, source: Source, logs: list[LogFile]) -> None:
    """The first record that a name gets says what it stands for."""
    vault = source.device.vault
    for log in () if work.kind else (log for log in logs if not log.settled):
        if kind := content.kind_of(log.read(0, _LOOK))[0]:
            kinds.settle(vault, kind, log.path)
            work.be(vault.kind)
            return


def _look_again(source: Source, logs: list[LogFile]) -> list[LogFile]:
    """Open the family anew, to be closed with `logs`: a rotation may have passed between two openings."""
    first = len(logs)
    for log in _open_family(source):
        logs.append(log)
    return logs[first:]


def keep_house() -> None:
    """Make partitions ahead, forget what is past retention, close finished hours and days, compare devices."""
    with connect() as connection:
        today = datetime.now(UTC).date()
        partitions.ensure_ahead(connection, today)
        partitions.forget_before(connection, today - timedelta(days=settings.KEYBOOK.retention_days))
    attributing.forget_before(datetime.now(UTC) - timedelta(days=settings.KEYBOOK.retention_days + 1))
    rollups.close()
    behind = Source.objects.aggregate(oldest=Min("drained_at"))["oldest"] or datetime.now(UTC)
    for vault in Vault.objects.all():
        devices.reconcile(vault.pk, behind - timedelta(hours=1))
