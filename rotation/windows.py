"""A window of the week in a named time zone: whether it is open, and when it opens next. Pure: the time is given.

A window is open whenever a clock on the wall there shows a time within it. So one over midnight belongs to the day on
which it begins; when clocks are set back, what is shown twice is open twice; when they are set forward, the hour that
is never shown is never open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
AHEAD = 15  # days in which every window opens, even where its one day of the week lacks the hour once
_FORM = re.compile(r"([a-z,]+) (\d\d:\d\d)-(\d\d:\d\d) (\S{1,64})")


@dataclass(frozen=True, slots=True)
class Slot:
    """One stretch in which a window is open: [opens, closes) in UTC; `closes` is None where nothing closes it."""

    opens: datetime
    closes: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies within."""
        return self.opens <= moment and (self.closes is None or moment < self.closes)


@dataclass(frozen=True)
class Window:
    """Days of the week (0 is Monday), from when to when by the clock there, and the zone's name.

    A window that ends when it begins lasts a whole day; one that ends earlier ends on the day after.
    """

    days: tuple[int, ...]
    begins: time
    ends: time
    zone: str

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def text(self) -> str:
        """Return it as one line: `sat,sun 22:00-04:00 Europe/Vienna`."""
        days = ",".join(DAYS[day] for day in sorted(set(self.days)))
        return f"{days} {self.begins:%H:%M}-{self.ends:%H:%M} {self.zone}"

    def open_at(self, moment: datetime) -> bool:
        """Return whether it is open at a moment."""
        return self._shown(moment.astimezone(self._zone).replace(tzinfo=None))

    def slots(self, since: datetime) -> Iterator[Slot]:
        """Yield the stretches that end after a moment, in order, for ever."""
        day = since.astimezone(self._zone).date() - 2 * DAY
        while True:
            if day.weekday() in self.days:
                yield from (slot for slot in self._on(day) if slot.closes is not None and slot.closes > since)
            day += DAY

    def next(self, moment: datetime) -> Slot:
        """Return the stretch that is open at a moment, else the one that opens next."""
        return next(self.slots(moment))

    def last(self, since: datetime, until: datetime) -> Slot | None:
        """Return the last stretch that ends after `since` and not after `until`; None where there is none."""
        found = None
        for slot in self.slots(max(since, until - AHEAD * DAY)):
            if slot.closes is None or slot.closes > until:
                return found
            found = slot
        return found

    def _bounds(self, day: date) -> tuple[datetime, datetime]:
        """Return the naive times at which the window of a day begins and ends by the clock there."""
        end = day if self.ends > self.begins else day + DAY
        return datetime.combine(day, self.begins), datetime.combine(end, self.ends)

    def _shown(self, shown: datetime) -> bool:
        """Return whether the clock there shows a time within the window of the day, or of the day before."""
        for day in (shown.date(), shown.date() - DAY):
            begins, ends = self._bounds(day)
            if day.weekday() in self.days and begins <= shown < ends:
                return True
        return False

    def _on(self, day: date) -> list[Slot]:
        """Return the stretches of a day's window: one, two where the clock goes back through its edge, or none."""
        begins, ends = self._bounds(day)
        moments = sorted({*_moments(begins, self._zone), *_moments(ends, self._zone)})
        jump = _jump(moments[0], moments[-1], self._zone)
        edges = sorted({*moments, *([jump] if jump is not None else [])})
        found: list[Slot] = []
        for start, end in pairwise(edges):
            if not begins <= start.astimezone(self._zone).replace(tzinfo=None) < ends:
                continue
            if found and found[-1].closes == start:
                found[-1] = Slot(found[-1].opens, end)
            else:
                found.append(Slot(start, end))
        return found


def read(text: str) -> Window:
    """Return the window that a line says; raises `ValueError`, whose message names what is wrong and the mend."""
    given = _FORM.fullmatch(text.strip())
    if given is None:
        raise ValueError(f"“{text[:60]}” is no window. Write it as sat,sun 22:00-04:00 Europe/Vienna.")
    days, begins, ends, zone = given.groups()
    return window(days.split(","), begins, ends, zone)


def window(days: Sequence[str], begins: str, ends: str, zone: str) -> Window:
    """Return a window of what somebody gave; raises `ValueError`, whose message names what is wrong and the mend."""
    if unknown := [day for day in days if day not in DAYS]:
        raise ValueError(f"“{unknown[0][:20]}” is no day of the week. They are {', '.join(DAYS)}.")
    if not days:
        raise ValueError("A window needs a day of the week. Choose one or more.")
    return Window(tuple(sorted({DAYS.index(day) for day in days})), _time(begins), _time(ends), known_zone(zone))


def known_zone(name: str) -> str:
    """Return a zone's name that is known here; raises `ValueError`."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"“{name[:60]}” is no time zone. Write one such as Europe/Vienna or UTC.") from None
    return name


def _time(text: str) -> time:
    hours, _, minutes = text.partition(":")
    plain = len(text) == 5 and hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit()
    if not plain or int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"“{text[:20]}” is no time of the day. Write it as 02:00.")
    return time(int(hours), int(minutes))


def _moments(shown: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the moments around which a clock shows a time: the same twice, but where clocks are changed."""
    both = (shown.replace(tzinfo=zone, fold=0), shown.replace(tzinfo=zone, fold=1))
    return both[0].astimezone(UTC), both[1].astimezone(UTC)


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the moment between two at which clocks are changed, to the second; None for no change."""
    low, high = low - timedelta(hours=3), high + timedelta(hours=3)
    before = low.astimezone(zone).utcoffset()
    if before == high.astimezone(zone).utcoffset():
        return None
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high
