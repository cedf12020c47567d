"""What every page's answer carries, and who may see a page at all."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from dashboard.zone import reading_in

Handler = Callable[[HttpRequest], HttpResponseBase]

# Pages name secrets and their readers, and carry a nonce: no cache keeps them, no other site embeds them.
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        "microphone=(), midi=(), payment=(), usb=(), clipboard-write=(self)"
    ),
}


def page_headers(get_response: Handler) -> Handler:
    """Return a middleware that adds `PAGE_HEADERS` to every answer that does not set them itself."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in PAGE_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return handle


def own_time_zone(get_response: Handler) -> Handler:
    """Return a middleware that prints and reads times in the zone that the person who asks has chosen."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        with reading_in(getattr(request.user, "time_zone", "")):
            return get_response(request)

    return handle


def asked_by_htmx(request: HttpRequest) -> bool:
    """Return whether htmx asks for a part of a page, rather than the browser for the whole."""
    return request.headers.get("HX-Request") == "true"


class SignInRequired(LoginRequiredMiddleware):
    """Sends everybody who is not signed in to the sign-in page, except from the pages marked as open."""

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Redirect; a request by htmx is told to load the page anew, so that no sign-in page lands inside a table."""
        answer = super().process_view(request, view_func, view_args, view_kwargs)
        if answer is not None and asked_by_htmx(request):
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Refresh": "true"})
        return answer
