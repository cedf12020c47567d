"""The rights that Keybook asks for: exactly what it reads, each with what is lost without it, and tested one by one."""

from __future__ import annotations

import json

import pytest
import yaml

from cluster import access
from cluster.client import Client
from cluster.place import Address
from cluster.resources import RESOURCES


def documents(**how):
    return list(yaml.safe_load_all(access.manifest(**how)))


def granted(**how):
    rules = documents(**how)[0]["rules"]
    return {(group, name) for one in rules for group in one["apiGroups"] for name in one["resources"]}


def applied(kube, *, secrets=False, without=()):
    """Apply the printed manifest to the server and return a client with its token."""
    kube.store.namespace("keybook")
    for one in documents(secrets=secrets):
        if one["kind"] == "ClusterRole":
            one["rules"] = [rule for rule in one["rules"] if rule["resources"][0] not in without]
        kube.store.put(one)
    wish = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = "/api/v1/namespaces/keybook/serviceaccounts/keybook/token"
    told = Client(Address(kube.url, kube.token)).ask(path, wish, resource="serviceaccounts/token")
    return Client(Address(kube.url, json.loads(told)["status"]["token"]))


def test_the_role_gives_what_is_read_and_nothing_more():
    wanted = {(one.group, one.plural) for one in RESOURCES.values()}
    assert granted(secrets=True) == wanted
    assert granted() == wanted - {("", "secrets")}
    assert {verb for one in documents(secrets=True)[0]["rules"] for verb in one["verbs"]} == {"list", "watch"}


def test_the_role_names_what_each_right_is_for_and_what_is_lost_without_it():
    text = access.cluster_role(secrets=True)
    for right in access.rights(secrets=True):
        assert f"# {right.name}: {right.why}." in text
        assert not right.without or f"without it, {right.without}." in text
    assert all(right.without for right in access.rights(secrets=True) if right.resource.optional)


def test_the_manifest_binds_the_role_to_a_service_account_of_its_own():
    role, account, binding = documents(namespace="tools")
    assert (account["kind"], account["metadata"]["namespace"]) == ("ServiceAccount", "tools")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "tools"}
    ]
    assert "create token keybook --namespace tools" in access.token_commands("tools")


@pytest.mark.parametrize("secrets", [False, True])
def test_with_the_printed_role_everything_is_well(kube, secrets):
    look = access.look(applied(kube, secrets=secrets), secrets=secrets)
    assert look.usable and not look.missing and not look.excess
    assert [check for check in look.checks if not check.ok] == []


def test_a_missing_right_is_named_with_its_mend(kube):
    look = access.look(applied(kube, without=("pods", "nodes")))
    pods, nodes = (next(one for one in look.checks if f" {name} (" in f" {one.name}") for name in ("pods", "nodes"))
    assert not pods.ok and "missing list and watch on pods" in pods.detail and "list and watch on pods" in pods.mend
    assert nodes.ok and "without it, reads from pods on the host's network" in nodes.detail
    assert [right.name for right in look.missing] == ["pods", "nodes"]


def test_what_is_not_installed_is_no_fault(kube):
    client = applied(kube)
    kube.uninstall("external-secrets.io")
    look = access.look(client)
    assert {right.resource.group for right in look.not_installed} == {"external-secrets.io"}
    assert all(check.ok for check in look.checks)


def test_a_token_that_may_too_much_is_told_what(kube):
    look = access.look(Client(Address(kube.url, kube.token)))
    assert look.excess == ["do everything"]
    assert (
        not look.checks[-1].ok and "this token may do everything: Keybook does not need that" in look.checks[-1].detail
    )


def test_a_reader_of_secrets_is_told_only_when_nobody_asked_for_it(kube):
    client = applied(kube, secrets=True)
    assert access.look(client).excess == ["read the values of Secrets"]
    assert access.look(client, secrets=True).excess == []


def test_where_nobody_may_ask_about_itself_each_right_is_still_tried(kube):
    client = applied(kube, without=("jobs",))
    kube.faults.fail(403, "create", "selfsubjectaccessreviews", times=None)
    look = access.look(client)
    assert [right.name for right in look.missing] == ["jobs.batch"]


@pytest.mark.parametrize("token, sentence", [("wrong", "does not know who asks")])
def test_a_cluster_that_can_not_be_used_is_one_check(kube, token, sentence):
    look = access.look(Client(Address(kube.url, token)))
    assert not look.usable and len(look.checks) == 1 and sentence in look.checks[0].detail


def test_a_cluster_that_is_away_is_one_check(kube):
    client = Client(Address(kube.url, kube.token))
    kube.go_away()
    look = access.look(client)
    kube.come_back()
    assert not look.usable and "nobody answers" in look.checks[0].detail and look.checks[0].mend.endswith(".")
