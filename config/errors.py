"""Errors outside of any view: a page to a browser, problem+json to whoever asked the API."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse

from accounts.api_door import is_api
from accounts.api_errors import answer, problem_of
from accounts.api_errors import broken as api_broken
from dashboard.views import errors


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400."""
    if is_api(request):
        return answer(problem_of(SuspiciousOperation(), request))
    return errors.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    return answer(problem_of(PermissionDenied(), request)) if is_api(request) else errors.forbidden(request, exception)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404."""
    return answer(problem_of(Http404(), request)) if is_api(request) else errors.not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    """Answer 500."""
    return answer(api_broken()) if is_api(request) else errors.broken(request)
