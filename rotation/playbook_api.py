"""Playbooks through the API: which there are, what one would do, its schema; and the report of any change."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from accounts.api_door import Door
from kit.problem import Problem
from rotation import api_told, asking, playbook_schema, playbooks, queries, report, report_markdown
from rotation.api import as_problems, read_body
from rotation.asking import Want
from rotation.books import witness
from rotation.models import Change

MARKDOWN = "text/markdown; charset=utf-8"


class PlanBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is said to the playbook's inputs; `vault` and `namespace` where the name alone fits several."""

    inputs: dict[str, Any] = {}
    vault: str = ""
    namespace: str = ""


class Playbooks(Door):
    """The playbooks with the inputs of each; a file that can't be used says what is wrong with it, place by place."""

    scope, limits = "changes:read", True

    def get(self, request: Request) -> HttpResponse:
        """Give all of them, in the order of their names."""
        self.asked(request)
        return self.document({"items": [playbooks.told(name, one) for name, one in playbooks.every().items()]})


class PlaybookSchema(Door):
    """The JSON Schema of a playbook's file, by the targets, steps and questions of this Keybook."""

    scope, limits = "changes:read", True

    def get(self, request: Request) -> HttpResponse:
        """Give it."""
        self.asked(request)
        return self.document(playbook_schema.schema())


class PlaybookPlan(Door):
    """What a playbook would do: nothing is asked for. `args` are what `POST /changes` takes for this very plan."""

    post_scope, limits, methods = "changes:ask", True, ("POST",)
    body: ClassVar[type[Any]] = PlanBody

    def post(self, request: Request, name: str) -> HttpResponse:
        """Draw the plan."""
        body = read_body(request, PlanBody)
        args = {"playbook": name, "inputs": body.inputs}
        with as_problems():
            made = asking.draw(Want(playbooks.TARGET, args, body.vault, body.namespace), self.caller.scope)
        return self.document({
            "playbook": name, "target": playbooks.TARGET, "args": made.document["args"], "risk": made.risk,
            "plan": api_told.plan(made.document, made.hash),
        })  # fmt: skip


class ChangeReport(Door):
    """The report of a change: question, coverage, who asked and approved, each call by Vault's log, proofs, trail."""

    scope, limits = "changes:read", True

    def get(self, request: Request, change_id: int) -> HttpResponse:
        """Give it as JSON."""
        self.asked(request)
        return self.document(self.report(change_id))

    def report(self, change_id: int) -> dict[str, Any]:
        """Return it; a change that may not be seen is as if it were not."""
        try:
            told = queries.one(change_id, self.caller.scope)
        except Change.DoesNotExist:
            raise Problem("not-found", f"There is no change C-{change_id}. /api/v1/changes lists them.") from None
        return report.document(told, witness(), report.now())


class ChangeReportText(ChangeReport):
    """The same as Markdown, for the ticket of an incident; its long lists are cut, and it says where."""

    def get(self, request: Request, change_id: int) -> HttpResponse:
        """Give it as text."""
        self.asked(request)
        return self.told(report_markdown.markdown(self.report(change_id)).encode(), MARKDOWN, {})
