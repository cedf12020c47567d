"""The line under every table: double when the record is complete, dashed with what is missing when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.queries import DeviceState, Gap, WhoRead
from dashboard.words import counted, duration, until_clock, visible

# A live record ends a moment before now; only a later end of the question counts as unanswered time.
TOLERANCE = timedelta(minutes=2)
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Closing:
    """Whether the list is complete, the sentence after its counts, and one sentence for each thing that is missing."""

    complete: bool
    sentence: str
    missing: list[str] = field(default_factory=list)


def record_closing(complete_until: datetime | None, until: datetime, gaps: Sequence[Gap], now: datetime) -> Closing:
    """Return the closing of a list that asked for everything before `until`."""
    if complete_until is None:
        return Closing(False, "Not complete: no audit device says until when its record holds.", _sentences(gaps))
    said = until_clock(complete_until, now)
    late = until - complete_until
    if late > TOLERANCE:
        missed = f"nothing is known after {said}, {duration(late.total_seconds())} before the end of this range"
        return Closing(False, f"Not complete: {missed}.{_and_gaps(gaps)}", _sentences(gaps))
    if gaps:
        return Closing(False, f"Not complete: {_gaps(gaps)}. Known until {said}.", _sentences(gaps))
    return Closing(True, f"Complete until {said}.")


def list_closing(devices: Sequence[DeviceState], more: bool) -> Closing:
    """Return the closing of a list of names: they are as complete as the devices that still speak."""
    silent = [f"{visible(d.vault)}/{visible(d.device)}" for d in devices if d.silent]
    if more:
        return Closing(False, "More follow.")
    if silent:
        return Closing(False, f"Not complete: {', '.join(silent)} {'is' if len(silent) == 1 else 'are'} silent.")
    return Closing(True, "This is every one that the audit log names.")


def unknown_seconds(answer: WhoRead, since: datetime, until: datetime) -> float:
    """Return how many seconds of [since, until) lie in a gap or after the end of the record."""
    ends = answer.complete_until or since
    late = [(max(ends, since), until)] if until - ends > TOLERANCE else []
    gaps = [(max(g.start, since), min(g.end, until)) for g in answer.gaps if g.start and g.end]
    return _covered([*gaps, *late])


def _covered(stretches: Sequence[tuple[datetime, datetime]]) -> float:
    """Return the seconds that these stretches cover together; overlaps count once."""
    total, reached = 0.0, None
    for start, end in sorted(stretches):
        begin = max(start, reached) if reached else start
        total += max((end - begin).total_seconds(), 0)
        reached = max(end, reached) if reached else end
    return total


def _gaps(gaps: Sequence[Gap]) -> str:
    """Return `1 gap of 7 min 15 s`, or `3 gaps, 16 h 50 min in all`."""
    length = _covered([(g.start, g.end) for g in gaps if g.start and g.end])
    if not length:
        return counted(len(gaps), "gap")
    return f"{counted(len(gaps), 'gap')}{' of' if len(gaps) == 1 else ','} {duration(length)}" + (
        "" if len(gaps) == 1 else " in all"
    )


def _and_gaps(gaps: Sequence[Gap]) -> str:
    """Return the gaps as a second sentence, if there are any."""
    return f" Before that: {_gaps(gaps)}." if gaps else ""


def _sentences(gaps: Sequence[Gap]) -> list[str]:
    """Return one sentence for each of the first gaps, and one that counts the rest."""
    told = [f"{visible(gap.device)}: {visible(gap.detail)}" for gap in gaps[:SHOWN]]
    return told + ([f"And {counted(len(gaps) - SHOWN, 'more gap')}."] if len(gaps) > SHOWN else [])
