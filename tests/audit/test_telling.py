"""What is found out of a call's pod after its acceptance comes as an item of the stream, once, in order, in scope."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from django.db import connection

from accounts.scope import EVERYTHING, Area, Scope
from audit import api, attributing, partitions, pull, telling
from audit.event_filter import Filter
from audit.ingest import connect
from audit.query_language import parse
from inventory.lives import moment
from inventory.moments import time_of
from tests.audit.pictured import recorded_cluster, replay, told_proxies
from tests.inventory import recording

pytestmark = pytest.mark.usefixtures("no_pods")

POD = ("pod", "pod_uid", "cluster", "grade", "delivered_by")
MIDDLE = moment("2026-11-21T04:36:05Z")
SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
LUMEN = Scope.of([Area("demo", "", "kv/live/lumen")])


@pytest.fixture(scope="module")
def audit_log(tmp_path_factory):
    file = tmp_path_factory.mktemp("cluster") / "audit.log"
    file.write_bytes(recording.packed("audit.log"))
    return file


@pytest.fixture
def east(past):
    """The recorded cluster before its first pod; no proxy stands before the vault."""
    told_proxies()
    return recorded_cluster()


def drained(**given) -> attributing.Report:
    report = attributing.attribute(**given)
    assert report is not None and report.drained
    return report


def pulled(scope: Scope = EVERYTHING, q: str = "", limit: int = 100) -> list[dict]:
    """The whole stream, page by page."""
    asked = None if scope.everything and not q else lambda: api.asked_of(parse(q), scope)
    items, after, more = [], 0, True
    while more:
        page = pull.stream(after, limit, asked)
        items += map(json.loads, page.items)
        after, more = page.last, page.more
    return items


def window(scope: Scope = EVERYTHING, q: str = "") -> list[dict]:
    page = pull.window(Filter(SINCE, UNTIL, parse(q), scope=scope), 10_000)
    assert page.last is None
    return [json.loads(one) for one in page.items]


def pod_of(item: dict) -> tuple:
    return tuple(item[key] for key in POD)


def pods_of(items: list[dict]) -> list[dict]:
    return [one for one in items if one.get("change") == "pod"]


def folded(items: list[dict]) -> dict[int, tuple]:
    """{event: its pod} as whoever reads the stream knows it at last."""
    known: dict[int, tuple] = {}
    for item in items:
        if item["type"] == "event":
            known[item["id"]] = pod_of(item)
        elif item["change"] == "pod":
            assert known[item["amends"]] != pod_of(item), "nothing is said twice"
            known[item["amends"]] = pod_of(item)
    return known


def is_as_now(items: list[dict]) -> None:
    """What the stream says at last is what is known now of each call that gave a secret or was refused one."""
    known = folded(items)
    now = {one.get("amends", one["id"]): one for one in window()}
    asked = {key for key, one in now.items() if one["disclosed"] != "none" or one["outcome"] == "denied"}
    assert {key: known[key] for key in asked} == {key: pod_of(now[key]) for key in asked}
    assert asked


def is_in_order(past, items: list[dict]) -> None:
    numbers = [one["id"] for one in items]
    assert numbers == sorted(set(numbers))
    assert numbers == [
        row[0]
        for row in past.rows(
            "SELECT id FROM audit_event UNION SELECT seq FROM audit_sighting UNION SELECT seq FROM audit_told "
            "ORDER BY 1"
        )
    ]


def test_the_stream_tells_later_which_pod_made_a_call(past, audit_log, east):
    replay(east)
    past.take(audit_log)
    before = pulled()
    assert not pods_of(before) and {one["pod"] for one in before if one["type"] == "event"} == {None}
    report = drained()
    items = pulled()
    assert items[: len(before)] == before
    assert report.told == len(pods_of(items)) == len(items) - len(before) > 200
    assert set(pods_of(items)[0]) == {"type", "change", "amends", "id", "time", *POD}
    is_in_order(past, items)
    is_as_now(items)
    told = {one["amends"]: one for one in pods_of(items)}
    number = {one["request_id"]: one["id"] for one in items if one["type"] == "event"}
    reads = [one for one in recording.truth()["reads"] if one["kind"] == "pod"]
    named = [one for one in reads if told.get(number[one["request_id"]], {}).get("pod_uid")]
    assert not [one for one in named if told[number[one["request_id"]]]["pod_uid"] != one["pod"]]
    assert len(named) / len(reads) >= 0.95
    assert drained().told == 0 and pulled() == items


def test_another_verdict_is_told_behind_the_first_which_stays(past, audit_log, east):
    replay(east, MIDDLE)
    past.take(audit_log)
    drained()
    first = pulled()
    is_as_now(first)
    replay(east)
    drained()
    items = pulled()
    assert items[: len(first)] == first
    assert Counter(one["amends"] for one in pods_of(items)).most_common(1)[0][1] > 1
    is_in_order(past, items)
    is_as_now(items)


def test_calls_that_were_passed_untold_are_told_once_something_is_known(past, audit_log, east, monkeypatch):
    past.take(audit_log)
    with monkeypatch.context() as early:
        early.setattr(attributing, "_renew", lambda *_: False)
        assert drained().told == 0
    assert past.one("SELECT count(*) FROM audit_tokenuse WHERE untold") > 0
    replay(east)
    assert drained().told > 200
    assert past.one("SELECT count(*) FROM audit_tokenuse WHERE untold") == 0
    is_as_now(pulled())


def test_a_turn_may_end_anywhere_and_the_next_goes_on(past, audit_log, east, monkeypatch):
    for room, name, size in ((attributing, "USES", 40), (attributing, "LIVES", 15), (telling, "SPAN", 200)):
        monkeypatch.setattr(room, name, size)
    few(monkeypatch, 20)
    monkeypatch.setattr(attributing, "_NEXT", attributing._NEXT.replace("LIMIT 10000", "LIMIT 200"))
    monkeypatch.setattr(attributing, "EVENTS", 200)
    past.take(audit_log)
    replay(east, MIDDLE)
    for number in range(2_000):
        if number == 15:
            replay(east)
        report = attributing.attribute(seconds=0)
        if number > 15 and report.drained:
            break
    items = pulled()
    is_in_order(past, items)
    is_as_now(items)


def few(monkeypatch, most: int) -> None:
    """Have one transaction tell no more than so many."""
    monkeypatch.setattr(telling, "_WALK", telling._WALK.replace(f"LIMIT {telling.MOST}", f"LIMIT {most}"))
    monkeypatch.setattr(telling, "MOST", most)


def test_one_transaction_tells_a_bounded_number(past, audit_log, east, monkeypatch):
    few(monkeypatch, 40)
    told, at_most = [], telling._tell

    def counted(calls):
        told.append(at_most(calls))
        return told[-1]

    monkeypatch.setattr(telling, "_tell", counted)
    past.take(audit_log)
    replay(east, MIDDLE)
    drained()
    replay(east)
    drained()
    assert max(told) <= 40 and len([one for one in told if one]) > 5
    is_as_now(pulled())


class Killed(Exception):
    pass


def test_a_turn_that_dies_while_it_tells_tells_nothing_twice(past, audit_log, east, monkeypatch):
    few(monkeypatch, 25)
    replay(east, MIDDLE)
    past.take(audit_log)
    tell, dice = telling._tell, random.Random("dies")

    def dies(calls):
        told = tell(calls)
        if dice.random() < 0.4:
            raise Killed
        return told

    monkeypatch.setattr(telling, "_tell", dies)
    killed = 0
    for turn in range(300):
        if turn == 20:
            replay(east)
        try:
            if attributing.attribute().drained and turn > 20:
                break
        except Killed:
            killed += 1
    assert killed > 5
    is_in_order(past, pulled())
    is_as_now(pulled())


def test_a_reader_misses_nothing_while_events_and_pods_come_at_once(past, audit_log, east, tmp_path, monkeypatch):
    """R4 with attribution at work: transactions stay open after their numbers were drawn."""
    few(monkeypatch, 30)
    tell, dice = telling._tell, random.Random("slow")

    def slow(calls):
        told = tell(calls)
        time.sleep(dice.uniform(0, 0.03) if told else 0)
        return told

    monkeypatch.setattr(telling, "_tell", slow)
    lines = audit_log.read_bytes().splitlines(keepends=True)
    files = []
    for number in range(8):
        files.append(tmp_path / f"{number}.log")
        files[-1].write_bytes(b"".join(lines[number * len(lines) // 8 : (number + 1) * len(lines) // 8]))
    stop = threading.Event()

    def read() -> list[dict]:
        seen, after = [], 0
        while True:
            over = stop.is_set()
            page = pull.stream(after, 50)
            seen += map(json.loads, page.items)
            after = page.last
            if over and not page.items:
                connection.close()
                return seen
            time.sleep(0.002)

    def attribute() -> None:
        while not stop.is_set():
            attributing.attribute(seconds=0.2)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        reader, worker = pool.submit(read), pool.submit(attribute)
        try:
            replay(east, MIDDLE)
            for file in files:
                past.take(file)
                time.sleep(0.1)
            replay(east)
            end = time.monotonic() + 60
            while time.monotonic() < end and not settled(past):
                time.sleep(0.05)
        finally:
            stop.set()
        worker.result()
        seen = reader.result()
    drained()
    assert len(pods_of(seen)) > 200
    assert seen == pulled()[: len(seen)]
    is_in_order(past, pulled())
    is_as_now(pulled())


def settled(past) -> bool:
    return past.one(
        """SELECT (SELECT position FROM audit_attributioncursor WHERE name = 'stream') >=
           (SELECT max(id) FROM audit_event) AND NOT EXISTS (SELECT FROM audit_retelling)
           AND NOT EXISTS (SELECT FROM audit_tokenuse WHERE stale)"""
    )


def test_who_tells_pods_and_who_stores_events_wait_for_each_other(past, audit_log, east, tmp_path, monkeypatch):
    lines = audit_log.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    for name, some in (("a", lines[:half]), ("b", lines[half:])):
        (tmp_path / name).write_bytes(b"".join(some))
    replay(east)
    past.take(tmp_path / "a")
    drawn, go_on, tell = threading.Event(), threading.Event(), telling._tell

    def open_still(calls):
        told = tell(calls)
        if told:
            drawn.set()
            assert go_on.wait(30)
        return told

    monkeypatch.setattr(telling, "_tell", open_still)
    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(in_thread, attributing.attribute)
        assert drawn.wait(30)
        before = pull.newest()
        writer = pool.submit(in_thread, lambda: past.take(tmp_path / "b"))
        time.sleep(0.5)
        assert not writer.done() and pull.newest() == before
        go_on.set()
        worker.result()
        writer.result()
    assert pull.newest() > before


def in_thread(work):
    try:
        return work()
    finally:
        connection.close()


def test_a_limited_stream_tells_pods_of_its_own_events_alone(past, audit_log, east):
    replay(east)
    past.take(audit_log)
    drained()
    whole, mine = pulled(), pulled(LUMEN, limit=7)
    events = {one["id"] for one in mine if one["type"] == "event"}
    assert mine == [one for one in whole if one["id"] in events or one.get("amends") in events]
    assert pods_of(mine) and len(pods_of(mine)) < len(pods_of(whole))
    for one in window(LUMEN):
        assert ("pod" in one) != ("hidden" in one)
    inside = {one["id"]: one for one in window(LUMEN) if "hidden" not in one}
    assert inside == {one["id"]: one for one in window() if one["id"] in inside}


def test_a_narrowed_stream_tells_pods_of_what_fits(past, audit_log, east):
    replay(east)
    past.take(audit_log)
    drained()
    q = "secret:kv/live/lumen/smtp-password"
    items, whole = pulled(q=q), pulled()
    events = {one["id"] for one in items if one["type"] == "event"}
    assert pods_of(items) and pods_of(items) == [one for one in pods_of(whole) if one["amends"] in events]


def test_an_event_of_a_late_response_is_told_under_its_own_number(past, audit_log, east, tmp_path):
    lines = audit_log.read_bytes().splitlines(keepends=True)
    reads = {one["request_id"] for one in recording.truth()["reads"] if one["kind"] == "pod"}
    late = [
        line for line in lines if (told := json.loads(line))["type"] == "response" and told["request"]["id"] in reads
    ][:20]
    (tmp_path / "a").write_bytes(b"".join(line for line in lines if line not in late))
    (tmp_path / "b").write_bytes(b"".join(late))
    replay(east)
    past.take(tmp_path / "a")
    drained()
    past.take(tmp_path / "b")
    first = pulled()
    drained()
    items = pulled()
    assert items[: len(first)] == first
    events = {one["id"] for one in items if one["type"] == "event"}
    amended = {one["amends"] for one in items if one.get("change") == "response"}
    assert len(amended) == 20
    assert amended <= {one["amends"] for one in pods_of(items)} <= events
    assert not [one for one in items if one.get("change") == "response" and "pod" in one]
    is_in_order(past, items)
    is_as_now(items)


def test_one_event_shows_its_pod_as_known_now(past, audit_log, east):
    replay(east)
    past.take(audit_log)
    one = next(one for one in recording.truth()["reads"] if one["kind"] == "pod" and not one["case"])
    number = past.one("SELECT id FROM audit_event WHERE request_id = %s", one["request_id"])
    before = json.loads(pull.one(number, EVERYTHING))
    assert (before["pod"], before["grade"]) == (None, "service account only")
    drained()
    now = json.loads(pull.one(number, EVERYTHING))
    assert pod_of(now) == (one["who"], one["pod"], "east", "strong", None)
    assert {key for key in now if now[key] != before[key]} == {"pod", "pod_uid", "cluster", "grade"}


def test_retention_drops_what_was_told_and_says_how_much_is_gone(past, audit_log, east):
    replay(east)
    past.take(audit_log)
    drained()
    items = pulled()
    with connect() as wire:
        partitions.forget_before(wire, date(2026, 11, 25))
    assert past.one("SELECT count(*) FROM audit_told") == 0
    gone = pull.forgotten()
    assert (gone.items, gone.last) == (len(items), items[-1]["id"])
    assert pull.oldest() == items[-1]["id"] + 1


def test_nothing_is_told_before_there_is_a_picture_of_the_pods(past, audit_log, east):
    replay(east, MIDDLE)
    past.take(audit_log)
    report = attributing.attribute(now=time_of(MIDDLE))
    cursor = past.one("SELECT position FROM audit_attributioncursor WHERE name = 'stream'")
    assert report.events < past.events() and cursor == past.one(
        "SELECT position FROM audit_attributioncursor WHERE name = 'events'"
    )
    is_subset = {one["amends"] for one in pods_of(pulled())}
    assert is_subset and max(is_subset) <= cursor
