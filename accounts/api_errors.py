"""Every error of the API as problem+json (RFC 9457): one of `kit.problem`, or what Django and PostgreSQL raised."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from psycopg.errors import QueryCanceled
from rest_framework import exceptions

from kit.problem import Problem

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Keybook"'}


def answer(problem: Problem) -> HttpResponse:
    """Return the answer that tells a problem."""
    body = msgspec.json.encode(problem.body())
    return HttpResponse(body, status=problem.status, content_type=CONTENT_TYPE, headers=problem.headers)


def handle(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Return the answer to whatever a view of the API raised; what nobody expected goes to the log with its place."""
    return answer(problem_of(error, context["request"]))


def problem_of(error: Exception, request: HttpRequest) -> Problem:
    """Return an error as a problem."""
    match error:
        case Problem():
            told = error
        case exceptions.APIException():
            told = _of_framework(error, request)
        case OperationalError() | InterfaceError():
            told = _of_database(error)
        case Http404():
            told = nothing_at(request)
        case PermissionDenied():
            told = Problem("forbidden", "Your role does not cover this. An administrator can change it.")
        case SuspiciousOperation():
            said = "The address or a header of this request is not well formed. Send it anew."
            told = Problem("bad-request", said)
        case _:
            logger.error("%s %s met an unknown error", request.method, request.path, exc_info=error)
            told = broken()
    return told


def broken() -> Problem:
    """Return the problem of an error that nobody expected."""
    return Problem("internal", "Keybook did nothing. The server's log has the details at this time; try again later.")


def nothing_at(request: HttpRequest) -> Problem:
    """Return the problem of an address at which nothing is."""
    return Problem("not-found", f"There is nothing at {request.path[:200]}. /api/v1/schema/ lists every address.")


def _of_framework(error: exceptions.APIException, request: HttpRequest) -> Problem:
    if isinstance(error, exceptions.MethodNotAllowed):
        said = f"{request.method} can't be done at {request.path[:200]}. It is only read: send GET."
        return Problem("method-not-allowed", said, {"Allow": "GET, HEAD"})
    if isinstance(error, exceptions.NotAcceptable):
        said = "The Accept header names no format of ours. Take application/json or application/x-ndjson."
        return Problem("not-acceptable", said)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        said = "This needs an API token. Send it in a header: Authorization: Bearer kbk_... (/account/ makes one)."
        return Problem("not-signed-in", said, CHALLENGE)
    if isinstance(error, exceptions.NotFound):
        return nothing_at(request)
    return Problem("bad-request", f"This request can't be understood: {str(error.detail)[:200]}")


def _of_database(error: Exception) -> Problem:
    if isinstance(error.__cause__, QueryCanceled):
        said = "Looking for this takes longer than an answer may take. Narrow the window or the query, or ask for less."
        return Problem("too-slow", said)
    logger.warning("PostgreSQL did not answer the API: %s", str(error).splitlines()[:1])
    said = "PostgreSQL does not answer, so nothing was read. Ask again with the same cursor; nothing is lost by that."
    return Problem("database-away", said, {"Retry-After": "5"})
