"""The list of principals, and one principal with what it read and from where."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from audit import callers
from audit.answers import UnknownName
from audit.query_fields import FIELDS
from dashboard.forms import AskForm
from dashboard.limits import scope_for
from dashboard.principal_page import PrincipalList, PrincipalPage
from dashboard.views.parts import part_of

LARGEST = 2**31 - 1


@require_safe
@needs("record.read")
def principal_list(request: HttpRequest) -> HttpResponse:
    """List principals by name."""
    form = AskForm(request.GET)
    if not form.is_valid():
        raise BadRequest("No principal's name holds a null character, or is longer than 1,000 characters.")
    kind = request.GET.get("kind", "")
    kind = kind if kind in FIELDS["kind"].choices else ""
    page = PrincipalList(form.cleaned_data["q"], kind, form.cleaned_data["after"], scope_for(request))
    return render(request, "principals/list.html", {"page": page})


@require_safe
@needs("record.read")
def principal_detail(request: HttpRequest, principal_id: int) -> HttpResponse:
    """Show what one principal read, and from where; htmx gets the part that it asks for."""
    scope = scope_for(request)
    try:
        one = callers.caller(min(principal_id, LARGEST), scope=scope)
    except UnknownName as miss:
        raise Http404(str(miss)) from miss
    page = PrincipalPage(one, request.GET, timezone.now(), scope)
    return render(request, part_of(request, "principals/detail.html", {"answer", "rows", "drawer"}), {"page": page})
