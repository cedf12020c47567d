"""Error pages: what happened, to what, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.middleware import asked_by_htmx


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """What an error page says; `layout` is the frame around it."""

    icon: str
    fact: str
    why: str
    detail: str = ""
    layout: str = "bare.html"


def _layout(request: HttpRequest) -> str:
    """Return the frame with the rail for somebody who is signed in; an early error has no user at all."""
    user = getattr(request, "user", None)
    return "base.html" if user is not None and user.is_authenticated else "bare.html"


def _say(request: HttpRequest, status: int, words: ErrorWords) -> HttpResponse:
    """Render the page, or for htmx only its words, because htmx puts them where the answer would have stood."""
    template = "errors/words.html" if asked_by_htmx(request) else "errors/page.html"
    return render(request, template, {"error": words}, status=status)


@login_not_required
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400: the request itself can't be understood."""
    said = str(exception) if isinstance(exception, BadRequest) else ""
    why = said or "Its address or its form is not one that Keybook makes."
    return _say(request, 400, ErrorWords("triangle", "This request can't be understood", why))


@login_not_required
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403: the person may not see this."""
    why = "Your role does not cover this page. An administrator can change your role."
    return _say(request, 403, ErrorWords("lock", "You may not see this page", why, layout=_layout(request)))


@login_not_required
def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that does not carry this session's token."""
    why = "It does not carry this session's mark, so nothing was done. Open the page again and send it from there."
    return _say(request, 403, ErrorWords("lock", "This form was not sent from a page of yours", why, reason))


@login_not_required
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404: no page stands at this address; a view may say why in its own words."""
    said = exception.args[0] if exception and exception.args and isinstance(exception.args[0], str) else ""
    why = said or "No page of Keybook has this address."
    return _say(request, 404, ErrorWords("dashed", "Nothing is here", why, request.path, _layout(request)))


def too_slow(request: HttpRequest) -> HttpResponse:
    """Answer 503: the database gave the question up after the time that a page may take."""
    why = (
        "Looking for this takes longer than a page may take, so nothing is shown rather than a part. "
        "Narrow the time, or name a secret or a principal: both are found without looking at every event."
    )
    return _say(request, 503, ErrorWords("clock", "This question is too wide", why))


def too_many_exports(request: HttpRequest, why: str) -> HttpResponse:
    """Answer 429: this person's other exports are still under way."""
    return _say(request, 429, ErrorWords("clock", "This export was not begun", why, layout=_layout(request)))


def busy(request: HttpRequest) -> HttpResponse:
    """Answer 503: a verb waited too long for what another one holds, and was given up whole."""
    why = "Another act in Keybook took so long that this one gave up. Nothing was changed: go back and do it again."
    return _say(request, 503, ErrorWords("clock", "This was not done", why))


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    """Answer 500 without asking the database or the session, which may be what is broken."""
    why = "Keybook met an error that it does not know, and did nothing. The server's log has the details at this time."
    return _say(request, 500, ErrorWords("triangle", "This page could not be made", why))
