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
from accounts.scope import Scope
from dashboard.limits import scope_for
from dashboard.views.sign_in import page
from rotation import freeze, queries
from rotation.approvers import policies
from rotation.planning import Refused
from rotation.rules import Rule


@require_safe
@needs("changes.read")
def policy_list(request: HttpRequest) -> HttpResponse:
    """Show the approval policies that hold now."""
    known = dict(User.objects.values_list("pk", "username"))
    people = {rule: [known.get(key, f"person {key}") for key in sorted(rule.people)] for rule in policies()}
    whole = Scope() if may(request.user, "people.change") else scope_for(request)
    rows = [(rule, some, groups_of(rule), _form(rule, some), *_targets(rule, whole)) for rule, some in people.items()]
    return render(request, "changes/policies.html", {"rows": rows})


def _targets(rule: Rule, scope: Scope) -> tuple[list[str], int]:
    """Return of which changes a policy is as somebody may see it, and how many patterns are kept from them."""
    seen = [one for one in rule.targets if not queries.tells_beyond(scope, one)]
    return seen, len(rule.targets) - len(seen)


def groups_of(rule: Rule) -> list[str]:
    """Return a policy's groups as people read them."""
    return sorted(f"{one.name or one.id} at {one.issuer}" for one in rule.groups)


def _form(rule: Rule, people: list[str]) -> str:
    """Return the address of the form that sets a policy anew, as it is now; "" for groups, which no form takes."""
    if rule.groups:
        return ""
    given = {name: str(getattr(rule, name)) for name in ("name", "effect", "risk", "approvers", "proof", "hours")}
    several = {"targets": rule.targets, "roles": sorted(rule.roles), "people": people}
    lines = {name: "\n".join(some) for name, some in several.items() if some}
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
