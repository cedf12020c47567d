"""The simulated Kubernetes API: lists, pages, versions, selectors and forms, by plain HTTP."""

from __future__ import annotations

import gzip
import json
import urllib.request

import pytest

from sandbox.kubeapi import KubeApi
from tests.cluster.speaking import METADATA, METADATA_LIST, Speaker

PODS = "/api/v1/pods"


def pod(name: str, namespace: str = "shop", **also) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": also.pop("labels", {})},
        "spec": {"containers": [{"name": "app", "image": "app"}], "nodeName": also.pop("node", "n1")},
        "status": {"phase": "Running", **also},
    }


@pytest.fixture
def pods(kube):
    """Fill the API with seven pods in two namespaces."""
    for number in range(7):
        labels = {"app": "web" if number % 2 else "db", "tier": f"t{number}"}
        kube.store.put(pod(f"p{number}", "shop" if number < 5 else "bank", labels=labels, node=f"n{number % 2}"))
    return kube


def names(listed: dict) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def test_a_list_has_its_kind_its_version_and_items_without_kind(pods, speak):
    found = speak.listed(PODS)
    assert found["kind"] == "PodList"
    assert names(found) == ["p5", "p6", "p0", "p1", "p2", "p3", "p4"]  # by namespace, then name
    assert found["metadata"] == {"resourceVersion": str(pods.store.version)}
    assert "kind" not in found["items"][0]
    assert speak.get("/api/v1/namespaces/shop/pods/p0").json()["kind"] == "Pod"


def test_items_of_custom_resources_carry_their_kind(kube, speak):
    kube.store.put(
        {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "a"}, "spec": {}}
    )
    found = speak.listed("/apis/external-secrets.io/v1/secretstores")
    assert found["items"][0]["kind"] == "SecretStore"


def test_pages_are_of_one_version_though_the_pods_change_meanwhile(pods, speak):
    first = speak.listed(PODS, limit=3)
    assert first["metadata"]["remainingItemCount"] == 4
    pods.store.put(pod("p00"))
    pods.store.drop(pods.store.get(pods.store.shelves["", "pods"].kind, "shop", "p3"))
    rest, token = [], first["metadata"]["continue"]
    while token:
        page = speak.listed(PODS, limit=3, **{"continue": token})
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        rest += names(page)
        token = page["metadata"].get("continue")
    assert names(first) + rest == ["p5", "p6", "p0", "p1", "p2", "p3", "p4"]
    assert names(speak.listed(PODS)) == ["p5", "p6", "p0", "p00", "p1", "p2", "p4"]


def test_an_expired_continue_token_is_410_with_another_that_goes_on_with_what_is_there_now(pods, speak):
    token = speak.listed(PODS, limit=3)["metadata"]["continue"]
    pods.store.age()
    pods.store.put(pod("p00"))
    answer = speak.get(PODS, limit=3, **{"continue": token})
    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    rest = speak.listed(PODS, **{"continue": answer.json()["metadata"]["continue"]})
    assert names(rest) == ["p00", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("token", ["garbage", "e30", "%%%"])
def test_a_continue_token_that_is_none_is_400(pods, speak, token):
    assert speak.get(PODS, limit=1, **{"continue": token}).status_code == 400


def test_a_list_from_the_cache_is_never_cut_into_pages(pods, speak):
    found = speak.listed(PODS, limit=2, resourceVersion="0")
    assert len(found["items"]) == 7
    assert "continue" not in found["metadata"]


def test_an_exact_version_is_answered_as_it_was_until_it_is_too_old(pods, speak):
    version = speak.version(PODS)
    pods.store.put(pod("p9"))
    exact = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert "p9" not in names(speak.listed(PODS, **exact))
    pods.restart()
    answer = speak.get(PODS, **exact)
    assert answer.status_code == 410
    assert answer.json()["message"] == "The resourceVersion for the provided list is too old."


def test_a_version_still_to_come_is_504_with_the_cause_and_a_second_to_wait(pods, speak):
    answer = speak.get(PODS, resourceVersion="999999", resourceVersionMatch="NotOlderThan")
    assert answer.status_code == 504
    assert answer.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=web", ["p5", "p1", "p3"]),
        ("app!=web,tier", ["p6", "p0", "p2", "p4"]),
        ("tier in (t1, t2)", ["p1", "p2"]),
        ("tier notin (t0,t1,t2,t3,t4)", ["p5", "p6"]),
        ("!app", []),
        ("app==db,tier=t0", ["p0"]),
    ],
)
def test_labels_select(pods, speak, selector, found):
    assert names(speak.listed(PODS, labelSelector=selector)) == found


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("spec.nodeName=n1", ["p5", "p1", "p3"]),
        ("metadata.name=p2", ["p2"]),
        ("metadata.namespace!=shop,status.phase=Running", ["p5", "p6"]),
    ],
)
def test_fields_select(pods, speak, selector, found):
    assert names(speak.listed(PODS, fieldSelector=selector)) == found


@pytest.mark.parametrize("query", [{"fieldSelector": "spec.containers=x"}, {"labelSelector": "a in b"}])
def test_a_selector_that_is_none_is_400(pods, speak, query):
    assert speak.get(PODS, **query).status_code == 400


def test_metadata_alone_holds_no_value_of_a_secret(kube, speak):
    metadata = {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "it is in here"}}
    kube.store.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"k": "dmFsdWU="}})
    found = speak.listed("/api/v1/secrets", accept=METADATA_LIST)
    assert found["kind"] == "PartialObjectMetadataList"
    assert set(found["items"][0]) == {"kind", "apiVersion", "metadata"}
    assert "last-applied" in json.dumps(found)
    one = speak.get("/api/v1/namespaces/default/secrets/s", accept=METADATA).json()
    assert (one["kind"], "data" in one) == ("PartialObjectMetadata", False)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (PODS, METADATA),
        (PODS, "application/json;as=Nonsense;g=meta.k8s.io;v=v1"),
        ("/api/v1/namespaces/default", METADATA_LIST),
    ],
)
def test_a_form_that_is_not_served_is_406_and_never_the_whole_object(kube, speak, path, accept):
    answer = speak.get(path, accept=accept)
    assert (answer.status_code, answer.json()["reason"]) == (406, "NotAcceptable")


def test_a_form_that_is_not_served_falls_back_where_the_client_allows_it(kube, speak):
    accept = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"
    assert speak.listed(PODS, accept=accept)["kind"] == "PodList"


def test_long_answers_are_compressed_for_those_who_ask_and_short_ones_never(kube):
    def raw(path: str) -> tuple[str | None, bytes]:
        headers = {"Authorization": f"Bearer {kube.token}", "Accept-Encoding": "gzip"}
        with urllib.request.urlopen(urllib.request.Request(kube.url + path, headers=headers)) as answer:
            return answer.headers["Content-Encoding"], answer.read()

    for number in range(300):
        kube.store.put(pod(f"p{number}", reason="x" * 500))
    coding, body = raw(PODS)
    assert coding == "gzip"
    assert len(json.loads(gzip.decompress(body))["items"]) == 300
    coding, body = raw(PODS + "?limit=20")
    assert coding is None
    assert len(json.loads(body)["items"]) == 20


def test_a_custom_resource_that_is_not_installed_is_a_plain_404(kube, speak):
    kube.uninstall("external-secrets.io")
    for path in ("/apis/external-secrets.io", "/apis/external-secrets.io/v1/secretstores", "/apis/unheard.of"):
        answer = speak.get(path)
        assert (answer.status_code, answer.text) == (404, "404 page not found\n")
        assert answer.headers["Content-Type"].startswith("text/plain")
    kube.install("external-secrets.io")
    assert speak.get("/apis/external-secrets.io").json()["preferredVersion"]["version"] == "v1"


def test_discovery_tells_groups_resources_and_the_version(kube, speak):
    assert speak.get("/version").json()["gitVersion"].startswith("v1.")
    groups = {group["name"] for group in speak.get("/apis").json()["groups"]}
    assert {"apps", "rbac.authorization.k8s.io", "secrets.hashicorp.com"} <= groups
    resources = {item["name"]: item for item in speak.get("/apis/apps/v1").json()["resources"]}
    assert resources["deployments"]["kind"] == "Deployment"
    assert "patch" in resources["deployments"]["verbs"]
    assert {"pods", "secrets", "serviceaccounts/token"} <= {r["name"] for r in speak.get("/api/v1").json()["resources"]}


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nobody_enters_without_a_token_that_is_known(kube, token):
    answer = Speaker(kube.url, token).get(PODS)
    assert (answer.status_code, answer.json()["message"]) == (401, "Unauthorized")
    assert Speaker(kube.url).get("/version").status_code == 200


def test_an_object_that_is_not_there_is_a_404_that_names_it(kube, speak):
    found = speak.get("/apis/apps/v1/namespaces/default/deployments/web").json()
    assert found["message"] == 'deployments.apps "web" not found'
    assert found["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_the_log_of_requests_says_who_asked_what_and_how_it_ended(kube, speak):
    speak.get(PODS, limit=5)
    speak.get("/api/v1/namespaces/default/pods/none")
    first, second = list(kube.requests)[-2:]
    assert (first.verb, first.resource, first.user, first.query) == ("list", "pods", "kubernetes-admin", {"limit": "5"})
    assert (second.verb, second.code) == ("get", 404)


@pytest.mark.long
def test_ten_thousand_pods_of_ten_kilobytes_are_listed_in_pages():
    with KubeApi() as api:
        for number in range(10_000):
            api.store.put(pod(f"p{number}", message="x" * 9_700))
        speak, token, count = Speaker(api.url, api.token), "", 0
        while True:
            page = speak.get(PODS, limit=500, **{"continue": token}).content
            count += page.count(b'"uid":')
            head = page[: page.index(b'"items"')] + b'"items":[]}'
            token = json.loads(head)["metadata"].get("continue", "")
            if not token:
                break
        assert count == 10_000
