"""The picture of a cluster in PostgreSQL equals the server, whatever happens on the way."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from cluster.resources import RESOURCES
from inventory import cluster_rows
from inventory.cluster_models import (
    ClusterLink,
    ClusterWarning,
    KubeObject,
    PodState,
    SecretConsumer,
    SecretTrouble,
    Watch,
    Workload,
)
from inventory.models import Cluster, PodLife, ServiceAccount
from inventory.reckoned_rows import ConsumerRow, PodRow, TroubleRow, WorkloadRow
from sandbox.kube_resources import kind_of
from tests.cluster.conftest import kube
from tests.cluster.test_storm import KINDS, Storm
from tests.cluster.watched import pod
from tests.inventory.clusters import (
    connected,
    eventually,
    forget_clusters,
    gone,
    kubeconfig,
    pictured,
    served,
    take_turn,
    watched,
)

__all__ = ["kube"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def link(transactional_db, kube, monkeypatch):
    """A connected cluster with one namespace, and Secrets by name."""
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "prod=in-cluster")
    kube.store.namespace("shop")
    yield connected(kube, secrets=True)
    forget_clusters()


def equals(kube, link) -> bool:
    """The picture equals the server."""
    return all(pictured(link.cluster, _name(name, group)) == served(kube, name, group) for name, group in KINDS.items())


def _name(plural: str, group: str) -> str:
    return plural if plural in RESOURCES else f"{plural}.{group}"


def drop(kube, name: str, plural: str = "pods") -> None:
    kube.store.drop(kube.store.get(kind_of(plural), "shop", name))


def test_what_exists_is_pictured_and_what_changes_follows(kube, link):
    for number in range(20):
        kube.store.put(pod(f"web-{number}"))
    with watched(kube, link):
        eventually(lambda: len(pictured(link.cluster, "pods")) == 20)
        kube.store.put(pod("late"))
        eventually(lambda: pictured(link.cluster, "pods") == served(kube, "pods"))
        drop(kube, "web-3")
        eventually(lambda: pictured(link.cluster, "pods") == served(kube, "pods"))
        eventually(lambda: PodState.objects.count() == 20)
    assert list(gone(link.cluster, "pods").values()) == [True]
    states = dict(Watch.objects.values_list("resource", "state"))
    assert set(states) == set(RESOURCES) and set(states.values()) == {"watching"}
    life = PodLife.objects.get(name="web-3")
    assert life.ended is not None and not life.ended_uncertain
    link.cluster.refresh_from_db()
    assert cluster_rows.now() - link.cluster.known_until < timedelta(seconds=30)


def test_a_delete_that_nobody_watched_is_recorded_as_one_of_an_uncertain_time(kube, link):
    kube.store.put(pod("web"))
    kube.store.put(pod("stays"))
    take_turn(kube, link)
    drop(kube, "web")
    kube.restart()  # and forget the versions, so that the next turn has to list
    take_turn(kube, link)
    assert equals(kube, link)
    assert list(gone(link.cluster, "pods").values()) == [False]
    assert PodLife.objects.get(name="web").ended_uncertain


def test_a_turn_goes_on_from_where_the_last_one_ended_and_lists_nothing(kube, link):
    kube.store.put(pod("web"))
    take_turn(kube, link)
    kube.requests.clear()
    drop(kube, "web")
    take_turn(kube, link)
    assert equals(kube, link) and list(gone(link.cluster, "pods").values()) == [True]
    assert not [one for one in kube.requests if one.verb == "list" and one.query.get("limit") != "1"]


def weather(kube, link, seed: int, mishaps: int) -> Storm:
    storm = Storm(kube, seed)
    for _ in range(60):
        storm.change()
    while (left := mishaps - sum(storm.mishaps.values())) > 0:
        with watched(kube, link):
            storm.rage(min(left, 40))
        for _ in range(storm.chance.randrange(4)):
            storm.change()
    kube.faults.clear()
    with watched(kube, link):
        eventually(lambda: equals(kube, link), 40)
    return storm


def survived(kube, link, storm: Storm) -> None:
    """Everything that was held and deleted is recorded as gone, and nothing else is."""
    there = {uid for name, group in KINDS.items() for uid in served(kube, name, group)}
    recorded = set(KubeObject.objects.filter(gone_at__isnull=False).values_list("uid", flat=True))
    held = set(KubeObject.objects.filter(resource__in=KINDS).values_list("uid", flat=True))
    assert recorded & held == held & storm.deleted and not recorded & there
    lives = dict(PodLife.objects.values_list("uid", "ended"))
    assert {uid for uid, ended in lives.items() if ended is None} == set(served(kube, "pods"))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_picture_equals_the_server_after_a_storm(kube, link, seed):
    survived(kube, link, weather(kube, link, seed, 40))


@pytest.mark.long
def test_the_picture_equals_the_server_after_a_thousand_mishaps(kube, link):
    survived(kube, link, weather(kube, link, 2027, 1000))


def environment(kube, folder: Path) -> dict[str, str]:
    """What a process of ours needs to take a turn on the tests' own database."""
    given = {k: v for k, v in connection.get_connection_params().items() if k in ("host", "port", "user", "password")}
    url = make_conninfo(dbname=connection.settings_dict["NAME"], **given)
    own = {"DATABASE_URL": url, "KEYBOOK_KUBECONFIG": f"prod={kubeconfig(kube, folder)}@there"}
    return {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "config.settings"}


def killed(kube, link, folder: Path, seed: int, kills: int) -> None:
    storm, chance = Storm(kube, seed), random.Random(seed)
    for _ in range(60):
        storm.change()
    where = Counter[str]()
    for _ in range(kills):
        command = [sys.executable, "-m", "tests.inventory.one_turn", str(link.cluster_id)]
        with subprocess.Popen(command, cwd=ROOT, env=environment(kube, folder), stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"began\n"
            ends = time.monotonic() + chance.random() * 1.2
            while time.monotonic() < ends:
                storm.change()
                time.sleep(0.005)
            process.kill()
        where["equal" if equals(kube, link) else "behind"] += 1
        if chance.random() < 0.3:
            kube.store.age()
    with watched(kube, link):
        eventually(lambda: equals(kube, link), 40)
    survived(kube, link, storm)
    assert where["behind"], "no kill came in the middle of anything"


def test_a_worker_that_is_killed_again_and_again_loses_nothing(kube, link, tmp_path):
    killed(kube, link, tmp_path, 5, 5)


@pytest.mark.long
def test_a_worker_that_is_killed_a_hundred_times_loses_nothing(kube, link, tmp_path):
    killed(kube, link, tmp_path, 6, 100)


def test_only_one_turn_at_a_time_is_held(kube, link):
    with watched(kube, link):
        eventually(lambda: Watch.objects.exists())
        assert take_turn(kube, link) is False


def test_a_resource_without_a_right_or_not_installed_leaves_the_others_working(kube, link):
    kube.uninstall("external-secrets.io")
    kube.store.put(pod("web"))
    kube.faults.fail(403, "list", "configmaps", times=None)
    with watched(kube, link):
        eventually(lambda: pictured(link.cluster, "pods") == served(kube, "pods"))
        eventually(lambda: Watch.objects.get(resource="configmaps").state == "not_permitted")
        eventually(lambda: Watch.objects.get(resource="externalsecrets").state == "not_installed")
        eventually(lambda: PodState.objects.exists())
    assert "configmaps" in Watch.objects.get(resource="configmaps").detail


def test_what_is_installed_no_more_is_gone(kube, link):
    kind = {"apiVersion": "secrets.hashicorp.com/v1beta1", "kind": "VaultAuth"}
    kube.store.put({**kind, "metadata": {"name": "a", "namespace": "shop"}, "spec": {}})
    take_turn(kube, link)
    assert len(pictured(link.cluster, "vaultauths")) == 1
    kube.uninstall("secrets.hashicorp.com")
    take_turn(kube, link)
    assert pictured(link.cluster, "vaultauths") == {} and gone(link.cluster, "vaultauths")


def event(name: str, kind: str, **more):
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "shop"}, "type": kind,
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web", "uid": "u-1"},
        "reason": "FailedMount", "message": "no such secret", "count": 3,
        "lastTimestamp": "2026-11-21T10:00:00Z", **more,
    }  # fmt: skip


def test_a_warning_outlives_its_event(kube, link):
    kube.store.put(event("w", "Warning"))
    kube.store.put(event("n", "Normal"))
    take_turn(kube, link)
    drop(kube, "w", "events")
    take_turn(kube, link)
    kept = ClusterWarning.objects.get()
    assert (kept.reason, kept.times, kept.about_uid) == ("FailedMount", 3, "u-1")


def test_service_accounts_stay_known_by_uid(kube, link):
    kube.store.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop"}})
    take_turn(kube, link)
    drop(kube, "web", "serviceaccounts")
    take_turn(kube, link)
    assert ServiceAccount.objects.filter(namespace="shop", name="web").exists()


def test_without_the_wish_secrets_are_not_asked_for(kube, link):
    ClusterLink.objects.update(secrets=False)
    take_turn(kube, link)
    assert not [one for one in kube.requests if one.resource == "secrets"]


def test_secrets_that_nobody_wishes_to_see_any_more_are_forgotten(kube, link):
    kube.store.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}})
    take_turn(kube, link)
    assert KubeObject.objects.filter(resource="secrets").exists()
    ClusterLink.objects.update(secrets=False)
    take_turn(kube, link)
    assert not KubeObject.objects.filter(resource="secrets").exists()
    assert not Watch.objects.filter(resource="secrets").exists()


def test_no_value_of_a_secret_or_of_a_variable_stands_in_a_row(kube, link):
    canary = "c4n4ry-0f-4-v4lue"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}}
    applied = {"kubectl.kubernetes.io/last-applied-configuration": canary}
    kube.store.put({**secret, "data": {"k": canary}, "stringData": {"k": canary}})
    kube.store.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"},
                    "data": {"k": canary}})  # fmt: skip
    spec = {"containers": [{"name": "a", "env": [{"name": "PASSWORD", "value": canary}], "args": [canary]}]}
    made = pod("web")
    kube.store.put({**made, "spec": spec, "metadata": {**made["metadata"], "annotations": applied}})
    with watched(kube, link):
        eventually(lambda: PodState.objects.exists() and equals(kube, link))
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            if table.startswith("inventory_"):
                cursor.execute(f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE %s", [f"%{canary}%"])
                assert cursor.fetchone() == (0,), table
    kept = b"".join(bytes(data) for data in KubeObject.objects.values_list("data", flat=True))
    assert b'"name":"web"' in kept and canary.encode() not in kept


def test_another_cluster_under_the_same_name_is_told_and_nothing_of_it_is_kept(kube, link):
    Cluster.objects.update(uid="the one that was connected")
    assert take_turn(kube, link) is False
    link.refresh_from_db()
    assert "is another cluster than the one that was connected as prod" in link.trouble
    assert not KubeObject.objects.exists()


def test_rows_that_are_worked_out_have_the_columns_of_their_tables():
    pairs = ((PodState, PodRow), (Workload, WorkloadRow), (SecretConsumer, ConsumerRow), (SecretTrouble, TroubleRow))
    for model, shape in pairs:
        columns = {field.column for field in model._meta.concrete_fields} - {"id", "cluster_id", "digest"}
        assert set(shape._fields) == columns
    assert set(cluster_rows.Row._fields) == {field.column for field in KubeObject._meta.concrete_fields} - {"id"}


def test_hostile_names_are_names(kube, link):
    names = ["\u202egnp.exe", "<script>alert(1)</script>", "a" * 250, "'; DROP TABLE x; --", "nul\\u0000nul"]
    for name in names:
        kube.store.put(pod(name))
    take_turn(kube, link)
    assert equals(kube, link) and PodLife.objects.count() == len(names)


def test_an_object_that_cannot_be_read_takes_no_other_along(kube, link):
    kube.store.put(pod("good"))
    kube.store.put({**pod("bad"), "spec": {"containers": "none"}})
    take_turn(kube, link)
    assert equals(kube, link)
    assert KubeObject.objects.get(name="bad").broken and not bytes(KubeObject.objects.get(name="bad").data)
    assert set(PodState.objects.values_list("name", flat=True)) == {"good"}
