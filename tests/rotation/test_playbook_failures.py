"""Whatever fails within a playbook, its change says what is true, what was not done and what to do, and so its report.

Real OpenBao, a simulated cluster over HTTP. Each of the three playbooks goes through what all of them can meet.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts import people
from inventory import cluster_rows
from inventory.cluster_models import ClusterLink, SecretConsumer, Watch
from inventory.freshness import NEEDED
from inventory.models import AuthRole, PodLife
from inventory.sightings import Reach
from rotation import actions
from rotation.models import Change
from rotation.planning import Refused
from rotation.steps import force_sync, restart_rollout, verify_delivery
from sandbox.kube_resources import kind_of
from sandbox.kubeapi import KubeApi
from tests.api.test_changes import by
from tests.cluster import made as m
from tests.dashboard.change_windows import Page, Window, someone
from tests.dashboard.conftest import _plain_http
from tests.rotation.farm import LEAKED, POD, STOLEN, Farm
from tests.rotation.test_endings import Seal
from tests.rotation.vaults import held
from vault.enrolment import enrolment

__all__ = ["_plain_http"]
pytestmark = pytest.mark.django_db
CUT_OFF, UNTOUCHED = (False, False, False), (True, True, True)
# What is stolen goes the way of a pod, but for the questions that it asks.
each = pytest.mark.parametrize("name", [LEAKED, POD, pytest.param(STOLEN, marks=pytest.mark.long)])


def cut_off(farm, name):
    """See that a playbook that cuts somebody off has done so, whatever became of the rest."""
    assert farm.state() == (UNTOUCHED if name == LEAKED else CUT_OFF)


def succeeds(farm, change):
    change = farm.take(change)
    assert change.state == "succeeded", change.says
    assert farm.versions() == {1: True, 2: False}
    return change


@each
def test_a_rollout_never_ready_and_a_proof_that_does_not_come_keep_the_old_value_and_are_resumed_from_there(
    farm, name, monkeypatch, capsys
):
    farm.keep_new_pods_unready()
    change = farm.write_when_waited_for(farm.begin(name))
    with monkeypatch.context() as now:
        now.setattr(restart_rollout, "GRACE", timedelta())
        change = farm.take(change)
    step = change.steps.get(kind="restart_rollout")
    assert change.state == "failed"
    assert change.says.startswith(f"Stopped at step {step.number} of {change.steps.count()}. Deployment shop/web: ")
    assert change.says.endswith("the roll then goes on by itself. Then resume.")
    assert farm.versions() == {1: False, 2: False}
    cut_off(farm, name)
    told = farm.report(change, monkeypatch, capsys)
    assert "State: **failed**. Stopped at step" in told and "**stopped** Restart Deployment shop/web" in told
    assert f"**planned** Destroy the old version of secret/{farm.secret}" in told
    farm.keep_new_pods_unready(unready=False)
    actions.resume(change, farm.people("ann"))
    with monkeypatch.context() as now:
        now.setattr(verify_delivery, "PATIENCE", timedelta())
        change = farm.take(change)
    assert change.state == "failed" and farm.restarted() == 1
    assert "Not proven: 0 of 1 pods have version 2. shop/p-web: not read by this pod yet." in change.says
    assert change.says.endswith("then resume. The old version was not touched.")
    assert farm.versions() == {1: False, 2: False}
    told = farm.report(change, monkeypatch, capsys)
    assert "| waiting | pod | shop/p-web |" in told and "**planned** Destroy" in told
    farm.has_read = ["p-web"]
    actions.resume(change, farm.people("ann"))
    succeeds(farm, change)


def test_an_operator_that_does_not_sync_stops_it_before_anything_restarts(farm, monkeypatch, capsys):
    resource = kind_of("externalsecrets", "external-secrets.io")
    farm.kube.store.put({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "spec": {},
        "metadata": {"name": "db", "namespace": "shop", "uid": "es-1"},
        "status": {"refreshTime": "2026-11-21T10:00:00Z", "syncedResourceVersion": "1-a"},
    })  # fmt: skip
    farm.gets("p-api", method="eso", k8s_secret="db", made_by_kind="ExternalSecret", made_by_namespace="shop",
              made_by_name="db", made_by_uid="es-1")  # fmt: skip
    change = farm.begin(LEAKED)
    with monkeypatch.context() as now:
        now.setattr(force_sync, "PATIENCE", timedelta())
        change = farm.take(change)
    assert change.state == "failed" and farm.restarted() == 1, "only the operator's resource was written to"
    assert "The External Secrets Operator read it last at 10:00:00 UTC." in change.says
    assert change.says.endswith("Its Secret may hold what it held: see the log of the operator, then resume.")
    assert "**planned** Restart Deployment shop/web" in farm.report(change, monkeypatch, capsys)
    actions.resume(change, farm.people("ann"))
    change = farm.take(change, lambda one: one.steps.filter(kind="force_sync", state="waiting").exists())
    later = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"refreshTime": later, "syncedResourceVersion": "1-b"}
    with farm.kube.store.lock:
        farm.kube.store.edit(resource, "shop", "db", lambda one: one.update(status=status))
    change = farm.take(change, lambda one: one.steps.filter(kind="verify_delivery", state="waiting").exists())
    assert farm.versions() == {1: False, 2: False}


# A vault that is sealed


@pytest.fixture
def apart(own_sandbox, monkeypatch):
    """The same on an OpenBao that nobody else uses, and its seal."""
    with KubeApi() as kube:
        made = Farm(kube, own_sandbox.environment)
        made.take_over(monkeypatch)
        made.furnish(monkeypatch)
        yield made, Seal(made)


@each
def test_a_vault_that_is_sealed_in_the_middle_is_waited_for_however_long_the_playbook_waited_before(
    apart, name, monkeypatch, capsys
):
    farm, seal = apart
    change = farm.begin(name)
    waits = "await_version" if name != LEAKED else "verify_delivery"
    change = farm.take(change, lambda one: one.steps.filter(kind=waits, state="waiting").exists())
    farm.late(change)
    seal.shut()
    try:
        farm.has_read = ["p-web"]
        change = farm.take(change, lambda one: one.steps.filter(says__contains="sealed").exists())
        assert change.state == "running", change.says
        (step,) = change.steps.filter(says__contains="sealed")
        assert step.says.startswith("The vault is sealed (") and step.says.endswith("; unseal it.")
        assert "The vault is sealed" in farm.report(change, monkeypatch, capsys)
    finally:
        seal.open()
    cut_off(farm, name)
    if name != LEAKED:
        farm.write("second")
    succeeds(farm, change)


# People and plans that are no longer what they were


@each
def test_a_value_of_somebody_else_or_an_approver_without_the_role_voids_the_approval_before_anything_is_done(
    farm, name
):
    change = farm.begin(name)
    farm.write("of somebody else")
    change = farm.take(change, lambda one: one.state != "approved")
    assert (change.state, farm.state(), farm.versions()) == ("requested", UNTOUCHED, {1: False, 2: False})
    assert "the current version was 1 when it was approved, and is 2 now." in change.says
    assert change.says.endswith("look at the plan and decide anew.")
    change = farm.take(change, lambda one: "2" in str(one.found["facts"].values()))
    farm.approve(change, "bob")
    people.change_role(farm.people("bob"), "reader", actor=farm.people("eve"))
    change = farm.take(change, lambda one: one.state != "approved")
    assert (change.state, farm.state(), farm.versions()) == ("requested", UNTOUCHED, {1: False, 2: False})
    assert change.says.startswith("1 more approval is needed. bob ")
    farm.take(farm.approve(change, "eve"), lambda one: one.steps.filter(state="done"))


@pytest.mark.parametrize("name", [POD, pytest.param(STOLEN, marks=pytest.mark.long)])
def test_a_lease_that_came_after_the_plan_is_not_revoked_in_silence(farm, name, monkeypatch, capsys):
    farm.has_read = ["p-web"]
    change = farm.begin(name)
    came = farm.issue()
    farm.books.held.append(held(came, expires=None))
    change = succeeds(farm, farm.write_when_waited_for(change))
    assert farm.lives(came) and farm.state() == CUT_OFF
    assert f"Not revoked: 1 lease came after the plan and was live when this ended, by the record: {came}." in (
        change.says
    )
    assert change.says.endswith("Ask for its revocation too.")
    assert "Not revoked: 1 lease came after the plan" in farm.report(change, monkeypatch, capsys)


def test_a_pod_that_came_after_the_plan_is_proven_too_or_named(farm, monkeypatch):
    farm.has_read = ["p-web"]
    change = farm.begin(LEAKED)
    farm.gets("p-new", "other")
    monkeypatch.setattr(verify_delivery, "PATIENCE", timedelta())
    change = farm.take(change)
    assert change.state == "failed" and farm.versions() == {1: False, 2: False}
    assert "1 of 2 pods have version 2. shop/p-new: not read by this pod yet." in change.says


def test_a_cluster_that_is_seen_no_more_proves_nothing_and_the_plan_says_so(farm, monkeypatch):
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    ClusterLink.objects.create(cluster=farm.cluster, connected_at=long_ago)
    for resource in NEEDED:
        Watch.objects.create(cluster=farm.cluster, resource=resource, since=long_ago, heard_at=long_ago)
    farm.has_read = ["p-web"]
    change = farm.begin(LEAKED)
    said = (
        f"1 cluster is not seen as now. Who came since {long_ago:%Y-%m-%d %H:%M} UTC is not counted. Sources say why."
    )
    assert said in change.plan["blast_radius"]["doubts"]
    assert any("Nothing is proven by what is old: Cluster prod: stale" in one["says"] for one in change.found["lines"])
    with monkeypatch.context() as now:
        now.setattr(verify_delivery, "PATIENCE", timedelta())
        change = farm.take(change)
    assert change.state == "failed" and farm.versions() == {1: False, 2: False}
    assert "Not proven: 1 of 1 pods have version 2. Cluster prod: stale since " in change.says
    Watch.objects.update(heard_at=datetime.now(UTC))
    actions.resume(change, farm.people("ann"))
    succeeds(farm, change)


def test_a_lease_that_is_gone_when_it_is_reached_is_told_as_gone(farm):
    farm.has_read = ["p-web"]
    change = farm.begin(POD)
    farm.root.must("PUT", "sys/leases/revoke", {"lease_id": farm.lease, "sync": True})
    change = succeeds(farm, farm.write_when_waited_for(change))
    (line,) = change.proofs.filter(kind="lease")
    assert (line.subject, line.holds) == (farm.lease, "gone")


# Parts that have nothing to do, or may not be done


def test_what_has_nothing_to_do_is_named_and_the_rest_is_done_and_not_called_all(farm, monkeypatch, capsys):
    PodLife.objects.update(ended=datetime.now(UTC))
    farm.books.held, farm.books.read, farm.books.held_tokens = [], [], []
    change = farm.take(farm.begin(POD))
    assert change.state == "succeeded" and farm.state() == (False, True, True)
    assert change.says == (
        f"Done and proven. Left to people: {len(change.plan['left'])} things; the plan names them, with what to do."
    )
    told = farm.report(change, monkeypatch, capsys)
    assert "No live lease is known there." in told and "## Left to people" in told


def test_a_secret_without_any_reader_is_replaced_and_the_proof_says_that_no_pod_gets_it(farm):
    SecretConsumer.objects.all().delete()
    change = succeeds(farm, farm.begin(LEAKED))
    assert change.steps.get(kind="verify_delivery").says == f"No live pod is known to get secret/{farm.secret}."


@pytest.mark.parametrize("part, left", [
    (("entity", "disable", ""), "Disable an entity: "), (("lease", "revoke", "database"), "Revoke leases: "),
    (("token", "revoke", ""), "Revoke a token: "), (("kv", "destroy", "secret"), "Rotate a KV secret: "),
])  # fmt: skip
def test_a_part_that_is_not_enrolled_is_left_with_the_policy_to_apply_and_the_others_are_planned(farm, part, left):
    role = enrolment(*part).name
    AuthRole.objects.filter(name=role).delete()
    found = {one["subject"]: one for one in farm.asked(POD, which="u1").plan["left"]}
    mine, *_ = [one for subject, one in found.items() if subject.startswith(left)]
    assert "Keybook may not" in mine["says"] and f"policy write {role}" in mine["mend"]


def test_a_leaked_secret_whose_right_is_missing_is_refused_with_the_policy_and_nothing_is_asked_for(farm):
    role = enrolment("kv", "destroy", "secret").name
    AuthRole.objects.filter(name=role).delete()
    with pytest.raises(Refused, match=f"policy write {role}"):
        farm.asked(LEAKED, secret=f"secret/{farm.secret}", way="generated", keys=["password"])


def test_a_lease_part_whose_record_is_behind_asks_until_then(farm):
    farm.books.reach = lambda *_: Reach(None)
    answers = farm.asked(POD, which="u1").plan["answers"]
    assert any("The record is not complete: a source was never read to its end." in one["says"] for one in answers)


# Workloads that no restart would reach


STUCK = {
    "paused": ("Deployment shop/web can't be restarted: it is paused: a restart would wait until somebody resumes it.",
               "Resume it first."),
    "OnDelete": ("StatefulSet shop/db can't be restarted: its update strategy is OnDelete: no pod is replaced until "
                 "somebody deletes it.", "Delete its pods one by one, or change the strategy to RollingUpdate."),
}  # fmt: skip


@pytest.fixture(params=sorted(STUCK))
def stuck(request, farm, monkeypatch):
    """A workload that gets the secret and that a restart would not reach; who asks, by page and by API."""
    if request.param == "paused":
        farm.change_workload(paused=True)
        farm.picture()
        workload = {"cluster": "prod", "kind": "Deployment", "namespace": "shop", "name": "web"}
    else:
        spec = {"replicas": 2, "updateStrategy": {"type": "OnDelete"}}
        seen = m.made("statefulsets", "db", spec=spec)
        cluster_rows.write([cluster_rows.row_of(farm.cluster, "statefulsets", seen, cluster_rows.now())])
        farm.gets("p-db", "db", workload_kind="StatefulSet")
        workload = {"cluster": "prod", "kind": "StatefulSet", "namespace": "shop", "name": "db"}
    monkeypatch.setattr("rotation.asking.books", lambda: farm.books)
    return workload, " ".join(STUCK[request.param])


def test_a_workload_that_no_restart_would_reach_is_refused_with_why_by_page_and_by_api(farm, stuck):
    workload, says = stuck
    secret = {"secret": f"secret/{farm.secret}", "way": "generated"}
    nat = someone("nat", "operator")
    page, api = Window(nat), by(nat)
    for target, args in (("restart", workload), ("kv", {**secret, "keys": "password", "restart": "yes"})):
        shown = Page.of(page.send("/changes/new/", 400, target=target, **args, reason="r", action="preview"))
        assert says in shown.text
        sent = {**secret, "keys": ["password"]} if target == "kv" else args
        answer = api.send("/changes", {"target": target, "args": sent, "reason": "r"}, "k1")
        assert answer.problem() == (409, "not-possible") and says in answer.json["detail"]
    shown = page.client.post("/playbooks/leaked-static-secret/", {**secret, "keys": "password", "reason": "r"})
    assert says in Page.of(shown).text
    answer = api.send(f"/playbooks/{LEAKED}/plan", {"inputs": {**secret, "keys": ["password"]}})
    assert answer.problem() == (409, "not-possible") and says in answer.json["detail"]
    assert not Change.objects.exists() and farm.restarted() == 0
    left = {one["subject"]: f"{one['says']} {one['mend']}" for one in farm.asked(POD, which="u1").plan["left"]}
    assert left[f"Rotate a KV secret: secret/{farm.secret}"] == says, "the others are cut off, and this is named"


def test_a_workload_that_was_paused_after_the_approval_stops_it_before_the_first_effect_and_says_what_to_do(farm):
    change = farm.begin(LEAKED)
    farm.change_workload(paused=True)
    change = farm.take(change, lambda one: one.state != "approved")
    assert change.state == "requested" and farm.versions() == {1: False}
    words = "It is paused: a restart would wait until somebody resumes it (Deployment shop/web); resume it first."
    assert words in change.says
    assert change.says.endswith("put that right and approve it anew, or cancel it and ask anew.")
    farm.change_workload(paused=False)
    farm.has_read = ["p-web"]
    change = farm.take(change, lambda one: one.found["ok"])
    succeeds(farm, farm.approve(change, "bob"))


def test_a_workload_that_was_paused_while_it_ran_stops_it_there(farm):
    change = farm.begin(STOLEN)
    change = farm.take(change, lambda one: one.steps.filter(kind="await_version", state="waiting").exists())
    farm.change_workload(paused=True)
    farm.write("second")
    change = farm.take(change)
    assert change.state == "failed" and farm.state() == CUT_OFF
    assert "It is paused: a restart would wait until somebody resumes it" in change.says
    farm.change_workload(paused=False)
    farm.has_read = ["p-web"]
    actions.resume(change, farm.people("ann"))
    succeeds(farm, change)
