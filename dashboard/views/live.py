"""Whether the web process answers at all: what a load balancer may ask without signing in."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Answer 204 and not a word; it asks neither PostgreSQL nor who you are."""
    return HttpResponse(status=HTTPStatus.NO_CONTENT)
