"""Writes as an API server takes them: patches, dry runs, versions, owners of fields, ends."""

from __future__ import annotations

import pytest

from tests.cluster.grounds import IMAGE
from tests.cluster.speaking import APPLY, JSON_PATCH, MERGE, STRATEGIC

pytestmark = pytest.mark.realkube
APPS = "apps/v1"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def deployment(name: str = "web", replicas: int = 0) -> dict:
    """Return a deployment with two containers that wants no pod."""
    containers = [{"name": n, "image": IMAGE, "env": [{"name": "A", "value": n}]} for n in ("app", "side")]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": APPS, "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def settings(name: str = "c", **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def restart(at: str) -> dict:
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED: at}}}}}


@pytest.fixture
def web(ground):
    """Return the path of a deployment that exists."""
    ground.made("deployments", deployment(), APPS)
    path = ground.path("deployments", APPS, "web")
    ground.until(lambda: ground.read("deployments", "web", APPS)["status"].get("observedGeneration"), "a first status")
    return path


@pytest.mark.parametrize("content", [STRATEGIC, MERGE])
def test_the_restart_annotation_keeps_both_containers_and_adds_one_generation(ground, web, content):
    before = ground.read("deployments", "web", APPS)
    answer = ground.speak.patch(web, restart("t1"), content, fieldManager="keybook")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert [c["name"] for c in after["spec"]["template"]["spec"]["containers"]] == ["app", "side"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert "keybook" in [entry["manager"] for entry in after["metadata"]["managedFields"]]


def test_the_same_patch_again_changes_neither_generation_nor_version(ground, web):
    ground.speak.patch(web, restart("t1"), fieldManager="keybook")
    ground.until(lambda: ground.read("deployments", "web", APPS)["status"]["observedGeneration"] == 2, "the status")
    first = ground.speak.patch(web, restart("t1"), fieldManager="keybook").json()["metadata"]
    second = ground.speak.patch(web, restart("t1"), fieldManager="keybook").json()["metadata"]
    assert first["generation"] == second["generation"] == 2
    assert first["resourceVersion"] == second["resourceVersion"]


def test_a_strategic_merge_reaches_one_container_and_one_variable_by_name(ground, web):
    containers = [{"name": "side", "env": [{"name": "B", "value": "b"}, {"name": "A", "$patch": "delete"}]}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    found = ground.speak.patch(web, patch, STRATEGIC).json()["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["env"] for c in found} == {
        "app": [{"name": "A", "value": "app"}],
        "side": [{"name": "B", "value": "b"}],
    }
    assert all(c["image"] == IMAGE for c in found)


def test_a_merge_patch_replaces_a_list_as_a_whole(ground, web):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "only", "image": IMAGE}]}}}}
    found = ground.speak.patch(web, patch, MERGE).json()["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in found] == ["only"]


@pytest.mark.parametrize("content", [STRATEGIC, MERGE])
def test_null_takes_a_field_away(ground, content):
    ground.made("configmaps", settings(a="1", b="2"))
    path = ground.path("configmaps", "", "c")
    assert ground.speak.patch(path, {"data": {"a": None}}, content).json()["data"] == {"b": "2"}


def test_a_json_patch_does_all_of_its_operations_or_none(ground):
    ground.made("configmaps", settings(a="1"))
    path = ground.path("configmaps", "", "c")
    add = {"op": "add", "path": "/data/b~1c", "value": "2"}
    refused = ground.speak.patch(path, [add, {"op": "test", "path": "/data/a", "value": "other"}], JSON_PATCH)
    assert (refused.status_code, refused.json()["reason"]) == (422, "Invalid")
    assert ground.read("configmaps", "c")["data"] == {"a": "1"}
    done = ground.speak.patch(path, [add, {"op": "replace", "path": "/data/a", "value": "3"}], JSON_PATCH)
    assert done.json()["data"] == {"a": "3", "b/c": "2"}


def test_a_patch_of_an_unknown_form_is_415(ground, web):
    answer = ground.speak.patch(web, restart("t"), "application/json")
    assert (answer.status_code, answer.json()["reason"]) == (415, "UnsupportedMediaType")


def test_a_dry_run_tells_the_next_generation_and_stores_nothing(ground, web):
    before = ground.read("deployments", "web", APPS)["metadata"]
    told = ground.speak.patch(web, restart("t1"), dryRun="All").json()["metadata"]
    assert told["generation"] == before["generation"] + 1
    after = ground.read("deployments", "web", APPS)["metadata"]
    assert after["generation"] == before["generation"]
    assert ground.speak.post(ground.path("configmaps"), settings(), dryRun="All").status_code == 201
    assert ground.speak.get(ground.path("configmaps", "", "c")).status_code == 404


@pytest.mark.parametrize("how", ["put", "patch"])
def test_a_write_from_an_older_version_is_409_and_changes_nothing(ground, how):
    old = ground.made("configmaps", settings(a="1"))
    path = ground.path("configmaps", "", "c")
    ground.speak.patch(path, {"data": {"a": "2"}}, MERGE)
    if how == "put":
        answer = ground.speak.put(path, {**old, "data": {"a": "3"}})
    else:
        version = {"resourceVersion": old["metadata"]["resourceVersion"]}
        answer = ground.speak.patch(path, {"metadata": version, "data": {"a": "3"}}, MERGE)
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer.json()["message"]
    assert ground.read("configmaps", "c")["data"] == {"a": "2"}


def test_applying_what_another_manager_owns_is_409_and_names_the_field_and_the_owner(ground):
    ground.made("configmaps", settings(a="1"))
    path = ground.path("configmaps", "", "c")
    first = ground.speak.patch(path, settings(mine="x"), APPLY, fieldManager="keybook")
    assert first.status_code == 200, first.text
    assert first.json()["data"] == {"a": "1", "mine": "x"}
    refused = ground.speak.patch(path, settings(mine="y"), APPLY, fieldManager="somebody")
    assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")
    assert refused.json()["message"].startswith("Apply failed with 1 conflict: conflict with")
    (cause,) = refused.json()["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.mine")
    assert '"keybook"' in cause["message"]
    assert ground.read("configmaps", "c")["data"]["mine"] == "x"


def test_applying_with_force_takes_the_field_and_leaving_it_out_later_removes_it(ground):
    path = ground.path("configmaps", "", "c")
    made = ground.speak.patch(path, settings(a="1", b="2"), APPLY, fieldManager="one")
    assert made.status_code == 201, made.text
    taken = ground.speak.patch(path, settings(a="3"), APPLY, fieldManager="two", force="true").json()
    assert taken["data"] == {"a": "3", "b": "2"}
    left = ground.speak.patch(path, settings(), APPLY, fieldManager="one").json()
    assert left["data"] == {"a": "3"}


def test_applying_the_same_again_changes_nothing(ground):
    path = ground.path("configmaps", "", "c")
    first = ground.speak.patch(path, settings(a="1"), APPLY, fieldManager="one").json()
    second = ground.speak.patch(path, settings(a="1"), APPLY, fieldManager="one").json()
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_when_the_data_of_a_secret_changed_stands_in_its_managed_fields(ground):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "value"}}
    ground.speak.post(ground.path("secrets"), secret, fieldManager="operator")
    found = ground.read("secrets", "s")
    assert found["data"] == {"k": "dmFsdWU="}
    (entry,) = [e for e in found["metadata"]["managedFields"] if "f:data" in e["fieldsV1"]]
    assert (entry["manager"], entry["operation"], entry["time"][-1]) == ("operator", "Update", "Z")


def test_a_second_create_is_409_and_one_in_no_namespace_is_404(ground):
    ground.made("configmaps", settings())
    again = ground.speak.post(ground.path("configmaps"), settings())
    assert (again.status_code, again.json()["reason"]) == (409, "AlreadyExists")
    nowhere = ground.speak.post("/api/v1/namespaces/keybook-no-such/configmaps", settings())
    assert (nowhere.status_code, nowhere.json()["details"]["kind"]) == (404, "namespaces")


def test_a_deployment_whose_selector_misses_its_template_is_422(ground):
    wrong = deployment()
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    answer = ground.speak.post(ground.path("deployments", APPS), wrong)
    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")
    assert "`selector` does not match template `labels`" in answer.json()["message"]


def test_a_name_is_made_from_its_prefix(ground):
    found = settings()
    found["metadata"] = {"generateName": "mine-"}
    assert ground.made("configmaps", found)["metadata"]["name"].startswith("mine-")


def test_the_status_is_written_by_its_own_path_alone(ground, web):
    ground.speak.patch(web, {"status": {"observedGeneration": 77}}, MERGE)
    assert ground.read("deployments", "web", APPS)["status"]["observedGeneration"] < 77


def test_an_object_is_deleted_only_if_it_is_the_one_that_was_meant(ground):
    uid = ground.made("configmaps", settings())["metadata"]["uid"]
    path = ground.path("configmaps", "", "c")
    wrong = ground.speak.delete(path, {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}})
    assert (wrong.status_code, wrong.json()["reason"]) == (409, "Conflict")
    done = ground.speak.delete(path, {"preconditions": {"uid": uid}})
    assert (done.status_code, done.json()["status"]) == (200, "Success")
    assert ground.speak.get(path).status_code == 404


def test_a_finalizer_holds_an_object_until_it_is_taken_away(ground):
    held = settings()
    held["metadata"]["finalizers"] = ["keybook.test/hold"]
    ground.made("configmaps", held)
    path = ground.path("configmaps", "", "c")
    ground.speak.delete(path)
    assert ground.read("configmaps", "c")["metadata"]["deletionTimestamp"]
    ground.speak.patch(path, {"metadata": {"finalizers": None}}, MERGE)
    assert ground.speak.get(path).status_code == 404
