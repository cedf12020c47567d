"""What the pages of schedules show: all of them, one with its secrets, and which secrets are overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from accounts.may import may
from accounts.models import User
from accounts.scope import Scope
from dashboard import change_words
from dashboard.closing import Closing
from dashboard.lease_words import Said
from dashboard.words import counted
from rotation import overdue, queries
from rotation.models import Change
from rotation.overdue import Kept, Told
from rotation.schedule_models import Asking, Schedule

SHOWN = 200
QUIET_FOR = 120  # seconds after which a schedule that nobody looked at is told of


@dataclass(frozen=True, slots=True)
class Row:
    """One schedule in the list: how many secrets it has, and how many of them are overdue."""

    schedule: Schedule
    secrets: int
    late: int


@dataclass(frozen=True, slots=True)
class Item:
    """One secret with its words: how old, whether that is too old, and what is asked for it."""

    kept: Kept
    age: str
    late: str
    said: Said | None

    @property
    def change(self) -> Change | None:
        """Return the change that is asked for, or was last."""
        return self.kept.change


def item(kept: Kept, now: datetime) -> Item:
    """Return a secret with its words."""
    late = f"{change_words.whole(now - kept.due)} overdue" if kept.late(now) else ""
    said = change_words.STATES[kept.change.state] if kept.change else None
    return Item(kept, age(kept, now), late, said)


def age(kept: Kept, now: datetime) -> str:
    """Return how old a secret's value is, or what is known instead."""
    known = kept.known
    if known.rotated is not None:
        return f"{change_words.whole(now - known.rotated)} old"
    if known.seen is not None:
        return f"never seen to change, in {change_words.whole(now - known.seen)} of log"
    return "never seen to change, and no log shows it"


@dataclass
class SchedulePages:
    """Schedules for one person, now."""

    person: User
    scope: Scope
    now: datetime

    @cached_property
    def rows(self) -> list[Row]:
        """Return the schedules that hold."""
        return [self._row(one) for one in overdue.seen(self.scope)]

    def _row(self, schedule: Schedule) -> Row:
        found = overdue.secrets(schedule, self.scope, self.now)
        return Row(schedule, len(found), sum(one.late(self.now) for one in found))

    @cached_property
    def _late(self) -> list[Kept]:
        return overdue.overdue(self.scope, self.now)

    @property
    def late(self) -> list[Item]:
        """Return what is overdue, the longest first."""
        return [item(one, self.now) for one in self._late[:SHOWN]]

    @property
    def late_count(self) -> int:
        """Return how many are overdue."""
        return len(self._late)

    @property
    def asked_count(self) -> int:
        """Return for how many of them a change is on its way."""
        return sum(one.open for one in self._late)

    @property
    def late_closing(self) -> Closing:
        """Return the closing line of what is overdue; an age is what the log shows, so a hole in it is told."""
        counts = counted(self.late_count, "secret")
        if self.late_count > SHOWN:
            return Closing(False, f"The {SHOWN} longest overdue of {counts}.")
        hidden = "" if self.scope.everything else " in your view"
        return Closing(True, f"{counts}. These are all{hidden} that a schedule wants younger, by what the log shows.")

    @property
    def closing(self) -> Closing:
        """Return the closing line of the schedules."""
        hidden = "" if self.scope.everything else " in your view"
        return Closing(True, f"{counted(len(self.rows), 'schedule')}. These are all{hidden} that hold.")

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many changes need the person, and how many run."""
        return queries.for_me(self.person, self.scope).count(), queries.moving(self.scope).count()

    @property
    def asks(self) -> bool:
        """Whether the person may make and change schedules."""
        return may(self.person, "changes.ask")


@dataclass
class SchedulePage:
    """One schedule for one person, now."""

    told: Told
    person: User
    scope: Scope
    now: datetime

    @property
    def schedule(self) -> Schedule:
        """Return it."""
        return self.told.schedule

    @cached_property
    def items(self) -> list[Item]:
        """Return its secrets, what is due first."""
        return [item(one, self.now) for one in self.told.secrets[:SHOWN]]

    @property
    def late(self) -> int:
        """Return how many of its secrets are overdue."""
        return sum(one.late(self.now) for one in self.told.secrets)

    @property
    def asked(self) -> Sequence[tuple[Asking, Said]]:
        """Return what it asked for, the newest first."""
        seen = [one for one in self.told.asked if queries.covers(self.scope, one.vault, one.subject)]
        return [(one, change_words.STATES[one.change.state]) for one in seen]

    @property
    def asked_closing(self) -> Closing:
        """Return the closing line of what it asked for."""
        if len(self.told.asked) == overdue.MOST_ASKED:
            return Closing(False, f"The newest {overdue.MOST_ASKED}.")
        return Closing(True, f"{counted(len(self.asked), 'change')}. These are all.")

    @property
    def args(self) -> list[tuple[str, str]]:
        """Return the arguments of its target that say something."""
        told = [(name, _text(value)) for name, value in self.schedule.args.items()]
        return [(name, text) for name, text in told if text]

    @property
    def unlooked(self) -> bool:
        """Whether the worker has not looked at it for a while, though it should."""
        row, at = self.schedule, self.schedule.looked_at or self.schedule.made_at
        return row.enabled and row.ended_at is None and (self.now - at).total_seconds() > QUIET_FOR

    @property
    def changes(self) -> bool:
        """Whether the person may change it."""
        return may(self.person, "changes.ask") and self.schedule.ended_at is None

    @property
    def asks(self) -> bool:
        """Whether the person may have it ask for a secret now."""
        return self.changes and self.schedule.enabled and self.told.stopped is None

    @property
    def asks_some(self) -> bool:
        """Whether it can be had to ask for one of the secrets shown: none has when all have a change on its way."""
        return self.asks and any(not one.kept.open for one in self.items)

    @property
    def asks_not(self) -> str:
        """Return why nobody, or not this person, can have it ask now; empty where they can."""
        row = self.schedule
        if self.asks or row.ended_at is not None:
            return ""
        if not self.changes:
            return "Who may ask for changes can have it ask now; your role may not."
        if not row.enabled:
            return "It is off, so nobody can have it ask now: turn it on, or rotate a secret from its own page."
        return "Nobody can have it ask now while a change keeps it back."

    @property
    def passes(self) -> bool:
        """Whether the person may let it go on after what keeps it back."""
        stopped = self.told.stopped
        return self.changes and stopped is not None and stopped.state != "failed"

    @property
    def closing(self) -> Closing:
        """Return the closing line of its secrets."""
        count = counted(len(self.told.secrets), "secret")
        if len(self.told.secrets) > SHOWN:
            return Closing(False, f"The {SHOWN} that are due first, of {count}.")
        return Closing(True, f"{count}. These are all that the record shows and the pattern fits.")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
