"""One turn of the operations worker over a change: expire it, look at it before anybody decides, or run it."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from django.utils import timezone

from rotation import lifecycle, moves, preflight, runner
from rotation.hands import hands
from rotation.models import Change

AGAIN = 15.0  # seconds after a fault of ours
LOOK_AGAIN = 20.0  # seconds between two looks at what waits for approval: "checked again 20 s ago: unchanged"
LOOK_SLOWLY = 300.0  # and at what was found good and has waited for hours: each look stands in the vault's own log
_SLOWER = 30  # a look comes after a thirtieth of the time waited so far


def take(change_id: int) -> None:
    """Do what is due for a change; nothing when it is over, held by another worker, or not due."""
    change = Change.objects.filter(pk=change_id).first()
    if change is None or change.state in lifecycle.OVER:
        return
    if change.state in (lifecycle.REQUESTED, lifecycle.APPROVED) and change.expires_at <= timezone.now():
        _expire(change)
    elif change.state == lifecycle.REQUESTED:
        _look(change)
    else:
        runner.turn(change_id, hands(worker()))


def note_fault(change_id: int, kind: str) -> None:
    """Keep beside a change that a turn over it failed for a fault of ours, and let it be tried again in a while.

    One that another worker holds by now is that one's.
    """
    says = f"Keybook itself failed on this change ({kind}). Nothing more was done; it is tried again. Report it."
    due = timezone.now() + timedelta(seconds=AGAIN)
    some = Change.objects.filter(pk=change_id, owner__in=("", worker())).exclude(state__in=lifecycle.OVER)
    some.update(says=says, due_at=due, owner="", lease_until=None)


def worker() -> str:
    """Name this worker's process in rows and on pages."""
    return f"operations {socket.gethostname()}:{os.getpid()}"


def _expire(change: Change) -> None:
    until, again = f"{change.expires_at:%Y-%m-%d %H:%M:%S} UTC", "Ask again if it is still wanted."
    says = f"It waited for approval until {until}. {again}"
    if change.state == lifecycle.APPROVED:
        says = f"It was approved and could not start until {until}: {change.says} Nothing of it was done. {again}"
    try:
        moves.make(change, "expire", runner.WORKER, says=says)
    except moves.LostRace:
        return


def look_after(change: Change, now: datetime) -> float:
    """Return after how many seconds a change that waits for approval is looked at again."""
    if not change.found.get("ok"):
        return LOOK_AGAIN
    return min(max(LOOK_AGAIN, (now - change.asked_at).total_seconds() / _SLOWER), LOOK_SLOWLY)


def _look(change: Change) -> None:
    now = timezone.now()
    due = Change.objects.filter(pk=change.pk, state=lifecycle.REQUESTED)
    if change.due_at is not None and change.due_at > now:
        return
    if due.filter(due_at=change.due_at).update(due_at=now + timedelta(seconds=look_after(change, now))):
        preflight.keep(change, preflight.check(change, hands(worker())))
