"""What accounts shows through the API: what a token may do."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door


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
