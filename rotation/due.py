"""When a schedule asks for the rotation of one secret, and which of many it asks for now. Pure: the time is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TypeVar

from rotation.lifecycle import SUCCEEDED, WORK
from rotation.windows import Slot, Window

LEAST_DAYS, MOST_DAYS = 1, 3_650
MOST_LEAD = 14 * 24  # hours
MOST_OPEN = 25  # changes of one schedule that wait or run at a time
_DAY = timedelta(days=1)
_One = TypeVar("_One")
_OPEN = WORK | {"requested", "failed"}


def globbed(pattern: str) -> bool:
    """Return whether a pattern is a glob, which may fit several secrets."""
    return any(one in pattern for one in "*?[")


def fits(pattern: str, subject: str) -> bool:
    """Return whether a secret's name is what a pattern says."""
    return subject == pattern or (globbed(pattern) and fnmatchcase(subject, pattern))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a schedule says: every so many days, asked `lead` before, within a window if it has one, since when."""

    days: int
    lead: timedelta
    since: datetime
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What was asked for a secret last by this schedule: the period, when it was to begin, and when it was asked."""

    period: int
    slot: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be asked for now: the number of the period, and the stretch in which the change may start."""

    period: int
    slot: Slot
    due: datetime


def due(terms: Terms, rotated: datetime | None) -> datetime:
    """Return when a secret is due; one that was never seen rotated is due since the schedule began."""
    return terms.since if rotated is None else rotated + terms.days * _DAY


def slot(terms: Terms, at: datetime, now: datetime) -> Slot:
    """Return when something that is due at a time is to be done: in the last window that ends before, else the next."""
    if terms.window is None:
        return Slot(max(at, now))
    return terms.window.last(now, at) or terms.window.next(now)


def ask(terms: Terms, rotated: datetime | None, before: Before | None, lasts: timedelta, now: datetime) -> Ask | None:
    """Return what is to be asked for now, None for nothing yet.

    `lasts` is how long an approval is good from asking: nothing is asked so early that it would end before the window.
    What was asked for before and led to no rotation is asked anew a whole period later, and never sooner.
    """
    at = due(terms, rotated)
    if at - terms.lead - _ahead(terms) > now:
        return None
    found = slot(terms, at, now)
    if now < found.opens - _lead(terms, found, lasts):
        return None
    if before is not None and not _fulfilled(before, rotated) and found.opens < before.slot + terms.days * _DAY:
        return None
    return Ask(before.period + 1 if before else 1, found, at)


def _fulfilled(before: Before, rotated: datetime | None) -> bool:
    return rotated is not None and rotated > before.at


def _ahead(terms: Terms) -> timedelta:
    """Return how long before something is due its last window may lie."""
    return timedelta() if terms.window is None else 15 * _DAY


def _lead(terms: Terms, found: Slot, lasts: timedelta) -> timedelta:
    """Return how long before the slot it may be asked, so that an approval is still good in the slot."""
    length = lasts / 4 if found.closes is None else found.closes - found.opens
    return min(terms.lead, lasts - min(length, lasts / 2))


# Of many secrets one goes first.


@dataclass(frozen=True, slots=True)
class Past:
    """One change that this schedule asked for: its state, when it ended, under which edition of the schedule.

    `passed` says that a person let the schedule go on after it.
    """

    change: int
    subject: str
    state: str
    ended: datetime | None
    edition: int
    passed: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a schedule over many secrets is: `stopped` by a change that did not succeed, how many are `open`.

    `proven` tells that one has succeeded, so that the others may follow.
    """

    stopped: Past | None
    open: int
    proven: bool

    def may_ask(self, wanted: Sequence[_One]) -> Sequence[_One]:
        """Return which of the secrets that are due may be asked for now: none, one, or all that there is room for."""
        if self.stopped is not None:
            return ()
        if not self.proven:
            return () if self.open else wanted[:1]
        return wanted[: max(0, MOST_OPEN - self.open)]


def stage(pasts: Iterable[Past], edition: int, days: int, now: datetime) -> Stage:
    """Return how far it is; one success speaks for the others for half a period, under the same edition alone.

    A change that stopped counts until it is resumed and succeeds; what was rejected, cancelled or expired stops the
    rest just so, until a person lets the schedule go on.
    """
    some = sorted(pasts, key=lambda one: one.change)
    stopped = next((one for one in some if _bad(one)), None)
    fresh = now - days * _DAY / 2
    proven = any(
        one.state == SUCCEEDED and one.edition == edition and one.ended is not None and one.ended >= fresh
        for one in some
    )
    return Stage(stopped, sum(one.state in _OPEN for one in some), proven)


def _bad(one: Past) -> bool:
    return not one.passed and one.state != SUCCEEDED and one.state not in (_OPEN - {"failed"})
