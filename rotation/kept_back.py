"""Tells people once for each cause that a schedule is kept back: it asks for nothing, or what it asked for is late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from rotation import due, freeze, lifecycle
from rotation.schedule_models import Asking, Schedule
from rotation.telling import tell

GRACE = timedelta(hours=1)  # after which what may start at any time, and has not been done, is late
MOST = 20  # causes that one notice names


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is not asked for, or not done: a key that stays the same while it stands, and its sentence."""

    key: str
    says: str


def late(row: Schedule, now: datetime) -> Iterator[Cause]:
    """Yield what a schedule asked for last, of each secret, that should be done by now and is not."""
    newest = row.askings.select_related("change").order_by("vault", "subject", "-period").distinct("vault", "subject")
    for one in newest:
        if (one.closes or one.opens + GRACE) <= now and one.passed_at is None:
            yield from _late(row, one)


def _late(row: Schedule, one: Asking) -> Iterator[Cause]:
    change = one.change
    if change.state not in lifecycle.OVER:
        yield _open(one)
    elif change.state != lifecycle.SUCCEEDED and not due.globbed(row.pattern):  # of a pattern it stops the schedule
        again = one.opens + timedelta(days=row.days)
        yield Cause(
            f"over {change.pk}",
            f"{change.name} of {one.subject} is {change.state}, and it is asked for again on {again:%Y-%m-%d}.",
        )


def _open(one: Asking) -> Cause:
    change = one.change
    if frozen := freeze.over(change):
        return Cause(f"frozen {change.pk}", f"{change.name} of {one.subject} waits: {frozen.rstrip('.')}.")
    when = f"Its window closed at {one.closes:%Y-%m-%d %H:%M} UTC" if one.closes else "It could have begun"
    stands = _STANDS.get(change.state, f"is {change.state}")
    return Cause(f"open {change.pk} {change.state}", f"{when}, and {change.name} of {one.subject} {stands}.")


_STANDS = {
    lifecycle.REQUESTED: "still waits for approval", lifecycle.APPROVED: "has not begun",
    lifecycle.RUNNING: "still runs", lifecycle.FAILED: "stopped",
}  # fmt: skip


def keep(row: Schedule, causes: Iterable[Cause], now: datetime) -> None:
    """Keep what stands against a schedule, within the caller's transaction, and tell of what did not stand before."""
    standing = {one.key: one.says for one in causes}
    new = sorted(standing.keys() - set(row.kept_by))
    if set(row.kept_by) != standing.keys():
        Schedule.objects.filter(pk=row.pk).update(kept_by=sorted(standing))
    if new:
        says = " ".join(standing[one] for one in new[:MOST])
        named = sha256(" ".join(new).encode()).hexdigest()[:32]
        # What comes and goes is told once a day.
        tell("kept_back", row, says=says, people=[row.owner_id], key=f"kept back {row.pk} {now:%Y-%m-%d} {named}")
