"""A cut that is refused keeps no other cut from being made, is told at once by name, and is resumed by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotation import actions, apart, cutting, preflight, runner
from rotation.models import Attempt, Change, Step
from rotation.notice_models import Notice
from rotation.outcomes import Checked, NotDone, Refused, Unknown, Waiting
from rotation.planning import StepSpec, digest
from tests.rotation.farm import POD
from tests.rotation.toys import Toy, approved, hands, use
from vault.errors import NotPermitted, Unreachable
from vault.operating import Operator

pytestmark = pytest.mark.django_db
NO = Refused("Vault said no.")


def cutting_plan(monkeypatch, **more):
    """Return toys for entity, token, lease, note and a rotation, and the change of them."""
    toys = {kind: Toy(more.get(kind, {})) for kind in ("disable_entity", "revoke_token", "revoke_leases", "write_kv")}
    use(monkeypatch, **toys)
    change = approved(*toys)
    plan = {**change.plan, "steps": [one | {"holds_up": apart.apart(StepSpec(one["step"], {})).holds_up}
                                     for one in change.plan["steps"]]}  # fmt: skip
    Change.objects.filter(pk=change.pk).update(plan=plan, plan_hash=digest(plan))
    return change, toys


def turn(change, at=None):
    Change.objects.filter(pk=change.pk).update(due_at=None, lease_until=None)
    assert runner.turn(change.pk, hands(**({"now": lambda: at} if at else {})))
    change.refresh_from_db()
    return change


def states(change):
    return [one.state for one in change.steps.order_by("number")]


def happened(toys):
    return [one.happened for one in toys.values()]


def test_an_entity_that_is_not_disabled_keeps_no_other_cut_but_every_rotation_and_a_resume_does_that_alone(
    monkeypatch, django_user_model
):
    change, toys = cutting_plan(monkeypatch, disable_entity={"run": [NO]})
    change = turn(change)
    assert (change.state, states(change)) == ("failed", ["stopped", "done", "done", "planned"])
    assert change.says.startswith("Not cut off: the entity None, which may still log in (step 1). Step 1: ")
    assert change.says.endswith(
        "Step 4 did not begin: who can still read the vault would read what is new too. "
        "Mend that, then resume: step 1 is tried again."
    )
    actions.resume(change, django_user_model.objects.create(username="ann"))
    assert turn(change).state == "succeeded"
    assert happened(toys) == [1, 1, 1, 1]


def test_a_lease_that_is_refused_holds_up_nothing_and_is_tried_again_by_itself_while_the_change_goes_on(monkeypatch):
    waits = [Waiting("Write the value.")] * 2
    change, toys = cutting_plan(
        monkeypatch, revoke_leases={"run": [NO, NO]}, write_kv={"run": waits[:1], "done": waits + waits}
    )
    change = turn(change)
    assert (change.state, states(change)) == ("running", ["done", "done", "failed", "waiting"])
    assert change.says.startswith("Not cut off: ") and change.says.endswith("Step 3: Vault said no.")
    (told,) = Notice.objects.filter(kind="not_cut_off")
    assert told.told["says"] == change.says
    now = datetime.now(UTC)
    turn(change, now + cutting.AGAIN / 2)
    assert Attempt.objects.filter(step__number=3).count() == 1
    change = turn(change, now + cutting.AGAIN * 1.5)
    assert states(change)[2] == "failed" and Attempt.objects.filter(step__number=3).count() == 2
    change = turn(change, now + cutting.AGAIN * 3)
    assert states(change)[2] == "done" and change.says == ""
    assert Notice.objects.filter(kind="not_cut_off").count() == 1
    toys["write_kv"].script = {}
    assert turn(change).state == "succeeded" and happened(toys) == [1, 1, 1, 1]


def test_a_cut_that_is_waited_for_keeps_no_other_back_and_each_keeps_its_own_time(monkeypatch):
    change, toys = cutting_plan(monkeypatch, disable_entity={"run": [NotDone("Vault is busy.")] * 2})
    change = turn(change)
    assert (change.state, states(change)) == ("running", ["waiting", "done", "done", "planned"])
    assert change.due_at is not None and change.due_at - datetime.now(UTC) < timedelta(seconds=3)
    turn(change)
    assert Attempt.objects.filter(step__number=1).count() == 1, "it is not due yet"
    later = datetime.now(UTC) + timedelta(seconds=3)
    assert turn(change, later).state == "running"
    assert turn(change, later + timedelta(minutes=1)).state == "succeeded"
    assert happened(toys) == [1, 1, 1, 1]


def test_what_nobody_can_tell_of_a_cut_is_not_called_a_refusal(monkeypatch):
    change, _ = cutting_plan(monkeypatch, revoke_token={"run": [Unknown("No answer.")], "done": [Unknown("No.")] * 99})
    at = datetime.now(UTC)
    while turn(change, at).state == "running":
        at += timedelta(seconds=25)
    assert change.state == "failed"
    assert change.says.startswith("Not known to be cut off: the token with the accessor None (step 2). ")


def test_a_worker_that_is_killed_behind_a_refused_cut_leaves_it_refused_and_does_no_other_twice(monkeypatch):
    class Killed(BaseException):
        """As a SIGKILL is: nothing after it runs."""

    def die(toy):
        toy.happened += 1
        raise Killed

    change, toys = cutting_plan(monkeypatch, disable_entity={"run": [NO]}, revoke_token={"run": [die]})
    with pytest.raises(Killed):
        runner.turn(change.pk, hands())
    assert turn(change).state == "failed"
    assert happened(toys) == [0, 1, 1, 0] and states(change) == ["stopped", "done", "done", "planned"]


def test_a_rotation_that_stops_says_first_who_is_not_cut_off_and_so_does_a_cancel(monkeypatch, django_user_model):
    change, toys = cutting_plan(monkeypatch, revoke_leases={"run": [NO, NO]}, write_kv={"run": [Refused("Not so.")]})
    change = turn(change)
    assert change.state == "failed" and states(change) == ["done", "done", "stopped", "stopped"]
    assert change.says.startswith("Not cut off: ")
    assert change.says.endswith("Step 3: Vault said no. Stopped at step 4 of 4. Not so.")
    ann = django_user_model.objects.create(username="ann")
    actions.resume(change, ann)
    toys["write_kv"].script = {"run": [Waiting("Write it.")]}
    assert turn(change).state == "running"
    actions.cancel(change, ann)
    assert turn(change).state == "cancelled"
    assert change.says.startswith("Not cut off: ") and "Cancelled in step 4 of 4" in change.says


def test_pauses_and_freezes_are_heeded_before_each_cut(monkeypatch):
    change, toys = cutting_plan(monkeypatch, disable_entity={"run": [NO]})
    Change.objects.filter(pk=change.pk).update(pause_before=2, paused_by="ann")
    change = turn(change)
    assert (change.state, happened(toys)) == ("running", [0, 0, 0, 0])
    assert change.says.startswith("Not cut off: ")
    assert change.says.endswith("Paused before step 2 by ann. It waits to be resumed.")
    Change.objects.filter(pk=change.pk).update(pause_before=None, due_at=None)
    assert runner.turn(change.pk, hands(frozen=lambda _: "Everything is frozen."))
    change.refresh_from_db()
    assert change.says.endswith("Everything is frozen.") and happened(toys) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "kind, found, ok",
    [
        ("disable_entity", Checked({}, ("Vault knows no entity e-1.",)), True),
        ("revoke_leases", NotPermitted("Vault refused sys/leases/lookup: permission denied"), True),
        ("revoke_leases", Unreachable("Vault did not answer"), False),
        ("write_kv", Checked({}, ("It has no version.",)), False),
    ],
)
def test_a_cut_that_surely_can_not_be_made_keeps_the_others_from_no_approval_and_no_start(monkeypatch, kind, found, ok):
    change, _ = cutting_plan(monkeypatch, **{kind: {"check": [found] * 3}})
    change.refresh_from_db()
    looked = preflight.check(change, hands())
    assert looked["ok"] is ok and [one["ok"] for one in looked["lines"] if one["step"]] == [False]
    verb, why = preflight.drift(change, hands())
    assert verb == ("" if ok else "wait") and bool(why) is not ok


def test_no_row_makes_a_rotation_stand_apart():
    for kind in ("write_kv", "retire_version", "restart_rollout", "verify_delivery", "ask_person"):
        assert apart.holds_up({"step": kind, "holds_up": apart.NOTHING}) == ""
    assert apart.apart(StepSpec("disable_entity", {"enable": True})).holds_up == ""


def test_a_pod_is_cut_off_as_far_as_vault_lets_us_and_the_rest_is_named_and_resumed(farm, monkeypatch, capsys):
    change = farm.begin(POD)
    monkeypatch.setattr(preflight, "drift", lambda *_: ("", ""))  # both change right after the last look

    def refused(operator, lease):
        raise NotPermitted("Vault refused sys/leases/revoke: permission denied")

    with monkeypatch.context() as now:
        now.setattr(Operator, "revoke_lease", refused)
        farm.root.must("POST", f"identity/entity/id/{farm.entity}", {"name": f"{farm.name}-x"})
        change = farm.take(change)
    assert change.state == "failed" and farm.state() == (True, True, False), "the token is revoked all the same"
    entity, lease = change.steps.get(kind="disable_entity"), change.steps.get(kind="revoke_leases")
    assert change.says.startswith(
        f"Not cut off: the entity {farm.name}, which may still log in (step {entity.number}); "
        f"lease {farm.lease} (step {lease.number}). "
    )
    assert "did not begin: who can still read the vault would read what is new too." in change.says
    assert change.steps.get(kind="notify").state == "done" and change.steps.get(kind="await_version").state == "planned"
    assert "State: **failed**. Not cut off: the entity" in farm.report(change, monkeypatch, capsys)
    farm.root.must("POST", f"identity/entity/id/{farm.entity}", {"name": farm.name})
    actions.resume(change, farm.people("ann"))
    farm.has_read = ["p-web"]
    change = farm.take(farm.write_when_waited_for(change))
    assert change.state == "succeeded" and farm.state() == (False, False, False)
    assert Step.objects.get(change=change, kind="revoke_token").attempts.count() == 1
