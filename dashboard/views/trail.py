"""The trail's page: what people did in Keybook, for administrators."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from dashboard.trail_page import TrailPage


@require_safe
@needs("trail.read")
def trail(request: HttpRequest) -> HttpResponse:
    """Show the entries that the address asks for, newest first."""
    page = TrailPage.read(request.GET, timezone.now())
    return render(request, "accounts/trail.html", {"page": page})
