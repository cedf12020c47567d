"""The line under every table: double when the record is complete, dashed with what is missing when it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.queries import DeviceState
from dashboard.holes import Hole, seconds
from dashboard.words import counted, duration, until_clock, visible

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Closing:
    """Whether the list is complete, the sentence after its counts, and the sentences below it."""

    complete: bool
    sentence: str
    notes: list[str] = field(default_factory=list)


def record_closing(complete_until: datetime | None, holes: Sequence[Hole], notes: list[str], now: datetime) -> Closing:
    """Return the closing of a list that asked for all of a range with these holes."""
    if complete_until is None:
        return Closing(False, "Not complete: no audit device says until when its record holds.", notes)
    if not holes:
        return Closing(True, f"Complete until {until_clock(complete_until, now)}.", notes)
    if len(holes) == 1:
        return Closing(False, f"Not complete. {holes[0].sentence}", notes)
    told = [hole.sentence for hole in holes[:SHOWN]]
    rest = [f"And {counted(len(holes) - SHOWN, 'more hole')}."] if len(holes) > SHOWN else []
    known = seconds(holes)
    length = f", at least {duration(known)} in all" if known else " of unknown length"
    return Closing(False, f"Not complete: {len(holes)} holes{length}.", [*told, *rest, *notes])


def list_closing(devices: Sequence[DeviceState], more: bool) -> Closing:
    """Return the closing of a list of names: they are as complete as the devices that still speak."""
    silent = [f"{visible(d.vault)}/{visible(d.device)}" for d in devices if d.silent]
    if more:
        return Closing(False, "More follow.")
    if silent:
        return Closing(False, f"Not complete: {', '.join(silent)} {'is' if len(silent) == 1 else 'are'} silent.")
    return Closing(True, "This is every one that the audit log names.")
