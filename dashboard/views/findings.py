"""Findings: what stands against Keybook's own work, one of them, and the word of whoever looked into it."""

from __future__ import annotations

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from accounts.not_done import NotDone
from dashboard.limits import scope_for
from dashboard.views.sign_in import page
from rotation import findings
from rotation.findings import Finding


@require_safe
@needs("changes.read")
def finding_list(request: HttpRequest) -> HttpResponse:
    """List what stands, and below it what was looked into."""
    scope = scope_for(request)
    words = {"standing": findings.standing(scope), "over": findings.over(scope), "limited": not scope.everything}
    return render(request, "findings/list.html", words)


@page
@needs("findings.look_into")
@step_up.required
def finding_close(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what it was, and keep it."""
    found = _found(request, name)
    if request.method != "POST":
        return render(request, "findings/look_into.html", {"one": found})
    note = request.POST.get("note", "")
    try:
        findings.look_into(name, note, actor=cast(User, request.user), request=request)
    except NotDone as why:
        words = {"one": found, "why": str(why), "note": note[: findings.LONGEST_NOTE]}
        return render(request, "findings/look_into.html", words, status=409)
    return redirect("finding-list")


def _found(request: HttpRequest, name: str) -> Finding:
    found = findings.one(name, scope_for(request))
    if found is None:
        raise Http404(f"There is no finding {name[:40]}, or none that you may see.")
    return found
