"""Answers what the database gave up, because it took or waited longer than a page may, with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from psycopg.errors import LockNotAvailable, QueryCanceled

from dashboard.middleware import Handler
from dashboard.views.errors import busy, too_slow

PATIENCE = 10.0  # seconds that the statements of one question may take together; each may take 5 s (config.roles)


class Together:
    """Gives a question up whose statements took too long together, as PostgreSQL gives up a single one.

    A query of many words asks the dictionaries for each: none of these statements is slow, and all of them are.
    """

    def __init__(self) -> None:
        self.left = PATIENCE

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """Run a statement, unless the time is used up; waiting for something else uses none."""
        if self.left < 0:
            said = f"The statements of this request took over {PATIENCE:g} s together."
            raise OperationalError(said) from QueryCanceled(said)
        began = monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            self.left -= monotonic() - began


class TooSlow:
    """Shows the page for a cancelled statement; every other error takes its usual way."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on; a verb is never given up half way between its statements."""
        if request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        with connection.execute_wrapper(Together()):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer when the database cancelled the statement: a question is too wide, a verb was undone."""
        gave_up = isinstance(exception.__cause__, QueryCanceled | LockNotAvailable)
        if not (isinstance(exception, OperationalError) and gave_up):
            return None
        return too_slow(request) if request.method in {"GET", "HEAD"} else busy(request)
