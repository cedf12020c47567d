"""What people do with one schedule through the API: change it, end it, let it go on, have it ask now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from accounts.api_door import Door
from kit.problem import Problem
from rotation import api, api_schedules, asking_now, scheduling
from rotation.api_schedules import ScheduleBody
from rotation.asking_now import Who
from rotation.overdue import Told
from rotation.schedule_models import Asking
from rotation.scheduling import Changed, Terms


class ChangeScheduleBody(ScheduleBody, forbid_unknown_fields=True, kw_only=True):
    """A schedule as it is to be, whole, and the `edition` of it that was read."""

    edition: int


class GoOnBody(msgspec.Struct, forbid_unknown_fields=True):
    """The change, such as `C-215`, that keeps the schedule back."""

    change: str


class AskNowBody(msgspec.Struct, forbid_unknown_fields=True):
    """The secret, as the schedule's page names it; `vault` where two have one of this name."""

    secret: str
    vault: str = ""


class _Verb(Door):
    """Something that people do with a schedule."""

    limits, methods, post_scope = True, ("POST",), "changes:ask"
    body: ClassVar[type[Any]] = api.NoBody

    def do(self, request: Request, told: Told) -> None:
        """Do it."""
        raise NotImplementedError

    def post(self, request: Request, schedule_id: int) -> HttpResponse:
        """Do it and give the schedule as it stands then."""
        told = api_schedules.found(self, schedule_id, timezone.now())
        with api.as_problems(), _as_problems(told):
            self.do(request, told)
        return self.document(api_schedules.whole(self, schedule_id))


class ChangeSchedule(_Verb):
    """Change a schedule, of which `edition` was read; it asks in the name of the token's owner from then on."""

    body = ChangeScheduleBody

    def do(self, request: Request, told: Told) -> None:
        """Change it."""
        given = msgspec.structs.asdict(api.read_body(request, ChangeScheduleBody))
        edition, owner, scope = given.pop("edition"), self.caller.owner, self.caller.scope
        scheduling.change(
            told.schedule, Terms(**given), owner, scope, edition=edition, request=request._request
        )  # fmt: skip


class EndSchedule(_Verb):
    """End a schedule: it asks for nothing more, and what it asked for stays as it is."""

    def do(self, request: Request, told: Told) -> None:
        """End it, if nobody has."""
        api.read_body(request, api.NoBody)
        if told.schedule.ended_at is None:
            scheduling.end(told.schedule, self.caller.owner, request=request._request)


class GoOn(_Verb):
    """Let a schedule ask for the next secret although a change of it did not succeed."""

    body = GoOnBody

    def do(self, request: Request, told: Told) -> None:
        """Let it."""
        body = api.read_body(request, GoOnBody)
        asked = _asked(told, body.change)
        if asked.passed_at is None:  # else asked again: it is what was wanted
            scheduling.go_on(told.schedule, asked.change, self.caller.owner, request=request._request)


class AskNow(Door):
    """Have a schedule ask for one of its secrets now, in the name of the token's owner; the change waits as ever."""

    limits, methods, post_scope = True, ("POST",), "changes:ask"
    body: ClassVar[type[Any]] = AskNowBody

    def post(self, request: Request, schedule_id: int) -> HttpResponse:
        """Ask, and give the change."""
        told = api_schedules.found(self, schedule_id, timezone.now())
        body, caller = api.read_body(request, AskNowBody), self.caller
        who = Who(caller.owner, caller.scope, request._request, caller.token_id)
        with api.as_problems(), _as_problems(told):
            change = asking_now.ask_now(told.schedule, body.vault, body.secret, who)
        return self.document(api.whole(self, change.pk), 201, {"Location": f"/api/v1/changes/{change.name}"})


def _asked(told: Told, name: str) -> Asking:
    number = name.removeprefix("C-")
    key = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
    asked = told.schedule.askings.select_related("change").filter(change_id=key).first()
    if asked is None:
        said = f"{told.schedule.name} asked for no change {name[:40]}. /api/v1/schedules/{told.schedule.pk} lists them."
        raise Problem("not-there", said, field="change")
    return asked


@contextmanager
def _as_problems(told: Told) -> Iterator[None]:
    """Tell that somebody was faster as a problem with the edition that the schedule has now."""
    try:
        yield
    except Changed as why:
        told.schedule.refresh_from_db()
        raise Problem("moved-meanwhile", str(why), edition=told.schedule.edition) from None
