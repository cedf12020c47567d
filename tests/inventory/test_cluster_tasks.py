"""Bells of clusters: the sweep rings for each, a turn rings for the next, and a fault of ours is kept beside it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError

from inventory import cluster_rows, tasks
from inventory.cluster_models import ClusterLink, ClusterWarning, ContentChange, KubeObject
from inventory.kubeconfigs import UnusableSetting, place_of, places
from inventory.sync_pods import remember_cluster
from tests.inventory.clusters import forget_clusters


@pytest.fixture
def links(transactional_db):
    made = [
        ClusterLink.objects.create(cluster=remember_cluster(name, f"uid-{name}"), connected_at=cluster_rows.now())
        for name in ("prod", "dev")
    ]
    yield made
    forget_clusters()


@pytest.fixture
def rung(monkeypatch):
    """The clusters for which a bell was rung."""
    found = []
    monkeypatch.setattr(tasks, "ring", lambda bell, *key: found.append(*key))
    return found


def test_the_sweep_rings_for_every_connected_cluster(links, rung):
    remember_cluster("known from a log alone", "uid-3")
    tasks.sweep()
    assert rung == [one.cluster_id for one in links]


def test_a_turn_that_was_taken_rings_for_the_next_and_one_that_was_not_does_not(links, rung, monkeypatch):
    monkeypatch.setattr(tasks, "take_turn", lambda key: key == links[0].cluster_id)
    for one in links:
        tasks.watch_cluster(one.cluster_id)
    assert rung == [links[0].cluster_id]


def test_a_fault_of_ours_is_kept_beside_its_cluster(links, rung, monkeypatch):
    def fail(_):
        raise RuntimeError("a fault")

    monkeypatch.setattr(tasks, "take_turn", fail)
    tasks.watch_cluster(links[0].cluster_id)
    links[0].refresh_from_db()
    assert "Keybook itself failed on this cluster (RuntimeError)" in links[0].trouble and rung == []


def test_a_database_that_is_away_is_a_line_in_the_log(links, rung, monkeypatch, caplog):
    def fail(_):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(tasks, "take_turn", fail)
    tasks.watch_cluster(links[0].cluster_id)
    assert "It is taken up from what was committed" in caplog.text and rung == []


def test_a_cluster_that_was_removed_lets_the_bell_pass(links, rung):
    tasks.watch_cluster(0)
    assert rung == []


def test_several_clusters_each_have_their_own_kubeconfig(monkeypatch):
    setting = "prod=/etc/a@one, dev=/etc/b,here=in-cluster"
    assert list(places(setting)) == ["prod", "dev", "here"]
    assert (place_of("prod", setting).path, place_of("prod", setting).context) == ("/etc/a", "one")
    with pytest.raises(UnusableSetting, match="names no kubeconfig for the cluster other"):
        place_of("other", setting)
    with pytest.raises(UnusableSetting, match="write name=path@context"):
        places("nonsense")


def test_a_turn_without_a_usable_setting_says_so(links, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "nonsense")
    tasks.watch_cluster(links[0].cluster_id)
    links[0].refresh_from_db()
    assert "KEYBOOK_KUBECONFIG" in links[0].trouble


def test_what_is_gone_is_forgotten_in_its_time_and_what_is_there_never(links):
    at, cluster = cluster_rows.now(), links[0].cluster
    ages = {"there": None, "lately": timedelta(days=29), "long ago": timedelta(days=31)}
    for resource in ("pods", "events"):
        for name, age in ages.items():
            gone = at - age if age else None
            KubeObject.objects.create(
                cluster=cluster, resource=resource, uid=name, name=name, data=b"", seen_at=at, gone_at=gone
            )
    for days in (29, 31):
        when = at - timedelta(days=days)
        ClusterWarning.objects.create(cluster=cluster, uid=str(days), first_at=when, last_at=when)
        ContentChange.objects.create(cluster=cluster, uid="x", at=when)
    cluster_rows.forget(at, timedelta(days=400))
    assert set(KubeObject.objects.filter(resource="pods").values_list("name", flat=True)) == {"there", "lately"}
    assert list(KubeObject.objects.filter(resource="events").values_list("name", flat=True)) == ["there"]
    assert ClusterWarning.objects.count() == 1 and ContentChange.objects.count() == 2
