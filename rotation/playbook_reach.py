"""How far the record is known for an answer, in the sentences that stand below it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from inventory.sightings import Reach
from rotation.playbook_times import shown


def coverage(reach: Reach, since: datetime, until: datetime) -> Sequence[str]:
    """Return from when to when was looked, and what is not known of that time."""
    window = f"Looked at {shown(since)} to {shown(until)} UTC."
    if reach.complete_until is None:
        known = "The record is not complete: a source was never read to its end."
    elif reach.complete_until < until:
        known = f"The record is complete until {shown(reach.complete_until)} UTC only."
    else:
        known = f"The record is complete until {shown(until)} UTC."
    holes = [f"Not known: {one}" for one in reach.holes]
    return (window, known if not holes else known.replace("is complete", "was read"), *holes, *reach.troubles)
