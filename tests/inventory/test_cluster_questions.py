"""Questions about a cluster of 10,000 pods are answered by indexes, page after page, each pod once."""

from __future__ import annotations

import pytest
from django.db import connection

from inventory import cluster_questions as ask
from inventory.cluster_models import PodState, SecretConsumer, SecretTrouble
from inventory.cluster_questions import Filter
from inventory.models import Connection
from inventory.sync_pods import remember_cluster
from tests.audit.conftest import test_database
from tests.inventory.clusters import forget_clusters

__all__ = ["test_database"]

PODS = 10_000
HOSTILE = "<script>alert(1)</script>"


def pod_state(cluster, number: int) -> PodState:
    service, team = number % 700, number % 40
    return PodState(
        cluster=cluster, digest=number.to_bytes(16, "big"), uid=f"pod-{number}", namespace=f"team-{team}",
        name=f"service-{service}-{number:05}", state="running" if number % 50 else "starting",
        service_account=f"service-{service}", workload_kind="Deployment", workload_name=f"service-{service}",
        workload_uid=f"work-{team}-{service}", methods=["injector"] if number % 3 == 0 else [],
        troubles=int(number % 50 == 0),
    )  # fmt: skip


def consumer(cluster, number: int, path: str, **more) -> SecretConsumer:
    return SecretConsumer(**{
        "cluster": cluster, "digest": number.to_bytes(16, "big"), "namespace": f"team-{number % 40}",
        "pod_uid": f"pod-{number}", "pod_name": f"pod-{number}", "container": "app", "workload_kind": "Deployment",
        "workload_name": "w", "workload_uid": "w", "method": "injector", "path": path, "needs_restart": "never", **more,
    })  # fmt: skip


@pytest.fixture(scope="module")
def cluster(test_database, django_db_blocker):
    """A cluster of 10,000 pods, one in fifty in trouble."""
    with django_db_blocker.unblock():
        forget_clusters()
        made = remember_cluster("prod", "uid-prod")
        PodState.objects.bulk_create((pod_state(made, number) for number in range(PODS)), batch_size=1_000)
        paths = (consumer(made, number, f"kv/data/team/{number % 900}") for number in range(PODS))
        SecretConsumer.objects.bulk_create(paths, batch_size=1_000)
        troubles = (
            SecretTrouble(
                cluster=made, digest=number.to_bytes(16, "big"), namespace=f"team-{number % 40}", symptom="I", cause=14,
                object_kind="Pod", object_name="p", workload_kind="Deployment", workload_name=f"w-{number}",
                workload_uid=f"w-{number}", says="It waits.", pods=[f"pod-{number}"],
            )
            for number in range(0, PODS, 50)
        )  # fmt: skip
        SecretTrouble.objects.bulk_create(troubles)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE inventory_podstate, inventory_secretconsumer, inventory_secrettrouble")
        yield made
        forget_clusters()


@pytest.fixture(autouse=True)
def _unblocked(cluster, django_db_blocker):
    with django_db_blocker.unblock():
        yield


def test_all_pods_come_page_by_page_each_once_and_in_order(cluster):
    seen, after = [], None
    while True:
        part = ask.pods(Filter(cluster_id=cluster.pk), after, 500)
        seen += [(row.namespace, row.name) for row in part.rows]
        if (after := part.after) is None:
            break
    assert len(seen) == PODS and seen == sorted(seen, key=lambda one: (one[0].encode(), one[1].encode()))


@pytest.mark.parametrize(
    ("which", "count"),
    [
        ({"namespace": "team-3"}, 250),
        ({"service_account": "service-7"}, 15),
        ({"workload_uid": "work-7-7"}, 8),
        ({"state": "starting"}, 200),
        ({"troubled": True}, 200),
        ({"method": "injector"}, 3334),
        ({"text": "-00042"}, 1),
        ({"namespaces": ["team-1", "team-2"]}, 500),
        ({"namespaces": []}, 0),
        ({"namespace": HOSTILE, "text": "%_'\""}, 0),
    ],
)
def test_each_filter_narrows(cluster, which, count):
    assert ask.pod_rows(Filter(**which)).count() == count


def plan(query) -> str:
    return query.explain()


def test_a_page_far_down_is_found_by_an_index_without_a_sort(cluster):
    part = ask.pod_rows(Filter()).extra(where=["(namespace, name, id) > ('team-3', 'service-1', 5)"])
    found = plan(part.select_related(None).order_by("namespace", "name", "id")[:50])
    assert "inventory_pod_state_all" in found and "Sort" not in found


def test_pods_in_trouble_and_consumers_and_troubles_of_a_pod_are_found_by_indexes(cluster):
    troubled = ask.pod_rows(Filter(troubled=True)).select_related(None).order_by("namespace", "name", "id")[:50]
    assert "inventory_pod_state_bad" in plan(troubled)
    assert "Seq Scan" not in plan(ask.consumers_of_pod(cluster.pk, "pod-7"))
    by_path = SecretConsumer.objects.filter(path__in=["kv/data/team/7", "kv/*"])
    assert "inventory_consumer_path" in plan(by_path)


def test_a_trouble_is_found_by_its_pod(cluster):
    (one,) = ask.troubles_of(cluster.pk, pod_uid="pod-50")
    assert one.workload_name == "w-50"


def test_consumers_of_a_secret_are_those_of_its_path_and_of_what_lies_above(cluster):
    SecretConsumer.objects.bulk_create([consumer(cluster, 90_001, "kv/data/team/*")])
    found = ask.consumers_of("prod", "kv/data/team/7")
    assert len(found) == 13 and {one.path for one in found} == {"kv/data/team/7", "kv/data/team/*"}
    SecretConsumer.objects.filter(path="kv/data/team/*").delete()


def test_pods_of_another_vault_with_the_same_paths_do_not_count(cluster):
    SecretConsumer.objects.bulk_create([
        consumer(cluster, 90_002, "other/x", address="https://dev.example"),
        consumer(cluster, 90_003, "other/x", address="https://vault.vault.svc:8200"),
        consumer(cluster, 90_004, "other/x", vault_namespace="team-a"),
    ])  # fmt: skip
    Connection.objects.create(vault="dev", address="https://dev.example")
    Connection.objects.create(vault="prod", address="https://prod.example")
    assert [one.pod_uid for one in ask.consumers_of("prod", "other/x")] == ["pod-90003"]
    assert {one.pod_uid for one in ask.consumers_of("dev", "other/x")} == {"pod-90002", "pod-90003"}
    assert [one.pod_uid for one in ask.consumers_of("prod", "other/x", namespace="team-a")] == ["pod-90004"]
    Connection.objects.all().delete()
    SecretConsumer.objects.filter(path="other/x").delete()


def test_a_path_of_the_api_is_made_of_mount_version_and_path():
    assert ask.api_path("kv/", "live/x", 2) == "kv/data/live/x"
    assert ask.api_path("database/", "creds/app") == "database/creds/app"


def test_what_was_never_seen_is_none(cluster):
    assert ask.pod(cluster.pk, HOSTILE) is None and ask.workload(cluster.pk, HOSTILE) is None
