"""What a limited token gets of the record: what lies in its areas, and no trace of the rest."""

from __future__ import annotations

import pytest

from accounts.scope import Area, Scope
from tests.audit.lines import START, Call, log

MINE = Scope.of([Area(vault="demo", prefix="secret/prod/mine")])
NOWHERE = Scope.of([Area(vault="elsewhere")])


@pytest.fixture
def mixed(past, tmp_path):
    """Calls by one to a secret in the area and to others, and by another to others alone."""
    some = [
        Call(0, who=1, secret="prod/mine/key"), Call(1, who=1, secret="prod/other/key"),
        Call(2, who=2, secret="prod/other/key"), Call(3, who=2, secret="prod/minecraft/key"),
        Call(4, who=1, secret="prod/mine/other"),
    ]  # fmt: skip
    (tmp_path / "a.log").write_bytes(log(some))
    past.take(tmp_path / "a.log")
    late = Call(5, who=2, secret="prod/other/late")
    for name, line in (("b", late.request()), ("c", late.response())):
        (tmp_path / name).write_bytes(line + b"\n")
        past.take(tmp_path / name)
    (tmp_path / "http").write_bytes(log(some, "http"))
    past.take(tmp_path / "http", device="http")
    return past


def requests_of(items):
    return [one["request_id"] for one in items if one["type"] == "event"]


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_the_stream_gives_what_lies_in_the_area_and_what_was_learned_of_it(mixed, let_in, limit):
    whole = let_in().all_of()
    items = let_in(scope=MINE).all_of(limit=limit)
    assert requests_of(items) == [Call(0).id, Call(4).id]
    ids = {one["id"] for one in items if one["type"] == "event"}
    assert items == [one for one in whole if one["id"] in ids or one.get("amends") in ids]
    assert {one.get("change") for one in items} == {None, "sighting"}


def test_no_query_finds_what_lies_outside(mixed, let_in):
    limited = let_in(scope=MINE)
    for q in ("secret:secret/prod/other/key", "path:secret/data/prod/other/key", "principal:shop/app-2", "other/key"):
        assert limited.all_of(q=q) == []
    assert requests_of(limited.all_of(q="-secret:secret/prod/mine/key")) == [Call(4).id]


def test_a_window_is_limited_too(mixed, let_in):
    items = let_in(scope=MINE).all_of(since=START.isoformat(), until="2026-03-15")
    assert requests_of(items) == [Call(0).id, Call(4).id]


def test_what_lies_outside_is_not_found_by_its_number(mixed, let_in):
    whole = let_in().all_of()
    limited = let_in(scope=MINE)
    for one in whole:
        if one["type"] == "event":
            seen = one["secret"].startswith("secret/prod/mine/")
            assert limited.ask(f"/events/{one['id']}").status == (200 if seen else 404)


def test_lists_name_only_what_lies_in_the_area(mixed, let_in):
    limited = let_in(scope=MINE)
    secrets = limited.ask("/secrets").json["items"]
    assert [one["name"] for one in secrets] == ["secret/prod/mine/key", "secret/prod/mine/other"]
    assert [one["name"] for one in limited.ask("/principals").json["items"]] == ["shop/app-1"]
    other = next(one for one in let_in().ask("/secrets").json["items"] if "other/key" in one["name"])
    limited = let_in(scope=MINE)
    unknown = limited.ask("/secrets/999999/readers").json
    hidden = limited.ask(f"/secrets/{other['id']}/readers").json
    assert hidden == {**unknown, "detail": unknown["detail"].replace("999999", str(other["id"]))}


def test_whoever_sees_another_vault_alone_sees_nothing_of_this_one(mixed, let_in):
    limited = let_in(scope=NOWHERE)
    assert limited.all_of() == []
    for path in ("/secrets", "/principals", "/sources"):
        assert limited.ask(path).json["items"] == []
    assert limited.ask("/events/head").json["devices"] == []
    assert limited.ask("/events/1").status == 404


def test_the_trail_is_not_given_to_a_limited_token(past, let_in):
    assert let_in(scope=MINE).ask("/trail").problem() == (403, "forbidden")
