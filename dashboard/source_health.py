"""What the page of sources and their health shows: each device, what is wrong with it, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from accounts.scope import Scope
from audit import coverage, health
from audit.answers import Gap
from audit.coverage import DeviceRecord
from dashboard.closing import Closing
from dashboard.coverage_bar import Bar, coverage_bar
from dashboard.words import counted, duration, until_clock, visible

WEEK = timedelta(days=7)
SILENT = 60.0  # seconds without a look
SPOOL_OLD = timedelta(minutes=1)
_ALARMS = {
    "plain token": "Revoke those tokens, set log_raw=false, and upgrade a Vault that logs tokens (CVE-2024-8365).",
    "duplicate keys": "A vault writes no key twice: find out who else writes to this log.",
}


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """One device as the table shows it."""

    device: DeviceRecord
    bar: Bar
    today: health.Today
    lag: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that somebody has to look at: what it is, what to do, how grave it is, and where it is told."""

    fact: str
    mend: str
    grave: bool = False
    code: str = ""
    url: str = ""  # empty: the page of sources


@dataclass
class SourceHealth:
    """The sources now, and their record of a stretch of time that ends now."""

    now: datetime
    scope: Scope
    span: timedelta = WEEK

    @property
    def since(self) -> datetime:
        """Return the begin of the time that is looked at."""
        return self.now - self.span

    @cached_property
    def records(self) -> list[DeviceRecord]:
        """Return the record of each device."""
        return coverage.device_records(self.since, self.now, scope=self.scope)

    @cached_property
    def devices(self) -> list[DeviceLine]:
        """Return each device, by vault and name."""
        today = health.today(self.now)
        return [self._line(one, today.get(one.id, health.Today())) for one in self.records]

    @cached_property
    def bars(self) -> list[DeviceLine]:
        """Return each device without what it gave today."""
        return [self._line(one, health.Today()) for one in self.records]

    def _line(self, one: DeviceRecord, today: health.Today) -> DeviceLine:
        return DeviceLine(one, coverage_bar(one, self.since, self.now), today, *self._lag(one))

    def _lag(self, one: DeviceRecord) -> tuple[str, bool]:
        """Return how far a device is behind, in words, and whether somebody must look."""
        if not one.followed:
            return "imported", False
        if one.drained is None or one.undrained:
            return "never read to its end", True
        seconds = (self.now - one.drained).total_seconds()
        return (f"silent {duration(seconds)}", True) if seconds > SILENT else (duration(seconds), False)

    @cached_property
    def troubles(self) -> list[Trouble]:
        """Return what somebody has to look at, the gravest first."""
        found = [*self._alarms(), *self._sources(), *self._spooled(), *self._quarantined(), *self._lost()]
        return sorted(found, key=lambda trouble: not trouble.grave)

    def _alarms(self) -> list[Trouble]:
        found = []
        for one in health.alarms(self.since, scope=self.scope):
            times = f"{counted(one.count, 'time')} since {until_clock(one.first, self.now)}"
            fact = f"{visible(one.kind).capitalize()} in {visible(one.vault)}/{visible(one.device)}, {times}"
            found.append(Trouble(fact, f"{visible(one.detail)} {_ALARMS.get(one.kind, '')}".strip(), grave=True))
        return found

    def _sources(self) -> list[Trouble]:
        found = []
        for one in self.records:
            words, bad = self._lag(one)
            name = f"{visible(one.vault)}/{visible(one.name)}"
            found += [Trouble(f"{name} can't be read", visible(trouble)) for trouble in one.troubles]
            if bad and not one.troubles:
                since = f" since {until_clock(one.drained, self.now)}" if one.drained else ""
                fact = f"{name} has not been read{since}" if one.drained else f"{name} was {words}"
                mend = f"Answers about {visible(one.vault)} end there. Is the ingest worker running? See its log."
                found.append(Trouble(fact, mend, code="manage.py doctor"))
        return found

    def _spooled(self) -> list[Trouble]:
        mend = "The receiver took them and ingestion has not read them. Is the ingest worker running?"
        return [
            Trouble(
                f"{counted(one.rows, 'line')} of {visible(one.vault)}/{visible(one.device)} wait in the spool "
                f"since {until_clock(one.oldest, self.now)}",
                mend,
            )
            for one in self.spool
            if self.now - one.oldest > SPOOL_OLD
        ]

    def _quarantined(self) -> list[Trouble]:
        if not self.quarantine:
            return []
        newest, many = self.quarantine[0], len(self.quarantine)
        fact = f"{counted(many, 'stretch', 'stretches')} of bytes {'is' if many == 1 else 'are'} no audit line"
        return [Trouble(fact, f"The newest, {until_clock(newest.at, self.now)}: {visible(newest.reason)}.")]

    def _lost(self) -> list[Trouble]:
        if not self.gaps:
            return []
        fact = f"{counted(len(self.gaps), 'gap')} in {duration(self.span.total_seconds())}"
        return [Trouble(fact, f"The newest: {visible(self.gaps[0][1].detail)} Reads may be missing there.")]

    @cached_property
    def gaps(self) -> list[tuple[DeviceRecord, Gap]]:
        """Return the gaps of this time, the newest first."""
        found = [(one, gap) for one in self.records for gap in one.gaps]
        return sorted(found, key=lambda pair: pair[1].start or self.since, reverse=True)

    @cached_property
    def quarantine(self) -> list[health.Bad]:
        """Return the newest bytes of this time that are no audit line."""
        return health.quarantine(self.since, scope=self.scope)

    @cached_property
    def spool(self) -> list[health.Waiting]:
        """Return what waits in the receiver's spool."""
        return health.spool(scope=self.scope)

    @cached_property
    def missed(self) -> list[health.Missed]:
        """Return which devices lack entries that another has."""
        return health.missed(self.since, scope=self.scope)

    @property
    def coverage_closing(self) -> Closing:
        """Return the closing line of the coverage alone."""
        return self._closing(self.bars)

    @property
    def closing(self) -> Closing:
        """Return the closing line of the devices."""
        return self._closing(self.devices)

    def _closing(self, lines: list[DeviceLine]) -> Closing:
        holed = sum(not line.bar.whole for line in lines)
        count, span = counted(len(lines), "device"), duration(self.span.total_seconds())
        if not holed:
            return Closing(True, f"{count}. Nothing is missing in {span}.")
        return Closing(False, f"{count}. Not complete: {holed} with holes in {span}.")
