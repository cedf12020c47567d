"""How far the record is known for an answer, in the sentences that stand below it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from inventory.sightings import Reach
from rotation.playbook_times import shown

UNKNOWN = "Not known: "
NEVER = "The record is not complete: a source was never read to its end."


def coverage(reach: Reach, since: datetime, until: datetime) -> Sequence[str]:
    """Return from when to when was looked, and what is not known of that time."""
    window = f"Looked at {shown(since)} to {shown(until)} UTC."
    if reach.complete_until is None:
        known = NEVER
    elif reach.complete_until < until:
        known = f"The record is complete until {shown(reach.complete_until)} UTC only."
    else:
        known = f"The record is complete until {shown(until)} UTC."
    holes = [f"{UNKNOWN}{one.rstrip('.')}." for one in reach.holes]
    return (window, known if not holes else known.replace("is complete", "was read"), *holes, *reach.troubles)


def whole(says: Sequence[str]) -> bool:
    """Whether sentences of `coverage` tell of a record without a hole, as far as was looked."""
    return not any(one.startswith(UNKNOWN) or one == NEVER or one.endswith(" UTC only.") for one in says)
