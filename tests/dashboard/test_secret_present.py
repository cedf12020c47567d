"""What a secret's page says of the present: who may read it, which pods have it, who is behind, and its leases."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest
from django.db import connection
from django.test import Client

from accounts.models import PersonArea, User
from accounts.scope import EVERYTHING
from audit import actions, queries
from audit.pod_tables import Attribution, TokenUse
from inventory.cluster_models import ClusterLink, PodState, SecretConsumer, Watch
from inventory.models import AuthRole, Cluster, Connection, Mount, Policy
from tests.audit.conftest import forget_everything
from tests.audit.lines import Call
from tests.dashboard.conftest import Page
from tests.dashboard.leases_made import lease

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
SECRET = "secret/prod/app/key"


def line(call: Call, version: int) -> bytes:
    """Return both lines of a read that gave a version."""
    data = {"data": {"password": "hmac-sha256:" + "0" * 64}, "metadata": {"version": version, "destroyed": False}}
    return call.request() + b"\n" + call.response(data=data) + b"\n"


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker, tmp_path_factory):
    """Import three reads once: of version 3 by two pods, then of version 4 by the second."""
    file = tmp_path_factory.mktemp("logs") / "audit.log"
    calls = [(Call(1, 0, at=NOW - 3 * HOUR), 3), (Call(2, 1, at=NOW - 2 * HOUR), 3), (Call(3, 1, at=NOW - HOUR), 4)]
    file.write_bytes(b"".join(line(call, version) for call, version in calls))
    with django_db_blocker.unblock():
        forget_everything()
        actions.import_files([str(file)], vault="eu-prod", device="file")
        yield
        forget_everything()


@pytest.fixture
def store(db, filled) -> queries.SecretRef:
    return queries.find_secret(SECRET, scope=EVERYTHING)


@pytest.fixture
def get(signed_in, store):
    """Return a function that reads the secret's page, with its present unless `more` says otherwise."""

    def ask(more: str = "present=now", **headers: str) -> Page:
        response = signed_in.get(f"/secrets/{store.id}/?range=30d&{more}", headers=headers or None)
        assert response.status_code == 200, response.content.decode()[:2000]
        return Page.of(response)

    return ask


@pytest.fixture
def mirrored(store) -> Connection:
    """A vault whose policies were read: one service account and one person may read the secret, one by a template."""
    way = Connection.objects.create(vault="eu-prod", address="https://vault.example", access_at=NOW - HOUR)
    Mount.objects.create(connection=way, path="secret/", accessor="a", type="kv", kv_version=2, seen_first=NOW)
    times = {"connection": way, "seen_first": NOW, "changed_at": NOW}
    for name, text in (
        ("app-read", 'path "secret/data/prod/*" { capabilities = ["read"] }'),
        ("own", 'path "secret/data/{{identity.entity.name}}/app/key" { capabilities = ["read"] }'),
        ("nothing", 'path "secret/data/other" { capabilities = ["read"] }'),
    ):
        Policy.objects.create(name=name, text=text, sha256="0" * 64, **times)
    for name, policies in (("mira", ["app-read"]), ("ben", ["nothing"]), ("tom", ["own"])):
        AuthRole.objects.create(method="auth/userpass/", type="userpass", name=name, policies=policies, **times)
    return way


@pytest.fixture
def cluster(store) -> Cluster:
    """A connected cluster with a current picture, and two pods that get the secret by an agent and by CSI."""
    one = Cluster.objects.create(name="prod", uid="c-1")
    ClusterLink.objects.create(cluster=one, connected_at=NOW)
    now = datetime.now(UTC)
    for resource in ("pods", "namespaces", "serviceaccounts"):
        Watch.objects.create(cluster=one, resource=resource, state="watching", since=now, heard_at=now)
    Connection.objects.get_or_create(vault="eu-prod", namespace="", defaults={"address": "https://vault.example"})
    for name, method, needs in (("app-0", "injector", "never"), ("app-1", "csi", "always")):
        digest = md5(name.encode(), usedforsecurity=False).digest()
        about = {"cluster": one, "digest": digest, "namespace": "shop", "workload_kind": "Deployment",
                 "workload_name": "app", "workload_uid": "w-1"}  # fmt: skip
        PodState.objects.create(**about, uid=f"u-{name}", name=name, state="running")
        SecretConsumer.objects.create(
            **about, pod_uid=f"u-{name}", pod_name=name, container="main", method=method,
            path="secret/data/prod/app/key", needs_restart=needs, refresh_seconds=300, uses=["file"],
        )  # fmt: skip
    return one


def attribute(cluster: Cluster, grade: str = "strong") -> None:
    """Say that the first service account's calls came from app-0, and the second's from app-1."""
    with connection.cursor() as cursor:
        cursor.execute("""SELECT DISTINCT e.token, e.address, p.name, e.vault FROM audit_event e
                          JOIN audit_principal p ON p.id = e.principal""")
        rows = cursor.fetchall()
    for token, address, name, vault in rows:
        use, _ = TokenUse.objects.get_or_create(
            token_id=token, address_id=address, defaults={"vault_id": vault, "first": NOW - 4 * HOUR, "last": NOW}
        )
        Attribution.objects.filter(use=use).delete()
        Attribution.objects.create(
            use=use, since=NOW - 5 * HOUR, until=NOW + HOUR, grade=grade, cluster=cluster.name, rule=1,
            pod_uid=f"u-{name.rpartition('/')[2]}", pod_namespace="shop", pod_name=name.rpartition("/")[2],
        )  # fmt: skip


def test_the_page_does_not_wait_for_the_present_and_offers_it(get, mirrored):
    got = get("")
    assert "Who may read it, and who has it mounted" in got.text and "app-read" not in got.text
    assert [own for own in got.all("a", href="present=now") if own.get("hx-trigger") == "load"]
    part = get(**{"HX-Request": "true", "HX-Target": "div#present"})
    assert "app-read" in part.text and not part.all("main")


def test_who_may_read_is_told_with_policy_rule_and_what_it_depends_on(get, mirrored):
    got = get().text
    assert "As of" in got and "Whoever holds a root token may read it too." in got
    for words in ("mira", "app-read", "secret/data/prod/*", "tom", "depends on"):
        assert words in got
    assert "ben" not in got.replace("benefit", "")


def test_what_could_not_be_seen_is_told(get, mirrored):
    Policy.objects.filter(name="app-read").update(unreadable="line 1, column 3: raed: no such capability")
    got = get()
    assert "Could not see policy app-read: line 1, column 3" in got.text and "not known" in got.text
    assert "could not read app-read" in got.text


def test_without_a_connected_vault_nobody_knows_who_may_read(get):
    got = get().text
    assert "Who may read it is not known" in got and "eu-prod is not connected" in got


def test_a_limited_view_is_told_that_policies_are_not_for_it(get, mirrored, cat):
    PersonArea.objects.create(user=cat, vault="eu-prod", namespace="", prefix="secret/prod")
    got = get().text
    assert "Your view is limited to areas" in got and "mira" not in got and "app-read" not in got


def test_who_has_it_is_told_with_method_refresh_and_restart(get, cluster):
    got = get().text
    assert "Who has it mounted 2 pods" in got and "Agent Injector" in got and "CSI" in got
    assert "every 5 min" in got and "needs a restart" in got and "no restart needed" in got
    assert "2 containers." in got and "The picture is of" in got


def test_a_stale_picture_is_not_told_as_current(get, cluster):
    Watch.objects.update(heard_at=NOW - HOUR)
    got = get()
    assert "prod: stale since" in got.text and "The picture is of" not in got.text


def test_without_a_cluster_the_page_says_how_to_connect_one(get):
    assert "No cluster is connected" in get().text


def test_a_pod_that_last_read_an_old_version_is_behind(get, cluster):
    attribute(cluster)
    got = get().text
    assert "Still on an old version" in got and "v3 old" in got and "v4" in got
    behind = got.split("Still on an old version")[1]
    assert "app-0" in behind.split("1 pod, by the newest")[0] and "app-1" not in behind.split("1 pod, by")[0]


def test_each_reader_shows_the_pods_of_its_calls_with_their_grades(get, cluster):
    attribute(cluster)
    got = get()
    told = got.text.split("Proof of pod")[1]
    assert "strong shop/app-0" in told and "strong shop/app-1" in told
    assert {own["href"] for own in got.all("a", href="/pods/prod/")} >= {"/pods/prod/u-app-0/", "/pods/prod/u-app-1/"}
    attribute(cluster, "conflict")
    Attribution.objects.update(pod_uid="", pod_name="", cluster="")
    got = get()
    assert "conflict" in got.text.split("Proof of pod")[1]
    assert not [own for own in got.all("a", class_="mono") if own["href"].startswith("/pods/")]


def test_a_pods_page_tells_which_version_of_each_secret_it_holds(signed_in, store, cluster):
    attribute(cluster)
    for name in ("app-0", "app-1"):
        PodState.objects.filter(name=name).update(service_account=name)

    def held(pod: str) -> str:
        got = Page.of(signed_in.get(f"/pods/prod/{pod}/")).text
        return got.split("A new value")[1].split("What its calls did")[0]

    assert "v3 old newest v4" in held("u-app-0")
    assert " v4 " in held("u-app-1") and "old" not in held("u-app-1")
    SecretConsumer.objects.filter(pod_uid="u-app-0").update(pinned=3)
    assert " v3 " in held("u-app-0") and "old" not in held("u-app-0")
    TokenUse.objects.all().delete()
    assert "not known" in held("u-app-1")


def test_the_map_shows_versions_with_their_grades_old_ones_and_what_is_not_known(signed_in, store, cluster):
    attribute(cluster)
    got = Page.of(signed_in.get("/workloads/map/"))
    assert "2 pods of 1 workload hold 1 static secret and 0 leases. 1 pod is behind." in got.text
    told = got.text.split("What each pod holds")[1]
    assert "v3 old strong" in told and "v4 strong" in told and "1 pod behind" in told
    assert len(got.all("td", class_="map-old")) == 1 and not got.all("td", class_="map-unknown")
    TokenUse.objects.all().delete()
    got = Page.of(signed_in.get("/workloads/map/"))
    assert len(got.all("td", class_="map-unknown")) == 2 and "Of 2 pods we do not know what they hold." in got.text
    assert "Of 2 pods it is not known what they hold of a secret." in got.text and "Not complete." in got.text


def test_a_pod_that_is_gone_pinned_or_not_proven_is_not_told_as_behind(get, cluster):
    attribute(cluster, "possible")
    assert "Still on an old version" not in get().text
    attribute(cluster)
    SecretConsumer.objects.filter(pod_uid="u-app-0").update(pinned=3)
    assert "Still on an old version" not in get().text
    SecretConsumer.objects.update(pinned=0)
    PodState.objects.filter(uid="u-app-0").delete()
    assert "Still on an old version" not in get().text


def test_the_page_of_a_dynamic_secret_lists_its_newest_leases(signed_in, store):
    one = lease(pod="payments/api-1", grade="exact", pod_gone=NOW - HOUR, state="live")
    got = Page.of(signed_in.get(f"/secrets/{one.secret_id}/"))
    assert got.by_id(f"lease-{one.pk}") and "1 lease not known to have ended" in got.text
    assert "1 outlives its pod" in got.text
    assert "not known to have ended" not in Page.of(signed_in.get(f"/secrets/{store.id}/")).text


def test_a_secret_of_the_log_is_rotated_from_its_page_and_its_form_names_it(db, store):
    client = Client()
    client.force_login(User.objects.create_user("ann", password="a long enough password", role="operator"))
    page = client.get(f"/secrets/{store.id}/").content.decode()
    ways = {
        words: html.unescape(url)
        for url, words in re.findall(r'href="([^"]+)">[^/]*/?[^/]*</svg><span>([^<]+…)<', page)
    }
    assert ways.keys() == {"Rotate…", "Schedule…", "Respond…"}
    for words, field in (("Rotate…", "arg-secret"), ("Schedule…", "pattern")):
        form = client.get(ways[words]).content.decode()
        assert re.search(rf'id="{field}"[^>]*value="{SECRET}"', form), words
