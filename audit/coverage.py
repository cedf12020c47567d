"""How far the record of each vault and device reaches, and what is missing from it, in one stretch of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import connection

from accounts.scope import Scope
from audit.answers import Gap
from audit.models import RENAMED
from audit.reach import vaults_of

Stretch = tuple[datetime, datetime]
PAUSE = timedelta(minutes=1)  # files that follow each other within a minute leave no hole
_MOST_GAPS = 500


@dataclass(slots=True)
class DeviceRecord:
    """One device: what its files cover in the window asked for, and the gaps that it has there."""

    id: int
    name: str
    vault_id: int
    vault: str
    last: datetime | None  # time of its newest line
    sources: int = 0
    drained: datetime | None = None  # when the slowest of its sources was last read to its end
    undrained: bool = False  # one of its sources was never read to its end
    kinds: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    covered: list[Stretch] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    missed: int = 0  # entries that another device of its vault has shown
    first: datetime | None = None  # time of its oldest line

    @property
    def followed(self) -> bool:
        """Whether something of this device is read as it is written."""
        return self.sources > 0

    @property
    def reached(self) -> datetime | None:
        """Until when its record holds: a second before the last look, or the newest imported line."""
        if not self.followed:
            return self.last
        return self.drained - timedelta(seconds=1) if self.drained and not self.undrained else None


@dataclass(slots=True)
class VaultRecord:
    """One vault: the record of its devices together."""

    id: int
    name: str
    devices: list[DeviceRecord]

    @property
    def followed(self) -> bool:
        """Whether one of its devices is followed."""
        return any(device.followed for device in self.devices)

    @property
    def reached(self) -> datetime | None:
        """Until when the record is complete: to the slowest followed device, else to the last imported line."""
        if self.followed:
            ends = [device.reached for device in self.devices if device.followed]
            known = [end for end in ends if end]
            return min(known) if len(known) == len(ends) else None
        return max((device.last for device in self.devices if device.last), default=None)

    @property
    def first(self) -> datetime | None:
        """Return the time of its oldest line."""
        return min((device.first for device in self.devices if device.first), default=None)

    @property
    def covered(self) -> list[Stretch]:
        """Return the stretches that some device covers, joined, oldest first."""
        return joined(stretch for device in self.devices for stretch in device.covered)

    def lapses(self, since: datetime) -> list[Stretch]:
        """Return the stretches after `since` that lie between what its devices cover, oldest first."""
        covered = self.covered
        if self.first and self.first < since and covered and covered[0][0] > since:
            covered = [(since, since), *covered]
        return [(end, start) for (_, end), (start, _) in pairwise(covered)]

    @property
    def gaps(self) -> list[Gap]:
        """Return the gaps of its devices, oldest first."""
        gaps = [gap for device in self.devices for gap in device.gaps]
        return sorted(gaps, key=lambda gap: (gap.start is not None, gap.start))


def vault_records(
    since: datetime, until: datetime, vaults: Sequence[int] | None = None, *, scope: Scope
) -> list[VaultRecord]:
    """Return the record of each vault of the scope in [since, until), by name; three queries however many there are."""
    return group_by_vault(device_records(since, until, vaults, scope=scope))


def group_by_vault(devices: Iterable[DeviceRecord]) -> list[VaultRecord]:
    """Return the devices by their vault."""
    by_vault: dict[int, VaultRecord] = {}
    for device in devices:
        by_vault.setdefault(device.vault_id, VaultRecord(device.vault_id, device.vault, [])).devices.append(device)
    return list(by_vault.values())


def device_records(
    since: datetime, until: datetime, vaults: Sequence[int] | None = None, *, scope: Scope
) -> list[DeviceRecord]:
    """Return the record of each device of the scope's vaults in [since, until), by vault and name."""
    with connection.cursor() as cursor:
        found = _devices(cursor, vaults, vaults_of(scope))
        _add_files(cursor, found, since, until)
        _add_gaps(cursor, found, since, until)
    return list(found.values())


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches with those joined that overlap or leave less than a minute between them."""
    whole: list[Stretch] = []
    for start, end in sorted(stretches):
        if whole and start - whole[-1][1] <= PAUSE:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return whole


def _devices(cursor: Any, vaults: Sequence[int] | None, names: list[str] | None) -> dict[int, DeviceRecord]:
    cursor.execute(
        """SELECT d.id, d.name, v.id, v.name, d.last_time, count(s.id), min(s.drained_at),
                  coalesce(bool_or(s.id IS NOT NULL AND s.drained_at IS NULL), false),
                  coalesce(array_agg(s.kind) FILTER (WHERE s.id IS NOT NULL), '{}'),
                  coalesce(array_agg(s.trouble) FILTER (WHERE s.trouble <> ''), '{}')
           FROM audit_device d JOIN audit_vault v ON v.id = d.vault_id LEFT JOIN audit_source s ON s.device_id = d.id
           WHERE (%s::int[] IS NULL OR v.id = ANY(%s)) AND (%s::text[] IS NULL OR v.name = ANY(%s))
           GROUP BY d.id, v.id ORDER BY v.name, d.name""",
        [vaults, vaults, names, names],
    )
    return {row[0]: DeviceRecord(*row) for row in cursor.fetchall()}


def _add_files(cursor: Any, found: dict[int, DeviceRecord], since: datetime, until: datetime) -> None:
    """Add what the files cover; a live file reaches to its last look, a renamed one to its next."""
    cursor.execute(
        """SELECT g.device_id, min(g.first_time) OVER (PARTITION BY g.device_id), g.first_time,
                  greatest(g.last_time, s.drained_at), CASE WHEN g.border = %s THEN b.last_time END
           FROM audit_generation g LEFT JOIN audit_generation b ON b.id = g.follows_id
           LEFT JOIN audit_source s ON s.live_id = g.id
           WHERE g.device_id = ANY(%s) AND g.first_time IS NOT NULL""",
        [RENAMED, list(found)],
    )
    for device_id, first, start, end, before in cursor.fetchall():
        device = found[device_id]
        device.first = first
        low = min(before, start) if before else start
        if end and low < until and end >= since:
            device.covered.append((low, end))


def _add_gaps(cursor: Any, found: dict[int, DeviceRecord], since: datetime, until: datetime) -> None:
    cursor.execute(
        """SELECT device_id, kind, start, "end", detail, 1 FROM (
               SELECT * FROM audit_gap WHERE device_id = ANY(%s) AND kind <> 'missed'
               AND coalesce("end", 'infinity') >= %s AND coalesce(start, '-infinity') < %s ORDER BY start LIMIT %s) g
           UNION ALL SELECT device_id, 'missed', min(start), max(start), '', count(*) FROM audit_gap
           WHERE device_id = ANY(%s) AND kind = 'missed' AND start >= %s AND start < %s GROUP BY device_id""",
        [list(found), since, until, _MOST_GAPS, list(found), since, until],
    )
    for device_id, kind, start, end, detail, count in cursor.fetchall():
        device = found[device_id]
        if kind == "missed":
            device.missed = count
        else:
            device.gaps.append(Gap(kind, device.name, start, end, detail))
