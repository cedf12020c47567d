"""Answers a question that the database gave up, because it took longer than a page may, with a sentence."""

from __future__ import annotations

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from psycopg.errors import QueryCanceled

from dashboard.middleware import Handler
from dashboard.views.errors import too_slow


class TooSlow:
    """Shows the page for a cancelled statement; every other error takes its usual way."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer when the database cancelled the statement."""
        if isinstance(exception, OperationalError) and isinstance(exception.__cause__, QueryCanceled):
            return too_slow(request)
        return None
