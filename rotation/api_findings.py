"""Findings through the API: what stands against Keybook's own work, and who looked into it."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door
from accounts.not_done import NotDone
from kit.problem import Problem
from rotation import api, findings
from rotation.api_told import Shown, moment
from rotation.findings import Finding

STATES = ("open", "over", "all")


class NoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """What it was, in a sentence that is kept with the finding."""

    note: str


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


class LookInto(Door):
    """Say that a finding was looked into, and what it was; the note stays with it."""

    post_scope, methods = "changes:approve", ("POST",)
    body: ClassVar[type[Any]] = NoteBody

    def post(self, request: Request, finding: str) -> HttpResponse:
        """Keep it and give the finding as it stands then."""
        body = api.read_body(request, NoteBody)
        before = self._found(finding)
        if before.ended_by == self.caller.owner.username and before.note == body.note:
            return self.document(_shown(before))  # said again: it is what was kept
        try:
            findings.look_into(finding, body.note, actor=self.caller.owner, request=request._request)
        except NotDone as why:
            raise _refused(why, body.note) from None
        return self.document(_shown(self._found(finding)))

    def _found(self, name: str) -> Finding:
        found = findings.one(name, self.caller.scope)
        if found is not None:
            return found
        if name.startswith("R-"):
            said = f"{name[:40]} ends with its review: POST /api/v1/changes/{name[2:40]}/review with a note."
            raise Problem("not-possible", said)
        raise Problem("not-found", f"There is no finding {name[:40]}. /api/v1/findings lists them.")


def _refused(why: NotDone, note: str) -> Problem:
    if not note.strip():
        return Problem("bad-arguments", str(why), field="note")
    return Problem("moved-meanwhile", str(why))


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
