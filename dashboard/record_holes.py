"""What a page over several vaults knows that it does not know: their gaps, and the time that nothing covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.coverage import VaultRecord
from audit.event_search import Bin
from audit.queries import Bucket
from dashboard.closing import SHOWN, Closing
from dashboard.holes import TOLERANCE, Hole, gap_hole, seconds
from dashboard.words import counted, duration, until_clock, visible


@dataclass(frozen=True, slots=True)
class Known:
    """How complete a list over these vaults is in one stretch of time."""

    since: datetime
    until: datetime
    now: datetime
    vaults: list[VaultRecord]
    holes: list[Hole]
    notes: list[str] = field(default_factory=list)

    @property
    def complete_until(self) -> datetime | None:
        """Return the end of the record of the vault that is furthest behind."""
        ends = [vault.reached for vault in self.vaults]
        known = [end for end in ends if end]
        return min(known) if known and len(known) == len(ends) else None

    @property
    def stopped(self) -> str:
        """Return since when nothing is known of the only vault, in words; empty while its record reaches the end."""
        last = next((hole for hole in self.holes if hole.end >= self.until), None)
        if last is None or len(self.vaults) != 1:
            return ""
        return until_clock(min(last.start, self.complete_until or last.start), self.now)

    @property
    def missing(self) -> str:
        """Return how much is not known, in words; empty when all of it is."""
        length = seconds(self.holes)
        return duration(length) if length else "unknown time" if self.holes else ""

    @property
    def closing(self) -> Closing:
        """Return the closing of a list that asked for all of this time."""
        end = self.complete_until
        if end is None:
            return Closing(False, "Not complete: no audit device says until when its record holds.", self.notes)
        if not self.holes:
            return Closing(True, f"Complete until {until_clock(min(end, self.until), self.now)}.", self.notes)
        if len(self.holes) == 1:
            return Closing(False, f"Not complete. {self.holes[0].sentence}", self.notes)
        rest = [f"And {counted(len(self.holes) - SHOWN, 'more hole')}."] if len(self.holes) > SHOWN else []
        told = [hole.sentence for hole in self.holes[:SHOWN]]
        return Closing(
            False, f"Not complete: {len(self.holes)} holes, {self.missing} in all.", [*told, *rest, *self.notes]
        )

    def buckets(self, bins: Sequence[Bin]) -> list[Bucket]:
        """Return the bars with those marked of which something is not known."""
        return [Bucket(b.start, b.end, b.ok, b.denied, b.error, unknown=self._blind(b)) for b in bins]

    def _blind(self, bar: Bin) -> bool:
        return any(hole.start < bar.end and bar.start < hole.end for hole in self.holes)


def known(vaults: list[VaultRecord], since: datetime, until: datetime, now: datetime) -> Known:
    """Return what is known of [since, until).

    A vault of which files were only imported is a note and no hole while another one is followed.
    """
    live = [vault for vault in vaults if vault.followed] or vaults
    named = len(vaults) > 1
    holes = [hole for vault in live for hole in _holes(vault, since, until, now, named)]
    begun = min((vault.first for vault in live if vault.first), default=until)
    if since < begun:
        holes.append(Hole(since, min(begun, until), f"No audit data before {until_clock(min(begun, until), now)}."))
    notes = [sentence for vault in vaults for sentence in _notes(vault, live, now)]
    return Known(since, until, now, live, sorted(holes, key=lambda hole: (hole.start, hole.end)), notes)


def _notes(vault: VaultRecord, live: list[VaultRecord], now: datetime) -> Iterator[str]:
    """Say what a device lacks that another has, and which vaults were only imported."""
    if vault not in live and vault.reached:
        end = until_clock(vault.reached, now)
        yield f"{visible(vault.name)} was imported and is not followed; its record ends at {end}."
    for device in vault.devices:
        if device.missed:
            lacks = counted(device.missed, "entry", "entries")
            yield f"{visible(device.name)} lacks {lacks} that another device has; nothing is lost by it."


def _holes(vault: VaultRecord, since: datetime, until: datetime, now: datetime, named: bool) -> Iterator[Hole]:
    """Yield a vault's gaps, the time between its files, and the time after its record."""
    told = [gap_hole(g, since, until, now) for g in vault.gaps if g.end or (g.start and g.start >= since)]
    yield from told
    where = f" from {visible(vault.name)}" if named else ""
    for end, start in vault.lapses(since):
        low, high = max(end, since), min(start, until)
        if low < high and not any(hole.start <= low and high <= hole.end for hole in told):
            length = duration((start - end).total_seconds())
            times = f"from {until_clock(end, now)} to {until_clock(start, now)}"
            yield Hole(low, high, f"No audit data{where} for {length}, {times}.")
    reached = vault.reached
    if reached is None and vault.devices:
        reached = max((end for _, end in vault.covered), default=since)
    begin = max(reached or since, since)
    if until - begin > TOLERANCE:
        yield Hole(begin, until, f"Nothing is known{where} after {until_clock(begin, now)}.")
