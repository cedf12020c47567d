"""The role of the restarter: each line is needed, none is too much, and the file to apply is what is printed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from cluster.client import Client
from cluster.errors import NotPermitted
from cluster.operating import FILLING, KINDS, Operator
from cluster.place import Address
from cluster.restarter import NAME, NAMESPACE, RULES, UnusableNamespace, manifest
from tests.cluster.speaking import MERGE, Speaker

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FILE = Path(__file__).parents[2] / "deploy/kubernetes/restarter.yaml"
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
GROUPS = {"ExternalSecret": "external-secrets.io/v1"}


def there(kube, namespace):
    """Put one object of every kind that the restarter works on into a namespace."""
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    for kind in KINDS:
        put(kube, "apps/v1", kind, namespace, spec=spec, status={"desiredNumberScheduled": 1})
    for kind in FILLING:
        put(kube, GROUPS.get(kind, "secrets.hashicorp.com/v1beta1"), kind, namespace, spec={})
    put(kube, "v1", "Secret", namespace, data={"k": "dg=="})
    put(kube, "v1", "Pod", namespace, spec={"containers": []})


def put(kube, api_version, kind, namespace, **parts):
    meta = {"name": "web", "namespace": namespace}
    kube.store.put({"apiVersion": api_version, "kind": kind, "metadata": meta, **parts})


def applied(kube, *, without=()):
    """Apply the manifest for the namespace `shop`, without some (verb, resource); return the restarter's token."""
    for one in yaml.safe_load_all(manifest(["shop"])):
        if one["kind"] == "ClusterRole":
            one["rules"] = [
                {**rule, "resources": [plural], "verbs": [verb]}
                for rule in one["rules"]
                for plural in rule["resources"]
                for verb in rule["verbs"]
                if (verb, plural) not in without
            ]
        kube.store.put(one)
    return kube.access.tokens.issue(NAMESPACE, NAME)


def as_restarter(kube, **also):
    return Operator(Client(Address(kube.url, applied(kube, **also))))


def all_of_it(operator, namespace, change="C-215"):
    """Do everything that the restarter is for."""
    for kind in KINDS:
        operator.restart(kind, namespace, "web", change, AT)
        operator.progress(kind, namespace, "web", change)
    for kind in FILLING:
        asked = operator.force_sync(kind, namespace, "web", change, AT)
        operator.synced(kind, namespace, "web", asked.mark, AT)


PAIRS = [(verb, one.plural) for rule in RULES for one in rule.resources for verb in rule.verbs]


def test_with_the_role_everything_works_in_an_enrolled_namespace(kube):
    there(kube, "shop")
    all_of_it(as_restarter(kube), "shop")


def test_without_any_one_line_what_needs_it_is_refused_and_the_line_is_named(kube):
    there(kube, "shop")
    named = []
    for number, (verb, plural) in enumerate(PAIRS):
        with pytest.raises(NotPermitted, match=f"we may not {verb} {plural}") as told:
            all_of_it(as_restarter(kube, without=[(verb, plural)]), "shop", f"C-{number}")
        assert "namespace shop" in told.value.mend
        named.append(f'resources ["{plural}"], verbs ["{verb}"]' in told.value.mend)
    assert named == [True] * len(PAIRS)


def test_in_a_namespace_that_is_not_enrolled_nothing_works(kube):
    there(kube, "bank")
    operator = as_restarter(kube)
    for kind in (*KINDS, *FILLING):
        act = operator.restart if kind in KINDS else operator.force_sync
        with pytest.raises(NotPermitted):
            act(kind, "bank", "web", "C-215", AT)


APPS, CORE = "/apis/apps/v1/namespaces/shop", "/api/v1/namespaces/shop"
TOO_MUCH = [
    ("GET", f"{CORE}/secrets/web"), ("GET", f"{CORE}/secrets"), ("GET", "/api/v1/secrets"), ("GET", "/api/v1/pods"),
    ("GET", f"{CORE}/pods/web"), ("DELETE", f"{CORE}/pods/web"), ("POST", f"{CORE}/pods"),
    ("GET", f"{CORE}/configmaps"), ("POST", f"{CORE}/pods/web/eviction"),
    ("POST", f"{CORE}/serviceaccounts/default/token"), ("GET", "/apis/apps/v1/deployments"),
    ("GET", f"{APPS}/deployments"), ("POST", f"{APPS}/deployments"), ("PUT", f"{APPS}/deployments/web"),
    ("DELETE", f"{APPS}/deployments/web"), ("DELETE", f"{APPS}/deployments"),
    ("PATCH", f"{APPS}/deployments/web/status"), ("PATCH", f"{APPS}/replicasets/web"),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"),
    ("DELETE", "/apis/external-secrets.io/v1/namespaces/shop/externalsecrets/web"),
    ("GET", "/apis/external-secrets.io/v1/namespaces/shop/secretstores"),
]  # fmt: skip


def test_what_a_restart_does_not_need_is_refused(kube):
    there(kube, "shop")
    guest = Speaker(kube.url, applied(kube))
    content = {"PATCH": MERGE}
    answers = {
        (method, path): guest.ask(method, path, {}, content=content.get(method, "application/json")).status_code
        for method, path in TOO_MUCH
    }
    assert answers == dict.fromkeys(TOO_MUCH, 403)


def test_the_file_to_apply_is_what_is_printed():
    assert FILE.read_text() == manifest(["payments"])


def test_each_namespace_is_enrolled_by_a_binding_of_its_own():
    found = list(yaml.safe_load_all(manifest(["shop", "bank"], namespace="ops")))
    bindings = [one for one in found if one["kind"] == "RoleBinding"]
    assert [one["metadata"]["namespace"] for one in bindings] == ["shop", "bank"]
    assert {one["subjects"][0]["namespace"] for one in bindings} == {"ops"}
    assert not [one for one in found if one["kind"] == "ClusterRoleBinding"]
    conditions = [one["spec"]["matchConditions"][0]["expression"] for one in found if one["kind"].endswith("Policy")]
    assert conditions == ['request.userInfo.username == "system:serviceaccount:ops:keybook-restarter"'] * 2


@pytest.mark.parametrize("name", ["Shop", "-", "a b", "", "a\nkind: x"])
def test_what_can_be_no_namespace_is_refused(name):
    with pytest.raises(UnusableNamespace, match="can't be a namespace"):
        manifest([name])
