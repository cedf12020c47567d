"""Ingests what the receiver took: the spool's rows become events as a file's lines do, and go with the same commit."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from hashlib import sha256

from audit import kinds
from audit.batch import Bad, Batch, Cursor
from audit.event import Held
from audit.ingest import Report, Turn
from audit.joiner import Joiner
from audit.models import Vault
from audit.sources import spool
from audit.sources.content import KUBERNETES, VAULT
from audit.sources.spool import OTHERS, Record
from audit.store import Connection
from vault.audit_line import request_key

# A receiver's device has one generation: its bytes are those of the records taken, its position counts them all.
_FINGERPRINT = sha256(b"receiver").digest()


def read(work: Turn, deadline: float) -> Report:
    """Ingest a device's rows until none is left or the deadline has come."""
    cursor = _generation(work.looker, work.device_id)
    last, drained = 0, False
    while not drained:
        rows, drained = spool.read(work.looker, work.device_id, last)
        if rows:
            _settle_kind(work, rows)
            last = rows[-1].id
            cursor = work.take(_batch(work, cursor, rows))
        if time.monotonic() > deadline:
            break
    work.report.drained = drained
    if drained:
        work.accept_unanswered(cursor)
    work.wait()
    return work.report


def _settle_kind(work: Turn, rows: list[Record]) -> None:
    """The first record that a name gets says what it stands for."""
    first = next((row for row in rows if not row.reason), None)
    if first is not None and not work.kind:
        vault = Vault.objects.get(pk=work.vault_id)
        kinds.settle(vault, KUBERNETES if _is_clusters(first) else VAULT, "the receiver")
        work.be(vault.kind)


def _is_clusters(row: Record) -> bool:
    """Whether a row is of a Kubernetes API server; a vault's entry does not begin so once it is masked."""
    return row.line.startswith((b'{"kind":"Event"', OTHERS))


def _batch(work: Turn, cursor: Cursor, rows: list[Record]) -> Batch:
    batch = Batch(work.vault_id, work.device_id, cursor, cursor.position, cursor.tail, received=datetime.now(UTC))
    joiner = work.joiner(batch)
    for row in rows:
        wrong = (
            ""
            if row.reason or _is_clusters(row) == (work.kind == KUBERNETES)
            else kinds.stray(work.vault_name, work.kind)
        )
        if row.reason or wrong:
            preview = row.line.decode("utf-8", "replace") if row.reason else ""
            batch.bad.append(Bad(batch.end, row.length, row.reason or wrong, row.sha256, preview))
        elif row.line.startswith(OTHERS):
            _count(row, batch, joiner)
        else:
            joiner.take(_held(work, row, cursor.id, batch.end))
        joiner.find(filter(None, row.findings.split(",")))
        batch.end += row.length
    batch.lines = len(rows)
    batch.spooled = [row.id for row in rows]
    return batch


def _count(row: Record, batch: Batch, joiner: Joiner) -> None:
    """What a sender's body held of other resources: a number of records and their bytes."""
    batch.others += int(row.line.removeprefix(OTHERS).removesuffix(b"}"))
    batch.framing += row.length
    batch.saw(row.micros if joiner.in_time(row.micros) else 0)


def _held(work: Turn, row: Record, generation: int, position: int) -> Held:
    """The line as it was masked; an entry without an id has the key that it has when it is read from a file."""
    held = work.held_again(
        row.key,
        row.line,
        row.sha256,
        generation=generation,
        position=position,
        length=row.length,
        micros=row.micros,
    )
    if held.call is None and not held.line.request.id:
        content = row.sha256.hex()
        if request_key(content, b"")[0] == row.key.bytes:
            held.key = content
    return held


def _generation(looker: Connection, device_id: int) -> Cursor:
    looker.execute(
        """INSERT INTO audit_generation (device_id, fingerprint, fork, path, inode, border, position, tail, skipping,
           turn, lines, events, bytes_event, bytes_duplicate, bytes_quarantine, bytes_framing)
           VALUES (%s, %s, 0, 'receiver', 0, '', 0, '', false, 0, 0, 0, 0, 0, 0, 0)
           ON CONFLICT (device_id, fingerprint, fork) DO NOTHING""",
        [device_id, _FINGERPRINT],
    )
    row = looker.execute(
        "SELECT id, position, turn FROM audit_generation WHERE device_id = %s AND fingerprint = %s",
        [device_id, _FINGERPRINT],
    ).fetchone()
    assert row is not None  # noqa: S101 - it was made just now
    return Cursor(int(row[0]), int(row[1]), int(row[2]))
