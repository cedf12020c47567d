"""The OpenAPI document of the API, made from its views; `manage.py openapi` prints it for docs/openapi.yaml."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, cast

import msgspec
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request

from accounts.api_door import JSON, NDJSON, Door
from accounts.api_errors import CONTENT_TYPE
from audit.lease_questions import STATES
from config import openapi_findings, openapi_playbooks, openapi_schedules
from config.openapi_form import ANYTHING, MOMENT, TEXT, WHOLE, WORDS, YES, Shape
from config.openapi_form import a_list as _list
from config.openapi_form import an_object as _object
from config.openapi_form import named as _named
from config.openapi_form import one_of as _one_of
from config.openapi_form import or_null as _or_null
from inventory.leases import Standing
from rotation import lifecycle

_PICTURE: Shape = {"nullable": True, "allOf": [_named("Picture")]}

CHANGE: dict[str, Shape] = {
    "id": TEXT, "state": _one_of(*lifecycle.STATES), "target": TEXT, "vault": _or_null(TEXT), "cluster": _or_null(TEXT),
    "verb": TEXT, "subject": TEXT, "reason": TEXT, "evidence": _or_null(TEXT),
    "risk": _one_of("routine", "high", "highest"), "break_glass": YES, "asked_by": TEXT, "asked_through": TEXT,
    "asked_at": MOMENT, "expires_at": MOMENT, "approved_at": _or_null(MOMENT), "started_at": _or_null(MOMENT),
    "ended_at": _or_null(MOMENT), "review_due": _or_null(MOMENT), "reviewed_at": _or_null(MOMENT),
    "reviewed_by": _or_null(TEXT), "review_note": _or_null(TEXT), "cancel_wanted": YES,
    "pause_before": _or_null(WHOLE), "says": _or_null(TEXT), "plan_hash": TEXT,
}  # fmt: skip

SHAPES: dict[str, Shape] = {
    **openapi_playbooks.SHAPES,
    "Item": {
        "type": "object",
        "description": "An event, or what was learned later of one; /api/v1/events/types has its words.",
        "required": ["type", "id", "time"],
        "properties": {
            "type": _one_of("event", "amendment"),
            "id": WHOLE,
            "time": MOMENT,
            "amends": WHOLE,
            "change": _one_of("response", "sighting", "pod"),
            "request_id": {"type": "string", "format": "uuid"},
            "principal_id": _or_null(WHOLE),
            "principal": _or_null(TEXT),
            "kind": _or_null(TEXT),
            "path": _or_null(TEXT),
            "namespace": _or_null(TEXT),
            "secret_id": _or_null(WHOLE),
            "secret": _or_null(TEXT),
            "address": _or_null(TEXT),
            "pod": _or_null(TEXT),
            "pod_uid": _or_null(TEXT),
            "cluster": _or_null(TEXT),
            "grade": TEXT,
            "delivered_by": _or_null(TEXT),
            "version": _or_null(WHOLE),
            "duration_us": _or_null(WHOLE),
            "vault": TEXT,
            "device": _or_null(TEXT),
            "operation": TEXT,
            "outcome": TEXT,
            "disclosed": TEXT,
            "seen": WORDS,
            "notes": WORDS,
            "hidden": YES,
        },
    },
    "Problem": {
        "type": "object",
        "description": "What is wrong, where, and what to do next (RFC 9457); docs/api.md lists the kinds.",
        "required": ["type", "title", "status", "detail"],
        "properties": {"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT},
        "additionalProperties": True,
    },
    "Device": _object(
        vault=TEXT, device=TEXT, followed=YES, last_line=_or_null(MOMENT), read_to_its_end=_or_null(MOMENT),
        lag_seconds=_or_null({"type": "number"}), silent=YES,
    ),
    "Secret": _object(
        id=WHOLE, name=TEXT, vault=TEXT, namespace=TEXT, engine=TEXT, first_read=_or_null(MOMENT),
        last_read=_or_null(MOMENT),
    ),
    "Reader": _object(
        principal_id=WHOLE, principal=TEXT, kind=TEXT, pod=_or_null(TEXT), pod_uid=_or_null(TEXT),
        cluster=_or_null(TEXT), grade=TEXT, delivered_by=_or_null(TEXT), count=WHOLE, denied=WHOLE,
        first=_or_null(MOMENT), last=_or_null(MOMENT), addresses=WORDS, versions=_list(WHOLE),
    ),
    "Lease": _object(
        id=WHOLE, lease_id=TEXT, vault=TEXT, secret_id=WHOLE, secret=TEXT, state=_one_of(*STATES), how=_or_null(TEXT),
        standing=_one_of(*map(str, Standing)), since=MOMENT, verified=_or_null(MOMENT), overdue=YES, holder_id=WHOLE,
        holder=TEXT, kind=TEXT, pod=_or_null(TEXT), pod_uid=_or_null(TEXT), grade=TEXT, pod_gone=_or_null(MOMENT),
        orphaned=YES,
        exposed_seconds=_or_null(WHOLE), issued=MOMENT, renewed=_or_null(MOMENT), renewals=WHOLE,
        asked=_or_null(MOMENT), expires=_or_null(MOMENT), token_ends=_or_null(MOMENT), event_id=WHOLE,
    ),
    "Picture": _object(
        cluster=TEXT, state=_one_of("current", "stale", "never"), at=_or_null(MOMENT), why=_or_null(TEXT),
    ),
    "Owner": _object(kind=TEXT, name=TEXT, uid=TEXT),
    "Trouble": _object(
        symptom=TEXT, cause=WHOLE, says=TEXT, mend=TEXT, sure=YES, also=_list(WHOLE), evidence=TEXT,
    ),
    "Pod": _object(
        id=WHOLE, uid=TEXT, cluster=TEXT, namespace=TEXT, name=TEXT, state=TEXT, reason=_or_null(TEXT),
        node=_or_null(TEXT), service_account=TEXT, made=_or_null(MOMENT), workload=_named("Owner"), methods=WORDS,
        troubles=_list(_named("Trouble")), picture=_PICTURE,
    ),
    "Workload": _object(
        id=WHOLE, uid=TEXT, cluster=TEXT, namespace=TEXT, kind=TEXT, name=TEXT, wanted=_or_null(WHOLE), pods=WHOLE,
        ready=WHOLE, service_account=_or_null(TEXT), methods=WORDS, troubles=_or_null(WHOLE), picture=_PICTURE,
    ),
    "Consumer": _object(
        cluster=TEXT, namespace=TEXT, pod=TEXT, pod_uid=TEXT, container=_or_null(TEXT), workload=_named("Owner"),
        method=TEXT, path=_or_null(TEXT), role=_or_null(TEXT), auth_mount=_or_null(TEXT), k8s_secret=_or_null(TEXT),
        uses=WORDS, lease_id=_or_null(TEXT), last_sync=_or_null(MOMENT),
        needs_restart=_one_of("always", "never", "unknown"), restarted_by=_or_null(TEXT), why=_or_null(TEXT), ended=YES,
    ),
    "Principal": _object(id=WHOLE, name=TEXT, kind=TEXT, vault=TEXT, entity_id=TEXT),
    "Change": _object(**CHANGE),
    "WholeChange": _object(
        **CHANGE, args=ANYTHING, possible=WORDS, plan=_named("Plan"), rule=_named("ApprovalRule"),
        check={"nullable": True, "allOf": [_named("Check")]}, verdicts=_list(_named("Verdict")),
        steps=_list(_named("Step")), proofs=_list(_named("Proof")),
    ),
    "PlannedStep": _object(number=WHOLE, step=TEXT, describe=ANYTHING, args=ANYTHING),
    "ApprovalRule": _object(name=_or_null(TEXT), approvers=WHOLE, roles=WORDS, proof=_or_null(TEXT)),
    "Check": _object(at=MOMENT, ok=YES, lines=_list(_object(step=WHOLE, ok=YES, says=TEXT))),
    "Verdict": _object(
        person=TEXT, verdict=_one_of("approve", "reject"), plan_hash=TEXT, proof=TEXT, note=_or_null(TEXT), at=MOMENT,
        void=YES,
    ),
    "Step": _object(
        number=WHOLE, step=TEXT, title=TEXT, state=_one_of("planned", "running", "waiting", "done", "stopped"),
        says=_or_null(TEXT), progress=_or_null(ANYTHING), seen_in_audit_log=_or_null(MOMENT),
        seen_event=_or_null(WHOLE), started_at=_or_null(MOMENT), ended_at=_or_null(MOMENT),
        attempts=_list(_named("Attempt")),
    ),
    "Attempt": _object(
        number=WHOLE, worker=TEXT, began_at=MOMENT, intent=ANYTHING, outcome=_or_null(TEXT), says=_or_null(TEXT),
        receipt=ANYTHING, ended_at=_or_null(MOMENT),
    ),
    "Proof": _object(
        step=WHOLE, kind=TEXT, subject=TEXT, holds=_or_null(TEXT), state=_one_of("proven", "waiting", "short"),
        grade=_or_null(TEXT), says=_or_null(TEXT), event=_or_null(WHOLE), at=_or_null(MOMENT),
    ),
    **openapi_schedules.SHAPES, **openapi_findings.SHAPES,
    "TrailEntry": _object(
        type=_one_of("trail"), position=WHOLE, id=WHOLE, at=MOMENT, actor_id=_or_null(WHOLE), actor_name=TEXT,
        verb=TEXT, subject_kind=TEXT, subject_id=_or_null(WHOLE), subject_text=TEXT,
        details={"type": "object", "additionalProperties": True}, address=TEXT, session=TEXT, previous=TEXT, hash=TEXT,
    ),
}  # fmt: skip


def _page(of: str, **more: Shape) -> Shape:
    """Return the shape of a page: `next_cursor` is not at the end of what ends."""
    shape = _object(items=_list(_named(of)), has_more=YES)
    shape["properties"] |= {"next_cursor": TEXT, **more}
    return shape


_STORED = _object(device=TEXT, type=TEXT, line=TEXT, source=TEXT, offset=WHOLE, sha256=TEXT)
_WORDS = {"type": "object", "additionalProperties": TEXT}
_AREA = _object(vault=TEXT, namespace=TEXT, prefix=TEXT)
_WHOLE = (
    "OneChange", "AskForChange", "Approve", "Reject", "Cancel", "Pause", "Resume", "HandOver", "Answer", "Review",
)  # fmt: skip
ANSWERS: dict[str, Shape] = {
    "Events": _page(
        "Item", since=MOMENT, until=MOMENT, complete_until=_or_null(MOMENT), warning=TEXT
    ),
    "Head": _object(
        cursor=TEXT, oldest_cursor=TEXT, complete_until=_or_null(MOMENT), devices=_list(_named("Device"))
    ),
    "Types": _object(
        types=_WORDS, changes=_WORDS, operations=WORDS, outcomes=WORDS, disclosed=WORDS, kinds=WORDS, grades=WORDS,
        seen=WORDS, notes=WORDS,
    ),
    "OneEvent": _object(event=_named("Item"), lines=_list(_STORED)),
    "Secrets": _page("Secret"),
    "Readers": _object(
        secret=_object(id=WHOLE, name=TEXT, vault=TEXT), complete_until=_or_null(MOMENT),
        readers=_list(_named("Reader")), gaps=WHOLE,
    ),
    "Leases": _page("Lease"),
    "Pods": _page("Pod"),
    "Workloads": _page("Workload"),
    "Consumers": _object(
        secret=_object(id=WHOLE, name=TEXT, vault=TEXT), pictures=_list(_named("Picture")),
        consumers=_list(_named("Consumer")),
    ),
    "Principals": _page("Principal"),
    "Changes": _page("Change"),
    **openapi_playbooks.ANSWERS,
    **dict.fromkeys(
        _WHOLE, _named("WholeChange")
    ),
    **openapi_schedules.ANSWERS, **openapi_findings.ANSWERS,
    "Sources": _object(items=_list(_named("Device"))),
    "Trail": _page("TrailEntry"),
    "Introspect": _object(
        active=YES, kind=_one_of("token", "session"), name=TEXT, owner=TEXT, role=TEXT, scopes=WORDS, limited=YES,
        areas=_list(_list(_AREA)), networks=WORDS, expires=_or_null(MOMENT),
    ),
    "Schema": {"type": "object", "additionalProperties": True},
}  # fmt: skip
# What a POST takes.
BODIES: dict[str, Shape] = {
    "AskForChange": {
        **_object(target=TEXT, reason={"type": "string", "minLength": 1, "maxLength": 2_000}),
        "additionalProperties": False,
        "description": "`args` are those of the target; `vault`, `namespace` and `cluster` tell apart what has one "
        "name in several.",
    },
    **{name: {**_object(plan_hash=TEXT), "additionalProperties": False} for name in ("Approve", "Reject")},
    **{name: {**_object(), "additionalProperties": False} for name in ("Cancel", "Resume")},
    "HandOver": {**_object(token={**TEXT, "writeOnly": True}), "additionalProperties": False},
    "Answer": {**_object(word=_one_of("go_on", "stop"), plan_hash=TEXT), "additionalProperties": False},
    "Review": {**_object(note=TEXT), "additionalProperties": False},
    **openapi_playbooks.BODIES,
    "Pause": {**_object(before={"type": "integer", "minimum": 1, "maximum": 1_000}), "additionalProperties": False},
    **openapi_schedules.BODIES, **openapi_findings.BODIES,
}  # fmt: skip
BODIES["AskForChange"]["properties"] |= {
    "args": ANYTHING, "break_glass": YES, "evidence": TEXT, "vault": TEXT, "namespace": TEXT, "cluster": TEXT,
}  # fmt: skip
for _name in ("Approve", "Reject", "Answer"):
    BODIES[_name] = {**BODIES[_name], "properties": {**BODIES[_name]["properties"], "note": TEXT}}
# What a POST is called, where the view answers GET too.
POSTS = {"Changes": "AskForChange", "Schedules": "MakeSchedule"}
CREATES = {*POSTS.values(), "AskNow"}
LINED = ("Events", "Secrets", "Leases", "Pods", "Workloads", "Principals", "Changes", "Trail")
LIMITS = {"Events": 10_000, "Trail": 10_000}
PARAMETERS: dict[str, tuple[Shape, str]] = {
    "cursor": (TEXT, "The `next_cursor` of the page before; in a stream `head` begins now, and nothing at the oldest."),
    "q": (
        {"type": "string", "maxLength": 4000},
        "A query in the language of the Events page.",
    ),
    "since": (MOMENT, "The window's begin, which belongs to it."),
    "until": (MOMENT, "The window's end, which does not belong to it."),
    "format": (_one_of("native"), "The form of an item."),
    "prefix": (TEXT, "Only names that begin so."),
    "kind": (TEXT, "Only principals of this kind."),
    "state": (_one_of(*STATES), "Only leases in this state."),
    "pod": (TEXT, "Only leases of this pod: `namespace/name`, a name, or a uid."),
    "cluster": (TEXT, "Only those of this cluster."),
    "namespace": (TEXT, "Only those of this namespace of Kubernetes."),
    "account": (TEXT, "Only those of this service account."),
    "old": (_one_of("false", "true"), "Only those that were found on an old version of a secret."),
    "troubled": (_one_of("false", "true"), "Only those that something keeps from their secrets."),
    "orphaned": (_one_of("false", "true"), "Only leases that outlive their pod."),
    "target": (TEXT, "Only changes of this target."),
    "subject": (TEXT, "Only changes of this subject, as the vault or Kubernetes writes it."),
    "change_id": (
        {"type": "string", "pattern": "^(C-)?[1-9][0-9]{0,17}$"},
        "The change's name, such as `C-215`, or its number.",
    ),
    "name": ({"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}, "The playbook's name."),
    "event_id": ({"type": "integer", "minimum": 1, "maximum": 10**18 - 1}, "The event's number."),
    "schedule_id": ({"type": "integer", "minimum": 1, "maximum": 10**18 - 1}, "The schedule's number."),
    "finding": ({"type": "string", "pattern": "^[MER]-[1-9][0-9]{0,17}$"}, "The finding's name, such as `M-4`."),
    "secret_id": ({"type": "integer", "minimum": 1, "maximum": 2**31 - 1}, "The secret's number."),
}
# Parameters that mean something of their own in one view.
OWN: dict[tuple[str, str], tuple[Shape, str]] = {
    ("Findings", "state"): (_one_of("open", "over", "all"), "Those that stand, those that are over, or both."),
    ("Changes", "state"): (_one_of(*lifecycle.STATES), "Only changes in this state."),
}
KEY = OpenApiParameter(
    "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER, required=True, description="A new one for each change; asking again with it asks once.",
)  # fmt: skip
PROBLEMS_OF_POST = {
    "409": "The change, its plan or what is enrolled does not allow it now.",
    "413": "The body is too large.",
    "415": "The body has a format that is not taken.",
    "422": "What is asked for can't be planned, or the key was used for something else.",
}
PROBLEMS = {
    "400": "What is asked for is not well formed.",
    "401": "Nobody has come in.",
    "403": "The scope is missing.",
    "404": "Nothing is there, or nothing that may be seen.",
    "406": "There is no such format.",
    "410": "Items behind the cursor are past retention.",
    "429": "Too many requests.",
    "503": "The question is too wide, or the database is away.",
}


class DoorSchema(AutoSchema):
    """Describes a view by the tables above."""

    @property
    def door(self) -> Door:
        """Return the view that is described."""
        return cast(Door, self.view)

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters of the address and those behind its `?`."""
        told = ("event_id", "secret_id", "change_id", "schedule_id", "finding", "name")
        names = [name for name in told if f"{{{name}}}" in self.path]
        found = [self._parameter(name, "path") for name in names]
        if self.method == "POST":
            return [*found, KEY] if self._name == "AskForChange" else found
        return found + [self._parameter(name, "query") for name in self.door.parameters]

    def _parameter(self, name: str, place: Literal["query", "path"]) -> OpenApiParameter:
        most = LIMITS.get(type(self.view).__name__, 1_000)
        limit = ({"type": "integer", "minimum": 1, "maximum": most}, "How many items a page has at most.")
        shape, meaning = OWN.get((type(self.view).__name__, name)) or PARAMETERS.get(name, limit)
        return OpenApiParameter(name, shape, place, required=place == "path", description=meaning)

    def get_response_serializers(self) -> Any:
        """Return the answers by status and form."""
        name, posts = self._name, self.method == "POST"
        status = "201" if name in CREATES else "200"
        answers: dict[Any, Any] = {
            (status, openapi_playbooks.FORMS.get(name, JSON)): OpenApiResponse(ANSWERS[name], self.get_description())
        }
        if name in LINED:
            told = OpenApiResponse({"type": "string"}, "One item a line; the rest of the page stands in headers.")
            answers["200", NDJSON] = told
        wanted = (
            PROBLEMS | (PROBLEMS_OF_POST if posts else {}) if self.door.permission_classes else {"406": PROBLEMS["406"]}
        )
        return answers | {(s, CONTENT_TYPE): OpenApiResponse(_named("Problem"), said) for s, said in wanted.items()}

    def get_operation_id(self) -> str:
        """Return the view's name, or the POST's own."""
        return self._name

    @property
    def _name(self) -> str:
        name = type(self.view).__name__
        return POSTS.get(name, name) if self.method == "POST" else name

    def _get_request_body(self, direction: Any = "request") -> Shape | None:
        """Return what a POST takes."""
        if self.method != "POST":
            return None
        name = self._name
        return {"content": {JSON: {"schema": BODIES[name]}}, "required": "required" in BODIES[name]}

    def get_tags(self) -> list[str]:
        """Return the part of the API."""
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return how to come in."""
        return [{"token": []}] if self.door.permission_classes else [{}]

    def get_description(self) -> str:  # type: ignore[override]
        """Return the view's own words."""
        wanted = self.door.scope_of(self.method)
        scope = f" Needs the scope `{wanted}`." if wanted else ""
        own = getattr(self.view, "post_says", "") if self.method == "POST" else ""
        return f"{own or (type(self.view).__doc__ or '').strip()}{scope}"


@cache
def document() -> Shape:
    """Return the OpenAPI document."""
    made: Shape = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    made["components"] = {
        "schemas": SHAPES,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "kbk_..."}},
    }
    return made


class Schema(Door):
    """This document."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []

    def get(self, request: Request) -> HttpResponse:
        """Give the document."""
        self.asked(request)
        return HttpResponse(msgspec.json.encode(document()), content_type=JSON)


def text() -> str:
    """Return the document as docs/openapi.yaml holds it."""
    made: bytes = OpenApiYamlRenderer().render(document())  # type: ignore[no-untyped-call]
    return made.decode()
