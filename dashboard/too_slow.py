"""Answers what the database gave up, because it took or waited longer than a page may, with a sentence."""

from __future__ import annotations

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from psycopg.errors import LockNotAvailable, QueryCanceled

from dashboard.middleware import Handler
from dashboard.views.errors import busy, too_slow


class TooSlow:
    """Shows the page for a cancelled statement; every other error takes its usual way."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer when the database cancelled the statement: a question is too wide, a verb was undone."""
        gave_up = isinstance(exception.__cause__, QueryCanceled | LockNotAvailable)
        if not (isinstance(exception, OperationalError) and gave_up):
            return None
        return too_slow(request) if request.method in {"GET", "HEAD"} else busy(request)
