"""Whatever fails in the middle of a change, it ends, or waits, in a state that is true and names the next step."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accounts import people
from rotation import actions, revoking, runner
from rotation.approving import NotApproved
from rotation.freeze import freeze
from rotation.models import Attempt, Change, Freeze
from rotation.steps import restart_rollout
from sandbox.control import STATE
from sandbox.kube_resources import kind_of
from sandbox.kubeapi import KubeApi
from tests.rotation.ground import Ground
from tests.rotation.live import ROLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def kube():
    with KubeApi() as api:
        api.controllers.start()
        yield api


@pytest.fixture
def ground(kube, monkeypatch):
    """A secret in the OpenBao of all tests, and a deployment of two pods."""
    made = Ground(kube)
    made.take_over(monkeypatch)
    made.deploy()
    return made


def step(change: Change, number: int):
    return change.steps.get(number=number)


# A rollout that never becomes ready ---------------------------------------------------------------------------------


def test_a_rollout_that_never_becomes_ready_stops_with_its_cause_and_goes_on_once_that_is_mended(ground, monkeypatch):
    ground.deploy("slow", progressDeadlineSeconds=1)
    ground.keep_new_pods_unready()
    with monkeypatch.context() as now:
        now.setattr(restart_rollout, "GRACE", timedelta())
        change = ground.take(ground.approved(ground.writes(), ground.restarts("slow"), ground.retires()))
    assert change.state == "failed"
    assert change.says.startswith("Stopped at step 2 of 3. Deployment shop/slow: Restarted, not healthy: ")
    assert "none more came within 1 s." in change.says
    assert change.says.endswith(
        "Mend what keeps the new pods from being ready; the roll then goes on by itself. Then resume."
    )
    assert ground.versions() == {1: False, 2: False}, "the old version is there as long as a pod may need it"
    ground.keep_new_pods_unready(unready=False)
    actions.resume(change, ground.people("ann"))
    assert ground.take(change).state == "succeeded"
    assert ground.versions() == {1: True, 2: False}
    assert ground.restarted() == 1


def test_a_rollout_is_not_waited_for_for_ever_and_says_which_pod_holds_it_up(ground, monkeypatch):
    ground.keep_new_pods_unready()
    change = ground.approved(ground.restarts())
    change = ground.take(change, lambda one: one.steps.filter(says__contains="is not ready").exists())
    Attempt.objects.filter(step__change=change).update(began_at=datetime.now(UTC) - timedelta(hours=1))
    change = ground.take(change, lambda one: True)
    assert change.state == "running", "that nobody looked for an hour is not the rollout's fault"
    monkeypatch.setattr(restart_rollout, "PATIENCE", timedelta())
    monkeypatch.setattr(restart_rollout, "MORE", timedelta())
    change = ground.take(change)
    assert change.state == "failed"
    assert "is not ready: " in change.says and "It was waited for long enough." in change.says
    assert change.says.endswith("the roll then goes on by itself. Then resume.")


def test_a_cancel_within_a_rollout_does_not_say_that_it_had_not_begun(ground):
    ground.keep_new_pods_unready()
    change = ground.approved(ground.writes(), ground.restarts(), ground.retires())
    change = ground.take(change, lambda one: one.steps.filter(number=2, state="waiting").exists())
    actions.cancel(change, ground.people("ann"))
    change = ground.take(change)
    assert change.state == "cancelled"
    assert change.says.startswith(
        "Cancelled in step 2 of 3, Restart Deployment shop/web. It had begun, and is not taken back: "
    )
    assert ground.versions() == {1: False, 2: False}


# A vault that is sealed ---------------------------------------------------------------------------------------------


class Seal:
    """Seals and opens the OpenBao of an own sandbox."""

    def __init__(self, ground: Ground) -> None:
        data = json.loads(Path(ground.environment[STATE]).read_text())["openbao"]["data"]
        self.key = json.loads((Path(data).parent / "keys.json").read_text())["unseal"]
        self.root = ground.root

    def shut(self) -> None:
        self.root.must("PUT", "sys/seal")

    def open(self) -> None:
        self.root.must("PUT", "sys/unseal", {"key": self.key})
        while self.root.call("GET", "sys/health").status != 200:
            pass


@pytest.fixture
def apart(own_sandbox, kube, monkeypatch):
    """The same ground on an OpenBao that nobody else uses, and its seal."""
    made = Ground(kube, own_sandbox.environment)
    made.take_over(monkeypatch)
    made.deploy()
    seal = Seal(made)
    yield made, seal
    if made.root.call("GET", "sys/seal-status").body["sealed"]:
        seal.open()


def test_a_vault_that_is_sealed_in_the_middle_is_waited_for_and_goes_on_by_itself(apart):
    ground, seal = apart
    ground.keep_new_pods_unready()
    change = ground.approved(ground.writes(), ground.restarts(), ground.retires())
    change = ground.take(change, lambda one: one.steps.filter(number=2, state="waiting").exists())
    seal.shut()
    ground.keep_new_pods_unready(unready=False)
    change = ground.take(change, lambda one: step(one, 3).state == "waiting")
    assert change.state == "running"
    assert step(change, 3).says.startswith("The vault is sealed (") and step(change, 3).says.endswith("; unseal it.")
    seal.open()
    assert ground.take(change).state == "succeeded"
    assert ground.versions() == {1: True, 2: False}


def test_a_vault_that_stays_sealed_stops_the_change_and_a_resume_has_as_many_tries_again(apart):
    ground, seal = apart
    change = ground.approved(ground.writes())
    Change.objects.filter(pk=change.pk).update(state="running", started_at=datetime.now(UTC))
    change.steps.create(number=1, kind="write_kv", args=ground.writes().args, title="Write a new version")
    seal.shut()
    change = ground.take(change)
    assert change.state == "failed"
    assert "The vault is sealed (" in change.says
    assert change.says.endswith("It was tried 20 times, and is not done. Mend that, then resume.")
    actions.resume(change, ground.people("ann"))
    change = ground.take(change, lambda one: one.steps.filter(state="waiting").exists())
    seal.open()
    assert ground.take(change).state == "succeeded"
    assert ground.versions() == {1: False, 2: False}


def test_a_vault_that_is_sealed_before_the_start_voids_no_approval(apart):
    ground, seal = apart
    change = ground.approved(ground.writes())
    seal.shut()
    change = ground.take(change, lambda one: one.says.startswith("Step 1"))
    assert change.state == "approved"
    assert change.says.startswith("Step 1: The vault is sealed (") and change.says.endswith("; unseal it.")
    seal.open()
    assert ground.take(change).state == "succeeded"
    assert change.verdicts.filter(void=False).count() == 1


def test_a_vault_that_is_sealed_while_a_second_approval_is_owed_takes_no_first_one_away(apart):
    ground, seal = apart
    change = ground.ask(ground.writes())
    Change.objects.filter(pk=change.pk).update(rule={**change.rule, "approvers": 2})
    ground.approve(change, "bob")
    seal.shut()
    change = ground.take(change, lambda one: not one.found["ok"])
    assert (change.state, change.verdicts.filter(void=False).count()) == ("requested", 1)
    seal.open()
    change = ground.take(change, lambda one: one.found["ok"])
    assert change.verdicts.filter(void=False).count() == 1


# People and plans that are no longer what they were -----------------------------------------------------------------


def test_an_approver_who_lost_the_role_before_the_start_counts_no_more_and_another_one_is_asked_for(ground):
    change = ground.approved(ground.writes())
    people.change_role(ground.people("bob"), "reader", actor=ground.people("eve"))
    change = ground.take(change, lambda one: one.state != "approved")
    assert change.state == "requested"
    assert change.says.startswith("1 more approval is needed. bob ")
    assert change.verdicts.get().void, "the page must not count it, and bob may give it anew with the role"
    assert ground.versions() == {1: False}
    ground.take(ground.approve(change, "eve"))
    assert ground.versions() == {1: False, 2: False}


def test_a_write_of_somebody_else_before_the_start_voids_the_approval_and_is_not_overwritten(ground):
    change = ground.approved(ground.writes(), ground.retires())
    ground.write("of somebody else")
    change = ground.take(change, lambda one: one.state != "approved")
    assert change.state == "requested"
    assert change.says == (
        "Step 1: the current version was 1 when it was approved, and is 2 now. What was approved is no longer what "
        "would happen, so the approvals are void: look at the plan and decide anew."
    )
    change = ground.take(change, lambda one: one.found["facts"]["1.current_version"] == 2)
    assert change.verdicts.filter(void=False).count() == 0
    ground.take(ground.approve(change, "bob"))
    assert ground.versions() == {1: False, 2: True, 3: False}


def test_a_write_of_somebody_else_after_the_start_and_before_the_first_step_stops_the_change(ground):
    change = ground.approved(ground.writes(), ground.retires())
    Change.objects.filter(pk=change.pk).update(state="running", started_at=datetime.now(UTC))
    for number, one in enumerate((ground.writes(), ground.retires()), 1):
        change.steps.create(number=number, kind=one.step, args=one.args, title=one.step)
    freeze("everything", "", "an incident", actor=ground.people("eve"))
    change = ground.take(change, lambda one: one.says)
    assert "an incident" in change.says
    ground.write("of somebody else")
    Freeze.objects.update(lifted_at=datetime.now(UTC))
    change = ground.take(change)
    assert change.state == "failed"
    assert f"Version 1 of secret/{ground.secret} was to be replaced, and version 2 is the newest now." in change.says
    assert change.says.endswith("ask for a new change if it should be replaced too.")
    assert ground.versions() == {1: False, 2: False}


def test_a_workload_that_was_changed_before_the_start_voids_the_approval_and_says_what_to_do(ground):
    change = ground.approved(ground.writes(), ground.restarts())

    def other(found):
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"

    with ground.kube.store.lock:
        ground.kube.store.edit(kind_of("deployments", "apps"), "shop", "web", other)
    change = ground.take(change, lambda one: one.state != "approved")
    assert change.state == "requested"
    assert change.says.startswith("Step 2: Its template or strategy was changed since the plan (Deployment shop/web)")
    assert change.says.endswith(
        "this plan can't be done as things stand: put that right and approve it anew, or cancel it and ask anew."
    )
    change = ground.take(change, lambda one: not one.found["ok"])
    assert ground.versions() == {1: False}


def test_a_right_that_was_taken_away_is_named_and_nobody_approves(ground, monkeypatch):
    ground.real_doors(monkeypatch)
    ground.root.must("PUT", f"sys/policies/acl/{ROLE}", {"policy": 'path "nothing" { capabilities = ["deny"] }'})
    change = ground.ask(ground.writes())
    ground.enrol()
    (line,) = change.found["lines"]
    assert not change.found["ok"] and line["step"] == 1
    assert f"A token of the role {ROLE} may not do this (" in line["says"]
    assert f"secret/metadata/{ground.secret}); apply the policy {ROLE} again" in line["says"]
    with pytest.raises(NotApproved, match="can't run as it stands"):
        ground.approve(change, "bob")


def test_a_lease_that_is_gone_already_is_told_as_gone_and_not_as_revoked_by_us(ground):
    lease = ground.issue()
    change = ground.approved(ground.revokes(lease))
    ground.root.must("PUT", "sys/leases/revoke", {"lease_id": lease, "sync": True})
    change = ground.take(change)
    assert change.state == "succeeded"
    assert step(change, 1).says == "Vault's lookup says that it is gone."
    assert [(one.subject, one.holds, one.says) for one in change.proofs.all()] == [
        (lease, "gone", "gone in Vault, not confirmed at the database")
    ]


# Time ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approve", [False, True])
def test_what_waited_too_long_ends_with_what_it_waited_for(ground, approve):
    change = ground.ask(ground.writes())
    if approve:
        ground.approve(change, "bob")
    Change.objects.filter(pk=change.pk).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    change = ground.take(change)
    assert change.state == "expired"
    begins = "It was approved and could not start until " if approve else "It waited for approval until "
    assert change.says.startswith(begins) and change.says.endswith(" Ask again if it is still wanted.")
    assert ground.versions() == {1: False}


# Many leases --------------------------------------------------------------------------------------------------------


def test_many_leases_stop_at_a_border_when_they_are_to_be_cancelled_and_say_how_many_are_gone(ground, monkeypatch):
    monkeypatch.setattr(revoking, "BATCH", 2)
    leases = [ground.issue() for _ in range(5)]
    change = ground.approved(ground.revokes(*leases))
    some = Change.objects.filter(pk=change.pk)
    monkeypatch.setattr(runner, "_progress", lambda *_: some.update(cancel_wanted=True))
    change = ground.take(change)
    assert change.state == "cancelled"
    assert change.says == (
        "Cancelled in step 1 of 1, Revoke 5 leases. It had begun, and is not taken back: 2 of 5 leases are revoked; "
        "the next is not begun. It is being cancelled."
    )
    assert [ground.lives(one) for one in leases] == [False, False, True, True, True]
