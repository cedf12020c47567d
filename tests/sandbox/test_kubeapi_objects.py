"""What the simulated Kubernetes API does with what is sent to it, where a real one can't be asked to do the same."""

from __future__ import annotations

import pytest

from sandbox.kube_resources import kind_of
from tests.cluster.speaking import MERGE, STRATEGIC, Speaker
from tests.sandbox.test_kubeapi import pod

STORES = "/apis/external-secrets.io/v1/namespaces/default/externalsecrets"


@pytest.fixture
def external(speak):
    """Return the path of a custom resource that exists."""
    found = {"metadata": {"name": "e"}, "spec": {"refreshInterval": "1h"}, "status": {"refreshTime": "never"}}
    assert speak.post(STORES, found).status_code == 201
    return f"{STORES}/e"


def test_a_custom_resource_refuses_a_strategic_merge_and_takes_a_merge(speak, external):
    patch = {"metadata": {"annotations": {"force-sync": "1"}}}
    answer = speak.patch(external, patch, STRATEGIC)
    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")
    assert "application/merge-patch+json" in answer.json()["message"]
    found = speak.patch(external, patch, MERGE).json()
    assert found["metadata"]["annotations"] == {"force-sync": "1"}
    assert found["metadata"]["generation"] == 1  # an annotation is no wish


def test_the_status_of_a_custom_resource_is_not_created_with_it(speak, external):
    assert "status" not in speak.get(external).json()
    speak.patch(f"{external}/status", {"status": {"refreshTime": "now"}}, MERGE)
    found = speak.get(external).json()
    assert found["status"] == {"refreshTime": "now"}
    assert found["metadata"]["generation"] == 1
    assert speak.patch(external, {"spec": {"refreshInterval": "2h"}}, MERGE).json()["metadata"]["generation"] == 2


def test_a_pod_status_without_a_path_of_its_own_is_created_as_it_is(speak):
    path = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasspodstatuses"
    found = {"metadata": {"name": "s"}, "status": {"podName": "p", "mounted": True}}
    assert speak.post(path, found).json()["status"] == found["status"]


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"kind":"Secret","metadata":{"name":"x"}}', b'{"metadata":{"name":"x","namespace":"other"}}'],
)
def test_a_body_that_does_not_fit_is_400(kube, speak, body):
    answer = speak.session.post(f"{kube.url}/api/v1/namespaces/default/configmaps", data=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


def test_a_verb_that_is_not_served_is_405(speak):
    assert speak.put("/api/v1/namespaces/default/pods/p/eviction", {}).status_code == 405
    assert speak.get("/apis/authentication.k8s.io/v1/tokenreviews").status_code == 405


def test_what_lies_below_an_object_and_is_not_served_is_a_plain_404(kube, speak):
    kube.store.put(pod("p"))
    answer = speak.get("/api/v1/namespaces/shop/pods/p/log")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


def test_an_update_of_a_custom_resource_says_from_which_version(speak, external):
    found = speak.get(external).json()
    version = found["metadata"].pop("resourceVersion")
    assert speak.put(external, found).status_code == 422
    found["metadata"]["resourceVersion"] = version
    assert speak.put(external, found).status_code == 200


def test_a_selection_is_deleted_at_once(kube, speak):
    for name, app in (("a", "web"), ("b", "db"), ("c", "web")):
        metadata = {"name": name, "labels": {"app": app}}
        speak.post("/api/v1/namespaces/default/configmaps", {"metadata": metadata})
    answer = speak.delete("/api/v1/namespaces/default/configmaps", labelSelector="app=web")
    assert [item["metadata"]["name"] for item in answer.json()["items"]] == ["a", "c"]
    assert [found["metadata"]["name"] for found in kube.store.objects("configmaps")] == ["b"]


def test_a_new_namespace_has_its_service_account_and_takes_all_with_it_when_it_goes(kube, speak):
    speak.post("/api/v1/namespaces", {"metadata": {"name": "mine"}})
    assert speak.get("/api/v1/namespaces/mine/serviceaccounts/default").status_code == 200
    speak.post("/api/v1/namespaces/mine/configmaps", {"metadata": {"name": "c"}})
    speak.delete("/api/v1/namespaces/mine")
    assert kube.store.objects("configmaps") == []
    assert speak.get("/api/v1/namespaces/mine").status_code == 404


def test_versions_only_grow_and_an_empty_write_makes_none(kube, speak):
    kube.store.put(pod("a"))
    before = kube.store.version
    kube.store.edit(kind_of("pods"), "shop", "a", lambda found: None)
    assert kube.store.version == before
    kube.store.edit(kind_of("pods"), "shop", "a", lambda found: found["status"].update(phase="Failed"))
    assert kube.store.version == before + 1


def test_a_pod_recreated_under_the_same_name_is_another_and_the_old_one_was_deleted(kube, speak):
    version = speak.version("/api/v1/pods")
    kube.store.put(pod("a"))
    again = pod("a")
    again["metadata"]["uid"] = "another"
    kube.store.put(again)
    events = list(speak.watch("/api/v1/pods", seconds=1, resourceVersion=version))
    assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED"]
    assert events[2]["object"]["metadata"]["uid"] == "another"


# Access ---------------------------------------------------------------------------------------------------------


def test_somebody_can_be_let_in_with_exactly_some_rights(kube):
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    everywhere = Speaker(kube.url, kube.access.enter("default", "reader", rules))
    assert everywhere.get("/api/v1/pods").status_code == 200
    assert everywhere.get("/api/v1/pods", watch="1").status_code == 403
    kube.store.namespace("shop")
    inside = Speaker(kube.url, kube.access.enter("shop", "guest", rules, within="shop"))
    assert inside.get("/api/v1/namespaces/shop/pods").status_code == 200
    assert inside.get("/api/v1/pods").status_code == 403


def test_a_name_in_a_rule_opens_that_object_alone(kube):
    names = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"], "resourceNames": ["mine"]}]
    guest = Speaker(kube.url, kube.access.enter("default", "guest", names))
    assert guest.get("/api/v1/namespaces/default/secrets/mine").status_code == 404
    assert guest.get("/api/v1/namespaces/default/secrets/other").status_code == 403
    assert guest.get("/api/v1/namespaces/default/secrets").status_code == 403
    assert guest.get("/api/v1/namespaces/default/secrets", fieldSelector="metadata.name=mine").status_code == 200


# The cluster at work --------------------------------------------------------------------------------------------


def test_a_warning_is_told_when_wanted_and_counted_when_repeated(kube, speak):
    kube.store.put(pod("a"))
    (found,) = kube.store.objects("pods")
    kube.controllers.warn(found, "FailedMount", "no such secret")
    kube.controllers.warn(found, "FailedMount", "no such secret")
    (event,) = speak.listed("/api/v1/events", fieldSelector="type=Warning,involvedObject.name=a")["items"]
    assert (event["reason"], event["message"], event["count"]) == ("FailedMount", "no such secret", 2)
    assert event["involvedObject"]["uid"] == found["metadata"]["uid"]


def test_pods_that_admission_denies_leave_an_event_and_a_condition_and_no_pod(kube, speak, until):
    sentence = 'admission webhook "vault.hashicorp.com" denied the request: no Vault role found'
    kube.controllers.denied["default"] = sentence
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "w"}}, "template": template}
    kube.controllers.start()
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert speak.post(path, {"metadata": {"name": "w"}, "spec": spec}).status_code == 201

    def failure() -> list[str]:
        conditions = speak.get(f"{path}/w").json()["status"].get("conditions", [])
        return [c["message"] for c in conditions if c["type"] == "ReplicaFailure"]

    assert "no Vault role found" in until(failure, "the condition of the deployment")[0]
    (event,) = speak.listed("/api/v1/events", fieldSelector="reason=FailedCreate")["items"]
    assert event["involvedObject"]["kind"] == "ReplicaSet"
    assert event["message"].startswith("Error creating: admission webhook")
    assert speak.listed("/api/v1/pods")["items"] == []
    kube.controllers.denied.clear()
    until(lambda: speak.listed("/api/v1/pods")["items"], "a pod after the mend")


def test_what_belonged_to_a_deployment_goes_with_it(kube, speak, until):
    kube.controllers.start()
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "w"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    speak.post(path, {"metadata": {"name": "w"}, "spec": spec})
    until(lambda: len(speak.listed("/api/v1/pods")["items"]) == 2, "two pods")
    speak.delete(f"{path}/w")
    until(lambda: not speak.listed("/api/v1/pods")["items"], "the end of the pods")
    until(lambda: not speak.listed("/apis/apps/v1/replicasets")["items"], "the end of the replica set")


def test_a_workload_that_makes_no_sense_holds_up_no_other(kube, speak, until, capsys):
    broken = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {}, "status": {}}
    kube.store.put(broken)
    kube.controllers.start()
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"selector": {"matchLabels": {"app": "w"}}, "template": template}
    speak.post("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "w"}, "spec": spec})
    until(lambda: speak.listed("/api/v1/pods")["items"], "a pod of the other")
    assert "KeyError" in capsys.readouterr().err
