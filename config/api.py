"""The addresses of the API, and the answer to every other address below /api/."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, NoReturn

from django.urls import URLPattern, URLResolver, path, re_path, register_converter
from rest_framework.request import Request

from accounts.api import Introspect, Trail
from accounts.api_door import Door
from audit import api, api_cluster, api_lists
from config.openapi import Schema
from dashboard.keys import ChangeKey, Key
from kit.problem import Problem
from rotation import api as changes
from rotation import api_findings, playbook_api
from rotation import api_schedule_verbs as schedule_verbs
from rotation import api_schedules as schedules

app_name = "api"
register_converter(Key, "number")
register_converter(ChangeKey, "change")


class Nothing(Door):
    """Any address below /api/ at which nothing is."""

    schema = None

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    methods = ("GET", "HEAD", "POST")

    def get(self, request: Request, **_: Any) -> NoReturn:
        """Say so, and which address is most like it."""
        near = get_close_matches(request.path.rstrip("/"), ADDRESSES, n=1, cutoff=0.8)
        hint = f" Did you mean {near[0]}?" if near else ""
        said = f"There is nothing at {request.path[:200]}.{hint} /api/v1/schema/ lists every address."
        raise Problem("not-found", said, nearest=near[0] if near else "")

    post = get


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/events", api.Events.as_view(), name="api-events"),
    path("v1/events/head", api.Head.as_view(), name="api-head"),
    path("v1/events/types", api.Types.as_view(), name="api-types"),
    path("v1/events/<number:event_id>", api.OneEvent.as_view(), name="api-event"),
    path("v1/secrets", api_lists.Secrets.as_view(), name="api-secrets"),
    path("v1/secrets/<number:secret_id>/readers", api_lists.Readers.as_view(), name="api-readers"),
    path("v1/secrets/<number:secret_id>/consumers", api_cluster.Consumers.as_view(), name="api-consumers"),
    path("v1/principals", api_lists.Principals.as_view(), name="api-principals"),
    path("v1/leases", api_lists.Leases.as_view(), name="api-leases"),
    path("v1/pods", api_cluster.Pods.as_view(), name="api-pods"),
    path("v1/workloads", api_cluster.Workloads.as_view(), name="api-workloads"),
    path("v1/sources", api_lists.Sources.as_view(), name="api-sources"),
    path("v1/changes", changes.Changes.as_view(), name="api-changes"),
    path("v1/changes/<change:change_id>", changes.OneChange.as_view(), name="api-change"),
    path("v1/changes/<change:change_id>/approve", changes.Approve.as_view(), name="api-change-approve"),
    path("v1/changes/<change:change_id>/reject", changes.Reject.as_view(), name="api-change-reject"),
    path("v1/changes/<change:change_id>/cancel", changes.Cancel.as_view(), name="api-change-cancel"),
    path("v1/changes/<change:change_id>/pause", changes.Pause.as_view(), name="api-change-pause"),
    path("v1/changes/<change:change_id>/resume", changes.Resume.as_view(), name="api-change-resume"),
    path("v1/changes/<change:change_id>/hand-over", changes.HandOver.as_view(), name="api-change-hand-over"),
    path("v1/changes/<change:change_id>/report", playbook_api.ChangeReport.as_view(), name="api-change-report"),
    path(
        "v1/changes/<change:change_id>/report.md",
        playbook_api.ChangeReportText.as_view(),
        name="api-change-report-text",
    ),
    path("v1/playbooks", playbook_api.Playbooks.as_view(), name="api-playbooks"),
    path("v1/playbooks/schema", playbook_api.PlaybookSchema.as_view(), name="api-playbook-schema"),
    path("v1/playbooks/<slug:name>/plan", playbook_api.PlaybookPlan.as_view(), name="api-playbook-plan"),
    path("v1/changes/<change:change_id>/answer", changes.Answer.as_view(), name="api-change-answer"),
    path("v1/changes/<change:change_id>/review", changes.Review.as_view(), name="api-change-review"),
    path("v1/findings", api_findings.Findings.as_view(), name="api-findings"),
    path("v1/findings/<str:finding>/looked-into", api_findings.LookInto.as_view(), name="api-finding-looked-into"),
    path("v1/schedules", schedules.Schedules.as_view(), name="api-schedules"),
    path("v1/schedules/<number:schedule_id>", schedules.OneSchedule.as_view(), name="api-schedule"),
    path(
        "v1/schedules/<number:schedule_id>/change",
        schedule_verbs.ChangeSchedule.as_view(),
        name="api-schedule-change",
    ),
    path("v1/schedules/<number:schedule_id>/end", schedule_verbs.EndSchedule.as_view(), name="api-schedule-end"),
    path("v1/schedules/<number:schedule_id>/go-on", schedule_verbs.GoOn.as_view(), name="api-schedule-go-on"),
    path("v1/schedules/<number:schedule_id>/ask", schedule_verbs.AskNow.as_view(), name="api-schedule-ask"),
    path("v1/overdue", schedules.Overdue.as_view(), name="api-overdue"),
    path("v1/trail", Trail.as_view(), name="api-trail"),
    path("v1/schema/", Schema.as_view(), name="api-schema"),
    path("v1/auth/introspect", Introspect.as_view(), name="api-introspect"),
]
ADDRESSES = [f"/api/{one.pattern}" for one in urlpatterns]
urlpatterns.append(re_path(r"", Nothing.as_view(), name="api-nothing"))
