"""What the store holds, asked in plain SQL, so that a test need not trust the questions it tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import connection

from audit import actions


class Past:
    """The tables of the default database."""

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a statement answers."""
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row."""
        return self.rows(sql, *values)[0][0]

    def take(self, *files: Path | str, vault: str = "demo", device: str = "file") -> actions.Imported:
        """Import files, as `manage.py ingest_file` does."""
        return actions.import_files([str(file) for file in files], vault=vault, device=device)

    def events(self) -> int:
        """Return how many audited requests stand in the store (an amendment is part of its event)."""
        return self.one("SELECT count(*) FROM audit_event WHERE flags & 8192 = 0")

    def requests(self) -> Counter[str]:
        """Return how often each request id stands in the store."""
        return Counter(str(row[0]) for row in self.rows("SELECT request_id FROM audit_event WHERE flags & 8192 = 0"))

    def shown_by(self, device: str) -> set[tuple[str, str]]:
        """Return the (request id, type) of each entry that a device has shown."""
        sql = """
            SELECT e.request_id, e.flags & 3 FROM audit_event e JOIN audit_device d ON d.id = e.device AND d.name = %s
            WHERE e.flags & 8192 = 0
            UNION ALL SELECT e.request_id, s.flags & 3 FROM audit_sighting s
            JOIN audit_event e ON e.id = s.event_id AND e.time = s.time
            JOIN audit_device d ON d.id = s.device AND d.name = %s
        """
        sides = ((1, "request"), (2, "response"))
        return {(str(id), side) for id, flags in self.rows(sql, device, device) for bit, side in sides if flags & bit}

    def gaps(self, kind: str) -> set[tuple[str, str]]:
        """Return (device, key) of the gaps of a kind."""
        sql = "SELECT d.name, g.key FROM audit_gap g JOIN audit_device d ON d.id = g.device_id WHERE g.kind = %s"
        return set(self.rows(sql, kind))

    def bytes_per_class(self) -> dict[str, int]:
        """Return the settled bytes of all files, per class, and those still being written."""
        row = self.rows(
            """SELECT sum(bytes_event), sum(bytes_duplicate), sum(bytes_quarantine), sum(bytes_framing), sum(position)
               FROM audit_generation"""
        )[0]
        waiting = self.one("SELECT coalesce(sum(length), 0) FROM audit_quarantine WHERE provisional")
        names = ("event", "duplicate", "quarantine", "framing", "position")
        return {**{name: int(value or 0) for name, value in zip(names, row, strict=True)}, "waiting": int(waiting)}

    def quarantine(self) -> list[tuple[int, int, str, bool]]:
        """Return (position, length, reason, provisional) of what is in quarantine, in order."""
        return self.rows("SELECT position, length, reason, provisional FROM audit_quarantine ORDER BY 1")


def is_accounted(done: actions.Imported, files: Sequence[Path | str]) -> bool:
    """Whether every byte of some plain files is in one class."""
    size = sum(Path(file).stat().st_size for file in files)
    return sum(done.accounted.values()) == done.bytes == size and min(done.accounted.values()) >= 0
