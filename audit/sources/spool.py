"""What the receiver took and ingestion has not: a device's rows of the spool, in order, a bounded stretch at a time."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import psycopg

KIND = "receiver"
OTHERS = b'{"others":'  # begins a row that only counts a cluster's records of other resources
ROWS, BYTES = 4_000, 8 * 1024 * 1024


class Record(NamedTuple):
    """One row of the spool; with a `reason` it is for quarantine, and `line` is a preview."""

    id: int
    key: UUID
    micros: int
    sha256: bytes
    length: int
    line: bytes
    findings: str
    reason: str


def read(connection: psycopg.Connection[tuple[Any, ...]], device_id: int, after: int) -> tuple[list[Record], bool]:
    """Return the device's next rows after an id, at most 4,000 and about 8 MiB, and whether these are all for now.

    Rows commit out of the order of their ids, so one with a lower id may come later: it is there in the next turn.
    """
    sizes = connection.execute(
        """SELECT id, octet_length(line) FROM audit_spool WHERE device_id = %s AND id > %s ORDER BY id LIMIT %s""",
        [device_id, after, ROWS],
    ).fetchall()
    chosen, room = [], BYTES
    for id_, size in sizes:
        chosen.append(id_)
        room -= size
        if room <= 0:
            break
    rows = connection.execute(
        """SELECT id, key, micros, sha256, length, line, findings, reason FROM audit_spool
           WHERE id = ANY(%s) ORDER BY id""",
        [chosen],
    )
    return [Record(*row) for row in rows], len(chosen) == len(sizes) < ROWS
