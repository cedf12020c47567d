"""The files that a page's export button asks for: what the page shows, sent while it is read."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.may import needs
from accounts.models import User
from accounts.time_zone import UTC_NAME
from audit import callers, export, queries
from audit.answers import UnknownName
from dashboard.event_query import EventQuery
from dashboard.events_page import EventsPage
from dashboard.export_file import LAYOUTS, Body, about, file_name
from dashboard.keys import key_of
from dashboard.limits import scope_for
from dashboard.principal_page import PrincipalPage
from dashboard.secret_page import SecretPage
from dashboard.time_range import ABSOLUTE
from dashboard.views.errors import too_many_exports
from dashboard.views.principals import LARGEST
from dashboard.zone import reading_in

NOT_FIXED = "An export takes the fixed times of its page. Open the page again and export from there."
NO_FORMAT = f"An export is written as {' or '.join(LAYOUTS)}. Open the page again and export from there."


@require_POST
@needs("record.export")
def event_export(request: HttpRequest) -> HttpResponseBase:
    """Send the events that the form asks for, as one file."""
    now = timezone.now()
    page = EventsPage(EventQuery.read(request.POST, now), request.POST, now, scope_for(request))
    return _send(request, page, "events")


@require_POST
@needs("record.export")
def secret_export(request: HttpRequest, secret_id: int) -> HttpResponseBase:
    """Send the calls of one secret that the form asks for, as one file."""
    scope = scope_for(request)
    try:
        one = queries.secret(secret_id, scope=scope)
    except queries.NotOneSecret as miss:
        raise Http404(str(miss)) from miss
    return _send(request, SecretPage(one, request.POST, timezone.now(), scope).calls, f"secret-{secret_id}")


@require_POST
@needs("record.export")
def principal_export(request: HttpRequest, principal_id: int) -> HttpResponseBase:
    """Send the calls of one principal that the form asks for, as one file."""
    scope = scope_for(request)
    try:
        one = callers.caller(min(principal_id, LARGEST), scope=scope)
    except UnknownName as miss:
        raise Http404(str(miss)) from miss
    return _send(request, PrincipalPage(one, request.POST, timezone.now(), scope).calls, f"principal-{principal_id}")


def _send(request: HttpRequest, page: EventsPage, what: str) -> HttpResponseBase:
    """Begin the export of what a page shows, and answer with its bytes."""
    if page.range.key != ABSOLUTE:
        raise BadRequest(NOT_FIXED)
    if page.query.error:
        raise BadRequest(page.query.error.message)
    kind = request.POST.get("format", "")
    if kind not in LAYOUTS:
        raise BadRequest(NO_FORMAT)
    name = file_name(what, page.range, kind)
    user = cast(User, request.user)
    with reading_in(UTC_NAME):  # a file's sentences are in UTC, whoever takes it
        said = about(page.record, page.words, user.username)
    asked = page.asked(kind, name)
    try:  # last of all: what fails behind it would leave the export under way
        running = export.start(asked, until_id=key_of(request.POST.get("newest", "")), actor=user, request=request)
    except export.TooMany as why:
        return too_many_exports(request, str(why))
    layout = LAYOUTS[kind]()
    answer = StreamingHttpResponse(Body(running, layout, said), content_type=layout.type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
