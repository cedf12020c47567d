"""A pod that got a secret at its start and kept it while the secret changed: found from home, told by its page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonArea
from audit import actions, old_holders
from audit.old_copies import number
from audit.operations import OPERATIONS
from cluster.decoding import decode_object
from cluster.resources import RESOURCES
from cluster.versions import Version
from inventory import cluster_rows, holding
from inventory.cluster_models import ClusterLink, PodState, SecretConsumer, Watch
from inventory.models import Cluster
from inventory.reckoning import Reckoner
from sandbox.company import OLD, OLD_SERVICE
from sandbox.kube_company import settle
from sandbox.kubeapi import KubeApi
from tests.audit.conftest import forget_everything
from tests.audit.lines import Call
from tests.dashboard.conftest import Page

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
REST = OLD.partition("/")[2]
READ, UPDATE, DELETE = (OPERATIONS.index(name) for name in ("read", "update", "delete"))


def read(number: int, version: int, at: datetime) -> bytes:
    call = Call(number, secret=REST, at=at)
    data = {"data": {"password": "hmac-sha256:" + "0" * 64}, "metadata": {"version": version, "destroyed": False}}
    return call.request() + b"\n" + call.response(data=data) + b"\n"


def write(number: int, at: datetime) -> bytes:
    call = Call(number, who=1, secret=REST, at=at)
    asked = {**json.loads(call.request())["request"], "operation": "update"}
    data = {"version": 2, "destroyed": False}
    return call.request(request=asked) + b"\n" + call.response(request=asked, data=data) + b"\n"


@pytest.fixture
def company(transactional_db, tmp_path):
    """The demo's cluster as a picture, and a record in which the secret was read, written and read again."""
    forget_everything()
    file = tmp_path / "audit.log"
    file.write_bytes(read(1, 1, NOW - 2 * DAY) + write(2, NOW - DAY) + read(3, 2, NOW - DAY / 2))
    actions.import_files([str(file)], vault="demo", device="file")
    one = Cluster.objects.create(name="prod", uid="c-1")
    ClusterLink.objects.create(cluster=one, connected_at=NOW)
    now = datetime.now(UTC)
    for resource in RESOURCES:
        Watch.objects.create(cluster=one, resource=resource, state="watching", since=now, heard_at=now, listed_at=now)
    with KubeApi() as api:
        settle(api.store, api.access, 8 * DAY)
        shelves = [(name, api.store.shelves.get((each.group, each.name)), each) for name, each in RESOURCES.items()]
        rows = [
            cluster_rows.row_of(one, name, decode_object(each, kept.full()), now)
            for name, shelf, each in shelves
            if shelf
            for kept in shelf.ordered()
        ]
    with transaction.atomic():
        cluster_rows.write(rows)
    Reckoner(one).reckon()
    yield one
    forget_everything()


def the_pod() -> PodState:
    namespace, name = OLD_SERVICE.split("/")
    return PodState.objects.get(namespace=namespace, workload_name=name)


def test_home_leads_to_the_secret_that_names_the_pod_with_its_version_and_since_when(company, signed_in):
    assert old_holders.find() == 1
    home = Page.of(signed_in.get("/"))
    assert f"1 pod holds an old version of {OLD}" in home.text
    (way,) = [own["href"] for own in home.all("a", class_="small-button") if "present=now" in own["href"]]
    got = Page.of(signed_in.get(way))
    behind = got.text.split("Still on an old version")[1]
    assert the_pod().name in behind and "v1 old" in behind and "or an older one" not in behind
    assert "got it before the secret changed at" in behind and "The container got it at its start" in behind
    assert "1 pod, by the newest 5,000 calls and by when containers started. Version 2 is the newest" in behind
    (link,) = [own["href"] for own in got.all("a", href=f"/pods/prod/{the_pod().uid}/")]
    assert signed_in.get(link).status_code == 200
    mounted = got.text.split("Who has it mounted")[1].split("Still on an old")[0]
    assert "v1 old" in mounted and "not known" not in mounted.split("Holds")[1].split("container")[0]


def test_the_list_of_pods_finds_those_on_an_old_version_and_the_pods_page_says_which(company, signed_in):
    assert not Page.of(signed_in.get("/pods/?old=yes")).all("a", class_="row-link")
    old_holders.find()
    got = Page.of(signed_in.get("/pods/?old=yes"))
    assert [own["href"] for own in got.all("a", class_="row-link")] == [f"/pods/prod/{the_pod().uid}/"]
    assert f"old version of {OLD}" in got.text and "those on an old version" in got.text
    pod = Page.of(signed_in.get(f"/pods/prod/{the_pod().uid}/"))
    assert "it is on an old version of 1 secret" in pod.text
    assert "v1 old newest v2" in pod.text.split("What it gets")[1]
    every = Page.of(signed_in.get("/pods/"))
    assert every.text.count(f"old version of {OLD}") == 1


def test_a_limited_view_is_not_told_which_pods_are_on_an_old_version(company, signed_in, cat):
    old_holders.find()
    PersonArea.objects.create(user=cat, vault="", namespace="", prefix="kv/none")
    got = Page.of(signed_in.get("/pods/?old=yes"))
    assert not got.all("a", class_="row-link") and OLD not in got.text


def test_home_asks_as_often_however_many_pods_are_old_and_leaves_out_one_that_is_gone(company, signed_in):
    def asked() -> int:
        with CaptureQueriesContext(connection) as statements:
            signed_in.get("/")
        return len(statements)

    signed_in.get("/")
    without = asked()
    old_holders.find()
    assert asked() == without + 1  # the names
    for key in range(10_000, 10_020):
        holding.keep_old(key, PodState.objects.values_list("uid", flat=True)[:5], NOW)
    assert asked() == without + 1
    holding.keep_no_other([one.id for one in old_holders.old(30).secrets])
    PodState.objects.filter(uid=the_pod().uid).delete()
    assert f"old version of {OLD}" not in Page.of(signed_in.get("/")).text


def test_a_turn_without_time_looks_at_nothing_and_a_secret_that_nobody_gets_any_more_is_forgotten(company, signed_in):
    assert old_holders.find(0) == 0
    old_holders.find()
    SecretConsumer.objects.all().delete()
    assert old_holders.find() == 0 and not old_holders.old(3).secrets


def test_a_pod_that_has_ended_is_not_counted(company):
    old_holders.find()
    assert [one.pods for one in old_holders.old(3).secrets] == [1]
    PodState.objects.filter(uid=the_pod().uid).update(state="ended")
    assert not old_holders.old(3).secrets


def at(hour: int) -> datetime:
    return NOW - DAY + timedelta(hours=hour)


@pytest.mark.parametrize(
    "calls, told",
    [
        ([(1, 1, READ), (2, 0, UPDATE), (3, 2, READ)], [(1, None), (2, 2)]),
        ([(1, 0, UPDATE), (2, 4, READ)], [(3, None), (4, 1)]),
        ([(1, 4, READ), (2, 0, UPDATE)], [(3, None), (4, None)]),
        ([(1, 4, READ), (2, 0, UPDATE), (3, 7, READ)], [(3, None), (4, None), (5, None), (6, None), (7, None)]),
        ([(1, 2, READ), (2, 0, UPDATE), (3, 2, READ), (4, 3, READ)], [(1, None), (2, None), (3, None)]),
        ([(1, 1, READ), (2, 0, UPDATE), (3, 1, READ), (4, 0, UPDATE), (5, 2, READ)], [(1, None), (2, 4)]),
        ([(1, 1, READ), (2, 0, UPDATE), (3, 2, READ), (4, 1, READ)], [(1, None), (2, 2)]),
        ([(1, 9, READ), (2, 0, DELETE), (3, 0, UPDATE), (4, 1, READ)], [(1, 3)]),
    ],
)
def test_a_version_has_a_time_only_where_its_own_write_shows_it(calls, told):
    found = number((at(hour), version, operation) for hour, version, operation in calls)
    assert found == [Version(one, at(hour) if hour else None) for one, hour in told]
