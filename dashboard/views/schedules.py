"""Schedules: all of them, one with its secrets, the form that makes or changes one, and which secrets are overdue."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.may import needs
from accounts.models import User
from dashboard.keys import key_of
from dashboard.limits import scope_for
from dashboard.schedule_form import ScheduleForm
from dashboard.schedules_page import SchedulePage, SchedulePages
from dashboard.views.sign_in import page
from rotation import asking_now, overdue, scheduling
from rotation.asking_now import Who
from rotation.planning import Refused
from rotation.schedule_models import Asking, Schedule


@require_safe
@needs("changes.read")
def schedule_list(request: HttpRequest) -> HttpResponse:
    """List the schedules that hold."""
    return render(request, "changes/schedules.html", {"page": _pages(request)})


@require_safe
@needs("changes.read")
def overdue_list(request: HttpRequest) -> HttpResponse:
    """List the secrets that are older than their schedule wants."""
    return render(request, "changes/overdue.html", {"page": _pages(request)})


@require_safe
@needs("changes.read")
def detail(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Show one schedule."""
    return render(request, "changes/schedule.html", {"page": _page(request, schedule_id)})


@page
@needs("changes.ask")
def new(request: HttpRequest) -> HttpResponse:
    """Take what is to be asked for again and again, and make a schedule of it."""
    if request.method != "POST":
        return _form(request, ScheduleForm(request.GET, _person(request)))
    form = ScheduleForm(request.POST, _person(request), sent=True)
    try:
        made = scheduling.make(form.terms, form.person, scope_for(request), request=request)
    except Refused as why:
        return _form(request, form, why)
    return redirect("change-schedule", made.pk)


@page
@needs("changes.ask")
def change(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Show the form of a schedule as it is, and change it; who changes it is its owner from then on."""
    row = _page(request, schedule_id).schedule
    if request.method != "POST":
        return _form(request, ScheduleForm.of(row, _person(request)))
    form = ScheduleForm(request.POST, _person(request), sent=True, row=row)
    try:
        scheduling.change(
            row, form.terms, form.person, scope_for(request), edition=form.edition, request=request
        )  # fmt: skip
    except Refused as why:
        return _form(request, form, why)
    except scheduling.Changed as why:
        return _form(request, form, Refused(str(why)), status=409)
    return redirect("change-schedule", schedule_id)


@page
@needs("changes.ask")
def end(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Ask whether it is meant to end, and end it."""
    shown = _page(request, schedule_id)
    if request.method != "POST":
        return render(request, "changes/schedule_end.html", {"page": shown})
    try:
        scheduling.end(shown.schedule, shown.person, request=request)
    except scheduling.Changed as why:
        return render(request, "changes/schedule_end.html", {"page": shown, "why": str(why)}, status=409)
    return redirect("change-schedules")


@require_POST
@needs("changes.ask")
def ask(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Have a schedule ask for one of its secrets now, and show the change."""
    shown = _page(request, schedule_id)
    who = Who(shown.person, shown.scope, request)
    try:
        made = asking_now.ask_now(shown.schedule, request.POST.get("vault", ""), request.POST.get("secret", ""), who)
    except (Refused, scheduling.Changed) as why:
        return render(request, "changes/schedule.html", {"page": shown, "why": str(why)}, status=409)
    return redirect("change-detail", made.pk)


@require_POST
@needs("changes.ask")
def go_on(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Let a schedule ask for the next secret although a change of it did not succeed."""
    shown = _page(request, schedule_id)
    asked = get_object_or_404(Asking, schedule=shown.schedule, change_id=key_of(request.POST.get("change", "")) or 0)
    try:
        scheduling.go_on(shown.schedule, asked.change, shown.person, request=request)
    except scheduling.Changed as why:
        return render(request, "changes/schedule.html", {"page": shown, "why": str(why)}, status=409)
    return redirect("change-schedule", schedule_id)


def _form(request: HttpRequest, form: ScheduleForm, why: Refused | None = None, status: int = 400) -> HttpResponse:
    form.why = why
    return render(request, "changes/schedule_form.html", {"form": form}, status=status if why else 200)


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)


def _pages(request: HttpRequest) -> SchedulePages:
    return SchedulePages(_person(request), scope_for(request), timezone.now())


def _page(request: HttpRequest, schedule_id: int) -> SchedulePage:
    now = timezone.now()
    try:
        told = overdue.one(schedule_id, scope_for(request), now)
    except Schedule.DoesNotExist as miss:
        raise Http404(f"There is no schedule {schedule_id}, or none that you may see.") from miss
    return SchedulePage(told, _person(request), scope_for(request), now)
