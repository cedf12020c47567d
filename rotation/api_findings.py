"""Findings through the API: what stands against Keybook's own work, and who looked into it."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door
from rotation import findings
from rotation.api_told import Shown, moment
from rotation.findings import Finding

STATES = ("open", "over", "all")


class Findings(Door):
    """Where Vault's log and the journal disagree, the executor has no identity, or a review is overdue."""

    scope = "changes:read"
    parameters: ClassVar[tuple[str, ...]] = ("state",)

    def get(self, request: Request) -> HttpResponse:
        """Give those that stand, the newest first; with `state=over` those that somebody looked into."""
        state = self.asked(request).choice("state", STATES)
        scope = self.caller.scope
        found = findings.standing(scope) if state != "over" else []
        found += findings.over(scope, findings.MOST) if state != "open" else []
        return self.document({"items": [_shown(one) for one in found]})


def _shown(one: Finding) -> Shown:
    return {
        "id": one.name,
        "kind": one.kind,
        "severity": one.severity,
        "says": one.says,
        "mend": one.mend,
        "vault": one.vault or None,
        "change": one.change or None,
        "event": one.event,
        "found_at": moment(one.found_at),
        "ended_at": moment(one.ended_at),
        "looked_into_by": one.ended_by or None,
        "note": one.note or None,
    }
