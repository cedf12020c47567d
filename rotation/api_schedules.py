"""Schedules through the API: list them, make one, read one; and which secrets are overdue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from accounts.api_door import Door
from kit.problem import Problem
from rotation import api, overdue, scheduling
from rotation.api_told import moment
from rotation.overdue import Kept, Told
from rotation.schedule_models import Asking, Schedule
from rotation.scheduling import Terms

Shown = dict[str, Any]


class ScheduleBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be asked for again and again; `window` is a line such as `sat,sun 22:00-04:00 Europe/Vienna`."""

    name: str
    target: str
    pattern: str
    days: int
    reason: str
    args: dict[str, Any] = {}
    vault: str = ""
    window: str = ""
    lead_hours: int = 12
    enabled: bool = True


class Schedules(Door):
    """Schedules that hold, by name."""

    scope, post_scope, limits = "changes:read", "changes:ask", True
    methods = ("GET", "HEAD", "POST")
    post_says = "Make a schedule, which asks in the name of the token's owner; a name holds once at a time."
    body: ClassVar[type[Any]] = ScheduleBody

    def get(self, request: Request) -> HttpResponse:
        """Give them."""
        self.asked(request)
        return self.document({"items": [told(one) for one in overdue.seen(self.caller.scope)]})

    def post(self, request: Request) -> HttpResponse:
        """Make one: 201 with it."""
        body = api.read_body(request, ScheduleBody)
        with api.as_problems():
            made = scheduling.make(
                Terms(**msgspec.structs.asdict(body)), self.caller.owner, self.caller.scope, request=request._request
            )
        return self.document(told(made), 201, {"Location": f"/api/v1/schedules/{made.pk}"})


class OneSchedule(Door):
    """One schedule: its secrets with their ages, and what it asked for."""

    scope, limits = "changes:read", True

    def get(self, request: Request, schedule_id: int) -> HttpResponse:
        """Give it; one that may not be seen is as if it were not."""
        self.asked(request)
        return self.document(whole(self, schedule_id))


class Overdue(Door):
    """Secrets that are older than their schedule wants, or were never seen to change; the longest overdue first."""

    scope, limits = "changes:read", True

    def get(self, request: Request) -> HttpResponse:
        """Give all of them."""
        self.asked(request)
        now = timezone.now()
        return self.document({"items": [_late(one, now) for one in overdue.overdue(self.caller.scope, now)]})


def found(door: Door, schedule_id: int, now: datetime) -> Told:
    """Return a schedule with all that belongs to it; one that may not be seen is a problem, as if it were not."""
    try:
        return overdue.one(schedule_id, door.caller.scope, now)
    except Schedule.DoesNotExist:
        said = f"There is no schedule {schedule_id}. /api/v1/schedules lists them."
        raise Problem("not-found", said) from None


def whole(door: Door, schedule_id: int) -> Shown:
    """Return a schedule with its secrets, and what it asked for."""
    now = timezone.now()
    one = found(door, schedule_id, now)
    return {
        **told(one.schedule),
        "stopped_by": one.stopped.name if one.stopped else None,
        "secrets": [_kept(each, now) for each in one.secrets],
        "asked": [_asked(each) for each in one.asked],
    }


def told(row: Schedule) -> Shown:
    """Return a schedule as a list shows it; `says` is why it asks nothing now."""
    return {
        "id": row.pk,
        "name": row.name,
        "target": row.target,
        "pattern": row.pattern,
        "args": row.args,
        "vault": row.vault or None,
        "days": row.days,
        "lead_hours": row.lead_hours,
        "window": row.window or None,
        "reason": row.reason,
        "owner": row.owner_name,
        "enabled": row.enabled,
        "edition": row.edition,
        "made_at": moment(row.made_at),
        "changed_at": moment(row.changed_at),
        "ended_at": moment(row.ended_at),
        "looked_at": moment(row.looked_at),
        "says": row.says or None,
    }


def _kept(one: Kept, now: datetime) -> Shown:
    known = one.known
    return {
        "secret": known.subject,
        "vault": known.vault or None,
        "rotated_at": moment(known.rotated),
        "rotated_by": known.by or None,
        "version": known.version or None,
        "event": known.event,
        "seen_since": moment(known.seen),
        "due_at": moment(one.due),
        "overdue": one.late(now),
        "may_start": moment(one.slot.opens),
        "change": one.change.name if one.change else None,
        "change_state": one.change.state if one.change else None,
    }


def _late(one: Kept, now: datetime) -> Shown:
    named: Mapping[str, Any] = {"id": one.schedule.pk, "name": one.schedule.name, "days": one.schedule.days}
    return {**_kept(one, now), "target": one.schedule.target, "schedule": dict(named), "enabled": one.schedule.enabled}


def _asked(one: Asking) -> Shown:
    return {
        "change": one.change.name,
        "state": one.change.state,
        "secret": one.subject,
        "period": one.period,
        "due_at": moment(one.due_at),
        "opens_at": moment(one.opens),
        "closes_at": moment(one.closes),
        "asked_at": moment(one.at),
        "passed_by": one.passed_by or None,
    }
