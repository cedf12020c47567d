"""Who may decide what, and the freeze switch: pages that show both; what changes them is itself a change."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.may import may, needs
from accounts.models import User
from dashboard.views.sign_in import page
from rotation import freeze
from rotation.approvers import policies
from rotation.planning import Refused
from rotation.rules import Rule


@require_safe
@needs("changes.read")
def policy_list(request: HttpRequest) -> HttpResponse:
    """Show the approval policies that hold now."""
    people = {one.pk: one.username for one in User.objects.all()}
    rows = [
        (rule, [people.get(key, f"person {key}") for key in sorted(rule.people)], _form(rule)) for rule in policies()
    ]
    return render(request, "changes/policies.html", {"rows": rows})


def _form(rule: Rule) -> str:
    """Return the address of the form that sets a policy anew, as it is now."""
    given = {name: str(getattr(rule, name)) for name in ("name", "effect", "risk", "approvers", "proof", "hours")}
    lines = {"targets": "\n".join(rule.targets), "roles": "\n".join(sorted(rule.roles))}
    return f"{reverse('change-new')}?{urlencode({'target': 'approval_policy', **given, **lines})}"


@page
@needs("changes.read")
def freezes(request: HttpRequest) -> HttpResponse:
    """Show what is frozen, and freeze: one person is enough for that, another has to approve that it is lifted."""
    if request.method != "POST":
        return _freezes(request)
    if not may(request.user, "changes.ask"):
        raise PermissionDenied("changes.ask")
    given = {name: request.POST.get(name, "").replace("\0", "") for name in ("scope", "subject", "reason")}
    try:
        freeze.freeze(**given, actor=cast(User, request.user), request=request)
    except Refused as why:
        return _freezes(request, str(why), given)
    return redirect("change-freeze")


def _freezes(request: HttpRequest, why: str = "", given: dict[str, str] | None = None) -> HttpResponse:
    words = {"freezes": freeze.standing(), "scopes": freeze.SCOPES, "why": why, "given": given or {}}
    return render(request, "changes/freezes.html", words, status=400 if why else 200)
