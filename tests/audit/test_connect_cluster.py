"""Connecting a cluster prints the exact role, tries each right, and adds it; whatever is wrong is one sentence."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.models import TrailEntry
from audit import connect_cluster, doctor
from audit.checks.clusters import CannotAsk
from audit.management.commands.doctor import ask_cluster
from cluster import access, restarter
from cluster.client import Client
from cluster.place import Address
from inventory.cluster_models import ClusterLine, ClusterLink, Watch
from inventory.models import Cluster
from tests.audit.forgetting import forget_connections
from tests.cluster.conftest import kube
from tests.cluster.test_access import applied
from tests.inventory.clusters import forget_clusters, kubeconfig, take_turn

__all__ = ["kube"]


@pytest.fixture
def yard(past, kube, tmp_path, monkeypatch):
    """A cluster to which the printed role was applied, and its kubeconfig."""

    class Yard:
        client = applied(kube)
        config = str(kubeconfig(kube, tmp_path, client._place.token))

        def connect(self, client=None, **wish):
            wish = connect_cluster.Wish(**{"name": "prod", "kubeconfig": self.config, "context": "there", **wish})
            opened = client or self.client
            return connect_cluster.connect(wish, actor="test", tell=lambda _: None, open_way=lambda _: opened)

    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "")
    forget_connections()  # and the entries of the trail that a test before left
    kube.store.namespace("shop")
    yield Yard()
    forget_connections()
    forget_clusters()


def refused(capsys, *words: str) -> str:
    """The one sentence of a command that ends with code 2."""
    with pytest.raises(SystemExit) as ended:
        call_command("connect", *words)
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said and "Traceback" not in said and not ClusterLink.objects.exists() and not Cluster.objects.exists()
    return said


def test_it_adds_the_cluster_with_its_rights_and_says_what_the_worker_needs(yard):
    done = yard.connect()
    link = ClusterLink.objects.get()
    assert link.cluster.name == "prod" and not link.secrets and done.setting == f"prod={yard.config}@there"
    assert ClusterLine.objects.filter(ok=True).count() == len(done.checks)
    assert TrailEntry.objects.get().verb == "audit.cluster.connected"


def test_the_kubeconfig_is_the_one_that_kubectl_would_take(yard, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", f"{yard.config}:/nowhere/else")
    assert yard.connect(kubeconfig="").setting == f"prod={yard.config}@there"


def test_the_command_prints_the_role_and_the_checks_and_ends_well(yard, capsys):
    call_command("connect", "--cluster", "prod", "--kubeconfig", yard.config, "--context", "there")
    said = capsys.readouterr().out
    assert access.manifest() in said and "ok       pods (list, watch): " in said
    assert f"KEYBOOK_KUBECONFIG=prod={yard.config}@there" in said


def test_the_setting_of_our_own_environment_is_enough(yard, monkeypatch, capsys):
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", f"prod={yard.config}@there")
    call_command("connect", "--cluster", "prod")
    assert "Its environment needs" not in capsys.readouterr().out and ClusterLink.objects.get().context == "there"


def test_connecting_again_changes_what_was_wished_and_makes_no_second_one(yard, kube):
    yard.connect()
    client = applied(kube, secrets=True)
    yard.connect(client, secrets=True)
    assert ClusterLink.objects.get().secrets


def test_the_role_alone_is_printed_on_demand(capsys):
    call_command("connect", "--role", "--secrets")
    assert capsys.readouterr().out == access.manifest(secrets=True)


def test_the_restarters_role_is_printed_for_the_namespaces_that_are_named(capsys):
    call_command("connect", "--restarter", "shop", "bank")
    assert capsys.readouterr().out == restarter.manifest(["shop", "bank"])


def test_a_namespace_that_can_be_none_is_refused_with_its_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        call_command("connect", "--restarter", "Shop")
    said = capsys.readouterr()
    assert "'Shop' can't be a namespace" in said.err and said.out == ""


def test_a_missing_optional_right_is_told_and_the_cluster_added(yard, kube):
    done = yard.connect(applied(kube, without=("nodes",)))
    assert done.link and any("missing list and watch on nodes" in check.detail for check in done.checks)


def test_a_missing_right_that_is_needed_is_named(yard, kube):
    with pytest.raises(connect_cluster.Unusable, match="may not list and watch pods, without which"):
        yard.connect(applied(kube, without=("pods",)))
    assert not Cluster.objects.exists()


def test_a_token_that_may_too_much_is_refused_until_somebody_insists(yard, kube):
    with pytest.raises(connect_cluster.Unusable, match="may do everything: Keybook does not need that"):
        yard.connect(Client(Address(kube.url, kube.token)))
    assert yard.connect(Client(Address(kube.url, kube.token)), accept_rights=True).link


def test_two_clusters_of_one_name_and_two_names_of_one_cluster_are_refused(yard):
    yard.connect()
    with pytest.raises(connect_cluster.Unusable, match="connected already, as prod"):
        yard.connect(name="other")
    Cluster.objects.update(uid="another one's")
    with pytest.raises(connect_cluster.Unusable, match="Another cluster is connected as prod"):
        yard.connect()


@pytest.mark.parametrize("name", ["", "a b", "../x", "<script>", "x" * 101])
def test_a_name_that_is_none_is_refused(yard, name):
    with pytest.raises(connect_cluster.Unusable, match="name"):
        yard.connect(name=name)


def test_a_kubeconfig_that_is_missing_wrong_or_without_the_context_is_a_sentence(yard, tmp_path, capsys):
    there = ("--cluster", "prod", "--kubeconfig")
    assert "can't be opened: No such file" in refused(capsys, *there, str(tmp_path / "none"))
    (tmp_path / "wrong").write_text("{nonsense")
    assert "is no YAML" in refused(capsys, *there, str(tmp_path / "wrong"))
    assert "has no context 'other'" in refused(capsys, *there, yard.config, "--context", "other")
    (tmp_path / "empty").write_text("a: b")
    assert "has no current context" in refused(capsys, *there, str(tmp_path / "empty"))


def test_a_token_that_expired_or_was_never_one_is_a_sentence(yard, kube, tmp_path, capsys):
    config = str(kubeconfig(kube, tmp_path, "expired"))
    assert "does not know who asks" in refused(capsys, "--cluster", "prod", "--kubeconfig", config)


def test_an_api_server_that_is_away_is_a_sentence(yard, kube, capsys):
    kube.go_away()
    assert "obody answers" in refused(capsys, "--cluster", "prod", "--kubeconfig", yard.config)
    kube.come_back()


def test_json_holds_the_role_and_the_checks_also_when_it_is_refused(yard, kube, capsys):
    kube.go_away()
    with pytest.raises(SystemExit):
        call_command("connect", "--cluster", "prod", "--kubeconfig", yard.config, "--json")
    kube.come_back()
    told = json.loads(capsys.readouterr().out)
    assert told["added"] is None and told["role"] == access.manifest() and not told["checks"][0]["ok"]


# What doctor says of a connected cluster ---------------------------------------------------------------------------


def lines(ask=None):
    return {one.name.removeprefix("cluster prod: "): one for one in doctor.examine(None, ask) if "prod" in one.name}


@pytest.fixture
def connected(yard, kube, monkeypatch):
    yard.connect()
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", f"prod={yard.config}@there")
    return ClusterLink.objects.get()


def test_doctor_finds_a_watched_cluster_well(yard, kube, connected):
    kube.uninstall("external-secrets.io")
    take_turn(kube, connected)
    found = lines(lambda _: yard.client)
    assert all(one.ok for one in found.values())
    assert found["picture"].detail.startswith("current as of ") and "externalsecrets" in found["not installed"].detail
    assert found["pods (list, watch)"].ok


def test_doctor_says_that_no_turn_has_begun(connected):
    assert not lines()["picture"].ok and "worker `cluster`" in lines()["picture"].mend


def test_doctor_says_that_a_picture_is_stale(kube, connected):
    take_turn(kube, connected)
    Watch.objects.update(heard_at="2026-01-01T00:00:00Z")
    assert "stale since 2026-01-01" in lines()["picture"].detail and lines()["picture"].mend


def test_doctor_names_a_right_that_was_taken(yard, kube, connected):
    found = lines(lambda _: applied(kube, without=("pods",)))["pods (list, watch)"]
    assert not found.ok and "missing list and watch on pods" in found.detail and "ClusterRole keybook" in found.mend


def test_doctor_tells_the_last_look_where_it_has_no_kubeconfig(connected):
    assert "every right was there" in lines()["rights"].detail
    ClusterLine.objects.filter(place=1).update(ok=False, detail="missing list on pods", mend="Add it.")
    assert any("at the last look" in one.detail and not one.ok for one in lines().values())


def test_doctor_names_a_kubeconfig_that_is_gone(connected, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "kubeconfig", "prod=/nowhere")
    with pytest.raises(CannotAsk, match="can't be opened"):
        ask_cluster(connected)
    assert "KEYBOOK_KUBECONFIG" in lines(ask_cluster)["kubeconfig"].mend
