"""A picture says until when it is true; one that nobody has confirmed for long is stale, whatever its last state."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from cluster.resources import RESOURCES
from inventory import cluster_rows, freshness
from inventory.cluster_models import ClusterLink, Watch
from inventory.freshness import ABSENT, CURRENT, NEVER, STALE
from inventory.sync_cluster import ClusterSink
from tests.cluster.conftest import kube
from tests.cluster.watched import pod
from tests.inventory.clusters import connected, eventually, forget_clusters, take_quiet_turn, take_turn, watched

__all__ = ["kube"]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def link(transactional_db, kube, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "prod=in-cluster")
    kube.store.namespace("shop")
    kube.store.put(pod("web"))
    yield connected(kube)
    forget_clusters()


def whole(now=None):
    (one,) = freshness.clusters(now)
    return one.whole


def resource(name: str):
    (one,) = freshness.clusters()
    return next(each for each in one.resources if each.name == name)


def later(by) -> None:
    """As if everything had happened so long ago."""
    for watch in Watch.objects.exclude(heard_at=None):
        watch.heard_at -= by
        watch.save()


def test_before_the_first_turn_nothing_is_known(link):
    assert whole().state == NEVER and "worker runs" in whole().says


def test_after_a_turn_the_picture_is_current(kube, link):
    take_turn(kube, link)
    assert whole().state == CURRENT and cluster_rows.now() - whole().at < timedelta(minutes=1)
    assert whole().says.startswith("current as of ")


def test_a_worker_that_stopped_makes_it_stale_although_its_last_state_was_good(kube, link):
    take_turn(kube, link)
    assert set(Watch.objects.values_list("state", flat=True)) == {"watching"}
    assert whole(cluster_rows.now() + HOUR).state == STALE
    assert "nobody watches it" in whole(cluster_rows.now() + HOUR).says


def test_an_api_server_that_is_away_for_an_hour_makes_it_stale_since_then_and_says_why(kube, link):
    take_turn(kube, link)
    kube.go_away()
    take_turn(kube, link)
    later(HOUR)
    assert whole().state == STALE and cluster_rows.now() - whole().at >= HOUR
    assert "nobody answers" in whole().why
    kube.come_back()
    take_quiet_turn(kube, link)
    assert whole().state == CURRENT


def test_a_resource_that_is_not_had_is_absent_and_the_cluster_is_current(kube, link):
    kube.uninstall("external-secrets.io")
    kube.faults.fail(403, "list", "configmaps", times=None)
    take_turn(kube, link)
    assert [resource("externalsecrets").state, resource("configmaps").state] == [ABSENT, ABSENT]
    assert "not installed" in resource("externalsecrets").says and "no right" in resource("configmaps").says
    assert whole().state == CURRENT


def test_a_right_that_was_taken_away_makes_its_resource_stale(kube, link):
    assert [one.state for one in freshness.behind()] == [NEVER]
    take_turn(kube, link)
    assert freshness.behind() == []
    for verb in ("list", "watch"):
        kube.faults.fail(403, verb, "events", times=None)
    take_turn(kube, link)
    assert resource("events").state == whole().state == STALE
    assert freshness.behind() == [], "who gets a secret no event tells"
    for verb in ("list", "watch"):
        kube.faults.fail(403, verb, "jobs", times=None)
    take_turn(kube, link)
    assert resource("jobs").state == STALE and "any more" in resource("jobs").why
    assert whole().state == STALE and "jobs" in whole().why
    (found,) = freshness.behind()
    assert found.says.startswith("stale since ") and found.why == "jobs: Keybook has no right to list it any more"


def test_without_pods_the_picture_was_never_there(kube, link):
    kube.faults.fail(403, "list", "pods", times=None)
    take_turn(kube, link)
    assert whole().state == NEVER and "pods" in whole().why


def test_what_keeps_a_turn_from_beginning_is_told(kube, link, monkeypatch):
    take_turn(kube, link)
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "")
    assert take_turn(kube, link) is False
    assert whole().state == STALE and "KEYBOOK_KUBECONFIG names no kubeconfig" in whole().why


def test_a_quiet_cluster_stays_current_by_its_bookmarks(kube, link):
    kube.manners.progress = True
    with watched(kube, link):
        eventually(lambda: Watch.objects.filter(state="watching").count() > 30)
        before = Watch.objects.get(resource="csidrivers").heard_at
        kube.store.put(pod("other"))  # a bookmark tells a version that the watch did not begin with
        eventually(lambda: kube.bookmark() or Watch.objects.get(resource="csidrivers").bookmark_at)
    quiet = Watch.objects.get(resource="csidrivers")
    assert quiet.heard_at >= quiet.bookmark_at > before and quiet.event_at is None
    assert ClusterLink.objects.get().trouble == ""


def test_a_quiet_cluster_without_bookmarks_stays_current_by_the_openings_of_its_watches(kube, link):
    kube.manners.progress, kube.manners.bookmark_every = False, 3600.0
    take_turn(kube, link)
    for _ in range(5):
        later(MINUTE)
        take_quiet_turn(kube, link)
        assert whole().state == CURRENT, whole().says
    assert not Watch.objects.exclude(bookmark_at=None).exists() and not Watch.objects.exclude(event_at=None).exists()


def test_an_api_server_that_answers_nothing_after_the_watches_were_opened_becomes_stale(kube, link):
    take_turn(kube, link)
    take_quiet_turn(kube, link)
    for verb in ("list", "watch"):
        kube.faults.delay(600, verb, times=None)
    for _ in range(4):
        later(MINUTE)
        take_quiet_turn(kube, link, most=2.0, read=0.5)
    assert whole().state == STALE and cluster_rows.now() - whole().at >= 4 * MINUTE
    assert "did not answer in time" in whole().why


@pytest.fixture
def sink(link):
    """What watches speak to, at a time that the test moves by `wait`."""
    made = ClusterSink(link.cluster, clock=lambda: made.now)
    made.now = made.began = cluster_rows.now()
    made.listed_pods = lambda: (made.begin(RESOURCES["pods"]), made.listed(RESOURCES["pods"], 1, "7"))
    made.says = lambda state: made.state(RESOURCES["pods"], state, "")

    def wait(seconds):
        made.now += timedelta(seconds=seconds)
        made.settle()
        made.commit()
        return (Watch.objects.get(resource="pods").heard_at - made.began).total_seconds()

    made.wait = wait
    return made


def test_a_watch_that_went_silent_counts_as_of_its_opening_however_long_it_stands(sink):
    sink.listed_pods()
    sink.wait(30)
    sink.says("watching")
    assert [sink.wait(2), sink.wait(48), sink.wait(600)] == [30, 30, 30]


def test_an_opening_does_not_count_before_what_it_had_missed_can_have_come(sink):
    sink.listed_pods()
    sink.wait(30)
    sink.says("watching")
    assert sink.wait(0.5) == 0
    sink.says("away")
    assert sink.wait(60) == 0


def test_watches_that_are_cut_as_soon_as_they_are_open_count_for_nothing(sink):
    sink.listed_pods()
    for _ in range(20):
        sink.wait(10)
        sink.says("watching")
        sink.wait(0.5)
        sink.cut(RESOURCES["pods"])
    assert sink.wait(10) == 0


def test_a_watch_that_stood_before_it_was_cut_counts_as_of_its_opening(sink):
    sink.listed_pods()
    sink.wait(30)
    sink.says("watching")
    sink.now += timedelta(seconds=5)
    sink.cut(RESOURCES["pods"])
    assert sink.wait(10) == 30


def test_a_cluster_whose_watches_are_cut_before_they_say_anything_becomes_stale(kube, link):
    take_turn(kube, link)
    kube.faults.cut(0, "watch", times=None)  # where the first byte would be
    kube.faults.garble("", b"x\n", times=None)
    later(4 * MINUTE)
    take_quiet_turn(kube, link, most=4.0)
    assert whole().state == STALE and cluster_rows.now() - whole().at >= 4 * MINUTE
