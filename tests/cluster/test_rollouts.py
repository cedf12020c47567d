"""How far a restart has come: kubectl's rules per kind, the old set, what holds it up, and what can't be restarted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster.kinds.meta import moment
from cluster.objects import encode_object
from cluster.resources import RESOURCES
from cluster.rollouts import (
    CHANGE,
    RESTARTED_AT,
    Done,
    Rolling,
    Stuck,
    fingerprint,
    is_ready,
    marked_at,
    names,
    obstacle,
    restarted_by,
    status,
    wanted,
)
from tests.cluster import made as m

OURS, AT, BEFORE, AFTER = "C-215", "2026-11-21T12:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T12:00:04Z"
READY = [{"type": "Ready", "status": "True"}]
NUMBERS = {
    "deployments": {"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2, "readyReplicas": 2},
    "statefulsets": {"updatedReplicas": 2, "readyReplicas": 2, "updateRevision": "b", "currentRevision": "b"},
    "daemonsets": {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2},
}


def workload(plural="deployments", mark=OURS, spec=None, notes=None, **told):
    """Return a workload of two pods that is wholly rolled out, unless told otherwise."""
    marks = {CHANGE: mark, RESTARTED_AT: AT} if mark else {}
    template = {"metadata": {"annotations": {**marks, **(notes or {})}}}
    wants = {} if plural == "daemonsets" else {"replicas": 2}
    meta = {
        "generation": 3,
        "managedFields": [{"manager": "keybook", "time": AT}, {"manager": "kubectl", "time": AFTER}],
    }
    numbers = {"observedGeneration": 3, **NUMBERS[plural], **told}
    return m.made(plural, "web", meta=meta, spec={**wants, "template": template, **(spec or {})}, status=numbers)


def new(name="web-1", ready=True, **parts):
    meta = {"annotations": {CHANGE: OURS, RESTARTED_AT: AT}, "creationTimestamp": AFTER, **parts.pop("meta", {})}
    return m.pod(name, meta=meta, status={"conditions": READY if ready else [], **parts.pop("status", {})}, **parts)


def old(name="web-1", ending=False, at=BEFORE, **meta):
    end = {"deletionTimestamp": AFTER} if ending else {}
    return m.pod(name, meta={"creationTimestamp": at, **end, **meta}, status={"conditions": READY})


BOTH = [new("web-1"), new("web-2")]
KINDS = list(NUMBERS)


@pytest.mark.parametrize("plural", KINDS)
def test_a_roll_is_done_when_the_numbers_say_so_and_no_old_pod_is_left(plural):
    assert status(workload(plural), BOTH, OURS) == Done(2, "2 of 2 pods are new and available. No old pod is left.")


@pytest.mark.parametrize("plural", KINDS)
def test_while_the_generation_is_not_observed_old_numbers_say_nothing(plural):
    for observed in (2, 0):
        answer = status(workload(plural, observedGeneration=observed), BOTH, OURS)
        assert answer == Rolling(2, 2, "The cluster has not taken up the restart yet.")


@pytest.mark.parametrize(
    ("plural", "told", "says"),
    [
        ("deployments", {"updatedReplicas": 1}, "1 of 2 pods is new."),
        ("deployments", {"replicas": 3}, "2 of 2 pods are new; 1 old pod is still there."),
        ("deployments", {"replicas": 4}, "2 of 2 pods are new; 2 old pods are still there."),
        ("deployments", {"availableReplicas": 1}, "2 of 2 pods are new; 1 of them available."),
        ("deployments", {"terminatingReplicas": 2}, "1 of 2 pods is new and ready; 2 old pods are still there."),
        ("daemonsets", {"updatedNumberScheduled": 1}, "1 of 2 pods is new, node by node."),
        ("daemonsets", {"numberAvailable": 1}, "All 2 pods are new; 1 of them available."),
        ("statefulsets", {"updatedReplicas": 0}, "0 of 2 pods are new, one after the other."),
        ("statefulsets", {"readyReplicas": 1}, "2 of 2 pods are new; 1 of 2 ready."),
        ("statefulsets", {"currentRevision": "a"}, "2 of 2 pods are new; the cluster has not closed the roll yet."),
    ],
)
def test_each_kind_is_on_its_way_as_long_as_one_number_lacks(plural, told, says):
    assert status(workload(plural, **told), [new("web-1")], OURS) == Rolling(1, 2, says)


@pytest.mark.parametrize("plural", KINDS)
def test_a_pod_of_the_old_set_that_still_ends_keeps_it_from_being_done(plural):
    answer = status(workload(plural), [*BOTH, old("web-0", ending=True)], OURS)
    assert answer == Rolling(2, 2, "2 of 2 pods are new and ready. Old pod web-0 still ends.")
    many = [old(f"web-{n}", ending=n > 3) for n in range(3, 8)]
    told = status(workload(plural), [*BOTH, *many], OURS).says
    assert told == "2 of 2 pods are new and ready. Old pods web-3, web-4, web-5 and 2 more are still there."
    assert status(workload(plural), [*BOTH, old("web-9")], OURS).says.endswith("Old pod web-9 is still there.")
    assert status(workload(plural), [*BOTH, *many[2:]], OURS).says.endswith("web-5, web-6, web-7 still end.")


def test_a_pod_that_has_ended_holds_nothing():
    left = m.pod("web-0", status={"phase": "Failed"})
    assert isinstance(status(workload(), [*BOTH, left], OURS), Done)


def test_one_pod_is_told_as_one():
    only = workload(spec={"replicas": 1}, updatedReplicas=1, replicas=1, availableReplicas=1)
    assert status(only, [new()], OURS).says == "1 of 1 pod is new and available. No old pod is left."


def test_a_workload_that_was_scaled_to_0_meanwhile_is_done_when_its_pods_are_gone():
    none = workload(spec={"replicas": 0}, updatedReplicas=0, replicas=0, availableReplicas=0)
    assert status(none, [], OURS) == Done(0, "No pod is wanted, and no old pod is left.")
    assert isinstance(status(none, [old(ending=True)], OURS), Rolling)


def test_replicas_that_nobody_set_are_one():
    assert wanted(m.made("statefulsets", "web")) == 1


# Whose restart it was ---------------------------------------------------------------------------------------------


def test_a_restart_that_another_change_wrote_over_is_told_as_such():
    answer = status(workload(mark="C-216"), BOTH, OURS)
    assert isinstance(answer, Stuck)
    assert "no longer carries our restart: it carries C-216 instead" in answer.says
    assert "somebody took it away" in status(workload(mark=""), BOTH, OURS).says


def test_with_the_time_of_ours_the_pods_of_a_later_restart_count_as_new():
    later = {CHANGE: "C-216", RESTARTED_AT: AT}
    pods = [m.pod("web-1", meta={"annotations": later, "creationTimestamp": AFTER}, status={"conditions": READY})]
    assert isinstance(status(workload(mark="C-216"), pods, OURS, since=moment(AT)), Done)
    assert isinstance(status(workload(mark="C-216"), [*pods, old("web-2")], OURS, since=moment(AT)), Rolling)


def test_a_restart_that_is_left_to_an_operator_is_judged_by_time():
    vso = {"vso.secrets.hashicorp.com/restartedAt": AT}
    theirs = [m.pod("web-1", meta={"annotations": vso, "creationTimestamp": AFTER}, status={"conditions": READY})]
    rolled = workload(mark="", notes=vso)
    assert isinstance(status(rolled, theirs, since=moment(AT)), Done)
    assert isinstance(status(rolled, [*theirs, old("web-2")], since=moment(AT)), Rolling)
    assert isinstance(status(rolled, [old("web-2", at="odd")], since=moment(AT)), Rolling)
    assert isinstance(status(m.made("deployments", "web", status={"observedGeneration": 1}), [old()]), Rolling)


def test_within_the_second_of_the_restart_the_template_decides_which_pods_are_old():
    since = datetime(2026, 11, 21, 12, 0, 0, 700_000, UTC)
    mine = {CHANGE: "C-216", RESTARTED_AT: AT}
    assert isinstance(status(workload(mark="C-216"), [old(at=AT, annotations=mine)], OURS, since=since), Done)
    assert isinstance(status(workload(mark="C-216"), [old(at=AT)], OURS, since=since), Rolling)


def test_a_pod_made_anew_of_the_old_template_is_old_however_young_it_is():
    assert isinstance(status(workload(), [new(), old("web-2", at=AFTER)], OURS), Rolling)


def test_the_change_and_its_time_are_read_from_the_workload():
    assert restarted_by(workload()) == OURS
    assert restarted_by(workload(mark="")) is None
    assert marked_at(workload()) == moment(AT)
    assert marked_at(m.made("deployments", "web")) is None


# What holds it up ---------------------------------------------------------------------------------------------------


def test_past_its_deadline_a_deployment_is_restarted_and_not_healthy():
    failed = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}
    sick = new("web-2", ready=False, status={"containerStatuses": [{"name": "app", **waiting}]})
    late = workload(spec={"progressDeadlineSeconds": 600}, conditions=[failed], updatedReplicas=1)
    answer = status(late, [new(), sick, old()], OURS)
    assert isinstance(answer, Stuck)
    assert (answer.done_of, answer.total) == (1, 2)
    assert answer.says == (
        "Restarted, not healthy: 1 of 2 pods is new and ready, and none more came within 600 s. "
        "web-2 is not ready: ImagePullBackOff in container app."
    )
    assert "none more came." in status(workload(conditions=[failed]), [], OURS).says


@pytest.mark.parametrize(
    ("told", "trouble"),
    [
        ({"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
        (
            {
                "initContainerStatuses": [
                    {"name": "vault-agent-init", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
                ]
            },
            "web-1 is not ready: CrashLoopBackOff in container vault-agent-init.",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "app",
                        "state": {"running": {}},
                        "lastState": {"terminated": {"exitCode": 7, "reason": "Error"}},
                    }
                ]
            },
            "web-1 is not ready: Error with exit code 7, started again in container app.",
        ),
        (
            {
                "containerStatuses": [
                    {"name": "app", "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 7}}}
                ],
            },
            "web-1 is not ready: an end with exit code 7, started again in container app.",
        ),
        (
            {
                "containerStatuses": [],
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes fit."}
                ],
            },
            "web-1 is not ready: Unschedulable, 0/3 nodes fit.",
        ),
    ],
)
def test_a_new_pod_that_is_not_ready_is_named_with_its_cause(told, trouble):
    assert status(workload(updatedReplicas=1), [new(ready=False, status=told)], OURS) == Rolling(
        0, 2, "1 of 2 pods is new.", trouble
    )


def test_a_quota_or_webhook_that_denies_new_pods_is_told():
    denied = {"type": "ReplicaFailure", "status": "True", "message": "pods is forbidden: exceeded quota: small."}
    answer = status(workload(updatedReplicas=1, conditions=[denied]), [new()], OURS)
    assert answer.trouble == "The cluster makes no more pods of it: pods is forbidden: exceeded quota: small."
    well = {**denied, "status": "False"}
    assert status(workload(updatedReplicas=1, conditions=[well]), [new()], OURS).trouble == ""


def test_a_workload_that_is_paused_in_the_middle_is_stuck_and_one_at_its_end_is_done():
    answer = status(workload(spec={"paused": True}, updatedReplicas=1), [new(), old()], OURS)
    assert isinstance(answer, Stuck)
    assert answer.says == "It was paused: 1 of 2 pods is new and ready, nothing more rolls."
    assert "rollout resume" in answer.mend
    assert isinstance(status(workload(spec={"paused": True}), BOTH, OURS), Done)


@pytest.mark.parametrize("plural", ["statefulsets", "daemonsets"])
def test_what_is_replaced_on_delete_is_stuck_until_somebody_deletes_it(plural):
    by_hand = {"updateStrategy": {"type": "OnDelete"}}
    answer = status(workload(plural, spec=by_hand, updatedReplicas=0, updatedNumberScheduled=0), [old()], OURS)
    assert isinstance(answer, Stuck)
    assert "OnDelete: web-1 stays until" in answer.says
    assert isinstance(status(workload(plural, spec=by_hand), BOTH, OURS), Done)
    assert isinstance(status(workload(plural, spec=by_hand, observedGeneration=2), BOTH, OURS), Rolling)


def test_a_partition_ends_a_roll_with_old_pods_that_are_named():
    spec = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    part = workload("statefulsets", spec=spec, updatedReplicas=1, currentRevision="a")
    answer = status(part, [old("web-0"), new("web-1")], OURS)
    assert isinstance(answer, Stuck)
    assert answer.says == "The roll ended at its partition: web-0 stays on the old template."
    assert isinstance(status(part, BOTH, OURS), Rolling)


def test_a_workload_without_a_rule_is_a_mistake_of_ours():
    job = m.made("rollouts", "web", status={"observedGeneration": "1"})
    with pytest.raises(TypeError, match="no rule for a Rollout"):
        status(job, [])


# What can't be restarted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plural", "spec", "says"),
    [
        ("deployments", {"paused": True}, "it is paused"),
        ("deployments", {"replicas": 0}, "it is scaled to 0"),
        ("statefulsets", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("daemonsets", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("statefulsets", {"updateStrategy": {"rollingUpdate": {"partition": 2}}}, "keeps the pods below number 2"),
    ],
)
def test_what_would_not_roll_is_refused_with_the_cause(plural, spec, says):
    found = obstacle(workload(plural, spec=spec))
    assert says in found.says
    assert found.mend


def test_a_daemon_set_on_no_node_is_refused():
    assert "no node" in obstacle(workload("daemonsets", desiredNumberScheduled=0)).says


@pytest.mark.parametrize("plural", KINDS)
def test_an_ordinary_workload_has_no_obstacle(plural):
    assert obstacle(workload(plural)) is None
    assert obstacle(workload(plural, spec={"updateStrategy": {"type": "RollingUpdate"}})) is None


# The plan's fingerprint ---------------------------------------------------------------------------------------------


def test_a_fingerprint_stays_over_restarts_scaling_and_the_mirror_and_changes_with_the_template():
    first = fingerprint(workload())
    assert fingerprint(workload(mark="C-216", observedGeneration=9)) == first
    assert fingerprint(workload(mark="", notes={"reloader.stakater.com/last-reloaded-from": "x"})) == first
    assert fingerprint(workload(spec={"replicas": 5})) == first
    kept = m.decode_object(RESOURCES["deployments"], encode_object(workload()))
    assert fingerprint(kept) == first
    assert fingerprint(workload(notes={"vault.hashicorp.com/role": "other"})) != first
    assert fingerprint(workload(spec={"strategy": {"type": "Recreate"}})) != first


def test_pods_are_named_in_order_and_ready_by_their_condition():
    assert names([new("b"), new("a")]) == "a, b"
    assert is_ready(new())
    assert not is_ready(new(ready=False))
