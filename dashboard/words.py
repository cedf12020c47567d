"""How numbers, times and foreign text are printed: times in the zone of whoever reads, and in UTC where said."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

from dashboard.zone import after, local

# Control, format (bidi marks, zero width), surrogate, private, unassigned, line and paragraph separators.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str, keep: str = "") -> str:
    """Return `text` with every character that can't be seen, or that turns the reading direction, spelt as an escape.

    Paths, user names and addresses are chosen by whoever calls the vault, signed in or not.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in _UNSEEN else _escape(c) for c in text)


def _escape(char: str) -> str:
    """Return `\\u202e` for U+202E, and eight digits beyond the first plane."""
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def number(value: int) -> str:
    """Return 1377 as `1,377`."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str = "") -> str:
    """Return `1 read` or `1,377 reads`."""
    return f"{value:,} {unit(value, noun, plural)}"


def unit(value: int, noun: str, plural: str = "") -> str:
    """Return the word that stands after a number: `read` or `reads`."""
    return noun if value == 1 else plural or f"{noun}s"


def duration(seconds: float) -> str:
    """Return a length of time in prose with at most two units: `1.2 s`, `3 min 47 s`, `16 h 50 min`, `21 d 3 h`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    for size, unit, below, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"


def span(length: timedelta) -> str:
    """Return the width of a bar in prose; a round width stays round: `6 h`, `12 min`, `30 s`."""
    return duration(length.total_seconds()).replace(".0 s", " s")


def utc(moment: datetime) -> datetime:
    """Return the moment in UTC."""
    return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Return `2026-11-18T02:46:58.102Z`, what a copy carries."""
    return utc(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_iso(moment: datetime) -> str:
    """Return the shortest ISO time in UTC that is still exact to the millisecond, for URLs."""
    text = iso(moment).removesuffix("Z").removesuffix(".000").replace("T", " ")
    return text.removesuffix(":00") if text.count(":") == 2 else text


def day(moment: datetime, year: bool = True) -> str:
    """Return `Tue 18 Nov 2026`, or `Tue 18 Nov`."""
    here = local(moment)
    return f"{here:%a} {here.day} {here:%b}" + (f" {here.year}" if year else "")


def clock(moment: datetime) -> str:
    """Return `14:02:09`."""
    return f"{local(moment):%H:%M:%S}"


def day_clock(moment: datetime, now: datetime) -> str:
    """Return `02:46 today`, `18 Nov 02:46`, or with the year when it is another year."""
    here, today = local(moment), local(now)
    if here.date() == today.date():
        return f"{here:%H:%M} today"
    year = "" if here.year == today.year else f" {here.year}"
    return f"{here.day} {here:%b}{year} {here:%H:%M}"


def at_day_clock(moment: datetime, now: datetime) -> str:
    """Return `at 02:46 today` or `on 18 Nov at 02:46`, to stand in a sentence; with the offset outside UTC."""
    date, _, hour = day_clock(moment, now).rpartition(" ")
    return f"at {date}{after(moment)} {hour}" if hour == "today" else f"on {date} at {hour}{after(moment)}"


def until_clock(moment: datetime, now: datetime) -> str:
    """Return `14:02:09` when that is today, else `18 Nov 14:02:09`; with the offset outside UTC."""
    here, today = local(moment), local(now)
    if here.date() == today.date():
        return f"{clock(moment)}{after(moment)}"
    year = "" if here.year == today.year else f" {here.year}"
    return f"{here.day} {here:%b}{year} {clock(moment)}{after(moment)}"
