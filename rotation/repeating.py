"""Asks for what schedules want, in the name of their owners: never twice for one period, whatever rings how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from accounts.areas import scope_of
from accounts.may import may
from accounts.models import User
from accounts.scope import Scope
from accounts.trail import Detail, record
from rotation import ages, asking, due, kept_back, lifecycle, plan, queries
from rotation.actions import Asked, KeyUsed
from rotation.ages import Known
from rotation.approvers import SEEN, database_time, rule_for
from rotation.asking import Want
from rotation.due import Ask, Past, Stage
from rotation.kept_back import Cause
from rotation.models import Change
from rotation.planning import Refused
from rotation.schedule_models import Asking, Schedule
from rotation.scheduling import NAMED, subject_of, terms_of
from rotation.world import Almanac

_NOT_DONE = {
    lifecycle.FAILED: "stopped", lifecycle.REJECTED: "was rejected", lifecycle.CANCELLED: "was cancelled",
    lifecycle.EXPIRED: "expired",
}  # fmt: skip
SAID = 1_000  # characters of what is kept of troubles


@dataclass(frozen=True, slots=True)
class Turn:
    """One look at one schedule, by its owner and their view, at PostgreSQL's time."""

    row: Schedule
    owner: User
    scope: Scope
    now: datetime


def live() -> list[int]:
    """Return the schedules that hold; one that is off asks nothing, and knows all the same how old its secrets are."""
    return list(Schedule.objects.filter(ended_at=None).order_by("pk").values_list("pk", flat=True))


def look(schedule_id: int, almanac: Almanac, now: datetime | None = None) -> None:
    """Learn how old the secrets of a schedule are, and ask for what is due; `now` is PostgreSQL's time.

    Everything that is asked for is decided while the schedule's row is locked, and is committed with the row that says
    so: two looks at the same time ask once, and one that is killed has asked nothing.
    """
    row = Schedule.objects.filter(pk=schedule_id, ended_at=None).first()
    if row is None:
        return
    ages.learn(row, almanac, now or database_time())
    with transaction.atomic():
        held = Schedule.objects.select_for_update().filter(pk=schedule_id, ended_at=None, enabled=True).first()
        if held is None:
            return
        at = now or database_time()
        causes = list(_take(held, at))
        says = " ".join(one.says for one in causes)[:SAID]
        Schedule.objects.filter(pk=held.pk).update(says=says, looked_at=at)
        kept_back.keep(held, [*causes, *kept_back.late(held, at)], at)


def _take(row: Schedule, now: datetime) -> Sequence[Cause]:
    """Ask for what is due; returns why something is not asked for, nothing when all is as it should be."""
    owner = User.objects.only(*SEEN).filter(pk=row.owner_id).first()
    if owner is None or not owner.is_active:
        what = "gone" if owner is None else "disabled"
        return [Cause("owner", f"{row.owner_name} is {what}, so nothing is asked for in their name.")]
    if not may(owner, "changes.ask"):
        what = owner.role or "nobody"
        return [Cause("owner", f"{row.owner_name} is {what} now and may ask for nothing, so nothing is asked for.")]
    turn = Turn(row, owner, scope_of(owner), now)
    found = stage_of(row, now)
    if found.stopped is not None:
        return [Cause(f"stopped {found.stopped.change} {found.stopped.state}", stopped(found.stopped))]
    troubles: list[Cause] = []
    wanted = sorted(_wanted(turn, troubles), key=lambda pair: (pair[1].due, pair[0].vault, pair[0].subject))
    for one, ask in found.may_ask(wanted):
        if (why := _ask(turn, one, ask)) is not None:
            troubles.append(why)
            if not found.proven:  # the first one can't be asked for: none of the others goes first in its place
                break
    return troubles


def stopped(past: Past) -> str:
    """Return the sentence of a schedule that a change of its own keeps back."""
    what = _NOT_DONE.get(past.state, past.state)
    then = "resume it until it is done" if past.state == lifecycle.FAILED else "look at it"
    return f"C-{past.change} of {past.subject} {what}, so nothing more is asked for: {then}, or let the schedule go on."


def stage_of(row: Schedule, now: datetime) -> Stage:
    """Return how far a schedule is; one of a single secret has nothing that another one must prove."""
    if not due.globbed(row.pattern):
        return Stage(None, 0, True)
    return due.stage(pasts(row), row.edition, row.days, now)


def pasts(row: Schedule) -> list[Past]:
    """Return the newest change of each secret that a schedule asked for."""
    newest = row.askings.select_related("change").order_by("vault", "subject", "-period").distinct("vault", "subject")
    return [
        Past(one.change_id, one.subject, one.change.state, one.change.ended_at, one.edition, one.passed_at is not None)
        for one in newest
    ]


def _wanted(turn: Turn, troubles: list[Cause]) -> Iterator[tuple[Known, Ask]]:
    """Yield the secrets that are to be asked for now, each with its period."""
    row, terms = turn.row, terms_of(turn.row)
    before = befores(row)
    busy = _busy(row)
    risk = risk_of(row)
    for one in ages.known(row):
        if not queries.covers(turn.scope, one.vault, one.subject):
            continue
        try:
            lasts = rule_for(row.target, one.subject, risk).lasts
        except Refused as why:
            troubles.append(_refused(one, why))
            continue
        found = due.ask(terms, one.rotated, before.get((one.vault, one.subject)), lasts, turn.now)
        if found is None:
            continue
        if (other := busy.get((one.vault, one.subject))) is None:
            yield one, found
        elif found.due + kept_back.GRACE <= turn.now:
            troubles.append(Cause(f"busy {other}", f"{one.subject} is not asked for: C-{other} of it is open."))


def risk_of(row: Schedule) -> str:
    """Return the risk of what a schedule asks for."""
    return plan.risk_of(row.target, {**row.args, NAMED[row.target]: row.pattern})


def befores(row: Schedule) -> dict[tuple[str, str], due.Before]:
    """Return what a schedule asked for last, by vault and name of the secret."""
    newest = row.askings.order_by("vault", "subject", "-period").distinct("vault", "subject")
    return {(one.vault, one.subject): due.Before(one.period, one.opens, one.at) for one in newest}


def _busy(row: Schedule) -> dict[tuple[str, str], int]:
    """Return the secrets for which a change is asked for already, by whomever, with its key."""
    some = Change.objects.filter(target=row.target).exclude(state__in=lifecycle.OVER).order_by("pk")
    return {(vault, subject): key for vault, subject, key in some.values_list("vault", "subject", "pk")}


def _ask(turn: Turn, one: Known, ask: Ask) -> Cause | None:
    """Ask for one secret; returns why that could not be, None when it was, or when another look did."""
    row = turn.row
    key = sha256(f"{row.pk} {one.vault} {one.subject} {ask.period}".encode()).hexdigest()
    asked = Asked(by="schedule", key=f"schedule {key}", body=_args(row, one), evidence=f"schedule:{row.pk}")
    try:
        with transaction.atomic():
            change = ask_for(turn, one, ask, asked, _reason(row, one))
            told: dict[str, Detail] = {"change": change.name, "period": ask.period, "of": one.subject}
            record(f"schedule {row.name}", "rotation.schedule.asked", subject_of(row), details=told)
    except Refused as why:
        return _refused(one, why)
    except KeyUsed as why:  # whoever owns the schedule asked for something else under the key that this period has
        return Cause(f"key_used {one.vault} {one.subject}", f"{one.subject}: {why}")
    except IntegrityError:
        return None
    return None


def _refused(one: Known, why: Refused) -> Cause:
    return Cause(f"{why.code} {one.vault} {one.subject}", f"{one.subject}: {why}")


def ask_for(turn: Turn, one: Known, ask: Ask, asked: Asked, reason: str) -> Change:
    """Ask for one secret within the caller's transaction, and keep that it was asked for in this period.

    Raises `Refused`, and `IntegrityError` when the period was asked for already.
    """
    row = turn.row
    want = Want(row.target, _args(row, one), one.vault, window=row.window)
    change = asking.ask(turn.owner, want, reason, asked, turn.scope)
    Asking.objects.create(
        schedule=row, vault=one.vault, subject=one.subject, period=ask.period, edition=row.edition, due_at=ask.due,
        opens=ask.slot.opens, closes=ask.slot.closes, change=change, at=turn.now,
    )  # fmt: skip
    return change


def _args(row: Schedule, one: Known) -> dict[str, Any]:
    return {**row.args, NAMED[row.target]: one.subject}


def _reason(row: Schedule, one: Known) -> str:
    age = f"last seen to change {one.rotated:%Y-%m-%d}" if one.rotated else "never seen to change"
    return f"{row.reason[:1_800]} (schedule {row.name}, every {row.days} days; {age})"
