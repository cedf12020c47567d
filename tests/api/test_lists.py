"""What there is, and what people did: lists that end, and the trail as a stream that does not."""

from __future__ import annotations

import pytest
from django.db import transaction

from accounts.models import Role, User
from accounts.scope import Area, Scope
from accounts.trail import Subject, record
from audit import leasing
from tests.audit.lines import START, Call, calls, log


@pytest.fixture
def leased(past, recorded, tmp_path):
    """The recorded log, followed for its leases."""
    (tmp_path / "a.log").write_bytes(recorded("audit.log"))
    past.take(tmp_path / "a.log")
    leasing.catch_up()
    return past


@pytest.fixture
def filled(past, tmp_path):
    """A past of 30 calls by five service accounts to seven secrets."""
    (tmp_path / "a.log").write_bytes(log(calls(30)))
    past.take(tmp_path / "a.log")
    return past


def everything(siem, path, **query):
    found, page = [], siem.ask(path, **query)
    while True:
        found += page.json["items"]
        if not page.json["has_more"]:
            assert "Link" not in page.headers and "next_cursor" not in page.json
            return found
        page = siem.ask(page.link)


def test_secrets_come_page_by_page_until_the_end(filled, siem):
    some = everything(siem, "/secrets", limit=3)
    assert sorted(one["name"] for one in some) == [f"secret/prod/app/key-{n}" for n in range(7)]
    assert some[0] | {"id": 0, "name": ""} == {
        "id": 0, "name": "", "vault": "demo", "namespace": "", "engine": "KV v2",
        "first_read": some[0]["first_read"], "last_read": some[0]["last_read"],
    }  # fmt: skip


def test_secrets_are_found_by_the_begin_of_their_name(filled, siem):
    assert [one["name"] for one in everything(siem, "/secrets", prefix="secret/prod/app/key-3")] == [
        "secret/prod/app/key-3"
    ]
    cursor = siem.ask("/secrets", limit=1).json["next_cursor"]
    assert siem.ask("/secrets", limit=1, cursor=cursor, prefix="x").problem() == (400, "cursor-of-another-query")


def test_a_secrets_readers_are_told_with_their_counts(filled, siem):
    key = next(one["id"] for one in everything(siem, "/secrets") if one["name"].endswith("key-0"))
    told = siem.ask(f"/secrets/{key}/readers").json
    counts = {one["principal"]: one["count"] for one in told["readers"]}
    assert counts == {f"shop/app-{n % 5}": 1 for n in range(0, 30, 7)}
    assert {(one["cluster"], one["pod_uid"], one["delivered_by"]) for one in told["readers"]} == {(None, None, None)}
    assert told["secret"]["name"] == "secret/prod/app/key-0" and told["readers"][0]["versions"] == [3]
    assert siem.ask(f"/secrets/{key}/readers", since="2027-01-01", until="2027-01-02").json["readers"] == []
    assert siem.ask("/secrets/999999/readers").problem() == (404, "not-found")


def test_leases_come_page_by_page_with_what_is_known_of_each(leased, siem):
    some = everything(siem, "/leases", limit=10)
    assert len(some) == 37 == len({one["lease_id"] for one in some})
    asked = everything(siem, "/leases", state="revoke_asked", limit=4)
    assert {(one["state"], one["standing"], one["verified"]) for one in asked} == {("revoke_asked", "unverified", None)}
    assert len(asked) == 11 and {one["how"] for one in asked} == {"id", "force", "token"}
    assert {one["secret"] for one in everything(siem, "/leases", prefix="ssh/")} == {"ssh/creds/otp"}
    assert everything(siem, "/leases", orphaned="true") == [] == everything(siem, "/leases", pod="payments/none")
    for wrong in ({"state": "dead"}, {"orphaned": "perhaps"}):
        assert siem.ask("/leases", **wrong).problem() == (400, "bad-parameter")


def test_leases_outside_of_the_scope_are_not_there(leased, let_in):
    limited = let_in(scope=Scope.of([Area(vault="demo", prefix="database/creds/payments-ro")]))
    told = everything(limited, "/leases", limit=5)
    assert told and {one["secret"] for one in told} == {"database/creds/payments-ro"}
    assert everything(let_in(scope=Scope.of([Area(vault="elsewhere")])), "/leases") == []


def test_principals_are_listed_by_kind_and_name(filled, siem):
    assert len(everything(siem, "/principals", limit=2, kind="service_account")) == 5
    assert everything(siem, "/principals", kind="human") == []
    assert siem.ask("/principals", kind="robot").problem() == (400, "bad-parameter")
    (one,) = everything(siem, "/principals", prefix="shop/app-3")
    assert (one["name"], one["kind"], one["vault"]) == ("shop/app-3", "service_account", "demo")


def test_sources_say_how_far_each_device_was_read(filled, siem):
    (one,) = siem.ask("/sources").json["items"]
    assert (one["vault"], one["device"], one["followed"]) == ("demo", "file", False)
    assert one["last_line"] == "2026-03-14T09:00:00.292000Z"


def test_lists_can_be_read_as_ndjson(filled, siem):
    assert len(siem.ask("/secrets", headers={"Accept": "application/x-ndjson"}).lines) == 7


def test_a_query_narrows_the_stream_and_the_window(filled, siem):
    wanted = [call.id for call in calls(30) if call.who == 2]
    assert [one["request_id"] for one in siem.all_of(q="principal:shop/app-2", limit=2)] == wanted
    asked = {"since": START.isoformat(), "until": "2026-03-15", "q": "principal:shop/app-2", "limit": 4}
    assert [one["request_id"] for one in siem.all_of(**asked)] == wanted
    assert siem.all_of(q="principal:nobody") == []


def test_a_cursor_is_bound_to_its_query_but_not_to_how_it_is_written(filled, siem):
    cursor = siem.events(q="outcome:ok kind:human", limit=1).json["next_cursor"]
    assert siem.events(q="outcome:ok   AND kind:human", cursor=cursor).status == 200
    assert siem.events(q="outcome:ok", cursor=cursor).problem() == (400, "cursor-of-another-query")
    assert siem.events(cursor=cursor).problem() == (400, "cursor-of-another-query")


def test_a_query_that_is_not_understood_is_told_with_its_place(filled, siem):
    told = siem.events(q="outcome:ok princpal:x")
    assert told.problem() == (400, "query")
    assert (told.json["position"], told.json["length"], told.json["nearest"]) == (12, 8, "principal")


def test_an_amendment_is_given_where_its_event_fits(past, siem, tmp_path):
    call = Call(1)
    for name, line in (("a", call.request()), ("b", call.response())):
        (tmp_path / name).write_bytes(line + b"\n")
        past.take(tmp_path / name)
    event, *later = siem.all_of(q="outcome:no_response")
    assert event["type"] == "event" and {one["amends"] for one in later} == {event["id"]}
    assert "response" in {one["change"] for one in later}


def test_a_narrowed_stream_that_found_nothing_goes_on_behind_what_it_looked_at(filled, siem, tmp_path):
    page = siem.events(q="principal:shop/app-new").json
    assert page["items"] == [] and not page["has_more"]
    (tmp_path / "b.log").write_bytes(log([Call(99, who=9)]))
    filled.take(tmp_path / "b.log")
    assert siem.events(q="principal:shop/app-new", cursor=page["next_cursor"]).json["items"] == []
    (found,) = siem.events(q="principal:shop/app-9").json["items"]
    assert found["request_id"] == Call(99, who=9).id


@pytest.fixture
def eve(transactional_db) -> User:
    return User.objects.create_user("eve", role=Role.ADMINISTRATOR)


def test_the_trail_is_a_stream_with_the_same_contract(eve, siem):
    def do(number: int) -> None:
        with transaction.atomic():
            record(eve, "test.thing.done", Subject("thing", number, f"thing {number}"))

    for number in range(5):
        do(number)
    first = siem.ask("/trail", limit=3)
    assert [one["subject_id"] for one in first.json["items"]] == [0, 1, 2] and first.json["has_more"]
    second = siem.ask(first.link)
    assert [one["subject_id"] for one in second.json["items"]] == [3, 4] and not second.json["has_more"]
    assert siem.ask(second.link).json["items"] == []
    now = siem.ask("/trail", cursor="head").json
    assert now["items"] == []
    do(5)
    (later,) = siem.ask("/trail", cursor=now["next_cursor"]).json["items"]
    assert (later["type"], later["verb"], later["actor_name"], later["subject_id"]) == (
        "trail", "test.thing.done", "eve", 5,
    )  # fmt: skip
