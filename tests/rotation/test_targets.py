"""What a target draws of a wish: steps, roles, what it touches; and what it refuses, with what and why."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cluster.blast import Blast
from cluster.rollouts import Obstacle
from inventory.cluster_models import SecretConsumer
from inventory.models import Alias, Connection, Entity, Mount
from inventory.sync_pods import remember_cluster
from rotation import plan
from rotation.estate import Eater, Estate
from rotation.planning import Refused, Wish
from tests.rotation.vaults import LEASE, NOW, connected, enrol, held

pytestmark = pytest.mark.django_db


class Books:
    """A record with these leases."""

    def __init__(self, *leases):
        self.held = leases

    def leases(self, **which):
        return list(self.held)

    def leases_among(self, leases, *, ended, **which):
        return [one for one in self.held if one.lease_id in leases]


@pytest.fixture(autouse=True)
def _may_generate(monkeypatch):
    monkeypatch.setattr(plan, "may_generate", lambda: ("demo:secret/*",))


@pytest.fixture
def demo():
    """A connected vault with its mounts."""
    return connected()


def draw(target, args, wish=None, books=None):
    return plan.make(target, args, books or Books(), wish or Wish(target))


def kinds(made):
    return [one["step"] for one in made.document["steps"]]


KV = {"secret": "secret/prod/ledger/key", "way": "generated", "keys": ["password"]}
WORKLOAD = {"cluster": "x", "namespace": "a", "name": "b"}


def test_a_generated_rotation_writes_proves_and_destroys_with_one_role_for_each_verb(demo):
    write, destroy = enrol(demo, "kv", "write", "secret/", "prod/"), enrol(demo, "kv", "destroy", "secret/", "prod/")
    made = draw("kv", KV)
    assert kinds(made) == ["write_kv", "verify_delivery", "retire_version"]
    steps = made.document["steps"]
    assert (steps[0]["args"]["role"], steps[2]["args"]["role"]) == (write, destroy)
    assert steps[0]["args"]["place"] == {"mount": "secret", "path": "prod/ledger/key", "namespace": ""}
    assert steps[2]["describe"]["undo"] == "cannot be undone"
    assert (made.document["verb"], made.document["subject"], made.document["vault"]) == ("Rotate", KV["secret"], "demo")
    assert (made.risk, made.family, len(made.hash)) == ("high", "rotate", 64)


def test_the_same_wish_has_the_same_hash_and_another_has_another(demo):
    enrol(demo, "kv", "write", "secret/"), enrol(demo, "kv", "destroy", "secret/")
    assert draw("kv", KV).hash == draw("kv", KV).hash
    assert draw("kv", KV).hash != draw("kv", {**KV, "keys": ["pin"]}).hash


def test_adopting_waits_for_the_version_of_somebody_else_and_writes_nothing(demo):
    enrol(demo, "kv", "write", "secret/")
    made = draw("kv", {"secret": KV["secret"], "way": "adopt", "retire": False})
    assert kinds(made) == ["await_version", "verify_delivery"]
    assert made.risk == "routine"


def test_what_is_not_enrolled_is_refused_with_the_policy_to_apply(demo):
    with pytest.raises(Refused) as refused:
        draw("kv", KV)
    said = str(refused.value)
    assert refused.value.code == "not_enrolled"
    assert "Keybook may not write secret/prod/ledger/key: nothing is enrolled for kv write." in said
    assert 'path "secret/data/prod/ledger/*"' in said and "bao policy write keybook-op-kv-write" in said


def test_a_workload_that_would_not_roll_is_named_with_what_to_do_first(demo, monkeypatch):
    remember_cluster("prod", "uid-prod")
    stuck = Obstacle("it is paused: a restart would wait until somebody resumes it", "resume it first")
    found = SimpleNamespace(blast=SimpleNamespace(obstacle=stuck))
    monkeypatch.setattr("rotation.estate.restarts.restart_of", lambda *_, **__: found)
    with pytest.raises(Refused) as refused:
        draw("restart", {**WORKLOAD, "cluster": "prod", "kind": "Deployment"})
    assert str(refused.value) == (
        "Deployment a/b can't be restarted: it is paused: a restart would wait until somebody resumes it. "
        "Resume it first."
    )


@pytest.mark.parametrize("target, args, code, words", [
    ("kw", {}, "unknown_target", "No target is called 'kw'. Known are approval_policy, database_role"),
    ("kv", {"secret": "secret/a"}, "bad_args", "wrong: way: this is missing. It takes secret"),
    ("kv", {**KV, "way": "guessed"}, "bad_args", "guessed"),
    ("kv", {**KV, "keys": "password"}, "bad_args", "keys: expected array"),
    ("kv", {**KV, "colour": 1}, "bad_args", "colour: there is no such field"),
    ("kv", {**KV, "secret": "nowhere/a"}, "not_there", "No mount of a connected vault holds 'nowhere/a'"),
    ("kv", {**KV, "secret": "legacy/a"}, "not_possible", "KV version 1"),
    ("kv", {**KV, "secret": "database/creds/a"}, "not_possible", "is of the kind database, not kv"),
    ("kv", {**KV, "keys": []}, "bad_args", "needs the names of the keys"),
    ("kv", {**KV, "keys": ["a", "a"]}, "bad_args", "each once"),
    ("kv", {**KV, "way": "adopt"}, "bad_args", "keys and policy say nothing"),
    ("database_role", {"secret": "database/creds/a"}, "not_possible", "no static role"),
    ("database_root", {"database": "database/a"}, "not_possible", "is no database"),
    ("transit", {"key": "transit/ledger"}, "not_possible", "no transit key"),
    ("lease", {}, "bad_args", "exactly one way"),
    ("lease", {"pod": "u1", "role": "x"}, "bad_args", "exactly one way"),
    ("lease", {"leases": ["database/creds/x/gone"]}, "not_there", "No live lease database/creds/x/gone"),
    ("entity", {"entity": "nobody"}, "not_there", "has no entity 'nobody'"),
    ("restart", {**WORKLOAD, "kind": "Deployment"}, "not_there", "No cluster is connected as 'x'"),
    ("restart", {**WORKLOAD, "kind": "CronJob"}, "bad_args", "CronJob"),
])  # fmt: skip
def test_a_wish_that_can_not_be_planned_is_refused_with_what_and_why(demo, target, args, code, words):
    with pytest.raises(Refused) as refused:
        draw(target, args)
    assert refused.value.code == code
    assert words in str(refused.value)


def test_a_value_that_keybook_may_not_choose_is_not_generated(demo, monkeypatch):
    monkeypatch.setattr(plan, "may_generate", lambda: ("demo:secret/prod/web/*", "eu:*"))
    with pytest.raises(Refused, match="Keybook may not choose the value of demo:secret/prod/ledger/key"):
        draw("kv", KV)


def test_a_name_that_two_vaults_hold_wants_the_vault_named(demo):
    other = Connection.objects.create(vault="eu", address="http://127.0.0.1:8300")
    Mount.objects.create(connection=other, path="secret/", accessor="x", type="kv", kv_version=2, seen_first=NOW)
    enrol(demo, "kv", "write", "secret/"), enrol(demo, "kv", "destroy", "secret/")
    with pytest.raises(Refused, match=r"is in demo \(root\), eu \(root\)\. Name the vault too"):
        draw("kv", KV)
    assert draw("kv", KV, Wish("kv", vault="demo")).document["vault"] == "demo"


@pytest.mark.parametrize("target, verb, mount, args, kind, risk", [
    ("database_role", "rotate", "database/", {"secret": "database/static-creds/ledger"}, "rotate_role", "high"),
    ("database_root", "rotate", "database/", {"database": "database/config/pg"}, "rotate_root", "highest"),
    ("transit", "rotate", "transit/", {"key": "transit/keys/ledger"}, "rotate_transit", "routine"),
    ("token", "revoke", "", {"accessor": "abc"}, "revoke_token", "high"),
    ("entity", "disable", "", {"entity": "payments-ledger"}, "disable_entity", "high"),
])  # fmt: skip
def test_other_targets_draw_their_one_effect(demo, target, verb, mount, args, kind, risk):
    role = enrol(demo, target, verb, mount)
    made = draw(target, args)
    assert (kinds(made), made.risk) == ([kind], risk)
    assert made.document["steps"][0]["args"]["role"] == role


def test_leases_are_frozen_in_the_plan_with_their_holders_and_what_is_not_sure(demo):
    enrol(demo, "lease", "revoke", "database/creds/payments-rw")
    books = Books(
        held(), held(f"{LEASE}2", pod="payments/ledger-2", grade="likely"), held(f"{LEASE}3", pod="", grade="unknown")
    )
    made = draw("lease", {"service_account": "payments/ledger"}, books=books)
    assert made.document["verb"] == "Revoke 3 leases"
    assert made.document["steps"][0]["args"]["leases"] == [LEASE, f"{LEASE}2", f"{LEASE}3"]
    blast = made.document["blast_radius"]
    assert blast["figures"][0] == {"count": 3, "what": "leases", "caveat": "1 with a sure holder"}
    assert blast["pods"] == ["payments/ledger-1", "payments/ledger-2"]
    assert any("1 holders are not sure: payments/ledger-2" in one for one in blast["doubts"])


def test_leases_named_twice_are_one_and_too_many_are_refused_before_any_is_looked_up(demo):
    enrol(demo, "lease", "revoke", "database/creds/payments-rw")
    made = draw("lease", {"leases": [LEASE, LEASE]}, books=Books(held()))
    assert made.document["steps"][0]["args"]["leases"] == [LEASE]
    with pytest.raises(Refused, match="5,001 leases are more than the 5,000 of one change"):
        draw("lease", {"leases": [f"{LEASE}{n}" for n in range(5_001)]}, books=SimpleNamespace())


def test_leases_of_two_vaults_are_not_revoked_together(demo):
    with pytest.raises(Refused, match="These leases are of demo, eu"):
        draw("lease", {"role": "x"}, books=Books(held(), held(f"{LEASE}2", vault="eu")))


def test_a_workload_that_keeps_the_old_value_is_restarted_and_one_of_an_operator_is_left_to_it(demo, monkeypatch):
    enrol(demo, "kv", "write", "secret/"), enrol(demo, "kv", "destroy", "secret/")
    common = {"cluster": "prod", "namespace": "payments", "kind": "Deployment", "uid": "w", "methods": ["injector"],
              "k8s_secret": "", "service_accounts": []}  # fmt: skip
    eaters = [
        Eater(name="ledger", pods=["ledger-1", "ledger-2"], needs_restart="always", restarted_by="", **common),
        Eater(name="payout", pods=["payout-1"], needs_restart="never", restarted_by="", **common),
        Eater(name="fraud", pods=["fraud-1"], needs_restart="always", restarted_by="vso", **common),
    ]
    found = Blast(
        "Deployment", "payments", "ledger", "w", ("ledger-1", "ledger-2"), 2, 1, 1, (), "1 of 2 pods may be away", ()
    )
    monkeypatch.setattr(Estate, "consumers", lambda *_: [])
    monkeypatch.setattr(Estate, "eaters", lambda *_: eaters)
    monkeypatch.setattr(Estate, "restart", lambda *_, **__: SimpleNamespace(blast=found, owner="", fingerprint="f"))
    made = draw("kv", KV)
    assert kinds(made) == ["write_kv", "restart_rollout", "verify_delivery", "retire_version"]
    eaters[1:] = [replace(eaters[0], name=name) for name in ("payout", "fraud")]
    several = draw("kv", KV)
    assert kinds(several) == [
        "write_kv", "restart_rollout", "verify_delivery", "restart_batch", "verify_delivery", "retire_version",
    ]  # fmt: skip
    blast = made.document["blast_radius"]
    assert blast["workloads"] == [
        "Deployment payments/ledger",
        "Deployment payments/payout",
        "Deployment payments/fraud",
    ]
    assert "Deployment payments/fraud is restarted by vso, not by this change." in blast["doubts"]
    assert {
        "where": "cluster",
        "role": "",
        "path": "prod/payments/Deployment/ledger",
        "capability": "patch",
    } in made.document["needs"]


def test_a_plan_names_the_workloads_that_may_get_a_secret_of_this_name_from_another_vault(demo):
    enrol(demo, "kv", "write", "secret/")
    for number, address in enumerate(("http://vault:8200", demo.address, "https://lab:8200", "")):
        SecretConsumer.objects.create(
            cluster=remember_cluster("prod", "u1"), digest=str(number).encode(), namespace="shop", pod_uid=f"p{number}",
            pod_name=f"p{number}", container="app", workload_kind="Deployment", workload_name=f"w{number}",
            workload_uid=f"w{number}", method="injector", path="secret/data/prod/ledger/key", needs_restart="never",
            address=address,
        )  # fmt: skip
    wish = {"secret": KV["secret"], "way": "adopt", "retire": False}
    assert not [one for one in draw("kv", wish).document["blast_radius"]["doubts"] if "see that it is" in one]
    Connection.objects.create(vault="lab", address="https://lab:8200")
    made = draw("kv", wish, Wish("kv", "demo")).document["blast_radius"]
    assert made["workloads"] == ["Deployment shop/w0", "Deployment shop/w1", "Deployment shop/w3"]
    assert [one for one in made["doubts"] if "see that it is" in one] == [
        "Deployment shop/w0 in prod calls its vault http://vault:8200: see that it is demo.",
        "Deployment shop/w3 in prod calls its vault by an address that is not known: see that it is demo.",
    ]


def test_who_approves_that_an_entity_is_disabled_reads_whom_people_know_by_it(demo):
    enrol(demo, "entity", "disable", "")
    entity = Entity.objects.get(name="payments-ledger")
    assert draw("entity", {"entity": "e-1"}).document["steps"][0]["describe"]["title"] == (
        "Disable the entity payments-ledger"
    )
    told = {"service_account_namespace": "payments", "service_account_name": "ledger"}
    Alias.objects.create(entity=entity, mount_accessor="a1", name="0303-uid", metadata=told)
    Alias.objects.create(entity=entity, mount_accessor="a2", name="payments-ledger")
    Alias.objects.create(entity=entity, mount_accessor="a3", name="kim")
    (step,) = draw("entity", {"entity": "e-1"}).document["steps"]
    assert step["describe"]["title"] == "Disable the entity payments-ledger (kim, payments/ledger)"
    assert step["args"]["name"] == "payments-ledger", "approval policies go by its name alone"
