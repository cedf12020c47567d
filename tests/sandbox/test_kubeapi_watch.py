"""Watches of the simulated Kubernetes API: events, bookmarks, 410, and connections that break."""

from __future__ import annotations

import itertools
import json
import threading
import time

import pytest
import requests

from sandbox.kube_resources import kind_of
from tests.cluster.speaking import METADATA, METADATA_LIST
from tests.sandbox.test_kubeapi import pod

PODS = "/api/v1/pods"
POD = kind_of("pods")


def after(seconds: float, act) -> None:
    """Do something in a while."""
    threading.Timer(seconds, act).start()


def told(events) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def test_a_watch_from_a_version_tells_every_change_after_it_in_order(kube, speak):
    version = speak.version(PODS)
    kube.store.put(pod("a"))
    kube.store.edit(POD, "shop", "a", lambda found: found["status"].update(phase="Failed"))
    after(0.1, lambda: kube.store.drop(kube.store.get(POD, "shop", "a")))
    events = list(itertools.islice(speak.watch(PODS, resourceVersion=version), 3))
    assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(version)
    assert events[2]["object"]["kind"] == "Pod"
    assert events[2]["object"]["status"]["phase"] == "Failed"


def test_a_watch_without_a_version_begins_with_what_is_there(kube, speak):
    kube.store.put(pod("a"))
    after(0.1, lambda: kube.store.put(pod("b")))
    assert told(itertools.islice(speak.watch(PODS), 2)) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_ends_in_order_when_its_time_is_over(kube, speak):
    began = time.monotonic()
    assert list(speak.watch(PODS, seconds=1, resourceVersion=speak.version(PODS))) == []
    assert time.monotonic() - began > 0.9


def test_an_object_that_leaves_the_selector_is_deleted_for_that_watch(kube, speak):
    version = speak.version(PODS)
    kube.store.put(pod("a", labels={"app": "web"}))
    kube.store.edit(POD, "shop", "a", lambda found: found["metadata"].update(labels={"app": "db"}))
    kube.store.edit(POD, "shop", "a", lambda found: found["metadata"].update(labels={"app": "web"}))
    events = list(speak.watch(PODS, seconds=1, resourceVersion=version, labelSelector="app=web"))
    assert told(events) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]
    assert events[1]["object"]["metadata"]["labels"] == {"app": "web"}
    assert int(events[1]["object"]["metadata"]["resourceVersion"]) == int(version) + 4  # the namespace made two


def test_a_version_too_old_for_the_window_is_one_error_event_with_status_200(kube, speak):
    version = speak.version(PODS)
    kube.restart()
    (event,) = speak.watch(PODS, resourceVersion=version)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {version} (")


def test_the_window_forgets_the_oldest_changes_alone(speak, kube):
    kube.store.shelf(POD).window = 10
    version = speak.version(PODS)
    for number in range(30):
        kube.store.put(pod(f"p{number}"))
    (event,) = speak.watch(PODS, resourceVersion=version)
    assert event["object"]["code"] == 410
    recent = str(kube.store.version - 5)
    assert len(list(speak.watch(PODS, seconds=1, resourceVersion=recent))) == 5


def test_a_first_version_on_a_young_server_is_not_too_old(kube, speak):
    kube.store.put(pod("a"))
    assert told(itertools.islice(speak.watch(PODS, resourceVersion="1"), 1)) == [("ADDED", "a")]


def test_a_version_still_to_come_is_a_silent_watch_until_it_has_come(kube, speak):
    ahead = str(kube.store.version + 4)
    after(0.2, lambda: [kube.store.put(pod(f"p{number}")) for number in range(4)])  # the namespace makes two more
    events = list(speak.watch(PODS, seconds=1, resourceVersion=ahead))
    assert told(events) == [("ADDED", "p2"), ("ADDED", "p3")]


def test_a_quiet_watch_gets_no_bookmark_and_one_after_an_event_does(kube, speak):
    kube.manners.bookmark_every = 0.2
    version = speak.version(PODS)
    assert list(speak.watch(PODS, seconds=1, resourceVersion=version, allowWatchBookmarks="true")) == []
    kube.store.put(pod("a"))
    kube.store.namespace("elsewhere")  # the version of the whole server goes on
    events = list(speak.watch(PODS, seconds=1, resourceVersion=version, allowWatchBookmarks="true"))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["ADDED", "BOOKMARK"]
    sent = events[0]["object"]["metadata"]["resourceVersion"]
    assert {event["object"]["metadata"]["resourceVersion"] for event in events[1:]} == {sent}
    assert set(events[1]["object"]) == {"kind", "apiVersion", "metadata"}


def test_with_progress_notification_bookmarks_of_a_quiet_resource_go_on(kube, speak):
    kube.manners.progress, kube.manners.bookmark_every = True, 0.2
    version = speak.version(PODS)
    kube.store.namespace("elsewhere")
    events = list(speak.watch(PODS, seconds=1, resourceVersion=version, allowWatchBookmarks="true"))
    assert {event["object"]["metadata"]["resourceVersion"] for event in events} == {str(kube.store.version)}


def test_a_bookmark_can_be_had_at_once(kube, speak):
    version = speak.version(PODS)
    kube.store.put(pod("a"))
    after(0.2, kube.bookmark)
    events = itertools.islice(speak.watch(PODS, resourceVersion=version, allowWatchBookmarks="true"), 2)
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]


def test_a_watch_of_metadata_alone_has_no_spec(kube, speak):
    version = speak.version(PODS)
    kube.store.put(pod("a"))
    (event,) = itertools.islice(speak.watch(PODS, accept=METADATA, resourceVersion=version), 1)
    assert set(event["object"]) == {"kind", "apiVersion", "metadata"}
    assert event["object"]["kind"] == "PartialObjectMetadata"


def test_a_watch_with_the_form_of_a_list_is_silent_and_ends_at_its_first_event(kube, speak):
    version = speak.version(PODS)
    after(0.2, lambda: kube.store.put(pod("a")))
    assert list(speak.watch(PODS, accept=METADATA_LIST, resourceVersion=version, seconds=20)) == []
    assert kube.store.objects("pods")  # it ended because of the event, long before its time was over


def test_initial_events_end_with_a_marked_bookmark(kube, speak):
    kube.store.put(pod("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    first, mark = itertools.islice(speak.watch(PODS, **query), 2)
    assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    kube.manners.watch_list = False
    for asked in (query, {"resourceVersion": "0"}):
        (refused,) = speak.watch(PODS, **asked)
        assert (refused["type"], refused["object"]["code"]) == ("ERROR", 500)
    assert told(itertools.islice(speak.watch(PODS), 1)) == [("ADDED", "a")]


def test_a_restart_ends_open_watches_in_order_and_away_refuses_connections(kube, speak):
    version = speak.version(PODS)
    after(0.2, kube.restart)
    assert list(speak.watch(PODS, resourceVersion=version, seconds=30)) == []
    kube.go_away()
    with pytest.raises(requests.ConnectionError):
        speak.get(PODS)
    kube.come_back()
    assert speak.get(PODS).status_code == 200


def test_a_cut_stops_in_the_middle_of_a_line(kube, speak):
    version = speak.version(PODS)
    kube.store.put(pod("a"))
    kube.faults.cut(40, "watch", "pods")
    with (
        speak.session.get(
            kube.url + PODS, params={"watch": "1", "resourceVersion": version}, stream=True, timeout=5
        ) as answer,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        b"".join(answer.iter_content(None))
    assert told(itertools.islice(speak.watch(PODS, resourceVersion=version), 1)) == [("ADDED", "a")]


def test_a_half_dead_connection_sends_nothing_and_stays(kube, speak):
    version = speak.version(PODS)
    kube.faults.hang(0, "watch", "pods")
    kube.store.put(pod("a"))
    params = {"watch": "1", "resourceVersion": version}
    answer = speak.session.get(kube.url + PODS, params=params, stream=True, timeout=(2, 0.5))
    with answer, pytest.raises(requests.ConnectionError, match="timed out"):
        next(answer.iter_content(None))


def test_a_line_that_is_no_event_comes_when_told(kube, speak):
    kube.store.put(pod("a"))
    kube.faults.garble("pods")
    with pytest.raises(json.JSONDecodeError):
        next(speak.watch(PODS))


def test_a_refusal_comes_as_often_as_told_and_carries_the_wait(kube, speak):
    kube.faults.fail(429, "list", "pods", times=2, retry_after=7)
    answers = [speak.get(PODS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    kube.faults.fail(403, "watch", "pods")
    refused = speak.get(PODS, watch="1")
    assert refused.json()["message"] == (
        'pods is forbidden: User "kubernetes-admin" cannot watch resource "pods" in API group "" at the cluster scope'
    )
    kube.faults.delay(0.3, "list")
    began = time.monotonic()
    speak.get(PODS)
    assert time.monotonic() - began >= 0.3


@pytest.mark.long
def test_a_watch_keeps_up_with_twenty_thousand_quick_changes(kube, speak):
    version, count = speak.version(PODS), 20_000

    def write() -> None:
        for number in range(count):
            kube.store.put(pod(f"p{number % 100}", message="x" * 500))
            if number % 500 == 0:
                time.sleep(0.01)

    threading.Thread(target=write).start()
    with speak.session.get(
        kube.url + PODS, params={"watch": "1", "resourceVersion": version}, stream=True, timeout=20
    ) as answer:
        seen = sum(1 for _ in itertools.islice(answer.iter_lines(chunk_size=65536), count))
    assert seen == count
