"""Of several workloads one restarts first and is proven, then the others in batches; what fails stops the rest."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from cluster import rollouts
from cluster.errors import Denied, Unknown
from inventory.sightings import VersionRead
from rotation import glass, steps
from rotation.outcomes import Done, NotDone, Refused, Waiting
from rotation.outcomes import Unknown as NotKnown
from rotation.present import Getting
from rotation.steps import restart_batch, restart_rollout, verify_delivery
from rotation.touching import Touched
from rotation.world import World

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = [f"app-{number}" for number in range(1, 7)]


def touched(*names):
    made = Touched()
    for name in names:
        one = SimpleNamespace(
            kind="Deployment", namespace="pay", name=name, uid=f"u-{name}", budgets=(), says="", caveats=()
        )
        made.restart("prod", one, "f")
    return made


def prove(which):
    return steps_of(verify={"only": which})[0]


def steps_of(**made):
    return [SimpleNamespace(step=name, args=args) for name, args in made.items()]


def args_of(step):
    return msgspec.convert(dict(step.args), steps.kinds()[step.step].Args)


class Kube:
    """A cluster in which a restart does what the test says; it counts the patches of each workload."""

    def __init__(self):
        self.marks, self.patched, self.answers, self.errors = {}, [], {}, {}

    @contextmanager
    def cluster(self, name):
        assert name == "prod"
        yield self

    def restart(self, kind, namespace, name, change, at, dry_run=False, *, uid="", fingerprint=""):
        if error := self.errors.pop(name, None):
            raise error
        if not dry_run and self.marks.get(name) != change:
            self.marks[name] = change
            self.patched.append(name)

    def restarted_by(self, kind, namespace, name):
        return self.marks.get(name)

    def progress(self, kind, namespace, name, change):
        return self.answers.get(name, rollouts.Done(2, f"2 of 2 pods of {name} are new."))

    def look(self, kind, namespace, name):
        return SimpleNamespace(pods=[1, 2])


@pytest.fixture
def kube():
    return Kube()


@pytest.fixture
def world(kube):
    return World(
        change="C-7", step=2, plan_hash="h", vault="demo", cluster="", intent={"change": "C-7"}, began=NOW,
        tried=NOW - timedelta(minutes=1),
        started=NOW, doors=kube, witness=None, now=lambda: NOW, present=lambda *_: [],
    )  # fmt: skip


def batch(*names, then=()):
    some = [{"cluster": "prod", "kind": "Deployment", "namespace": "pay", "name": name} for name in names]
    return msgspec.convert({"workloads": some, "then": list(then)}, restart_batch.Args)


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_one_workload_is_restarted_without_any_ado():
    (only,) = touched("ledger").staged(prove)
    assert restart_rollout.describe(args_of(only)).title == "Restart Deployment pay/ledger"


def test_of_six_one_goes_first_and_is_proven_then_the_others_in_batches():
    drawn = touched(*NAMES).staged(prove)
    assert [one.step for one in drawn] == ["restart_rollout", "verify", "restart_batch", "restart_batch"]
    first, proof, second, third = drawn
    assert restart_rollout.describe(args_of(first)).title == "Restart 1 of 6 first: Deployment pay/app-1"
    assert proof.args == {"only": "prod Deployment pay/app-1"}
    assert restart_batch.describe(args_of(second)).title == (
        "Then restart 3 more at once: Deployment pay/app-2, Deployment pay/app-3, Deployment pay/app-4"
    )
    assert args_of(second).then == ("Deployment pay/app-5", "Deployment pay/app-6") and args_of(third).then == ()


def test_without_a_version_to_prove_the_rollout_of_the_first_is_the_proof():
    assert [one.step for one in touched("a", "b").staged()] == ["restart_rollout", "restart_batch"]
    assert (
        restart_batch.describe(args_of(touched("a", "b").staged()[1])).title == "Then restart 1 more: Deployment pay/b"
    )


def test_a_batch_counts_as_so_many_acts_where_the_glass_is_broken():
    plan = {"steps": [{"step": one.step, "args": one.args} for one in touched("a", "b", "c").staged()]}
    assert [(act.family, act.subject) for act in glass.acts_of(plan)] == [
        ("restart", f"restart_rollout pay/{name}") for name in "abc"
    ]


# -- a batch -----------------------------------------------------------------------------------------------------------


def test_a_batch_restarts_all_of_its_workloads_and_each_once_whatever_is_killed(kube, world):
    args = batch("a", "b", "c")
    kube.errors["b"] = Unknown("no answer", "prod")
    assert isinstance(restart_batch.run(args, world), NotKnown)
    looked = restart_batch.done(args, world)
    assert isinstance(looked, NotDone) and "Deployment pay/b, Deployment pay/c does not carry" in looked.says
    assert restart_batch.run(args, world) == Done("3 of 3 workloads are restarted.", {"workloads": 3})
    assert kube.patched == ["a", "b", "c"]
    assert isinstance(restart_batch.done(args, world), Done)


def test_a_batch_waits_for_the_slowest_and_counts_those_that_are_done(kube, world):
    kube.answers["b"] = rollouts.Rolling(1, 2, "1 of 2 pods is new.")
    found = restart_batch.run(batch("a", "b", "c"), world)
    assert isinstance(found, Waiting) and (found.done, found.of) == (2, 3)
    assert found.says == "2 of 3 workloads are restarted. Deployment pay/b: 1 of 2 pods is new."


def test_a_batch_that_is_stuck_stops_and_names_what_was_touched_and_what_was_not(kube, world):
    kube.answers["b"] = rollouts.Stuck("Its new pods crash.", "Roll it back.")
    world = replace(world, now=lambda: NOW + restart_rollout.GRACE)
    found = restart_batch.run(batch("a", "b", "c", then=["Deployment pay/d"]), world)
    assert isinstance(found, Refused)
    assert found.says == (
        "Deployment pay/b: Its new pods crash. Roll it back. Then resume. Restarted in this batch: Deployment pay/a. "
        "Not touched: Deployment pay/c, Deployment pay/d."
    )
    assert kube.patched == ["a", "b"]


def test_a_patch_that_is_refused_stops_before_the_next_one(kube, world):
    kube.errors["a"] = Denied("admission webhook said no", "pay/a")
    found = restart_batch.run(batch("a", "b"), world)
    assert isinstance(found, Refused) and found.says.endswith(
        "Restarted in this batch: none. Not touched: Deployment pay/b."
    )
    assert kube.patched == []


def test_before_anybody_approves_each_of_a_batch_is_tried_dry(kube, world):
    found = restart_batch.check(batch("a", "b"), world)
    assert found.lines[0] == "Deployment pay/a: The API server would take it; 2 pods now." and len(found.lines) == 2
    assert kube.patched == []


def test_a_first_one_that_is_stuck_names_the_others_that_were_not_touched(kube, world):
    kube.answers["a"] = rollouts.Stuck("Its new pods crash.", "Roll it back.")
    first = touched("a", "b", "c").staged()[0]
    found = restart_rollout.run(args_of(first), replace(world, now=lambda: NOW + restart_rollout.GRACE))
    assert found.says == (
        "Deployment pay/a: Its new pods crash. Roll it back. Then resume. "
        "Not touched: Deployment pay/b, Deployment pay/c."
    )


# -- the proof of the first --------------------------------------------------------------------------------------------


def getting(workload, pod):
    return Getting("prod", "pay", pod, f"u-{pod}", workload, "injector", NOW, None, None, False, "pay/ledger")


def test_only_the_pods_of_the_first_one_are_looked_at_and_its_lines_are_kept_where_it_stops(world):
    pods = [getting("Deployment app-1", "app-1-x"), getting("Deployment app-2", "app-2-y")]
    read = VersionRead("pod", "prod", "u-app-1-x", "pay", "app-1-x", "exact", "", "pay/ledger", "service_account", 1,
                       NOW, NOW, 9)  # fmt: skip
    reads = []
    args = verify_delivery.Args({"mount": "secret", "path": "x"}, "write_kv", (), "prod Deployment pay/app-1")
    args = msgspec.convert(msgspec.to_builtins(args), verify_delivery.Args)
    world = replace(
        world, intent={"version": 15}, present=lambda *_: pods, witness=SimpleNamespace(reads=lambda *_: reads)
    )
    waits = verify_delivery.done(args, world)
    assert isinstance(waits, Waiting) and (waits.done, waits.of, waits.proofs) == (0, 1, ())
    late = verify_delivery.done(args, replace(world, waited=timedelta(minutes=11)))
    assert (
        isinstance(late, Refused) and late.says.endswith("No other workload was restarted.") and len(late.proofs) == 1
    )
    reads.append(read)
    assert verify_delivery.done(args, world) == Done("1 of 1 pods have version 15.", {}, ())
    assert verify_delivery.describe(args).title == (
        "Prove that Deployment pay/app-1 has the new version, before the others restart"
    )
