"""The stretch of time that a page answers for, as its URL says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import zone
from dashboard.forms import RangeForm
from dashboard.words import day

PRESETS = {
    "1h": (timedelta(hours=1), "1 h", "in the last hour"),
    "24h": (timedelta(hours=24), "24 h", "in the last 24 hours"),
    "7d": (timedelta(days=7), "7 d", "in the last 7 days"),
    "30d": (timedelta(days=30), "30 d", "in the last 30 days"),
}
EVENT_PRESETS = {
    "15m": (timedelta(minutes=15), "15 m", "in the last 15 minutes"),
    **PRESETS,
    "live": (timedelta(minutes=15), "Live", "in the last 15 minutes, live"),
}
ALL = "all"
ABSOLUTE = "absolute"
DEFAULT = "30d"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[since, until); `key` names the preset, `all` or `absolute`; `words` end the sentence "... read it"."""

    key: str
    since: datetime
    until: datetime
    words: str
    form: RangeForm

    @property
    def span(self) -> str:
        """Return the range for a button: the words without their preposition."""
        return self.words.removeprefix("from ")


Presets = Mapping[str, tuple[timedelta, str, str]]


def time_range(
    query: Mapping[str, str],
    now: datetime,
    begin: datetime | None,
    presets: Presets = PRESETS,
    default: str = DEFAULT,
) -> TimeRange:
    """Return the range of a URL's `range`, or `since` and `until`; what can't be read is told by the form's errors.

    A time without an offset is in the URL's `zone`, or in UTC without one: a link says the same to everybody.

    `begin` is the first read of the secret shown: `all` starts there.
    """
    form = RangeForm({name: query.get(name, "") for name in ("since", "until", "zone")}, now)
    if form.is_valid() and (form.cleaned_data["since"] or form.cleaned_data["until"]):
        return _absolute(form, now, begin)
    key = query.get("range", default)
    if key == ALL and begin:
        return TimeRange(ALL, begin, now, "since its first read", form)
    key = key if key in presets else default
    length, _, words = presets[key]
    return TimeRange(key, now - length, now, words, form)


def _absolute(form: RangeForm, now: datetime, begin: datetime | None) -> TimeRange:
    """Return the range that a person gave by one or two times."""
    until = form.cleaned_data["until"] or now
    since = form.cleaned_data["since"] or min(begin or until - PRESETS[DEFAULT][0], until - timedelta(seconds=1))
    return TimeRange(ABSOLUTE, since, until, _between(since, until, now), form)


def _between(since: datetime, until: datetime, now: datetime) -> str:
    """Return `from Tue 18 Nov 02:00 to 04:00 UTC`; date, year and offset are said only where they are not plain."""
    start, end = (_clock(moment) for moment in (since, until))
    year = not zone.local(since).year == zone.local(until).year == zone.local(now).year
    same = zone.local(since).date() == zone.local(until).date()
    begin = zone.after(since) if zone.offset(since) != zone.offset(until) else ""
    last = zone.after(until) or " UTC"
    return f"from {day(since, year)} {start}{begin} to {end if same else f'{day(until, year)} {end}'}{last}"


def _clock(moment: datetime) -> str:
    """Return the time of the day, the shortest that is exact to the millisecond."""
    text = zone.local(moment).replace(tzinfo=None).isoformat(" ", "milliseconds")[11:].removesuffix(".000")
    return text.removesuffix(":00") if text.count(":") == 2 else text
