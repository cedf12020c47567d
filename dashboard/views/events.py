"""One event with its lines as stored."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.event_page import EventPage
from dashboard.views.parts import part_of


@require_safe
def event_detail(request: HttpRequest, event_id: int) -> HttpResponse:
    """Show one event as a page of its own, or as the drawer's content."""
    page = EventPage.find(event_id)
    if page is None:
        raise Http404(f"No event {event_id} is known. It may be older than what is kept.")
    return render(request, part_of(request, "events/detail.html", {"drawer"}), {"event": page})
