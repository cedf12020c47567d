"""Error pages: what happened, to what, and what to do next."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_not_required
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400: the request itself can't be understood, or names a host that is not ours."""
    return render(request, "errors/400.html", status=400)


@login_not_required
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403: the person may not see this."""
    return render(request, "errors/403.html", status=403)


@login_not_required
def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that does not carry this session's token."""
    return render(request, "errors/forged.html", status=403)


@login_not_required
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404: no page stands at this address."""
    return render(request, "errors/404.html", {"path": request.path}, status=404)


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    """Answer 500 without asking the database or the session, which may be what is broken."""
    return render(request, "errors/500.html", status=500)
