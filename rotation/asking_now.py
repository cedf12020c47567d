"""Asks at once for one secret of a schedule, in the name of whoever wants it: by the schedule's own rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.scope import Scope
from accounts.trail import Detail, record
from rotation import ages, due, lifecycle, queries, repeating, windows
from rotation.actions import Asked
from rotation.ages import Known
from rotation.approvers import database_time, rule_for
from rotation.due import Ask
from rotation.models import Change
from rotation.planning import Refused
from rotation.repeating import Turn
from rotation.schedule_models import Schedule
from rotation.scheduling import Changed, subject_of, terms_of
from rotation.windows import Slot

_SHAPE = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: a person with what they may see; `token_id` where a token of theirs asks."""

    person: User
    scope: Scope
    request: HttpRequest | None = None
    token_id: int | None = None


def ask_now(row: Schedule, vault: str, subject: str, who: Who, now: datetime | None = None) -> Change:
    """Ask for one secret of a schedule before it is due; it is approved as ever, and starts in its window alone.

    It counts as what the schedule asked for in this period. Raises `Refused`, and `Changed` when the schedule ended.
    """
    with transaction.atomic():
        held = Schedule.objects.select_for_update().filter(pk=row.pk, ended_at=None).first()
        if held is None:
            raise Changed(f"{row.name} has ended, so it asks for nothing.")
        turn = Turn(held, who.person, who.scope, now or database_time())
        one = _known(turn, vault, subject)
        _free(turn, one)
        asked = Asked("schedule", who.token_id, evidence=f"schedule:{held.pk}", request=who.request)
        change = repeating.ask_for(turn, one, _period(turn, one), asked, _reason(turn))
        told: dict[str, Detail] = {"change": change.name, "of": one.subject}
        record(who.person, "rotation.schedule.asked_now", subject_of(held), details=told, request=who.request)
    return change


def _known(turn: Turn, vault: str, subject: str) -> Known:
    for one in ages.known(turn.row):
        if one.subject == subject and vault in (one.vault, "") and queries.covers(turn.scope, one.vault, one.subject):
            return one
    raise Refused(
        f"{turn.row.name} has no secret {subject[:200]}.", "Its page lists those that the record shows.",
        code="not_there", field="secret",
    )  # fmt: skip


def _free(turn: Turn, one: Known) -> None:
    """See that the schedule may ask for it now; raises `Refused` with what keeps it back."""
    row = turn.row
    if not row.enabled:
        raise Refused(f"{row.name} is off, so it asks for nothing.", "Turn it on, or rotate the secret from its page.")
    some = Change.objects.filter(target=row.target, vault=one.vault, subject=one.subject)
    busy = some.exclude(state__in=lifecycle.OVER).order_by("pk").first()
    if busy is not None:
        raise Refused(f"{busy.name} of {one.subject} is {busy.state}.", "End that one first.")
    stage = repeating.stage_of(row, turn.now)
    if stage.stopped is not None:
        raise Refused(repeating.stopped(stage.stopped))
    if not stage.may_ask([one]):
        why = f"{due.MOST_OPEN} of its changes are open" if stage.proven else "of several secrets one goes first"
        raise Refused(f"{row.name} asks for no other one now: {why}.", "Wait until it is done.")


def _period(turn: Turn, one: Known) -> Ask:
    """Return the next period of the secret with the slot of now; raises `Refused` where no approval lasts so long."""
    row, terms = turn.row, terms_of(turn.row)
    before = repeating.befores(row).get((one.vault, one.subject))
    slot = _slot(row, turn.now)
    lasts = rule_for(row.target, one.subject, repeating.risk_of(row)).lasts
    if slot.opens >= turn.now + lasts:
        raise Refused(
            f"Its window opens at {slot.opens:{_SHAPE}}, and an approval is good for {_hours(lasts)} from asking.",
            f"Ask after {slot.opens - lasts:{_SHAPE}}, or rotate the secret from its page, which heeds no window.",
        )
    return Ask(before.period + 1 if before else 1, slot, due.due(terms, one.rotated))


def _slot(row: Schedule, now: datetime) -> Slot:
    return windows.read(row.window).next(now) if row.window else Slot(now)


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:.0f} h"


def _reason(turn: Turn) -> str:
    return f"{turn.row.reason[:1_800]} (schedule {turn.row.name}, asked for by hand)"
