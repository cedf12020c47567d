"""The page of events, and one event by itself."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from dashboard.event_page import EventPage
from dashboard.event_query import EventQuery, beside
from dashboard.events_page import EventsPage
from dashboard.limits import scope_for
from dashboard.offers import Offers
from dashboard.views.parts import part_of

PARTS = {"answer", "rows", "facets", "drawer", "waiting"}


@require_safe
@needs("record.read")
def event_list(request: HttpRequest) -> HttpResponse:
    """Show the events that the address asks for; htmx gets the part that it asks for."""
    now = timezone.now()
    page = EventsPage(EventQuery.read(request.GET, now), request.GET, now, scope_for(request))
    return render(request, part_of(request, "events/list.html", PARTS), {"page": page})


@require_safe
@needs("record.read")
def event_suggest(request: HttpRequest) -> HttpResponse:
    """Show what may follow in a query that is being typed, and what is wrong with it so far."""
    offers = Offers.read(request.GET, timezone.now(), scope_for(request))
    return render(request, "events/suggest.html", {"offers": offers})


@require_safe
@needs("record.read")
def event_detail(request: HttpRequest, event_id: int) -> HttpResponse:
    """Show one event as a page of its own."""
    page = EventPage.find(event_id, request.GET.get("tab", ""), beside(request.GET), scope_for(request))
    if page is None:
        raise Http404(f"No event {event_id} is known. It may be older than what is kept.")
    return render(request, "events/detail.html", {"event": page})
