"""A picture says until when it is true; one that nobody has confirmed for long is stale, whatever its last state."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from inventory import cluster_rows, freshness
from inventory.cluster_models import ClusterLink, Watch
from inventory.freshness import ABSENT, CURRENT, NEVER, STALE
from tests.cluster.conftest import kube
from tests.cluster.watched import pod
from tests.inventory.clusters import connected, eventually, forget_clusters, take_turn, watched

__all__ = ["kube"]
HOUR = timedelta(hours=1)


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


def an_hour_later() -> None:
    """As if everything had happened an hour ago."""
    for watch in Watch.objects.exclude(heard_at=None):
        watch.heard_at -= HOUR
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
    an_hour_later()
    assert whole().state == STALE and cluster_rows.now() - whole().at >= HOUR
    assert "nobody answers" in whole().why
    kube.come_back()
    take_turn(kube, link)
    assert whole().state == CURRENT


def test_a_resource_that_is_not_had_is_absent_and_the_cluster_is_current(kube, link):
    kube.uninstall("external-secrets.io")
    kube.faults.fail(403, "list", "configmaps", times=None)
    take_turn(kube, link)
    assert [resource("externalsecrets").state, resource("configmaps").state] == [ABSENT, ABSENT]
    assert "not installed" in resource("externalsecrets").says and "no right" in resource("configmaps").says
    assert whole().state == CURRENT


def test_a_right_that_was_taken_away_makes_its_resource_stale(kube, link):
    take_turn(kube, link)
    for verb in ("list", "watch"):
        kube.faults.fail(403, verb, "jobs", times=None)
    take_turn(kube, link)
    assert resource("jobs").state == STALE and "any more" in resource("jobs").why
    assert whole().state == STALE and "jobs" in whole().why


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
    with watched(kube, link):
        eventually(lambda: Watch.objects.filter(state="watching").count() > 30)
        before = Watch.objects.get(resource="csidrivers").heard_at
        kube.bookmark()
        eventually(lambda: Watch.objects.get(resource="csidrivers").heard_at > before)
    assert ClusterLink.objects.get().trouble == ""
