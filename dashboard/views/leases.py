"""The list of leases, and one lease with its life."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from audit import lease_questions
from dashboard.lease_page import LeasePage
from dashboard.leases_page import LeaseList
from dashboard.limits import scope_for


@require_safe
@needs("record.read")
def lease_list(request: HttpRequest) -> HttpResponse:
    """List the leases that the address asks for, newest first."""
    page = LeaseList.read(request.GET, timezone.now(), scope_for(request))
    return render(request, "leases/list.html", {"page": page})


@require_safe
@needs("record.read")
def lease_detail(request: HttpRequest, lease_id: int) -> HttpResponse:
    """Show one lease."""
    now, scope = timezone.now(), scope_for(request)
    try:
        told = lease_questions.lease(lease_id, scope=scope, now=now)
    except LookupError as miss:
        raise Http404(str(miss)) from miss
    page = LeasePage(told, now, scope, every="all" in request.GET)
    return render(request, "leases/detail.html", {"page": page})
