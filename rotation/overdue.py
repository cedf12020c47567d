"""Schedules as pages and the API show them, and which secrets are older than their schedule wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.scope import Scope
from rotation import ages, due, lifecycle, queries, repeating
from rotation.ages import Known
from rotation.models import Change
from rotation.schedule_models import Asking, Schedule
from rotation.scheduling import terms_of
from rotation.windows import Slot

MOST_ASKED = 50  # changes of one schedule that are told
_TOLD = ("target", "vault", "subject", "state", "asker_id", "asker_name", "ended_at")  # of a change, what lists say


@dataclass(frozen=True, slots=True)
class Kept:
    """One secret of a schedule: how old it is, when it is due and may be rotated, and what was asked for it last.

    `change` is what is asked for it now, by whomever, or what the schedule asked for last.
    """

    schedule: Schedule
    known: Known
    due: datetime
    slot: Slot
    change: Change | None

    def late(self, now: datetime) -> bool:
        """Whether it is older than its schedule wants."""
        return self.due <= now

    @property
    def open(self) -> bool:
        """Whether a change of it is on its way."""
        return self.change is not None and self.change.state not in lifecycle.OVER


@dataclass(frozen=True, slots=True)
class Told:
    """A schedule with its secrets, what it asked for (the newest first), and the change that keeps it back, if any."""

    schedule: Schedule
    secrets: Sequence[Kept]
    asked: Sequence[Asking]
    stopped: Change | None


def seen(scope: Scope) -> list[Schedule]:
    """Return the schedules that hold and may be seen, by name: of a limited view those whose pattern lies in it."""
    some = Schedule.objects.filter(ended_at=None).order_by("name")
    return [one for one in some if queries.covers(scope, one.vault, one.pattern)]


def one(schedule_id: int, scope: Scope, now: datetime) -> Told:
    """Return one schedule with all that belongs to it; one that may not be seen raises `Schedule.DoesNotExist`."""
    row = Schedule.objects.get(pk=schedule_id)
    if not queries.covers(scope, row.vault, row.pattern):
        raise Schedule.DoesNotExist
    past = repeating.stage_of(row, now).stopped
    stopped = Change.objects.get(pk=past.change) if past is not None else None
    asked = row.askings.select_related("change").order_by("-pk")
    return Told(row, secrets(row, scope, now), list(asked[:MOST_ASKED]), stopped)


def secrets(row: Schedule, scope: Scope, now: datetime) -> list[Kept]:
    """Return the secrets of a schedule that may be seen, what is due first."""
    terms, changes = terms_of(row), _changes(row)
    found = [
        _kept(row, known, terms, changes.get((known.vault, known.subject)), now)
        for known in ages.known(row)
        if queries.covers(scope, known.vault, known.subject)
    ]
    return sorted(found, key=lambda kept: (kept.due, kept.known.vault, kept.known.subject))


def _kept(row: Schedule, known: Known, terms: due.Terms, change: Change | None, now: datetime) -> Kept:
    at = due.due(terms, known.rotated)
    return Kept(row, known, at, due.slot(terms, at, now), change)


def _changes(row: Schedule) -> dict[tuple[str, str], Change]:
    """Return the change of each secret, without its plan: a schedule of many secrets has asked thousands of times."""
    newest = row.askings.order_by("vault", "subject", "-period").distinct("vault", "subject")
    asked = newest.select_related("change").only("vault", "subject", "schedule", *(f"change__{one}" for one in _TOLD))
    found = {(one.vault, one.subject): one.change for one in asked}
    some = Change.objects.filter(target=row.target).exclude(state__in=lifecycle.OVER).only(*_TOLD).order_by("pk")
    return found | {(one.vault, one.subject): one for one in some}


def overdue(scope: Scope, now: datetime) -> list[Kept]:
    """Return the secrets that are older than a schedule that holds wants, the longest overdue first."""
    found = [kept for row in seen(scope) for kept in secrets(row, scope, now) if kept.late(now)]
    return sorted(found, key=lambda kept: (kept.due, kept.known.vault, kept.known.subject, kept.schedule.name))
