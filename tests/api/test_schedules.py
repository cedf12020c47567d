"""Schedules through the API: made, listed and told with their secrets; what is overdue; and a pause of a change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from accounts.models import Role, TrailEntry, User
from accounts.scope import Area
from rotation import repeating
from rotation.models import Change
from rotation.schedule_models import Schedule
from tests.api.test_changes import by
from tests.rotation import toy_targets
from tests.rotation.schedules import NOW, Almanac
from tests.rotation.toy_targets import asked

BODY = {
    "name": "bank", "target": "kv", "pattern": "secret/prod/*", "days": 90, "reason": "PCI 8.6.3",
    "window": "sun,sat 22:00-04:00 UTC",
}  # fmt: skip


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_targets.use(monkeypatch)


@pytest.fixture
def ann(db) -> User:
    return User.objects.create_user("ann", role=Role.OPERATOR)


@pytest.fixture
def asks(ann):
    return by(ann)


def test_one_is_made_and_told_with_its_secrets_and_what_it_asked_for(asks):
    answer = asks.send("/schedules", BODY)
    row = Schedule.objects.get()
    assert (answer.status, answer.headers["Location"]) == (201, f"/api/v1/schedules/{row.pk}")
    assert (answer.json["window"], answer.json["owner"], answer.json["edition"]) == (
        "sat,sun 22:00-04:00 UTC",
        "ann",
        1,
    )
    Schedule.objects.update(made_at=NOW)
    repeating.look(row.pk, Almanac("secret/prod/a"), NOW)
    told = asks.ask(f"/schedules/{row.pk}").json
    (secret,), (one,) = told["secrets"], told["asked"]
    assert (secret["secret"], secret["rotated_at"], secret["change"]) == ("secret/prod/a", None, one["change"])
    assert (one["period"], one["state"], told["stopped_by"]) == (1, "requested", None)
    assert [each["name"] for each in asks.ask("/schedules").json["items"]] == ["bank"]
    change = asks.ask(f"/changes/{one['change']}").json
    assert change["asked_through"] == "schedule" and change["pause_before"] is None


def test_what_is_overdue_comes_with_its_schedule_and_its_change(asks):
    asks.send("/schedules", BODY)
    Schedule.objects.update(made_at=NOW.replace(year=2020))
    repeating.look(Schedule.objects.get().pk, Almanac("secret/prod/a"), NOW)
    (late,) = asks.ask("/overdue").json["items"]
    assert (late["secret"], late["overdue"], late["schedule"]["name"]) == ("secret/prod/a", True, "bank")
    assert late["change"] == Change.objects.get().name and late["seen_since"] is not None


@pytest.mark.parametrize(
    "wrong, status, says",
    [
        ({"days": 0}, 422, "0 days can't be"),
        ({"target": "restart"}, 422, "nothing that a schedule rotates"),
        ({"window": "sunday"}, 422, "is no window"),
        ({"pattern": "secret/prod/missing"}, 422, "No secret is called"),
        ({"often": 1}, 400, "unknown field"),
    ],
)
def test_what_can_be_none_is_a_problem_that_names_it(asks, wrong, status, says):
    answer = asks.send("/schedules", {**BODY, **wrong})
    assert answer.status == status and says in answer.json["detail"]
    assert not Schedule.objects.exists()


def test_a_name_holds_once_and_a_limited_token_reaches_no_further_than_its_view(asks, ann):
    asks.send("/schedules", BODY)
    assert "Another schedule is called bank" in asks.send("/schedules", BODY).json["detail"]
    limited = by(ann, areas=[Area("demo", "", "secret/test")])
    assert limited.ask("/schedules").json["items"] == limited.ask("/overdue").json["items"] == []
    assert limited.ask(f"/schedules/{Schedule.objects.get().pk}").status == 404
    refused = limited.send("/schedules", {**BODY, "name": "other"})
    assert refused.status == 422 and "reaches beyond what you may see" in refused.json["detail"]
    assert limited.send("/schedules", {**BODY, "name": "t", "vault": "demo", "pattern": "secret/test/*"}).status == 201


def test_one_is_changed_by_who_read_it_as_it_is_and_ended_once(asks, ann):
    bob = by(User.objects.create_user("bob", role=Role.OPERATOR))
    asks.send("/schedules", BODY)
    row = Schedule.objects.get()
    address = f"/schedules/{row.pk}"
    assert bob.send(f"{address}/change", BODY).problem() == (400, "bad-body"), "the edition is missing"
    told = bob.send(f"{address}/change", {**BODY, "days": 30, "edition": 1}).json
    assert (told["days"], told["edition"], told["owner"], told["secrets"]) == (30, 2, "bob", [])
    late = asks.send(f"{address}/change", {**BODY, "days": 20, "edition": 1})
    assert late.problem() == (409, "moved-meanwhile") and late.json["edition"] == 2
    assert asks.send(f"{address}/change", {**BODY, "days": 0, "edition": 2}).problem() == (422, "bad-arguments")
    assert by(ann, "changes:read").send(f"{address}/end").problem() == (403, "scope-missing")
    limited = by(ann, areas=[Area("demo", "", "secret/test")])
    for verb, body in (("change", {**BODY, "edition": 2}), ("end", None), ("go-on", {"change": "C-1"})):
        assert limited.send(f"{address}/{verb}", body).status == 404, verb
    for _ in range(2):
        assert asks.send(f"{address}/end").json["ended_at"]
    assert asks.send(f"{address}/change", {**BODY, "edition": 2}).problem() == (409, "moved-meanwhile")
    some = TrailEntry.objects.filter(verb__startswith="rotation.schedule.").order_by("pk")
    assert list(some.values_list("verb", "actor_name")) == [
        ("rotation.schedule.made", "ann"), ("rotation.schedule.changed", "bob"), ("rotation.schedule.ended", "ann"),
    ]  # fmt: skip


def test_one_that_is_kept_back_goes_on_when_somebody_says_so(asks):
    asks.send("/schedules", BODY)
    Schedule.objects.update(made_at=NOW)
    row = Schedule.objects.get()
    repeating.look(row.pk, Almanac("secret/prod/a", "secret/prod/b"), NOW)
    change, address = Change.objects.get(), f"/schedules/{row.pk}/go-on"
    assert asks.send(address, {"change": change.name}).problem() == (409, "moved-meanwhile"), "it is on its way"
    Change.objects.filter(pk=change.pk).update(state="rejected")
    assert asks.ask(f"/schedules/{row.pk}").json["stopped_by"] == change.name
    for _ in range(2):
        told = asks.send(address, {"change": change.name}).json
        assert told["stopped_by"] is None and told["asked"][0]["passed_by"] == "ann"
    assert asks.send(address, {"change": "C-999999"}).problem() == (422, "not-there")
    assert asks.send(address, {"change": "none"}).problem() == (422, "not-there")


def test_a_token_has_one_ask_now_for_one_of_its_secrets(asks, ann):
    asks.send("/schedules", {**BODY, "window": ""})
    row = Schedule.objects.get()
    repeating.look(row.pk, Almanac("secret/prod/a", a=datetime.now(UTC)))
    address = f"/schedules/{row.pk}/ask"
    made = asks.send(address, {"secret": "secret/prod/a"})
    change = Change.objects.get()
    assert (made.status, made.headers["Location"]) == (201, f"/api/v1/changes/{change.name}")
    assert (made.json["id"], made.json["asked_through"], made.json["state"]) == (change.name, "schedule", "requested")
    assert change.token_id is not None
    again = asks.send(address, {"secret": "secret/prod/a"})
    assert again.problem() == (409, "not-possible") and change.name in again.json["detail"]
    assert asks.send(address, {"secret": "secret/prod/none"}).problem() == (422, "not-there")
    assert by(ann, "changes:read").send(address, {"secret": "x"}).problem() == (403, "scope-missing")
    assert by(ann, areas=[Area("demo", "", "secret/test")]).send(address, {"secret": "x"}).status == 404


def test_a_change_is_paused_before_a_step_and_resumed(asks, ann):
    change = asked(ann)
    assert (
        "only one that is approved or runs" in asks.send(f"/changes/{change.name}/pause", {"before": 2}).json["detail"]
    )
    Change.objects.filter(pk=change.pk).update(state="approved")
    for _ in range(2):
        told = asks.send(f"/changes/{change.name}/pause", {"before": 2}).json
        assert told["pause_before"] == 2 and {"pause", "resume"} <= set(told["possible"])
    assert asks.send(f"/changes/{change.name}/pause", {"before": 9}).status == 409
    assert asks.send(f"/changes/{change.name}/resume").json["pause_before"] is None
