"""The geometry of a time line: bars, holes and ticks in percent of its width and pixels of its height."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from audit.queries import Bucket
from dashboard import axis, zone
from dashboard.words import counted, day, number, span

HEIGHT = 100  # px of the bars; the lane for markers lies above
LANE = 18
LEAST = 3.5  # px: a denial or an error is never drawn thinner, however tall its neighbours


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of one pile: `x` and `width` in percent, `y` and `height` in pixels."""

    kind: str  # denied error ok
    x: str
    width: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick or a hole of the time axis, in percent; `anchor` keeps the first and last words inside the picture."""

    x: str
    width: str
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """One row of the same numbers as a table; unknown buckets that follow each other are one row."""

    start: datetime
    end: datetime
    ok: int
    denied: int
    error: int
    unknown: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """All that a template needs to draw the time line and to say it in words."""

    bars: list[Bar]
    holes: list[Mark]
    ticks: list[Mark]
    levels: list[tuple[float, str]]  # pixels from the top, label
    step: str
    ok: int
    denied: int
    error: int
    sentence: str
    stretches: list[Stretch]
    slots: str  # JSON for the brush: [start in ms, its words, ok, denied, error, unknown] of each bar, then the end


def chart(buckets: Sequence[Bucket], missing: str) -> Chart:
    """Return the drawing of equal, adjoining buckets, oldest first; `missing` is the time without data, in words."""
    top = _nice(max((b.ok + b.denied + b.error for b in buckets), default=0))
    stretches = _stretches(buckets)
    totals = [sum(getattr(b, kind) for b in buckets) for kind in ("ok", "denied", "error")]
    return Chart(
        bars=sorted(_bars(buckets, top), key=lambda bar: bar.kind == "error"),  # an outline lies above its neighbours
        holes=_holes(buckets),
        ticks=list(_ticks(buckets)),
        levels=_levels(top),
        step=_width(buckets),
        ok=totals[0],
        denied=totals[1],
        error=totals[2],
        sentence=_sentence(buckets, totals, missing),
        stretches=[s for s in stretches if s.unknown or s.ok or s.denied or s.error],
        slots=_slots(buckets),
    )


def _slots(buckets: Sequence[Bucket]) -> str:
    """Return where every bar begins and what it holds, for dragging and for walking along the picture by keys."""
    fine = any(b.start.second for b in buckets[1:])
    bars = [
        [_epoch(b.start), _slot_words(b.start, fine), b.ok, b.denied, b.error, int(b.unknown)]
        for b in buckets
    ]  # fmt: skip
    ends = [[_epoch(b.end), _slot_words(b.end, fine)] for b in buckets[-1:]]
    return json.dumps([*bars, *ends], separators=(",", ":"))


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _slot_words(moment: datetime, fine: bool) -> str:
    """Return `18 Nov 02:00`, with seconds where bars begin within a minute, and with the offset outside UTC."""
    here = zone.local(moment)
    return f"{here.day} {here:%b} {here:{'%H:%M:%S' if fine else '%H:%M'}}{zone.after(moment)}"


def _width(buckets: Sequence[Bucket]) -> str:
    """Return the width of a bar in words; the first and the last may be cut by the range."""
    inner = buckets[1:-1] or buckets
    return span(inner[0].end - inner[0].start) if inner else ""


def _nice(most: int) -> int:
    """Return the least of 2, 4, 10, 20, 40, 60, 100, ... that holds `most`, so that its half is a whole number."""
    power = 1
    while True:
        for step in (2, 4, 6, 10):
            if step * power >= most:
                return step * power
        power *= 10


def _levels(top: int) -> list[tuple[float, str]]:
    """Return the grid lines: zero, half and top."""
    return [(float(LANE + HEIGHT - HEIGHT * part / 2), number(top * part // 2)) for part in (0, 1, 2)]


def _percent(value: float) -> str:
    """Return a share of the width as an SVG length."""
    return f"{value * 100:.3f}%"


def _bars(buckets: Sequence[Bucket], top: int) -> Iterator[Bar]:
    """Yield the parts of every pile."""
    for index, bucket in enumerate(buckets):
        yield from _pile(bucket, index, len(buckets), top)


def _pile(bucket: Bucket, index: int, count: int, top: int) -> Iterator[Bar]:
    """Yield the parts of one pile from the baseline: denied, error, ok."""
    floor = float(LANE + HEIGHT)
    for kind in ("denied", "error", "ok"):
        value = getattr(bucket, kind)
        if value:
            height = max(HEIGHT * value / top, LEAST if kind != "ok" else 1.0)
            floor -= height
            yield Bar(kind, _percent(index / count), _percent(1 / count), round(floor, 2), round(height, 2))


def _stretches(buckets: Sequence[Bucket]) -> list[Stretch]:
    """Return the buckets with unknown neighbours joined; a bucket that knows something stays by itself."""
    rows: list[Stretch] = []
    for blind, group in groupby(buckets, key=lambda b: b.unknown and not (b.ok or b.denied or b.error)):
        members = list(group)
        if blind:
            rows.append(Stretch(members[0].start, members[-1].end, 0, 0, 0, True))
        else:
            rows += [Stretch(b.start, b.end, b.ok, b.denied, b.error, b.unknown) for b in members]
    return rows


def _holes(buckets: Sequence[Bucket]) -> list[Mark]:
    """Return the frames of the stretches without audit data; a bar that knows a part stands in its frame."""
    holes, index, count = [], 0, len(buckets)
    for unknown, group in groupby(buckets, key=lambda b: b.unknown):
        length = len(list(group))
        if unknown:
            holes.append(Mark(_percent(index / count), _percent(length / count), "", ""))
        index += length
    return holes


def _ticks(buckets: Sequence[Bucket]) -> Iterator[Mark]:
    """Yield at most eight round times of the axis; midnight is named by its date."""
    if not buckets:
        return
    begin, end = buckets[0].start, buckets[-1].end
    for moment, words in axis.ticks(begin, end):
        share = (moment - begin) / (end - begin)
        anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
        yield Mark(_percent(share), "", words, anchor)


def _sentence(buckets: Sequence[Bucket], totals: Sequence[int], missing: str) -> str:
    """Say the picture in words, for readers who do not see it."""
    if not buckets:
        return "No time line: the range is empty."
    ok, denied, error = totals
    text = (
        f"Events from {day(buckets[0].start)} to {day(buckets[-1].end)}: {number(ok)} ok, {number(denied)} denied, "
        f"{counted(error, 'error')}."
    )
    return f"{text} No audit data for {missing}." if missing else f"{text} Nothing is missing."
