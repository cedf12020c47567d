"""What pages say of a change: its state, the line of its life, the time that is left, and its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.lease_words import Said
from dashboard.words import duration
from rotation import apart, lifecycle
from rotation.models import Change, Step

STATES = {
    lifecycle.REQUESTED: Said("dashed", "requested"),
    lifecycle.APPROVED: Said("check", "approved"),
    lifecycle.RUNNING: Said("clock", "running"),
    lifecycle.SUCCEEDED: Said("check", "done"),
    lifecycle.FAILED: Said("close", "stopped", "stop"),
    lifecycle.REJECTED: Said("barred", "rejected"),
    lifecycle.CANCELLED: Said("minus", "cancelled"),
    lifecycle.EXPIRED: Said("clock", "expired"),
}
PROOFS = {
    "api_token": "With an API token.",
    "step_up": "In a session with a fresh proof.",
    "passkey": "With a passkey.",
}
SOON = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """One word of the line of a life: `state` is done, now, stopped or to come."""

    words: str
    icon: str
    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """How long a change waits for a word: the words, and whether it is nearly over."""

    words: str
    soon: bool


def marks(change: Change, *, proven: bool) -> list[Mark]:
    """Return the line of a life: what was, where it stands, and what is to come. Nothing else names the state."""
    found = [Mark("Requested", "check", "done", change.asked_at)]
    if change.approved_at and change.state != lifecycle.REQUESTED:
        found.append(Mark(_yes(change), "check", "done", change.approved_at))
    if change.started_at and change.state != lifecycle.FAILED:
        found.append(Mark("Running", "check", "done", change.started_at))
    if end := _ENDS.get(change.state):
        found.append(Mark(end, "close", "stopped", change.ended_at))
    elif change.state == lifecycle.SUCCEEDED:
        found.append(Mark("Proven" if proven else "Done, short of proof", "check", "now", change.ended_at))
    else:
        last = found[-1]
        icon = "clock" if change.state == lifecycle.RUNNING else last.icon
        found[-1] = Mark(last.words, icon, "now", last.at)
    if change.state in lifecycle.OVER:
        return found
    come = [Mark(words, "dashed", "to-come") for words in (_yes(change), "Running", "Proven")]
    seen = {one.words for one in found} | ({_yes(change), "Running"} if change.state == lifecycle.FAILED else set())
    return found + [one for one in come if one.words not in seen]


def _yes(change: Change) -> str:
    return "Glass broken" if change.break_glass else "Approved"


_ENDS = {
    lifecycle.FAILED: "Stopped",
    lifecycle.REJECTED: "Rejected",
    lifecycle.CANCELLED: "Cancelled",
    lifecycle.EXPIRED: "Expired",
}


def left(change: Change, now: datetime) -> Left:
    """Return how long is left to decide."""
    if change.break_glass and change.reviewed_at is None and change.review_due is not None:
        return _review(change.review_due - now)
    rest = change.expires_at - now
    if rest <= timedelta():
        return Left("expired", True)
    return Left(f"{whole(rest)} left", rest < SOON)


def _review(rest: timedelta) -> Left:
    """Return how long is left to review a broken glass."""
    if rest <= timedelta():
        return Left(f"review overdue by {whole(-rest)}", True)
    return Left(f"{whole(rest)} left to review", rest < SOON)


def whole(length: timedelta) -> str:
    """Return a length with its largest unit alone: `47 min`, `21 h`, `3 d`."""
    seconds = int(length.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def ago(since: datetime, now: datetime) -> str:
    """Return `12 min ago`."""
    return f"{whole(max(now - since, timedelta()))} ago"


def deed(change: Change) -> str:
    """Return what it does as the end of a button: `revoke 37 leases`, or `rotate bank-sftp` where the verb is all."""
    return deed_of(change.verb, change.subject)


def deed_of(verb: str, subject: str) -> str:
    """Return the same of a plan that nobody has asked for yet."""
    words = verb[:1].lower() + verb[1:]
    return words if " " in words else f"{words} {leaf(subject)}"


def leaf(subject: str) -> str:
    """Return the end of a subject's name: what is typed before something that can't be undone."""
    return subject.rstrip("/").rpartition("/")[2] or subject


def decided(change: Change, done: int = 0, of: int = 0) -> str:
    """Return the second line of a change in a list."""
    if change.state in (lifecycle.RUNNING, lifecycle.FAILED) and of:
        return f"{STATES[change.state].words}, {done} of {of} steps done"
    return STATES[change.state].words


def took(step: Step, now: datetime) -> str:
    """Return how long a step took, or takes so far."""
    if step.started_at is None:
        return ""
    length = ((step.ended_at or now) - step.started_at).total_seconds()
    return duration(length) + ("" if step.ended_at else " so far")


def cancels(change: Change, steps: Sequence[Step]) -> str:
    """Return the words of the button that cancels it."""
    if change.state == lifecycle.FAILED:
        return "Cancel the rest"
    done = sum(step.state == "done" for step in steps)
    if change.state == lifecycle.RUNNING and done + 1 < len(steps):
        return f"Cancel before step {done + 2}"
    return "Cancel it"


FAILS = {
    apart.NOTHING: "If it fails, all others are still done.",
    apart.ROTATIONS: "If it fails, others are still cut off, and no rotation begins.",
}


def resumes(steps: Sequence[Step], alone: Sequence[Step] = ()) -> str:
    """Return the words of the button that lets it go on; `alone` are steps that stand apart and failed."""
    if alone:
        numbers = [str(one.number) for one in steps if one.state in ("failed", "stopped")]
        return f"Try step {numbers[0]} again" if len(numbers) == 1 else f"Try steps {', '.join(numbers)} again"
    first = next((step.number for step in steps if step.state != "done"), 1)
    return f"Resume from step {first}"
