"""The sources and their health."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from dashboard.limits import scope_for
from dashboard.source_health import SourceHealth


@require_safe
@needs("record.read")
def source_list(request: HttpRequest) -> HttpResponse:
    """Show each device with what it gives and what is wrong with it."""
    return render(request, "sources/list.html", {"page": SourceHealth(timezone.now(), scope_for(request))})
