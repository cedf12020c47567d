"""The list of secrets, and one secret with its readers and their events."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit import queries
from dashboard.forms import AskForm
from dashboard.limits import scope_for
from dashboard.secret_list import SecretList
from dashboard.secret_page import SecretPage
from dashboard.views.parts import part_of


@require_safe
def secret_list(request: HttpRequest) -> HttpResponse:
    """List secrets; an exact name opens its page."""
    form = AskForm(request.GET)
    if not form.is_valid():
        raise BadRequest("No secret's name holds a null character, or is longer than 1,000 characters.")
    page = SecretList(form.cleaned_data["q"], form.cleaned_data["after"], scope_for(request))
    if page.exact:
        return redirect("secret-detail", page.exact.id)
    return render(request, "secrets/list.html", {"page": page})


@require_safe
def secret_detail(request: HttpRequest, secret_id: int) -> HttpResponse:
    """Show who read one secret; htmx gets the part that it asks for."""
    scope = scope_for(request)
    try:
        one = queries.secret(secret_id, scope=scope)
    except queries.NotOneSecret as miss:
        raise Http404(str(miss)) from miss
    page = SecretPage(one, request.GET, timezone.now(), scope)
    template = part_of(request, "secrets/detail.html", {"answer", "readers", "events", "present", "drawer"})
    return render(request, template, {"page": page})
