"""Whether the window of a change is open: the plan says in which one it may start, so an approval binds to that too."""

from __future__ import annotations

from datetime import datetime, timedelta

from rotation import windows
from rotation.models import Change

LATER = timedelta(hours=1)  # when a window that can't be read is looked at again


def shut(change: Change, now: datetime) -> tuple[datetime, str] | None:
    """Return when the window of a change opens and the sentence that says so; None when it has none, or it is open."""
    line = str(change.plan.get("wish", {}).get("window", ""))
    if not line:
        return None
    try:
        slot = windows.read(line).next(now)
    except ValueError as why:
        return now + LATER, f"The window in which it may start can't be read, so it does not start: {why}"
    if slot.holds(now):
        return None
    if slot.opens >= change.expires_at:
        until = (
            f"Its approval is good until {change.expires_at:%Y-%m-%d %H:%M:%S} UTC, so it will have to be asked anew."
        )
    else:
        until = "It starts then by itself."
    return slot.opens, f"Outside of its window ({line}), which opens at {slot.opens:%Y-%m-%d %H:%M:%S} UTC. {until}"
