"""Ends a session that stood idle too long, or is too old however busy it was."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase

STAMP_EVERY = 60  # seconds: a busy session is written once a minute, not at every request

Handler = Callable[[HttpRequest], HttpResponseBase]


def session_limits(get_response: Handler) -> Handler:
    """Return a middleware that signs people out by `SESSION_IDLE_SECONDS` and `SESSION_ABSOLUTE_SECONDS`."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            _stamp_or_end(request, time())
        return get_response(request)

    return handle


def _stamp_or_end(request: HttpRequest, now: float) -> None:
    """Sign out when a limit has passed; else note the first and the last minute of use in the session."""
    began = request.session.setdefault("began_at", now)
    seen = request.session.setdefault("seen_at", now)
    if now - seen > settings.SESSION_IDLE_SECONDS or now - began > settings.SESSION_ABSOLUTE_SECONDS:
        logout(request)
    elif now - seen > STAMP_EVERY:
        request.session["seen_at"] = now
