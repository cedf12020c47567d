"""Restarts and forced syncs on the simulated API: what is written, what is refused with its mend, what is not known."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest

from cluster import answers, guarded, operating, refresh, rollouts
from cluster.client import Client
from cluster.decoding import Failure
from cluster.errors import (
    Busy,
    ClusterError,
    Conflict,
    Denied,
    NotAsPlanned,
    NotInstalled,
    NotPermitted,
    NotRefreshable,
    NotRestartable,
    NotThere,
    Refused,
    TokenRefused,
    Unavailable,
    Unknown,
    Unreachable,
)
from cluster.operating import Operator
from cluster.place import Address
from sandbox.kube_faults import Fault
from sandbox.kube_resources import kind_of
from sandbox.kube_status import Refusal

AT = datetime(2026, 11, 21, 12, 0, 0, 123456, UTC)
WEB = ("Deployment", "shop", "web")
RULES = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]


def workload(kind="Deployment", name="web", **spec):
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
    wants = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": wants}


def external(**spec):
    group = "external-secrets.io/v1"
    return {
        "apiVersion": group,
        "kind": "ExternalSecret",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": spec,
    }


def kept(kind, **parts):
    group = "secrets.hashicorp.com/v1beta1"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "db", "namespace": "shop"}, **parts}


@pytest.fixture
def web(kube):
    """Return a function that gives the deployment `web` as the server has it."""
    kube.store.put(workload())
    return lambda: kube.store.get(kind_of("deployments", "apps"), "shop", "web").object


@pytest.fixture
def client(kube):
    return Client(Address(kube.url, kube.token), read=2)


def guest(kube, *rules):
    return Client(Address(kube.url, kube.access.enter("keybook", "restarter", rules, within="shop")), read=2)


def sent(kube):
    return [one for one in kube.requests if one.verb == "patch"]


# A restart --------------------------------------------------------------------------------------------------------


def test_a_restart_writes_the_change_and_the_time_on_the_template_and_nothing_else(kube, client, web):
    before = web()
    done = Operator(client).restart(*WEB, "C-215", AT)
    after = web()
    notes = after["spec"]["template"]["metadata"]["annotations"]
    assert notes == {
        "keybook.dev/change": "C-215",
        "kubectl.kubernetes.io/restartedAt": "2026-11-21T12:00:00.123456Z",
    }
    (container,) = after["spec"]["template"]["spec"]["containers"]
    assert container.items() >= before["spec"]["template"]["spec"]["containers"][0].items()
    assert (done.generation, done.uid, done.again) == (2, after["metadata"]["uid"], False)
    (patch,) = sent(kube)
    assert patch.query == {"fieldManager": "keybook"}
    (entry,) = [one for one in after["metadata"]["managedFields"] if one["manager"] == "keybook"]
    assert done.at == rollouts.moment(entry["time"])


@pytest.mark.parametrize(("kind", "plural"), [("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")])
def test_the_other_two_kinds_are_restarted_alike(kube, client, kind, plural):
    kube.store.put({**workload(kind), "status": {"desiredNumberScheduled": 1}})
    assert Operator(client).restart(kind, "shop", "web", "C-215", AT).generation == 2
    assert Operator(client).restarted_by(kind, "shop", "web") == "C-215"


def test_a_second_restart_within_the_same_second_is_another_one(client, web):
    Operator(client).restart(*WEB, "C-215", AT)
    done = Operator(client).restart(*WEB, "C-216", AT + timedelta(microseconds=1))
    assert (done.generation, done.again) == (3, False)
    assert Operator(client).restarted_by(*WEB) == "C-216"


def test_a_restart_that_was_done_is_found_and_not_done_again(kube, client, web):
    assert Operator(client).restarted_by(*WEB) is None
    first = Operator(client).restart(*WEB, "C-215", AT)
    again = Operator(client).restart(*WEB, "C-215", AT + timedelta(hours=1))
    assert (again.generation, again.at, again.again) == (first.generation, first.at, True)
    assert len(sent(kube)) == 1


def test_a_dry_run_asks_all_of_it_and_changes_nothing(kube, client, web):
    before = web()
    assert Operator(client).restart(*WEB, "C-215", AT, dry_run=True).generation == 2
    assert web() == before
    assert sent(kube)[0].query["dryRun"] == "All"


def test_a_status_that_is_written_meanwhile_does_not_stop_it_and_a_changed_template_does(kube, client, web):
    planned = rollouts.fingerprint(Operator(client).look(*WEB).workload)
    real, moved = client.patch, []

    def interrupted(*args, **also):
        if not moved:
            moved.append(True)
            change(kube, web, lambda found: found.update(status={"observedGeneration": 1}))
        return real(*args, **also)

    client.patch = interrupted
    assert not Operator(client).restart(*WEB, "C-215", AT, fingerprint=planned).again
    assert [one.code for one in sent(kube)] == [409, 200]
    change(kube, web, lambda found: found["spec"]["template"]["spec"]["containers"][0].update(image="other"))
    with pytest.raises(NotAsPlanned, match="template or strategy was changed"):
        Operator(client).restart(*WEB, "C-216", AT, fingerprint=planned)


def test_a_template_that_is_changed_between_the_look_and_the_patch_is_noticed(kube, client, web):
    planned = rollouts.fingerprint(Operator(client).look(*WEB).workload)
    real = client.patch

    def interrupted(*args, **also):
        change(kube, web, lambda found: found["spec"]["template"]["spec"]["containers"][0].update(image="other"))
        return real(*args, **also)

    client.patch = interrupted
    with pytest.raises(NotAsPlanned):
        Operator(client).restart(*WEB, "C-215", AT, fingerprint=planned)
    assert "annotations" not in web()["spec"]["template"]["metadata"]


def test_an_object_that_is_changed_all_the_time_is_given_up_with_nothing_done(kube, client, web):
    kube.faults.add(Fault("patch", times=None, refusal=Refusal(409, "the object has been modified")))
    with pytest.raises(Conflict, match="was changed meanwhile"):
        Operator(client).restart(*WEB, "C-215", AT)
    assert len(sent(kube)) == guarded.TRIES


def test_a_workload_that_was_made_anew_is_not_the_one_of_the_plan(client, web):
    with pytest.raises(NotAsPlanned, match="made anew since the plan"):
        Operator(client).restart(*WEB, "C-215", AT, uid="another")


def change(kube, web, how):
    with kube.store.lock:
        kube.store.edit(kind_of("deployments", "apps"), "shop", "web", how)


# What is refused, and why -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "why"), [({"paused": True}, "it is paused.*resume it first"), ({"replicas": 0}, "it is scaled to 0")]
)
def test_a_workload_that_would_not_roll_is_refused_before_anything_is_sent(kube, client, spec, why):
    kube.store.put(workload(**spec))
    with pytest.raises(NotRestartable, match=why) as told:
        Operator(client).restart(*WEB, "C-215", AT)
    assert told.value.permanent
    assert "Deployment shop/web" in str(told.value)
    assert sent(kube) == []


def test_a_workload_that_does_not_exist_a_kind_that_is_not_restarted_and_names_that_are_none(client, web):
    with pytest.raises(NotThere, match=r"there is no such object.*not found"):
        Operator(client).restart("Deployment", "shop", "other", "C-215", AT)
    with pytest.raises(NotRestartable, match=r"we can't do this to a Job.*Deployment, StatefulSet, DaemonSet"):
        Operator(client).restart("Job", "shop", "web", "C-215", AT)
    with pytest.raises(NotThere, match="can't be a namespace and a name"):
        Operator(client).restart("Deployment", "shop", "../../secrets/x", "C-215", AT)


def test_without_the_right_the_rule_to_add_is_named(kube, web):
    with pytest.raises(NotPermitted, match="cannot get resource") as told:
        Operator(guest(kube)).restart(*WEB, "C-215", AT)
    assert told.value.mend == (
        'add to a Role of ours in namespace shop: apiGroups ["apps"], resources ["deployments"], verbs ["get"]'
    )
    only_get = [{**RULES[0], "verbs": ["get"]}]
    with pytest.raises(NotPermitted, match="we may not patch deployments") as told:
        Operator(guest(kube, *only_get)).restart(*WEB, "C-215", AT)
    assert 'verbs ["patch"]' in told.value.mend
    with pytest.raises(NotPermitted) as told:
        Operator(guest(kube, *RULES)).look(*WEB)
    assert 'resources ["replicasets"], verbs ["list"]' in told.value.mend


DENIALS = [
    (400, 'admission webhook "policy.example" denied the request: restarts are frozen'),
    (403, 'admission webhook "policy.example" denied the request: restarts are frozen'),
    (
        422,
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'y' denied request: frozen",
    ),
    (403, 'deployments.apps "web" is forbidden: exceeded quota: small, requested: pods=1, frozen'),
]


@pytest.mark.parametrize(("code", "message"), DENIALS)
def test_what_admission_denies_is_told_in_its_own_words_also_by_a_dry_run(client, web, code, message):
    real = client.patch

    def denied(*_, **__):
        raise answers.meaning(Failure(code, "", message, 0), verb="patch", resource="deployments", where="there")

    client.patch = denied
    for dry_run in (True, False):
        with pytest.raises(Denied, match=r"admission denies to patch deployments.*frozen") as told:
            Operator(client).restart(*WEB, "C-215", AT, dry_run=dry_run)
        assert told.value.permanent
    client.patch = real
    assert Operator(client).restarted_by(*WEB) is None


@pytest.mark.parametrize(("code", "error"), [(429, Busy), (422, Refused), (401, TokenRefused)])
def test_other_refusals_say_that_surely_nothing_was_done(kube, client, web, code, error):
    kube.faults.fail(code, "patch")
    with pytest.raises(error):
        Operator(client).restart(*WEB, "C-215", AT)
    assert Operator(client).restarted_by(*WEB) is None


# What is not known ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_an_answer_of_500_and_more_is_unknown_and_the_probe_decides(kube, client, web, code):
    kube.faults.fail(code, "patch")
    with pytest.raises(Unknown, match=f"answered {code}") as told:
        Operator(client).restart(*WEB, "C-215", AT)
    assert not told.value.permanent
    assert Operator(client).restarted_by(*WEB) is None  # this one had not been done


@pytest.mark.parametrize("after", [0, 20])
def test_a_connection_that_is_cut_after_the_act_is_unknown_and_the_probe_finds_it_done(kube, client, web, after):
    kube.faults.cut(after, "patch")
    with pytest.raises(Unknown, match="no whole answer came"):
        Operator(client).restart(*WEB, "C-215", AT)
    assert Operator(client).restarted_by(*WEB) == "C-215"
    assert Operator(client).restart(*WEB, "C-215", AT).again
    assert len(sent(kube)) == 1


def test_an_answer_that_does_not_come_in_time_is_unknown(kube, web):
    hasty = Client(Address(kube.url, kube.token), read=0.2)
    kube.faults.delay(1.0, "patch")
    with pytest.raises(Unknown):
        Operator(hasty).restart(*WEB, "C-215", AT)


def test_a_dry_run_whose_answer_is_lost_is_only_unreachable_for_it_changes_nothing(kube, client, web):
    kube.faults.cut(0, "patch")
    with pytest.raises(Unreachable):
        Operator(client).restart(*WEB, "C-215", AT, dry_run=True)
    kube.faults.fail(500, "patch")
    with pytest.raises(Unavailable):
        Operator(client).restart(*WEB, "C-215", AT, dry_run=True)


def test_a_server_that_is_not_there_got_nothing(kube, client, web):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nobody = Client(Address(f"http://127.0.0.1:{port}", "t"))
    with pytest.raises(Unreachable, match="nobody answers"):
        nobody.patch("/apis/apps/v1/namespaces/shop/deployments/web", {}, resource="deployments")
    real, client.patch = client.patch, nobody.patch
    with pytest.raises(Unreachable) as told:
        Operator(client).restart(*WEB, "C-215", AT)
    assert not isinstance(told.value, Unknown)
    client.patch = real


def test_an_answer_that_is_no_object_is_unknown_for_a_change_and_broken_for_a_look(client, web):
    client.patch = lambda *_, **__: b"<html>"
    with pytest.raises(Unknown, match="can't be read"):
        Operator(client).restart(*WEB, "C-215", AT)
    client.get = lambda *_, **__: b'{"spec": 7}'
    with pytest.raises(ClusterError, match="can't be read"):
        Operator(client).restarted_by(*WEB)


# Looking ----------------------------------------------------------------------------------------------------------


def test_a_look_gives_the_pods_of_this_workload_and_of_no_other_of_the_same_labels(kube, client, web):
    for name in ("web", "twin"):
        found = kube.store.put(workload(name=name, selector={"matchLabels": {"app": "web"}})).object
        uid, owner = found["metadata"]["uid"], {"apiVersion": "apps/v1", "kind": "Deployment", "controller": True}
        meta = {"name": f"{name}-1", "namespace": "shop", "labels": {"app": "web"}}
        owner |= {"name": name, "uid": uid}
        owned = kube.store.put(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {**meta, "ownerReferences": [owner]},
                "spec": {},
            }
        ).object
        holder = {**owner, "kind": "ReplicaSet", "name": f"{name}-1", "uid": owned["metadata"]["uid"]}
        kube.store.put(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "ownerReferences": [holder]}, "spec": {}}
        )
    seen = Operator(client).look(*WEB)
    assert [pod.metadata.name for pod in seen.pods] == ["web-1"]
    answer = Operator(client).progress(*WEB, "C-215")
    assert isinstance(answer, rollouts.Stuck)


def test_a_pod_that_cannot_be_read_hides_nothing(kube, client, web):
    meta = {"name": "odd", "namespace": "shop", "labels": {"app": "web"}}
    kube.store.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": 7}})
    with pytest.raises(ClusterError, match="odd can't be read"):
        Operator(client).look(*WEB)


def test_a_selector_of_expressions_is_asked_as_the_api_takes_it(kube, client):
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "tier", "operator": "NotIn", "values": ["c"]},
        {"key": "app", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    kube.store.put(workload("StatefulSet", selector={"matchExpressions": expressions}))
    Operator(client).look("StatefulSet", "shop", "web")
    (asked,) = [one.query["labelSelector"] for one in kube.requests if one.verb == "list"]
    assert asked == "tier in (a,b),tier notin (c),app,!old"


def test_a_list_of_many_pages_is_read_to_its_end_and_one_without_an_end_is_not(client, web, monkeypatch):
    pages = iter([b'{"items": [], "metadata": {"continue": "more"}}', b'{"items": [], "metadata": {}}'])
    client.page = lambda *_, **also: next(pages) if also.get("namespace") else b"{}"
    assert list(guarded.listed(client, operating.KINDS["Deployment"], "shop")) == []
    client.page = lambda *_, **__: b'{"items": [], "metadata": {"continue": "more"}}'
    monkeypatch.setattr(guarded, "MOST_PAGES", 3)
    with pytest.raises(ClusterError, match="does not end"):
        list(guarded.listed(client, operating.KINDS["Deployment"], "shop"))
    client.page = lambda *_, **__: b"no list"
    with pytest.raises(ClusterError, match="is not a list"):
        list(guarded.listed(client, operating.KINDS["Deployment"], "shop"))


# Secrets that operators fill --------------------------------------------------------------------------------------


def test_an_external_secret_is_asked_by_the_annotation_of_its_operator(kube, client):
    put = {**external(), "status": {"refreshTime": "2026-11-21T10:00:00Z", "syncedResourceVersion": "1-a"}}
    kube.store.put(put)
    done = Operator(client).force_sync("ExternalSecret", "shop", "db", "C-215", AT)
    found = kube.store.get(kind_of("externalsecrets", "external-secrets.io"), "shop", "db").object
    assert found["metadata"]["annotations"] == {
        "keybook.dev/change": "C-215",
        "force-sync": "2026-11-21T12:00:00.123456Z",
    }
    assert (done.mark, done.lease_id, done.again) == ("2026-11-21T10:00:00Z 1-a", "", False)
    assert Operator(client).asked_by("ExternalSecret", "shop", "db") == "C-215"
    assert Operator(client).force_sync("ExternalSecret", "shop", "db", "C-215", AT).again
    assert len(sent(kube)) == 1
    pending = Operator(client).synced("ExternalSecret", "shop", "db", done.mark, AT)
    assert pending == refresh.Pending("The External Secrets Operator read it last at 10:00:00 UTC.")


def test_vsos_dynamic_secret_keeps_the_lease_of_before_for_its_revocation(kube, client):
    kube.store.put(kept("VaultDynamicSecret", spec={}, status={"secretLease": {"id": "database/creds/x/1"}}))
    done = Operator(client).force_sync("VaultDynamicSecret", "shop", "db", "C-215", AT, dry_run=True)
    assert done.lease_id == "database/creds/x/1"
    assert Operator(client).asked_by("VaultDynamicSecret", "shop", "db") is None
    Operator(client).force_sync("VaultDynamicSecret", "shop", "db", "C-215", AT)
    found = Operator(client).filled("VaultDynamicSecret", "shop", "db")
    assert found.metadata.annotations["vso.hashicorp.com/resync"] == "2026-11-21T12:00:00.123456Z"


def test_asked_anew_it_is_asked_again_for_the_same_change(kube, client):
    kube.store.put(external())
    which = "ExternalSecret", "shop", "db"
    Operator(client).force_sync(*which, "C-215", AT)
    assert not Operator(client).force_sync(*which, "C-215", AT + timedelta(minutes=5), anew=True).again
    notes = Operator(client).filled(*which).metadata
    assert notes.resource_version != "1"
    assert len(sent(kube)) == 2


def test_vso_has_read_it_when_its_event_says_so_though_its_mark_is_of_before(kube, client):
    found = kube.store.put(kept("VaultStaticSecret", spec={}, status={"secretMAC": "b"})).object
    which = "VaultStaticSecret", "shop", "db"
    mark = refresh.mark_of(Operator(client).filled(*which))
    assert isinstance(Operator(client).synced(*which, mark, AT), refresh.Pending)
    for name, uid in (("other", "another"), ("own", found["metadata"]["uid"])):
        meta = {"name": name, "namespace": "shop", "creationTimestamp": "2026-11-21T12:00:05Z"}
        about = {"kind": "VaultStaticSecret", "namespace": "shop", "name": "db", "uid": uid}
        said = {"reason": "SecretRotated", "lastTimestamp": "2026-11-21T12:00:05Z", "involvedObject": about}
        kube.store.put({"apiVersion": "v1", "kind": "Event", "metadata": meta, **said})
    answer = Operator(client).synced(*which, mark, AT)
    assert answer.says == "The Vault Secrets Operator read it anew at 12:00:05 UTC."


def test_an_older_version_of_the_operator_is_asked_at_its_own_path(client):
    real, asked = client.get, []

    def older(path, **also):
        asked.append(path)
        if "/v1/" in path:
            raise NotInstalled("the cluster has no externalsecrets")
        return b'{"metadata": {"name": "db", "uid": "u"}}'

    client.get = older
    assert Operator(client).asked_by("ExternalSecret", "shop", "db") is None
    assert asked[-1] == "/apis/external-secrets.io/v1beta1/namespaces/shop/externalsecrets/db"
    client.get = real


def test_what_is_not_installed_or_would_read_nothing_is_refused(kube, client):
    kube.store.put(external(refreshPolicy="CreatedOnce"))
    with pytest.raises(NotRefreshable, match="CreatedOnce"):
        Operator(client).force_sync("ExternalSecret", "shop", "db", "C-215", AT)
    with pytest.raises(NotRefreshable, match="we can't do this to a Secret"):
        Operator(client).force_sync("Secret", "shop", "db", "C-215", AT)
    kube.uninstall("external-secrets.io")
    with pytest.raises(NotInstalled, match="has no externalsecrets"):
        Operator(client).force_sync("ExternalSecret", "shop", "db", "C-215", AT)
    assert sent(kube) == []
