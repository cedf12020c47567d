"""Who may read a Secret: what RBAC says, evaluated as the API server does, with the ways round."""

from __future__ import annotations

import json

import pytest

from cluster.decoding import decode_object
from cluster.rbac import BLIND, READ, WAYS, Rights, gives
from cluster.resources import RESOURCES


def made(resource: str, name: str, namespace: str = "", **body):
    meta = {"name": name, "uid": f"{resource}-{namespace}-{name}"} | ({"namespace": namespace} if namespace else {})
    return decode_object(RESOURCES[resource], json.dumps({"metadata": meta, **body}).encode())


def rule(verbs="get", resources="secrets", groups="", names=""):
    return {
        "verbs": verbs.split(), "resources": resources.split(), "apiGroups": groups.split(",") if groups else [""],
        "resourceNames": names.split(),
    }  # fmt: skip


def role(name, *rules, namespace="shop"):
    return made("roles", name, namespace, rules=list(rules))


def cluster_role(name, *rules):
    return made("clusterroles", name, rules=list(rules))


def bound(name, to, *subjects, namespace="shop", kind="Role"):
    refs = [dict(zip(("kind", "namespace", "name"), one.split("/"), strict=True)) for one in subjects]
    body = {"roleRef": {"kind": kind, "name": to}, "subjects": refs}
    return made("rolebindings" if namespace else "clusterrolebindings", name, namespace, **body)


def asked(roles=(), cluster_roles=(), bindings=(), everywhere=(), namespace="shop", name="db"):
    found = Rights(roles, cluster_roles, bindings, everywhere).readers(namespace, name)
    return [(f"{one.kind}/{one.namespace}/{one.name}", one.way.name) for one in found]


APP = "ServiceAccount/shop/app"


@pytest.mark.parametrize("verbs", ["get", "list", "watch", "*", "create get"])
@pytest.mark.parametrize("resources", ["secrets", "*", "pods secrets"])
@pytest.mark.parametrize("groups", ["", "*", "apps,"])
def test_these_rules_let_read(verbs, resources, groups):
    found = asked([role("r", rule(verbs, resources, groups))], bindings=[bound("b", "r", APP)])
    assert (APP, READ.name) in found


@pytest.mark.parametrize(
    "given",
    [rule("create"), rule("update delete"), rule("get", "configmaps"), rule("get", "secrets/status"),
     rule("get", "*/*"), rule("get", "secrets", "apps"), rule("get", names="other"), {"nonResourceURLs": ["*"],
     "verbs": ["*"]}],
)  # fmt: skip
def test_these_do_not(given):
    found = asked([role("r", given)], bindings=[bound("b", "r", APP)])
    assert (APP, READ.name) not in found


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_a_rule_for_named_secrets_gives_those(verb):
    given = [role("r", rule(verb, names="db cache"))]
    assert asked(given, bindings=[bound("b", "r", APP)]) == [(APP, READ.name)]
    assert asked(given, bindings=[bound("b", "r", APP)], name="other") == []


def test_a_role_binding_counts_in_its_namespace_alone():
    given = {"cluster_roles": [cluster_role("reader", rule())], "bindings": [
        bound("b", "reader", APP, kind="ClusterRole")]}  # fmt: skip
    assert asked(**given) == [(APP, READ.name)]
    assert asked(**given, namespace="bank") == []


def test_a_cluster_role_binding_counts_everywhere():
    given = {"cluster_roles": [cluster_role("reader", rule())], "everywhere": [
        bound("b", "reader", "Group//ops", namespace="", kind="ClusterRole")]}  # fmt: skip
    assert asked(**given) == asked(**given, namespace="bank") == [("Group//ops", READ.name)]


def test_a_role_of_another_namespace_is_not_taken_for_a_namesake():
    assert asked([role("r", rule(), namespace="bank")], bindings=[bound("b", "r", APP)]) == []


def test_a_binding_without_its_role_gives_nothing_and_is_told():
    rights = Rights([], [], [bound("b", "gone", APP)], [])
    assert rights.readers("shop", "db") == [] and rights.dangling() == ["shop/b"]


@pytest.mark.parametrize(
    "given, way",
    [
        (rule("patch"), "patches it"), (rule("deletecollection"), "deletes Secrets"),
        (rule("create", "pods"), "makes a pod"), (rule("update", "deployments", "apps"), "makes or changes"),
        (rule("create", "cronjobs", "batch"), "makes or changes"), (rule("create", "pods/exec"), "runs commands"),
        (rule("get", "*/exec"), "runs commands"), (rule("patch", "pods/ephemeralcontainers"), "puts a container"),
        (rule("create", "serviceaccounts/token"), "makes tokens"), (rule("impersonate", "serviceaccounts"), "acts as"),
        (rule("bind", "roles", "rbac.authorization.k8s.io"), "gives itself"),
        (rule("create", "externalsecrets", "external-secrets.io"), "has an operator"),
        (rule("patch", "vaultdynamicsecrets", "secrets.hashicorp.com"), "has an operator"),
    ],
)  # fmt: skip
def test_ways_round_are_told_apart_from_the_right_itself(given, way):
    found = asked([role("r", given)], bindings=[bound("b", "r", APP)])
    assert [one for one in found if one[1].startswith(way)] and (APP, READ.name) not in found


@pytest.mark.parametrize(
    "given",
    [rule("impersonate", "users"), rule("get", "nodes/proxy"), rule("approve", "signers", "certificates.k8s.io"),
     rule("update", "mutatingwebhookconfigurations", "admissionregistration.k8s.io")],
)  # fmt: skip
def test_what_only_the_whole_cluster_gives_is_not_given_by_a_namespace(given):
    roles = [cluster_role("r", given)]
    assert asked(cluster_roles=roles, bindings=[bound("b", "r", APP, kind="ClusterRole")]) == []
    wide = [bound("b", "r", APP, namespace="", kind="ClusterRole")]
    assert len(asked(cluster_roles=roles, everywhere=wide)) == 1


def test_the_built_in_roles_are_what_they_are():
    admin = cluster_role("cluster-admin", rule("*", "*", "*"))
    view = cluster_role("view", rule("get list watch", "pods configmaps services"))
    found = asked(cluster_roles=[admin, view], everywhere=[
        bound("a", "cluster-admin", "User//root", namespace="", kind="ClusterRole"),
        bound("v", "view", "User//guest", namespace="", kind="ClusterRole")])  # fmt: skip
    assert {who for who, _ in found} == {"User//root"} and {way for _, way in found} == {way.name for way in WAYS}
    assert found[0] == ("User//root", READ.name), "who may read outright stands first"


def test_a_subject_covers_the_service_accounts_that_it_means():
    bindings = [bound("b", "r", "ServiceAccount//app", "ServiceAccount/bank/app",
                      "User//system:serviceaccount:shop:app",
                      "Group//system:serviceaccounts", "Group//system:serviceaccounts:shop",
                      "Group//system:serviceaccounts:bank", "Group//system:authenticated", "Group//ops")]  # fmt: skip
    found = Rights([role("r", rule())], [], bindings, []).readers("shop", "db")
    assert {f"{one.kind}/{one.namespace}/{one.name}" for one in found if one.covers("shop", "app")} == {
        "ServiceAccount/shop/app", "User//system:serviceaccount:shop:app", "Group//system:serviceaccounts",
        "Group//system:serviceaccounts:shop", "Group//system:authenticated",
    }  # fmt: skip


@pytest.mark.parametrize(
    "given, has",
    [(rule("create", "pods", names="p"), False), (rule("deletecollection", names="db"), False),
     (rule("*", "pods", names="p"), False), (rule("create", "pods/exec", names="p"), True),
     (rule("create patch", "deployments", "apps", names="web"), True), (rule("*", names="db"), True)],
)  # fmt: skip
def test_a_rule_for_names_gives_nothing_that_is_asked_without_one(given, has):
    assert bool(asked([role("r", given)], bindings=[bound("b", "r", APP)])) is has


def test_each_reader_names_its_binding_and_role():
    (found,) = Rights([role("r", rule())], [], [bound("b", "r", APP)], []).readers("shop", "db")
    assert (found.binding, found.role) == ("shop/b", "shop/r")


def test_a_wildcard_group_alone_gives_nothing_without_the_verb():
    assert not gives(made("roles", "r", "shop", rules=[rule("create", "*", "*")]).rules[0], READ, "db")


def test_what_is_not_seen_is_said():
    assert any("system:masters" in one for one in BLIND)
