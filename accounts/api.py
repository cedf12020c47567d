"""What accounts shows through the API: what a token may do, and what people did in Keybook."""

from __future__ import annotations

from dataclasses import asdict

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from accounts import trail_pages
from accounts.api_door import Door, place_of


class Introspect(Door):
    """What this token may read, how far it sees, and until when."""

    limits = True

    def get(self, request: Request) -> HttpResponse:
        """Tell who asks."""
        self.asked(request)
        caller = self.caller
        return self.document(
            {
                "active": True,
                "kind": caller.kind,
                "name": caller.name,
                "owner": caller.owner.username,
                "role": caller.owner.role,
                "scopes": sorted(caller.scopes),
                "limited": not caller.scope.everything,
                "areas": [
                    [{"vault": one.vault, "namespace": one.namespace, "prefix": one.prefix} for one in group]
                    for group in caller.scope.groups
                ],
                "networks": list(caller.networks),
                "expires": caller.expires,
            }
        )


class Trail(Door):
    """What people did in Keybook: every entry exactly once, in order, as a stream; nothing of it is ever dropped."""

    scope = "trail:read"
    parameters = ("cursor", "limit")

    def get(self, request: Request) -> HttpResponse:
        """Give the next page."""
        given = self.asked(request)
        limit, binding = given.limit(USUAL, trail_pages.MOST), self.binding("t")
        if given.text("cursor") == "head":
            entries, last = [], trail_pages.head()
        else:
            last = place_of(binding, given.text("cursor"))[0] if "cursor" in given else 0
            entries = trail_pages.after(last, limit)
        more = bool(entries) and trail_pages.head() > entries[-1].position
        cursor = binding.pack(entries[-1].position if entries else last)
        items = [msgspec.json.encode({"type": "trail", **asdict(one)}).decode() for one in entries]
        return self.page(items, {"next_cursor": cursor, "has_more": more}, cursor)


USUAL = 1_000
