"""Every public address, and what each role gets there: the table that `test_doors.py` holds the pages to.

A new route needs a row, or the tests fail. Write `"url-name": row("/its/address/", get=..., post=...)`: a number is
what every signed-in role gets; four numbers are what reader, operator, approver and administrator get, in this order.
Whoever is not signed in is sent to sign in (302) unless `nobody=(get, post)` says otherwise. HEAD answers as GET does;
PUT, PATCH, DELETE and OPTIONS are refused (405) everywhere. `{person}` in an address becomes the key of a person.
Requests carry no data, and the person who asks has just signed in: what a view says to an empty form stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLES = ("reader", "operator", "approver", "administrator")

Each = int | tuple[int, int, int, int]


@dataclass(frozen=True)
class Row:
    """An address and {method: {role: status}}; the role "" is nobody."""

    address: str
    answers: dict[str, dict[str, int]]
    open: bool


def row(address: str, *, get: Each, post: Each, nobody: tuple[int, int] | None = None) -> Row:
    """Return the row of one address."""
    first = nobody or (302, 302)
    given = {
        method: {"": own} | dict(zip(ROLES, (each,) * 4 if isinstance(each, int) else each, strict=True))
        for method, each, own in (("GET", get, first[0]), ("POST", post, first[1]))
    }
    others = dict.fromkeys(ROLES, 405) | {"": 405 if nobody else 302}
    answers = given | {"HEAD": given["GET"]} | dict.fromkeys(("PUT", "PATCH", "DELETE", "OPTIONS"), others)
    return Row(address, answers, nobody is not None)


ADMINISTRATOR_ONLY = (403, 403, 403, 200)

TABLE = {
    "home": row("/", get=200, post=405),
    "ask": row("/ask/", get=302, post=405),
    "now": row("/now/", get=302, post=405),
    "secret-list": row("/secrets/", get=200, post=405),
    "secret-detail": row("/secrets/1/", get=200, post=405),
    "principal-list": row("/principals/", get=200, post=405),
    "principal-detail": row("/principals/1/", get=404, post=405),
    "lease-list": row("/leases/", get=200, post=405),
    "lease-detail": row("/leases/999999/", get=404, post=405),
    "workload-list": row("/workloads/", get=200, post=405),
    "workload-detail": row("/workloads/prod/nothing/", get=404, post=405),
    "workload-map": row("/workloads/map/", get=200, post=405),
    "pod-list": row("/pods/", get=200, post=405),
    "pod-detail": row("/pods/prod/nothing/", get=404, post=405),
    "change-inbox": row("/changes/", get=200, post=405),
    "change-running": row("/changes/running/", get=200, post=405),
    "change-list": row("/changes/all/", get=200, post=405),
    "change-new": row("/changes/new/", get=(403, 200, 200, 200), post=(403, 400, 400, 400)),
    "change-schedules": row("/changes/schedules/", get=200, post=405),
    "change-overdue": row("/changes/overdue/", get=200, post=405),
    "change-schedule-new": row("/changes/schedules/new/", get=(403, 200, 200, 200), post=(403, 400, 400, 400)),
    "change-schedule": row("/changes/schedules/999999/", get=404, post=405),
    "change-schedule-change": row(
        "/changes/schedules/999999/change/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)
    ),
    "change-schedule-end": row("/changes/schedules/999999/end/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "change-schedule-ask": row("/changes/schedules/999999/ask/", get=405, post=(403, 404, 404, 404)),
    "change-schedule-go-on": row("/changes/schedules/999999/go-on/", get=405, post=(403, 404, 404, 404)),
    "change-pause": row("/changes/C-999999/pause/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "change-freeze": row("/changes/freeze/", get=200, post=(403, 400, 400, 400)),
    "change-policies": row("/changes/policies/", get=200, post=405),
    "change-detail": row("/changes/C-999999/", get=404, post=405),
    "change-approve": row("/changes/C-999999/approve/", get=(403, 403, 404, 404), post=(403, 403, 404, 404)),
    "change-reject": row("/changes/C-999999/reject/", get=(403, 403, 404, 404), post=(403, 403, 404, 404)),
    "change-cancel": row("/changes/C-999999/cancel/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "change-review": row("/changes/C-999999/review/", get=(403, 403, 404, 404), post=(403, 403, 404, 404)),
    "change-answer": row("/changes/C-999999/answer/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "change-resume": row("/changes/C-999999/resume/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "finding-list": row("/findings/", get=200, post=405),
    "finding-close": row("/findings/M-999999/", get=(403, 403, 404, 404), post=(403, 403, 404, 404)),
    "change-hand-over": row("/changes/C-999999/hand-over/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "change-report": row("/changes/C-999999/report/", get=405, post=404),
    "playbook-list": row("/playbooks/", get=200, post=405),
    "playbook-detail": row("/playbooks/nothing/", get=(403, 404, 404, 404), post=(403, 404, 404, 404)),
    "source-list": row("/sources/", get=200, post=405),
    "event-list": row("/events/", get=200, post=405),
    "event-suggest": row("/events/suggest/", get=200, post=405),
    "event-detail": row("/events/1/", get=200, post=405),
    "secret-export": row("/secrets/1/export/", get=405, post=400),
    "principal-export": row("/principals/1/export/", get=405, post=404),
    "event-export": row("/events/export/", get=405, post=400),
    # The doors.
    "live": row("/health/live", get=204, post=405, nobody=(204, 405)),
    "sign-in": row("/sign-in/", get=302, post=302, nobody=(200, 400)),
    "account_login": row("/sign-in/", get=302, post=302, nobody=(200, 400)),
    "mfa_authenticate": row("/sign-in/second/", get=302, post=302, nobody=(302, 302)),
    "oidc-begin": row("/sign-in/oidc/", get=404, post=405, nobody=(404, 405)),
    "oidc-back": row("/sign-in/oidc/back/", get=404, post=405, nobody=(404, 405)),
    "sign-out": row("/sign-out/", get=405, post=302),
    "enter": row("/enter/", get=200, post=400, nobody=(200, 400)),
    "enter-password": row("/enter/password/", get=302, post=302, nobody=(302, 302)),
    "confirm": row("/confirm/", get=200, post=400),
    # One's own account.
    "account": row("/account/", get=200, post=405),
    "account-password": row("/account/password/", get=200, post=400),
    "second-factor": row("/account/second-factor/", get=200, post=400),
    "account-time-zone": row("/account/time-zone/", get=405, post=400),
    "session-end": row("/account/sessions/999999/end/", get=405, post=404),
    "account-tokens": row("/account/tokens/", get=200, post=405),
    "account-token-new": row("/account/tokens/new/", get=200, post=400),
    "account-token-revoke": row("/account/tokens/999999/revoke/", get=405, post=404),
    "account-passkeys": row("/account/passkeys/", get=(403, 403, 200, 200), post=(403, 403, 400, 400)),
    # Settings.
    "settings-sources": row("/settings/sources/", get=ADMINISTRATOR_ONLY, post=405),
    "settings-sources-change": row("/settings/sources/change/", get=(403, 403, 403, 302), post=(403, 403, 403, 400)),
    "settings-notices": row("/settings/notices/", get=ADMINISTRATOR_ONLY, post=405),
    "settings-notices-change": row("/settings/notices/change/", get=(403, 403, 403, 302), post=(403, 403, 403, 400)),
    # People and what they did.
    "people": row("/people/", get=ADMINISTRATOR_ONLY, post=405),
    "person-new": row("/people/new/", get=ADMINISTRATOR_ONLY, post=(403, 403, 403, 400)),
    "person": row("/people/{person}/", get=ADMINISTRATOR_ONLY, post=405),
    "person-change": row("/people/{person}/change/", get=(403, 403, 403, 302), post=(403, 403, 403, 400)),
    "trail": row("/trail/", get=ADMINISTRATOR_ONLY, post=405),
}
# The API: a person's session may read it, whoever has none is told so (401), and what a token may read is the scope
# beside it; `tests/api/test_routes.py` holds tokens to that. "" is every token, None is everybody.
API_SCOPES = {
    "api-events": "events:read",
    "api-head": "events:read",
    "api-types": "events:read",
    "api-event": "events:read",
    "api-secrets": "secrets:read",
    "api-readers": "secrets:read",
    "api-consumers": "secrets:read",
    "api-pods": "secrets:read",
    "api-workloads": "secrets:read",
    "api-leases": "secrets:read",
    "api-principals": "principals:read",
    "api-sources": "sources:read",
    "api-changes": "changes:read",
    "api-change": "changes:read",
    "api-change-approve": None,
    "api-change-reject": None,
    "api-change-cancel": None,
    "api-change-resume": None,
    "api-change-hand-over": None,
    "api-change-report": "changes:read",
    "api-change-report-text": "changes:read",
    "api-playbooks": "changes:read",
    "api-playbook-schema": "changes:read",
    "api-playbook-plan": None,
    "api-change-answer": None,
    "api-change-review": None,
    "api-findings": "changes:read",
    "api-finding-looked-into": None,
    "api-schedule-change": None,
    "api-schedule-end": None,
    "api-schedule-go-on": None,
    "api-schedule-ask": None,
    "api-change-pause": None,
    "api-schedules": "changes:read",
    "api-schedule": "changes:read",
    "api-overdue": "changes:read",
    "api-trail": "trail:read",
    "api-introspect": "",
    "api-schema": None,
    "api-nothing": None,
}
# What a token needs to send a POST; no session can.
API_POSTS = {
    "api-changes": "changes:ask",
    "api-change-approve": "changes:approve",
    "api-change-reject": "changes:approve",
    "api-change-cancel": "changes:ask",
    "api-change-resume": "changes:ask",
    "api-change-hand-over": "changes:ask",
    "api-playbook-plan": "changes:ask",
    "api-change-answer": "changes:ask",
    "api-change-review": "changes:approve",
    "api-change-pause": "changes:ask",
    "api-schedules": "changes:ask",
    "api-schedule-change": "changes:ask",
    "api-schedule-end": "changes:ask",
    "api-schedule-go-on": "changes:ask",
    "api-schedule-ask": "changes:ask",
    "api-finding-looked-into": "changes:approve",
}
TABLE |= {
    "api-events": row("/api/v1/events", get=200, post=405, nobody=(401, 405)),
    "api-head": row("/api/v1/events/head", get=200, post=405, nobody=(401, 405)),
    "api-types": row("/api/v1/events/types", get=200, post=405, nobody=(401, 405)),
    "api-event": row("/api/v1/events/1", get=404, post=405, nobody=(401, 405)),
    "api-secrets": row("/api/v1/secrets", get=200, post=405, nobody=(401, 405)),
    "api-readers": row("/api/v1/secrets/999999/readers", get=404, post=405, nobody=(401, 405)),
    "api-consumers": row("/api/v1/secrets/999999/consumers", get=404, post=405, nobody=(401, 405)),
    "api-pods": row("/api/v1/pods", get=200, post=405, nobody=(401, 405)),
    "api-workloads": row("/api/v1/workloads", get=200, post=405, nobody=(401, 405)),
    "api-leases": row("/api/v1/leases", get=200, post=405, nobody=(401, 405)),
    "api-principals": row("/api/v1/principals", get=200, post=405, nobody=(401, 405)),
    "api-sources": row("/api/v1/sources", get=200, post=405, nobody=(401, 405)),
    "api-changes": row("/api/v1/changes", get=200, post=401, nobody=(401, 401)),
    "api-change": row("/api/v1/changes/C-999999", get=404, post=405, nobody=(401, 405)),
    "api-change-approve": row("/api/v1/changes/C-999999/approve", get=405, post=401, nobody=(405, 401)),
    "api-change-reject": row("/api/v1/changes/C-999999/reject", get=405, post=401, nobody=(405, 401)),
    "api-change-cancel": row("/api/v1/changes/C-999999/cancel", get=405, post=401, nobody=(405, 401)),
    "api-change-pause": row("/api/v1/changes/C-999999/pause", get=405, post=401, nobody=(405, 401)),
    "api-schedules": row("/api/v1/schedules", get=200, post=401, nobody=(401, 401)),
    "api-schedule": row("/api/v1/schedules/999999", get=404, post=405, nobody=(401, 405)),
    "api-schedule-change": row("/api/v1/schedules/999999/change", get=405, post=401, nobody=(405, 401)),
    "api-schedule-end": row("/api/v1/schedules/999999/end", get=405, post=401, nobody=(405, 401)),
    "api-schedule-go-on": row("/api/v1/schedules/999999/go-on", get=405, post=401, nobody=(405, 401)),
    "api-schedule-ask": row("/api/v1/schedules/999999/ask", get=405, post=401, nobody=(405, 401)),
    "api-finding-looked-into": row("/api/v1/findings/M-999999/looked-into", get=405, post=401, nobody=(405, 401)),
    "api-overdue": row("/api/v1/overdue", get=200, post=405, nobody=(401, 405)),
    "api-change-resume": row("/api/v1/changes/C-999999/resume", get=405, post=401, nobody=(405, 401)),
    "api-change-hand-over": row("/api/v1/changes/C-999999/hand-over", get=405, post=401, nobody=(405, 401)),
    "api-change-report": row("/api/v1/changes/C-999999/report", get=404, post=405, nobody=(401, 405)),
    "api-change-report-text": row("/api/v1/changes/C-999999/report.md", get=404, post=405, nobody=(401, 405)),
    "api-playbooks": row("/api/v1/playbooks", get=200, post=405, nobody=(401, 405)),
    "api-playbook-schema": row("/api/v1/playbooks/schema", get=200, post=405, nobody=(401, 405)),
    "api-playbook-plan": row("/api/v1/playbooks/nothing/plan", get=405, post=401, nobody=(405, 401)),
    "api-change-answer": row("/api/v1/changes/C-999999/answer", get=405, post=401, nobody=(405, 401)),
    "api-change-review": row("/api/v1/changes/C-999999/review", get=405, post=401, nobody=(405, 401)),
    "api-findings": row("/api/v1/findings", get=200, post=405, nobody=(401, 405)),
    "api-trail": row("/api/v1/trail", get=(403, 403, 403, 200), post=405, nobody=(401, 405)),
    "api-introspect": row("/api/v1/auth/introspect", get=200, post=405, nobody=(401, 405)),
    "api-schema": row("/api/v1/schema/", get=200, post=405, nobody=(200, 405)),
    "api-nothing": row("/api/v1/nothing", get=404, post=404, nobody=(404, 404)),
}
# The second factor's page answers only between the two factors, and says nothing by method to anybody else.
for _method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
    TABLE["mfa_authenticate"].answers[_method] = dict.fromkeys(("", *ROLES), 302)
