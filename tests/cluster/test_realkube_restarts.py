"""Restarts end to end: rolled over real HTTP and told at every step, refused, stuck, denied, raced, and cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import urllib3
import yaml

from cluster import restarter
from cluster.client import Client
from cluster.errors import Conflict, Denied, NotPermitted, NotRestartable, NotThere, Unknown
from cluster.operating import KINDS, Operator
from cluster.place import Address
from cluster.rollouts import CHANGE, Done, Rolling, Stuck, fingerprint
from tests.cluster.grounds import IMAGE, NO_IMAGE, real_place
from tests.cluster.speaking import JSON_PATCH, MERGE, STRATEGIC

pytestmark = pytest.mark.realkube
APPS, OURS = "apps/v1", "C-215"
AT = datetime(2026, 11, 21, 12, 0, 0, 123456, UTC)
PLURALS = {kind: resource.plural for kind, resource in KINDS.items()}


def workload(kind: str, **spec) -> dict:
    containers = [{"name": "app", "image": IMAGE}]
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": containers}}
    template["spec"]["terminationGracePeriodSeconds"] = 1
    found = {"selector": {"matchLabels": {"app": "w"}}, "template": template, **spec}
    if kind == "StatefulSet":
        found["serviceName"] = "w"
    return {"apiVersion": APPS, "kind": kind, "metadata": {"name": "w"}, "spec": found}


@pytest.fixture
def operator(ground):
    """Return who changes the cluster: the wire that the worker `operations` has."""
    place = real_place() if ground.real else Address(ground.speak.url, ground.speak.token)
    return Operator(Client(place))


@pytest.fixture
def stands(ground, operator):
    """Return a function that creates a workload, and with `ready` waits until it stands whole."""

    def create(kind: str, *, ready: bool = True, **spec) -> tuple[str, str, str]:
        ground.made(PLURALS[kind], workload(kind, **spec), APPS)
        which = kind, ground.namespace, "w"
        if ready:
            long_ago = datetime(2020, 1, 1, tzinfo=UTC)
            ground.until(lambda: whole(operator, which, long_ago), f"a {kind} that stands")
        return which

    return create


def whole(operator, which, since) -> bool:
    """Say whether all wanted pods are there and ready, whoever started them."""
    found = operator.progress(*which, since=since)
    return isinstance(found, Done) and found.total > 0


def pods(ground) -> dict[str, dict]:
    return {pod["metadata"]["uid"]: pod for pod in ground.speak.listed(ground.path("pods"))["items"]}


def followed(ground, operator, which) -> list:
    """Return each different answer on the way, the last of which is no longer rolling."""
    told = []

    def ended() -> bool:
        answer = operator.progress(*which, OURS)
        if not told or told[-1] != answer:
            told.append(answer)
        return not isinstance(answer, Rolling)

    ground.until(ended, "the end of the roll")
    return told


# Rolls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"replicas": 2}),
        ("Deployment", {"replicas": 1}),
        ("StatefulSet", {"replicas": 2}),
        ("DaemonSet", {}),
    ],
)
def test_a_restart_is_told_step_by_step_and_done_when_no_old_pod_is_left(ground, operator, stands, kind, spec):
    which = stands(kind, **spec)
    before = set(pods(ground))
    done = operator.restart(*which, OURS, AT)
    told = followed(ground, operator, which)
    now = pods(ground)
    assert isinstance(told[-1], Done), told[-1]
    assert not before & set(now)
    assert {pod["metadata"]["annotations"][CHANGE] for pod in now.values()} == {OURS}
    assert len(now) == told[-1].total == len(before)
    assert isinstance(told[0], Rolling)
    assert all(0 <= step.done_of <= step.total for step in told[:-1])
    assert (done.again, operator.restarted_by(*which)) == (False, OURS)


def test_a_stateful_set_is_restarted_one_pod_after_the_other(ground, operator, stands):
    which = stands("StatefulSet", replicas=2)
    version = ground.speak.version(ground.path("statefulsets", APPS))
    operator.restart(*which, OURS, AT)
    assert isinstance(followed(ground, operator, which)[-1], Done)
    ready = []
    for event in ground.speak.watch(ground.path("statefulsets", APPS), seconds=10, resourceVersion=version):
        status = event["object"]["status"]
        ready.append(status.get("readyReplicas", 0))
        if status["updateRevision"] == status["currentRevision"] and status["observedGeneration"] > 1:
            break
    assert min(ready) == 1


def test_two_restarts_within_a_second_are_two_and_the_later_one_counts(ground, operator, stands):
    which = stands("Deployment", replicas=1)
    first = operator.restart(*which, "C-214", AT)
    second = operator.restart(*which, OURS, AT + timedelta(microseconds=1))
    assert second.generation == first.generation + 1
    assert isinstance(followed(ground, operator, which)[-1], Done)
    late = operator.progress(*which, "C-214")
    assert isinstance(late, Stuck)
    assert OURS in late.says


def test_a_deployment_that_is_scaled_meanwhile_is_done_with_as_many_as_are_wanted_by_then(ground, operator, stands):
    which = stands("Deployment", replicas=1)
    operator.restart(*which, OURS, AT)
    ground.speak.patch(ground.path("deployments", APPS, "w"), {"spec": {"replicas": 2}}, MERGE)
    assert followed(ground, operator, which)[-1].total == 2


# Rolls that do not end --------------------------------------------------------------------------------------------


def test_pods_that_never_become_ready_end_as_restarted_not_healthy_with_the_cause(ground, operator, stands):
    which = stands("Deployment", replicas=2, progressDeadlineSeconds=2)
    broken = {"metadata": {"annotations": {CHANGE: OURS}}, "spec": {"containers": [{"name": "app", "image": NO_IMAGE}]}}
    ground.speak.patch(ground.path("deployments", APPS, "w"), {"spec": {"template": broken}}, STRATEGIC)
    last = followed(ground, operator, which)[-1]
    assert isinstance(last, Stuck)
    assert last.says.startswith("Restarted, not healthy: 0 of 2 pods are new and ready, and none more came within 2 s.")
    assert last.done_of == 0


def test_new_pods_that_the_cluster_denies_are_told_while_it_waits(ground, operator, stands, request):
    which = stands("Deployment", replicas=1)
    if ground.real:
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "q"},
            "spec": {"hard": {"pods": "1"}},
        }
        ground.made("resourcequotas", quota)
    else:
        denied = request.getfixturevalue("running_kube").controllers.denied
        denied[ground.namespace] = 'pods "w" is forbidden: exceeded quota: q'
    operator.restart(*which, OURS, AT)
    answer = ground.until(lambda: trouble(operator, which), "a word of the trouble")
    assert "The cluster makes no more pods of it" in answer.trouble
    assert "exceeded quota" in answer.trouble


def trouble(operator, which):
    found = operator.progress(*which, OURS)
    return found if getattr(found, "trouble", "") else None


def test_a_roll_that_is_paused_in_the_middle_is_stuck_until_it_is_resumed(ground, operator, stands):
    which, path = stands("Deployment", replicas=2), ground.path("deployments", APPS, "w")
    ground.speak.patch(path, {"spec": {"paused": True}}, MERGE)
    note = {"spec": {"template": {"metadata": {"annotations": {CHANGE: OURS}}}}}
    ground.speak.patch(path, note, MERGE)
    answer = operator.progress(*which, OURS)
    assert isinstance(answer, Stuck)
    assert answer.says == "It was paused: 0 of 2 pods are new and ready, nothing more rolls."
    ground.speak.patch(path, {"spec": {"paused": None}}, MERGE)
    assert isinstance(followed(ground, operator, which)[-1], Done)


def test_a_workload_that_is_deleted_meanwhile_is_told_as_gone(ground, operator, stands):
    which = stands("Deployment", replicas=1)
    operator.restart(*which, OURS, AT)
    ground.speak.delete(ground.path("deployments", APPS, "w"))
    ground.until(lambda: ground.speak.get(ground.path("deployments", APPS, "w")).status_code == 404, "its end")
    with pytest.raises(NotThere):
        operator.progress(*which, OURS)


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "spec", "why"),
    [
        ("Deployment", {"replicas": 1, "paused": True}, "it is paused"),
        ("Deployment", {"replicas": 0}, "it is scaled to 0"),
        ("StatefulSet", {"replicas": 1, "updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        (
            "StatefulSet",
            {"replicas": 1, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}},
            "partition",
        ),
    ],
)
def test_what_would_not_roll_is_refused_and_untouched(ground, operator, stands, kind, spec, why):
    which = stands(kind, ready=False, **spec)
    for dry_run in (True, False):
        with pytest.raises(NotRestartable, match=why):
            operator.restart(*which, OURS, AT, dry_run=dry_run)
    found = ground.read(PLURALS[kind], "w", APPS)
    assert CHANGE not in found["spec"]["template"]["metadata"].get("annotations", {})


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_dry_run_stores_nothing_and_starts_nothing(ground, operator, stands, kind):
    which = stands(kind, **({} if kind == "DaemonSet" else {"replicas": 1}))
    before, running = ground.read(PLURALS[kind], "w", APPS), set(pods(ground))
    told = operator.restart(*which, OURS, AT, dry_run=True)
    after = ground.read(PLURALS[kind], "w", APPS)
    assert told.generation == before["metadata"]["generation"] + 1
    assert (after["metadata"]["generation"], after["spec"]) == (before["metadata"]["generation"], before["spec"])
    assert set(pods(ground)) == running
    assert operator.restarted_by(*which) is None


def test_a_write_from_an_older_version_is_a_conflict_and_the_fingerprint_outlives_a_roll(ground, operator, stands):
    which = stands("Deployment", replicas=1)
    seen = operator.look(*which).workload
    operator.restart(*which, "C-214", AT, fingerprint=fingerprint(seen))
    body = {"metadata": {"resourceVersion": seen.metadata.resource_version}}
    with pytest.raises(Conflict, match="changed meanwhile"):
        operator._client.patch(ground.path("deployments", APPS, "w"), body, resource="deployments", strategic=True)
    assert fingerprint(operator.look(*which).workload) == fingerprint(seen)


# What is not known ------------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_after_the_act_is_unknown_and_found_done(ground, operator, stands, monkeypatch):
    which = stands("Deployment", replicas=1)
    client = operator._client
    real = client._send

    def lost(method, *args, **also):
        answer = real(method, *args, **also)
        if method == "PATCH":
            answer.read()
            raise urllib3.exceptions.ProtocolError("the connection was cut")
        return answer

    monkeypatch.setattr(client, "_send", lost)
    with pytest.raises(Unknown):
        operator.restart(*which, OURS, AT)
    monkeypatch.setattr(client, "_send", real)
    assert operator.restarted_by(*which) == OURS
    again = operator.restart(*which, OURS, AT + timedelta(minutes=1))
    assert again.again
    assert isinstance(followed(ground, operator, which)[-1], Done)


# Who may ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def held(ground):
    """Apply the restarter's manifest to this namespace alone, and take what is cluster-wide away afterwards."""
    documents = list(yaml.safe_load_all(restarter.manifest([ground.namespace], namespace=ground.namespace)))
    paths = [
        (ground.path(plural(one), "" if one["apiVersion"] == "v1" else one["apiVersion"]), one) for one in documents
    ]
    paths = [(path if "namespace" in one["metadata"] else wide(path, ground), one) for path, one in paths]
    for path, one in paths:
        ground.speak.delete(f"{path}/{one['metadata']['name']}")
        answer = ground.speak.post(path, one)
        assert answer.status_code == 201, answer.text
    yield
    for path, one in paths:
        ground.speak.delete(f"{path}/{one['metadata']['name']}")


def plural(one: dict) -> str:
    name = one["kind"].lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def wide(path: str, ground) -> str:
    return path.replace(f"/namespaces/{ground.namespace}", "")


def test_the_restarter_restarts_in_its_namespace_and_can_change_nothing_else(ground, operator, stands, held):
    which = stands("Deployment", replicas=1)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = ground.path("serviceaccounts", "", restarter.NAME, "token")
    token = ground.speak.post(path, asked).json()["status"]["token"]
    place = Address(ground.speak.url, token, ca_file=getattr(real_place(), "ca_file", "") if ground.real else "")
    guest, own = Operator(Client(place)), ground.path("deployments", APPS, "w")
    ground.until(lambda: allowed(guest, which), "the right to restart")
    assert isinstance(followed(ground, guest, which)[-1], Done)
    for evil in ({"spec": {"replicas": 5}}, {"metadata": {"labels": {"a": "b"}}}):
        if ground.real:  # the simulated API keeps admission policies and does not evaluate them
            with pytest.raises(Denied, match="Keybook's restarter changes no"):
                guest._client.patch(own, evil, resource="deployments")
    with pytest.raises(NotPermitted):
        guest.restart("Deployment", "kube-system", "w", OURS, AT)
    assert ground.guest(token).get(ground.path("secrets")).status_code == 403
    remove = [{"op": "remove", "path": "/spec/replicas"}]
    refused = 403 if ground.real else 404  # the simulated API serves no scale
    assert ground.guest(token).patch(f"{own}/scale", remove, JSON_PATCH).status_code == refused


def allowed(guest, which) -> bool:
    try:
        return bool(guest.restart(*which, OURS, AT))
    except NotPermitted:
        return False
