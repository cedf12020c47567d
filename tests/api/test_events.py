"""What the API gives of the record: the stream in order of acceptance, a window by time, one event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from accounts.scope import Area, Scope
from audit import partitions
from tests.audit.lines import START, Call, calls, log


@pytest.fixture
def filled(past, tmp_path):
    """A past of 30 calls by five service accounts."""
    (tmp_path / "a.log").write_bytes(log(calls(30)))
    past.take(tmp_path / "a.log")
    return past


def ids(items):
    return [item["id"] for item in items]


def test_an_event_says_who_what_when_and_from_where(filled, siem):
    (first,) = siem.events(limit=1).json["items"]
    assert first == {
        "type": "event", "id": 1, "time": "2026-03-14T09:00:00.000000Z", "request_id": Call(0).id,
        "principal_id": 1, "principal": "shop/app-0", "kind": "service_account",
        "path": "secret/data/prod/app/key-0", "namespace": "", "secret_id": 1, "secret": "secret/prod/app/key-0",
        "pod": None, "pod_uid": None, "cluster": None, "grade": "service account only", "delivered_by": None,
        "address": "10.0.0.1", "version": 3, "duration_us": 2000, "vault": "demo", "device": "file",
        "operation": "read", "outcome": "ok", "disclosed": "value", "seen": ["request", "response"], "notes": [],
    } | {key: first[key] for key in ("principal_id", "secret_id")}  # fmt: skip


def test_the_stream_gives_every_event_once_in_order_of_acceptance(filled, siem):
    stored = [row[0] for row in filled.rows("SELECT id FROM audit_event ORDER BY id")]
    assert ids(siem.all_of(limit=7)) == stored and len(stored) == 30


def test_the_stream_always_names_its_next_page_also_at_the_end(filled, siem):
    answer = siem.events()
    assert len(answer.json["items"]) == 30 and not answer.json["has_more"]
    again = siem.ask(answer.link)
    assert again.json["items"] == [] and again.json["next_cursor"] and 'rel="next"' in again.headers["Link"]


def test_what_comes_later_is_given_behind_the_cursor(filled, siem, tmp_path):
    cursor = siem.events().json["next_cursor"]
    (tmp_path / "b.log").write_bytes(log(calls(5, first=30)))
    filled.take(tmp_path / "b.log")
    assert [item["request_id"] for item in siem.events(cursor=cursor).json["items"]] == [
        call.id for call in calls(5, first=30)
    ]


def test_a_stream_that_begins_now_gives_nothing_of_the_past(filled, siem, tmp_path):
    page = siem.events(cursor="head").json
    assert (page["items"], page["has_more"]) == ([], False)
    assert siem.ask("/events/head").json["cursor"] == page["next_cursor"]
    (tmp_path / "b.log").write_bytes(log(calls(2, first=30)))
    filled.take(tmp_path / "b.log")
    assert len(siem.events(cursor=page["next_cursor"]).json["items"]) == 2


def test_a_late_response_comes_as_an_amendment_and_the_event_stays_as_it_was(past, siem, tmp_path):
    call = Call(1)
    (tmp_path / "a.log").write_bytes(call.request() + b"\n")
    past.take(tmp_path / "a.log")
    (before,) = siem.events().json["items"]
    assert (before["type"], before["outcome"], before["seen"]) == ("event", "no_response", ["request"])
    (tmp_path / "b.log").write_bytes(call.response() + b"\n")
    past.take(tmp_path / "b.log")
    first, *later = siem.events().json["items"]
    assert first == before
    told = next(item for item in later if item["change"] == "response")
    assert (told["type"], told["amends"], told["outcome"], told["disclosed"]) == ("amendment", 1, "ok", "value")
    assert ids([first, *later]) == sorted(ids([first, *later]))


def test_another_devices_record_of_an_event_comes_as_an_amendment(past, siem, tmp_path):
    for device in ("file", "http"):
        (tmp_path / device).write_bytes(log([Call(1)], device))
        past.take(tmp_path / device, device=device)
    event, sighting = siem.events().json["items"]
    assert sighting == {
        "type": "amendment", "change": "sighting", "amends": event["id"], "id": sighting["id"],
        "time": event["time"], "device": "http", "seen": ["request", "response"],
    }  # fmt: skip
    assert sighting["id"] > event["id"]


def test_a_window_is_half_open_by_time_and_ends(filled, siem):
    since, until = START + timedelta(milliseconds=50), START + timedelta(milliseconds=150)
    asked = {"since": since.isoformat(), "until": until.isoformat()}
    first = siem.events(**asked, limit=6)
    assert first.json["has_more"] and first.json["next_cursor"]
    second = siem.ask(first.link)
    assert not second.json["has_more"]
    assert "next_cursor" not in second.json and "Link" not in second.headers
    assert [item["time"] for item in first.json["items"] + second.json["items"]] == [
        f"{(START + timedelta(milliseconds=10 * n)).isoformat(timespec='microseconds')[:26]}Z" for n in range(5, 15)
    ]


def test_a_window_shows_each_request_once_as_it_is_known_now(past, siem, tmp_path):
    call = Call(1)
    for name, line in (("a", call.request()), ("b", call.response())):
        (tmp_path / name).write_bytes(line + b"\n")
        past.take(tmp_path / name)
    (only,) = siem.events(since=START.isoformat(), until="2026-03-15").json["items"]
    assert (only["type"], only["amends"], only["outcome"]) == ("amendment", 1, "ok")


def test_a_window_says_whether_it_may_still_grow(filled, siem):
    until = START + timedelta(milliseconds=100)
    closed = siem.events(since=START.isoformat(), until=until.isoformat())
    assert "warning" not in closed.json and "Warning" not in closed.headers
    assert closed.json["complete_until"] == "2026-03-14T09:00:00.292000Z"
    grows = siem.events(since=START.isoformat(), until="2026-03-20")
    assert "may still grow" in grows.json["warning"] and "may still grow" in grows.headers["Warning"]


def test_ndjson_is_one_item_a_line_and_the_rest_stands_in_the_headers(filled, siem):
    plain = siem.events(limit=4)
    lined = siem.events(limit=4, headers={"Accept": "application/x-ndjson"})
    assert lined.lines == plain.json["items"]
    assert lined.headers["Content-Type"] == "application/x-ndjson"
    assert lined.headers["Keybook-Next-Cursor"] == plain.json["next_cursor"]
    assert lined.headers["Keybook-Has-More"] == "true" and lined.link == plain.link


def test_an_answer_is_packed_for_whoever_asks_for_it(filled, siem):
    packed = siem.events(headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json == siem.events().json


@pytest.mark.parametrize(
    "accepted, packed",
    [("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.00, br", False), ("x-gzipped", False), ("", False)],
)
def test_an_answer_is_not_packed_for_whoever_refuses_it(filled, siem, accepted, packed):
    answer = siem.events(headers={"Accept-Encoding": accepted})
    assert ("Content-Encoding" in answer.headers) == packed


def test_one_event_comes_with_its_lines_as_stored(filled, siem):
    told = siem.ask("/events/3").json
    assert told["event"] == siem.events().json["items"][2]
    assert [line["type"] for line in told["lines"]] == ["request", "response"]
    assert Call(2).id in told["lines"][0]["line"] and len(told["lines"][0]["sha256"]) == 64


def test_an_unknown_event_is_not_found(past, siem):
    assert siem.ask("/events/999").problem() == (404, "not-found")


def test_items_that_retention_dropped_are_told_to_whoever_had_not_read_them(past, siem, tmp_path):
    days = [START, START + timedelta(days=3)]
    some = [Call(n, at=days[n // 10] + timedelta(seconds=n)) for n in range(20)]
    (tmp_path / "a.log").write_bytes(log(some))
    past.take(tmp_path / "a.log")
    page = siem.events(limit=4).json
    forget(days[1])
    gone = siem.events(cursor=page["next_cursor"])
    assert gone.problem() == (410, "cursor-expired")
    assert gone.json["skipped"] == 6 and "6 items" in gone.json["detail"]
    rest = siem.events(cursor=gone.json["oldest_cursor"]).json
    assert [item["request_id"] for item in rest["items"]] == [call.id for call in some[10:]]
    assert ids(siem.events().json["items"]) == ids(rest["items"])


def test_how_many_items_are_gone_is_no_matter_of_a_limited_token(past, let_in, tmp_path):
    some = [Call(n, at=START + timedelta(days=3 * (n // 10), seconds=n)) for n in range(20)]
    (tmp_path / "a.log").write_bytes(log(some))
    past.take(tmp_path / "a.log")
    limited = let_in(scope=Scope.of([Area(vault="demo")]))
    page = limited.events(limit=4).json
    forget(START + timedelta(days=3))
    gone = limited.events(cursor=page["next_cursor"])
    assert gone.problem() == (410, "cursor-expired")
    assert gone.json["skipped"] is None and "Items after this cursor" in gone.json["detail"]
    assert limited.events(cursor=gone.json["oldest_cursor"]).json["items"]


def test_a_cursor_behind_what_retention_dropped_stays_good(past, siem, tmp_path):
    old, new = calls(5), [Call(n, at=START + timedelta(days=3, seconds=n)) for n in range(100, 105)]
    (tmp_path / "a.log").write_bytes(log(old + new))
    past.take(tmp_path / "a.log")
    page = siem.events(limit=7).json
    forget(START + timedelta(days=3))
    assert [item["request_id"] for item in siem.events(cursor=page["next_cursor"]).json["items"]] == [
        call.id for call in new[2:]
    ]


def test_an_old_log_that_was_imported_late_and_dropped_unread_is_told_without_going_back(past, siem, tmp_path):
    (tmp_path / "a.log").write_bytes(log([Call(n, at=START + timedelta(days=3, seconds=n)) for n in range(100, 105)]))
    past.take(tmp_path / "a.log")
    cursor = siem.events().json["next_cursor"]
    (tmp_path / "b.log").write_bytes(log(calls(5)))
    past.take(tmp_path / "b.log")
    forget(START + timedelta(days=3))
    gone = siem.events(cursor=cursor)
    assert gone.problem() == (410, "cursor-expired") and gone.json["skipped"] == 5
    assert siem.events(cursor=gone.json["oldest_cursor"]).json["items"] == []


def forget(day: datetime) -> None:
    """Drop every day before this one."""
    connection.ensure_connection()
    with psycopg.connect(**_place(), autocommit=True) as wire:
        assert partitions.forget_before(wire, day.astimezone(UTC).date())


def _place() -> dict[str, object]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "password", "dbname") if name in given}


def test_the_catalogue_names_every_word_of_an_item(filled, siem):
    words = siem.ask("/events/types").json
    (item,) = siem.events(limit=1).json["items"]
    assert item["outcome"] in words["outcomes"] and item["operation"] in words["operations"]
    assert item["kind"] in words["kinds"] and item["disclosed"] in words["disclosed"]
    assert set(item["seen"]) <= set(words["seen"]) and item["type"] in words["types"]
