"""What a restart touches: how many pods are away at worst, whose budgets are over them, and what to know first."""

from __future__ import annotations

import pytest

from cluster.blast import Budget, blast
from tests.cluster import made as m

READY = [{"type": "Ready", "status": "True"}]
APP = {"app": "web"}


def workload(plural="deployments", replicas=4, nodes=3, meta=None, **spec):
    wants = {"replicas": replicas, "template": {"metadata": {"labels": APP}}, **spec}
    return m.made(plural, "web", meta=meta or {}, spec=wants, status={"desiredNumberScheduled": nodes})


def pod(name, ready=True, phase="Running"):
    return m.pod(name, meta={"labels": APP}, status={"phase": phase, "conditions": READY if ready else []})


def budget(name="web-pdb", namespace="shop", allows=1, healthy=4, asks=3, labels=None):
    told = {"disruptionsAllowed": allows, "currentHealthy": healthy, "desiredHealthy": asks}
    spec = {"selector": {"matchLabels": labels or APP}}
    return m.made("poddisruptionbudgets", name, namespace, spec=spec, status=told)


def rolling(**parts):
    return {"type": "RollingUpdate", "rollingUpdate": parts}


PODS = [pod(f"web-{n}") for n in range(4)]


@pytest.mark.parametrize(
    ("replicas", "strategy", "away", "extra", "says"),
    [
        (4, None, 1, 1, "At worst 1 of 4 pods is away at a time."),
        (8, rolling(), 2, 2, "At worst 2 of 8 pods are away at a time."),
        (3, rolling(), 0, 1, "At worst none of 3 pods is away: each new one is ready before an old one ends."),
        (1, rolling(), 0, 1, "At worst none of 1 pod is away: each new one is ready before an old one ends."),
        (1, rolling(maxSurge=0, maxUnavailable=1), 1, 0, "Its single pod is away for a while."),
        (4, rolling(maxSurge=0, maxUnavailable=0), 1, 0, "At worst 1 of 4 pods is away at a time."),
        (4, rolling(maxSurge="50%", maxUnavailable="3"), 3, 2, "At worst 3 of 4 pods are away at a time."),
        (4, rolling(maxSurge="odd", maxUnavailable=9), 4, 0, "All 4 pods are away at once."),
        (4, {"type": "Recreate"}, 4, 0, "All 4 pods are away at once."),
        (1, {"type": "Recreate"}, 1, 0, "Its single pod is away for a while."),
        (0, None, 0, 0, "There is no pod to restart."),
    ],
)
def test_a_deployment_loses_what_its_strategy_lets_it(replicas, strategy, away, extra, says):
    found = blast(workload(replicas=replicas, **({"strategy": strategy} if strategy else {})), [], [])
    assert (found.total, found.away, found.extra, found.says) == (replicas, away, extra, says)
    assert found.single == (replicas == 1)


@pytest.mark.parametrize(
    ("plural", "update", "away", "extra"),
    [
        ("statefulsets", None, 1, 0),
        ("statefulsets", rolling(), 1, 0),
        ("statefulsets", rolling(maxUnavailable=2), 2, 0),
        ("daemonsets", None, 1, 0),
        ("daemonsets", rolling(maxUnavailable="50%"), 2, 0),
        ("daemonsets", rolling(maxUnavailable=0, maxSurge=1), 0, 1),
    ],
)
def test_the_other_kinds_go_one_by_one_unless_they_say_otherwise(plural, update, away, extra):
    found = blast(workload(plural, replicas=3, **({"updateStrategy": update} if update else {})), [], [])
    assert (found.away, found.extra) == (away, extra)


def test_its_pods_are_those_that_have_not_ended():
    found = blast(workload(), [*reversed(PODS), pod("web-9", phase="Failed")], [])
    assert found.pods == ("web-0", "web-1", "web-2", "web-3")
    assert (found.kind, found.namespace, found.name, found.uid) == (
        "Deployment",
        "shop",
        "web",
        "deployments-shop-web",
    )
    assert found.caveats == ()
    assert found.obstacle is None


def test_budgets_over_its_pods_count_and_those_of_others_do_not():
    others = [budget("else", labels={"app": "other"}), budget("there", namespace="bank")]
    found = blast(workload(), PODS, [budget(), *others])
    assert found.budgets == (Budget("web-pdb", 1, 4, 3),)
    assert found.caveats == ()
    assert blast(workload(), [], [budget()]).budgets == found.budgets


@pytest.mark.parametrize(("allows", "asks", "words"), [(0, 4, "allows 0 disruptions"), (1, 4, "allows 1 disruption ")])
def test_a_budget_that_a_restart_undercuts_is_told_with_what_it_does_not_hold_up(allows, asks, words):
    (caveat,) = blast(workload(), PODS, [budget(allows=allows, asks=asks)]).caveats
    assert caveat.startswith("PodDisruptionBudget web-pdb asks for 4 healthy pods, has 4 and " + words)
    assert caveat.endswith("at worst 3 stay. A budget holds up evictions, not a restart.")


def test_a_gap_in_service_is_told_first():
    one = blast(workload(replicas=1, strategy={"type": "Recreate"}), PODS[:1], [])
    assert one.caveats == ("web does not answer while its only pod is replaced.",)
    all_of_it = blast(workload(strategy={"type": "Recreate"}), PODS, [])
    assert all_of_it.caveats == ("web does not answer while all its pods are replaced.",)


def test_a_pod_that_is_not_ready_now_is_told_and_what_that_means_for_a_stateful_set():
    sick = [*PODS[:3], pod("web-3", ready=False)]
    assert blast(workload(), sick, []).caveats == ("Not ready now: web-3.",)
    (caveat,) = blast(workload("statefulsets"), sick, []).caveats
    assert caveat == "Not ready now: web-3; a StatefulSet waits for it before it goes on."


def test_a_daemon_set_says_on_how_many_nodes_it_runs():
    assert "It runs on 3 nodes and is replaced node by node." in blast(workload("daemonsets"), PODS[:3], []).caveats


@pytest.mark.parametrize(
    ("meta", "who"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "x"}}, "Flux"),
    ],
)
def test_what_is_kept_from_git_may_be_rolled_a_second_time(meta, who):
    (caveat,) = blast(workload(meta=meta), PODS, []).caveats
    assert caveat.startswith(f"{who} keeps web from Git")


def test_what_can_not_be_restarted_says_so_beside_its_numbers():
    assert "it is paused" in blast(workload(paused=True), PODS, []).obstacle.says
