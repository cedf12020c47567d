"""Changes through the API: asked for once, approved by another person by the plan's hash, and each refusal says why."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.models import Role, TrailEntry, User
from accounts.scope import Area
from accounts.token_wish import Wish
from rotation.freeze import freeze
from rotation.models import ApprovalPolicy, Change, Verdict
from tests.api.conftest import Collector
from tests.rotation import toy_targets
from tests.rotation.toy_targets import asked, looked

BODY = {
    "target": "kv",
    "args": {"secret": "secret/prod/ledger/key", "way": "generated", "keys": ["password"]},
    "reason": "Planned rotation, 90 days.",
}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_targets.use(monkeypatch)


@pytest.fixture
def ann(db) -> User:
    return User.objects.create_user("ann", role=Role.OPERATOR)


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob", role=Role.APPROVER)


class Asker(Collector):
    """A client that sends bodies."""

    def send(self, path, body=None, key="", raw=None, content_type="application/json"):
        data = raw if raw is not None else json.dumps(body or {})
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        answer = self.client.post(f"/api/v1{path}", data, content_type=content_type, headers=headers)
        return self.read(answer)

    @staticmethod
    def read(answer):
        from tests.api.conftest import Answer

        return Answer(answer.status_code, dict(answer.headers), answer.content)


def by(owner, *scopes, **more) -> Asker:
    """Return a client with a token of this owner that somebody else made a while ago."""
    wanted = scopes or ("changes:read", "changes:ask")
    return Asker(tokens.create(owner, Wish("one", wanted, allow_approve=True, **more), actor=owner)[1])


@pytest.fixture
def asks(ann) -> Asker:
    return by(ann)


@pytest.fixture
def decides(bob) -> Asker:
    ApprovalPolicy.objects.update(proof="api_token")
    return by(bob, "changes:read", "changes:approve")


def verbs() -> list[str]:
    return list(TrailEntry.objects.filter(verb__startswith="rotation.").order_by("pk").values_list("verb", flat=True))


# -- asking ------------------------------------------------------------------------------------------------------------


def test_a_change_is_asked_for_and_answers_with_the_plan_that_approvals_bind_to(asks):
    answer = asks.send("/changes", BODY, "key-1")
    told, change = answer.json, Change.objects.get()
    assert (answer.status, answer.headers["Location"]) == (201, f"/api/v1/changes/{change.name}")
    assert (told["id"], told["state"], told["asked_by"], told["asked_through"]) == (
        change.name,
        "requested",
        "ann",
        "api",
    )
    assert told["plan"]["hash"] == change.plan_hash
    assert [(one["step"], one["describe"]["title"], one["args"]) for one in told["plan"]["steps"]] == [
        ("write", "Write version 15", {"what": "secret/prod/ledger/key"}),
        ("destroy", "Destroy version 14", {"what": "secret/prod/ledger/key"}),
    ]
    assert told["plan"]["blast_radius"]["figures"][0] == {"count": 5, "what": "pods", "caveat": "of 2 workloads"}
    assert told["possible"] == ["cancel"] and told["check"] is None
    assert told["rule"]["approvers"] == 1 and verbs() == ["rotation.change.requested"]


def test_the_same_key_with_the_same_body_asks_once_even_when_it_could_not_be_planned_any_more(asks, monkeypatch):
    first = asks.send("/changes", BODY, "key-1")
    monkeypatch.setattr("rotation.plan.make", lambda *_: pytest.fail("it was planned again"))
    again = asks.send("/changes", BODY, "key-1")
    assert (again.status, again.json["id"]) == (201, first.json["id"])
    assert again.headers["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first.headers
    assert Change.objects.count() == 1 and verbs() == ["rotation.change.requested"]


def test_the_same_key_with_another_body_is_refused_and_asks_nothing(asks):
    asks.send("/changes", BODY, "key-1")
    other = asks.send("/changes", {**BODY, "reason": "Another reason."}, "key-1")
    assert other.problem() == (422, "key-used") and "C-" in other.json["detail"]
    assert Change.objects.count() == 1


def test_a_token_that_somebody_pasted_into_a_reason_is_kept_nowhere(asks, ann):
    pasted = f"hvs.{'CAESIJ' + 'x1Y2' * 20}"
    body = {**BODY, "reason": f"It leaked: {pasted}", "evidence": f"ticket {pasted}"}
    answer = asks.send("/changes", body, "key-1")
    assert answer.status == 201 and asks.send("/changes", body, "key-1").json["id"] == answer.json["id"]
    frozen = freeze("everything", "", f"See {pasted}.", actor=ann)
    kept = [*Change.objects.values_list("reason", "evidence", "says"), *TrailEntry.objects.values_list("details")]
    assert answer.json["reason"].startswith("It leaked: <") and pasted not in f"{kept}{answer.json}{frozen.reason}"


def test_the_same_key_of_another_person_is_their_own(asks, db):
    other = by(User.objects.create_user("eve", role=Role.OPERATOR))
    assert asks.send("/changes", BODY, "k").json["id"] != other.send("/changes", BODY, "k").json["id"]


@pytest.mark.parametrize(
    "body, problem, says, more",
    [
        ({**BODY, "target": "kvv"}, (422, "unknown-target"), "No target is called 'kvv'. Known are kv, kv_high.",
         {"known": ["kv", "kv_high"], "field": "target"}),
        ({**BODY, "args": {"secret": 7}}, (422, "bad-arguments"), "secret: expected str, got int",
         {"field": "args.secret"}),
        ({**BODY, "args": {"secret": "a", "keys": ["b", 3]}}, (422, "bad-arguments"), "keys[1]: expected str",
         {"field": "args.keys[1]"}),
        ({**BODY, "args": {"secret": "a", "typo": 1}}, (422, "bad-arguments"), "typo", {}),
        ({**BODY, "args": {}}, (422, "bad-arguments"), "secret: this is missing", {"field": "args.secret"}),
        ({**BODY, "args": {"secret": "secret/missing"}}, (422, "not-there"), "No secret is called", {}),
        ({**BODY, "args": {"secret": "secret/foreign"}}, (409, "not-enrolled"), "is not enrolled. Apply this policy:",
         {"mend": f"Apply this policy: {toy_targets.ENROL}"}),
        ({**BODY, "args": {"secret": "secret/paused"}}, (409, "not-possible"), "Deployment shop/web can't be restarted",
         {"mend": "Resume it first."}),
        ({**BODY, "reason": " "}, (422, "bad-arguments"), "needs a reason", {"field": "reason"}),
        ({**BODY, "reason": "x" * 2001}, (422, "bad-arguments"), "1 to 2,000", {"field": "reason"}),
        ({**BODY, "evidence": "x" * 201}, (422, "bad-arguments"), "201 characters", {"field": "evidence"}),
        ({**BODY, "reason": 3}, (400, "bad-body"), "reason: Expected str, got int", {"field": "reason"}),
        ({**BODY, "resaon": ""}, (400, "bad-body"), "resaon", {}),
        ({"target": "kv"}, (400, "bad-body"), "reason", {}),
        ([], (400, "bad-body"), "Expected object, got array", {}),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_for_is_refused_with_place_and_mend_and_nothing_is_kept(asks, body, problem, says, more):
    answer = asks.send("/changes", raw=json.dumps(body), key="k")
    assert answer.problem() == problem and says in answer.json["detail"]
    assert {name: answer.json[name] for name in more} == more
    assert not Change.objects.exists() and verbs() == []


@pytest.mark.parametrize(
    "raw, content_type, problem",
    [
        (b"{", "application/json", (400, "bad-body")), (b"\xff\xfe", "application/json", (400, "bad-body")),
        (b'{"target":"k\\u0000"}', "application/json", (400, "bad-body")),
        (b'{"reason":"\\ud800"}', "application/json", (400, "bad-body")),
        (b'{"args":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, "application/json", (400, "bad-body")),
        (b"target=kv", "application/x-www-form-urlencoded", (415, "media-type")),
        (b'{"reason":"' + b"x" * 300_000 + b'"}', "application/json", (413, "body-too-large")),
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(asks, raw, content_type, problem):
    assert asks.send("/changes", raw=raw, key="k", content_type=content_type).problem() == problem


def test_without_a_key_nothing_is_asked(asks):
    assert asks.send("/changes", BODY).problem() == (400, "key-missing")
    assert asks.send("/changes", BODY, "x" * 201).problem() == (400, "bad-request")


def test_a_token_without_the_scope_may_not_ask_and_is_told_which_it_lacks(ann):
    answer = by(ann, "changes:read").send("/changes", BODY, "k")
    assert answer.problem() == (403, "scope-missing") and answer.json["scope"] == "changes:ask"


def test_an_owner_whose_role_was_lowered_may_not_ask(asks, ann):
    User.objects.filter(pk=ann.pk).update(role=Role.READER)
    assert asks.send("/changes", BODY, "k").problem() == (403, "scope-missing")


def test_a_session_may_read_but_not_ask(ann, client):
    client.force_login(ann)
    assert client.get("/api/v1/changes").status_code == 200
    assert client.post("/api/v1/changes", BODY, content_type="application/json").status_code == 401


# -- reading -----------------------------------------------------------------------------------------------------------


def test_changes_are_listed_page_by_page_and_narrowed(asks, ann, bob):
    made = [asked(ann), asked(bob, "secret/prod/other"), asked(ann, state="failed")]
    first = asks.ask("/changes", limit=2).json
    rest = asks.ask("/changes", limit=2, cursor=first["next_cursor"]).json
    assert [one["id"] for one in first["items"] + rest["items"]] == [one.name for one in made]
    assert first["has_more"] and not rest["has_more"] and "next_cursor" not in rest
    assert [one["id"] for one in asks.ask("/changes", state="failed").json["items"]] == [made[2].name]
    assert [one["id"] for one in asks.ask("/changes", subject="secret/prod/other").json["items"]] == [made[1].name]
    assert asks.ask("/changes", state="odd").problem() == (400, "bad-parameter")
    other = asks.ask("/changes", state="failed", cursor=first["next_cursor"])
    assert other.problem() == (400, "cursor-of-another-query")


def test_one_change_is_read_by_its_name_or_number_and_another_is_not_there(asks, ann):
    change = asked(ann)
    assert asks.ask(f"/changes/{change.name}").json == asks.ask(f"/changes/{change.pk}").json
    assert asks.ask(f"/changes/C-{change.pk + 1}").problem() == (404, "not-found")
    assert asks.ask("/changes/C-0").problem() == (404, "not-found")


def test_what_was_tried_and_proven_is_told(asks, ann):
    change = asked(ann, state="running")
    step = change.steps.create(number=1, kind="write", args={}, title="Write version 15", state="done")
    step.attempts.create(number=1, epoch=1, worker="w", outcome="done", says="It is written.", receipt={"version": 15})
    change.proofs.create(step=2, kind="pod", subject="payments/ledger-1", state="proven", grade="exact", holds="v15")
    told = asks.ask(f"/changes/{change.name}").json
    (one,) = told["steps"]
    assert (one["title"], one["state"], one["attempts"][0]["receipt"]) == ("Write version 15", "done", {"version": 15})
    assert [(line["subject"], line["grade"], line["state"]) for line in told["proofs"]] == [
        ("payments/ledger-1", "exact", "proven")
    ]


def test_a_limited_token_meets_only_changes_of_what_lies_in_its_areas(ann, bob):
    mine, other = asked(ann), asked(bob, "secret/prod/ledgers")
    place = asked(bob, vault="")
    Change.objects.filter(pk=place.pk).update(vault="", subject="secret/prod/ledger/x")
    limited = by(ann, areas=[Area(vault="demo", prefix="secret/prod/ledger")])
    assert [one["id"] for one in limited.ask("/changes").json["items"]] == [mine.name]
    unknown = limited.ask("/changes/C-999999").json
    hidden = limited.ask(f"/changes/{other.name}").json
    assert hidden == {**unknown, "detail": unknown["detail"].replace("999999", str(other.pk))}
    assert limited.send(f"/changes/{other.name}/cancel").problem() == (404, "not-found")
    elsewhere = by(ann, areas=[Area(vault="lab")])
    assert elsewhere.ask("/changes").json["items"] == []


def test_a_limited_token_asks_only_within_its_areas_and_learns_of_nothing_else(ann):
    limited = by(ann, "changes:ask", areas=[Area(vault="demo", prefix="secret/prod/ledger")])
    inside = {**BODY, "vault": "demo"}
    assert limited.send("/changes", inside, "a").status == 201
    said = [
        limited.send("/changes", {**inside, "args": {"secret": name}}, name[-9:]).json
        for name in ("secret/other/key", "secret/other/missing", "secret/other/foreign")
    ]
    assert said[0] == said[1] == said[2] and said[0]["type"].endswith("not-there")
    missing = limited.send("/changes", {**inside, "args": {"secret": "secret/prod/ledger/missing"}}, "c").json
    assert "No secret is called secret/prod/ledger/missing" in missing["detail"]


# -- deciding ----------------------------------------------------------------------------------------------------------


def test_another_person_approves_the_plan_by_its_hash_and_once_is_enough(decides, ann):
    change = asked(ann)
    answer = decides.send(
        f"/changes/{change.name}/approve", {"plan_hash": change.plan_hash, "note": "Idle until 15:00."}
    )
    assert (answer.status, answer.json["state"]) == (200, "approved")
    (verdict,) = answer.json["verdicts"]
    assert (verdict["person"], verdict["verdict"], verdict["proof"], verdict["note"]) == (
        "bob", "approve", "api_token", "Idle until 15:00.",
    )  # fmt: skip
    again = decides.send(f"/changes/{change.name}/approve", {"plan_hash": change.plan_hash})
    assert (again.status, again.json["state"]) == (200, "approved") and Verdict.objects.count() == 1
    assert verbs().count("rotation.change.approved") == 1


def test_a_plan_that_changed_is_not_approved_and_the_new_hash_is_told(decides, ann):
    change = asked(ann)
    answer = decides.send(f"/changes/{change.name}/approve", {"plan_hash": "0" * 64})
    assert answer.problem() == (409, "plan-changed") and answer.json["plan_hash"] == change.plan_hash
    assert not Verdict.objects.exists()


def test_whoever_asked_can_not_approve_and_is_told_so(bob):
    ApprovalPolicy.objects.update(proof="api_token")
    change = asked(bob)
    own = by(bob, "changes:approve")
    answer = own.send(f"/changes/{change.name}/approve", {"plan_hash": change.plan_hash})
    assert answer.problem() == (403, "not-allowed") and not Verdict.objects.exists()


def test_nothing_is_approved_before_the_worker_has_looked_or_when_it_found_troubles(decides, ann):
    change = asked(ann, checked=False)
    body = {"plan_hash": change.plan_hash}
    assert decides.send(f"/changes/{change.name}/approve", body).problem() == (409, "not-checked")
    looked(change, "Vault does not let us patch here.")
    assert decides.send(f"/changes/{change.name}/approve", body).problem() == (409, "not-possible")
    assert decides.ask(f"/changes/{change.name}").json["check"]["lines"][1] == {
        "step": 1, "ok": False, "says": "Vault does not let us patch here.",
    }  # fmt: skip


def test_one_rejection_ends_it_and_the_state_says_what_is_possible_then(decides, asks, ann):
    change = asked(ann)
    answer = decides.send(f"/changes/{change.name}/reject", {"plan_hash": change.plan_hash, "note": "wrong window"})
    assert (answer.status, answer.json["state"]) == (200, "rejected")
    assert decides.send(f"/changes/{change.name}/reject", {"plan_hash": change.plan_hash}).status == 200
    late = asks.send(f"/changes/{change.name}/cancel")
    assert late.problem() == (409, "forbidden-move") and (late.json["state"], late.json["possible"]) == ("rejected", [])


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "expired", "running", "failed"])
def test_what_is_over_or_runs_is_not_approved(decides, ann, state):
    change = asked(ann, state=state)
    answer = decides.send(f"/changes/{change.name}/approve", {"plan_hash": change.plan_hash})
    assert answer.problem() == (409, "forbidden-move") and answer.json["state"] == state


def test_a_change_that_waited_too_long_is_not_approved_and_says_to_ask_anew(decides, ann):
    change = asked(ann, asked_at=timezone.now() - timedelta(hours=25))
    answer = decides.send(f"/changes/{change.name}/approve", {"plan_hash": change.plan_hash})
    assert answer.problem() == (409, "expired") and answer.json["detail"].endswith("Ask for it anew.")
    assert not Verdict.objects.exists()


def test_of_two_people_at_once_the_second_is_told_where_it_stands_and_nothing_of_theirs_is_kept(decides, ann):
    change = asked(ann)
    body = {"plan_hash": change.plan_hash}
    decides.send(f"/changes/{change.name}/approve", body)
    other = by(User.objects.create_user("dan", role=Role.APPROVER), "changes:read", "changes:approve")
    Change.objects.filter(pk=change.pk).update(state="running")
    answer = other.send(f"/changes/{change.name}/approve", body)
    assert answer.problem() == (409, "forbidden-move") and answer.json["state"] == "running"
    assert Verdict.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"plan_hash": 3}, {"plan_hash": "a", "more": 1}])
def test_a_word_needs_the_hash_of_the_plan_and_takes_no_more(decides, ann, body):
    assert decides.send(f"/changes/{asked(ann).name}/approve", body).problem() == (400, "bad-body")


# -- cancel and resume -------------------------------------------------------------------------------------------------


def test_whoever_asked_cancels_and_again_is_no_error(asks, ann):
    change = asked(ann)
    for _ in range(2):
        answer = asks.send(f"/changes/{change.name}/cancel")
        assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert verbs() == ["rotation.change.requested", "rotation.change.cancelled"]


def test_a_running_change_is_cancelled_by_its_worker_before_the_next_step(asks, ann):
    change = asked(ann, state="running")
    for _ in range(2):
        answer = asks.send(f"/changes/{change.name}/cancel")
        assert (answer.status, answer.json["state"], answer.json["cancel_wanted"]) == (200, "running", True)
    assert verbs().count("rotation.change.cancel_wanted") == 1


def test_another_operator_can_not_cancel_it(asks, bob, db):
    change = asked(bob)
    answer = asks.send(f"/changes/{change.name}/cancel")
    assert answer.problem() == (403, "not-allowed")
    assert answer.json["detail"] == f"bob asked for {change.name}: they can cancel it, or an approver."


def test_a_stopped_change_is_resumed_and_one_that_waits_is_not(asks, ann):
    stopped, waits = asked(ann, state="failed"), asked(ann)
    assert asks.send(f"/changes/{stopped.name}/resume").json["state"] == "running"
    answer = asks.send(f"/changes/{waits.name}/resume")
    assert answer.problem() == (409, "forbidden-move")
    assert answer.json["detail"].startswith("The change is requested, so it can't be resumed. It can still be approved")


@pytest.mark.parametrize("verb", ["approve", "reject", "cancel", "resume"])
def test_a_change_that_is_not_there_takes_no_verb(verb, db):
    ApprovalPolicy.objects.update(proof="api_token")
    eve = by(User.objects.create_user("eve", role=Role.ADMINISTRATOR), "changes:approve", "changes:ask")
    assert eve.send(f"/changes/C-999999/{verb}", {"plan_hash": "a"}).problem() == (404, "not-found")


@pytest.mark.parametrize("verb", ["approve", "reject", "cancel", "resume"])
def test_a_verb_is_sent_by_post_alone(verb, decides):
    answer = decides.ask(f"/changes/C-1/{verb}")
    assert answer.problem() == (405, "method-not-allowed") and answer.headers["Allow"] == "POST"
