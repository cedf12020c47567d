"""What a page knows that it does not know: stretches of its range for which there is no audit data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.queries import Bucket, Gap, WhoRead
from dashboard.words import counted, duration, until_clock, visible

# A live record ends a moment before now; only an end this far before the end of the question is a hole.
TOLERANCE = timedelta(minutes=2)
FILLED = "missed"  # an entry that one device misses and another has: a fact about the device, no hole in the record


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch without audit data, and the sentence that stands in its row."""

    start: datetime
    end: datetime
    sentence: str


def holes_of(answer: WhoRead, buckets: Sequence[Bucket], since: datetime, until: datetime, now: datetime) -> list[Hole]:
    """Return the holes of [since, until), oldest first: gaps, bars without data, the time after the record."""
    gaps = [gap for gap in answer.gaps if gap.kind != FILLED and not _ended_before(gap, since)]
    holes = [gap_hole(gap, since, until, now) for gap in gaps]
    end = answer.complete_until or since
    if until - end > TOLERANCE:
        holes.append(Hole(max(end, since), until, f"Nothing is known after {until_clock(max(end, since), now)}."))
    for start, stop in answer.unread:
        length = duration((stop - start).total_seconds())
        sentence = f"No audit data for {length}, from {until_clock(start, now)} to {until_clock(stop, now)}."
        if not any(hole.start <= start and stop <= hole.end for hole in holes):
            holes.append(Hole(max(start, since), min(stop, until), sentence))
    for start, stop in _blind(buckets):
        if not any(hole.start < stop and start < hole.end for hole in holes):
            holes.append(Hole(start, stop, _no_data(start, stop, since, now)))
    return sorted(holes, key=lambda hole: (hole.start, hole.end))


def seconds(holes: Iterable[Hole]) -> float:
    """Return the seconds that these holes cover together; overlaps count once."""
    total, reached = 0.0, None
    for hole in holes:
        begin = max(hole.start, reached) if reached else hole.start
        total += max((hole.end - begin).total_seconds(), 0)
        reached = max(hole.end, reached) if reached else hole.end
    return total


def filled(gaps: Iterable[Gap]) -> list[str]:
    """Return one sentence for each device that misses entries which another device has."""
    missed = Counter(gap.device for gap in gaps if gap.kind == FILLED)
    return [
        f"{visible(device)} lacks {counted(number, 'entry', 'entries')} that another device has; nothing is lost by it."
        for device, number in sorted(missed.items())
    ]


def _ended_before(gap: Gap, since: datetime) -> bool:
    """Return whether a gap of unknown length began before the range; bars without data tell if it reaches into it."""
    return gap.start is not None and gap.end is None and gap.start < since


def gap_hole(gap: Gap, since: datetime, until: datetime, now: datetime) -> Hole:
    """Return a known gap, cut to the range; one that only has a start is somewhere after it and of unknown length."""
    device, detail = visible(gap.device), visible(gap.detail)
    if gap.start and not gap.end:
        return Hole(gap.start, gap.start, f"{device}, after {until_clock(gap.start, now)}: {detail}")
    start, end = max(gap.start or since, since), min(gap.end or until, until)
    return Hole(start, end, f"{device}, {until_clock(start, now)} to {until_clock(end, now)}: {detail}")


def _blind(buckets: Sequence[Bucket]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches of bars that follow each other and know nothing."""
    start = None
    for bucket in buckets:
        if bucket.unknown and start is None:
            start = bucket.start
        if not bucket.unknown and start is not None:
            yield start, bucket.start
            start = None
    if start is not None:
        yield start, buckets[-1].end


def _no_data(start: datetime, end: datetime, since: datetime, now: datetime) -> str:
    """Return the sentence of bars without data: they are empty as a whole, so the hole is at least as long."""
    if start <= since:
        return f"No audit data before {until_clock(end, now)}."
    length = duration((end - start).total_seconds())
    return f"No audit data for at least {length}, from {until_clock(start, now)} to {until_clock(end, now)}."
