"""Which part of a page an htmx request asks for: the same URL without htmx gives the whole page."""

from __future__ import annotations

from collections.abc import Collection

from django.http import HttpRequest

from dashboard.middleware import asked_by_htmx


def part_of(request: HttpRequest, template: str, parts: Collection[str]) -> str:
    """Return `template#part` when htmx will put the answer into an element whose id is that part, else `template`."""
    _, _, target = request.headers.get("HX-Target", "").partition("#")
    return f"{template}#{target}" if asked_by_htmx(request) and target in parts else template
