"""The seam of delivery: its methods are whole, quick, quiet about values, and never raise for odd data."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import delivery
from cluster.decoding import decode_object
from cluster.held import held
from cluster.resources import RESOURCES
from cluster.scene import Scene
from cluster.versions import Version
from kit import seam
from tests.cluster import recorded
from tests.cluster.made import CANARY, container, event, injected_pod, made, pod, scene

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_every_method_of_the_folder_is_whole():
    assert seam.lacking("cluster.delivery", delivery.Method) == []
    assert set(delivery.methods()) == {"injector", "csi", "vso", "eso", "native", "direct"}


def test_every_method_has_a_title_of_its_own_and_gives_its_name():
    titles = [method.TITLE for method in delivery.methods().values()]
    assert len(set(titles)) == len(titles)
    for each in delivery.consumers(recorded.scene()):
        assert each.method in delivery.methods()


def test_objects_may_come_as_they_are_or_as_a_scene():
    web = pod(spec={"containers": [container(envFrom=[{"secretRef": {"name": "s"}}])]})
    assert delivery.consumers([web]) == delivery.consumers(scene(web))
    assert delivery.troubles([web]) == delivery.troubles(scene(web)) == []


def test_an_empty_cluster_has_neither_consumers_nor_troubles():
    assert delivery.consumers([]) == delivery.troubles([]) == []


def everything(stage: Scene) -> str:
    consumers = delivery.consumers(stage)
    bounds = held(stage, consumers, {each.path: [Version(1), Version(2, NOW)] for each in consumers})
    return json.dumps([asdict(each) for each in (*consumers, *delivery.troubles(stage), *bounds)], default=str)


def test_no_value_that_stands_in_an_object_comes_out_of_any_method():
    env = [
        {"name": "VAULT_ADDR", "value": f"https://{CANARY}:{CANARY}@vault"},
        {"name": "VAULT_TOKEN", "value": CANARY},
    ]
    spc = {
        "provider": "vault",
        "parameters": {
            "objects": json.dumps([{"objectName": "o", "secretPath": "kv/data/a", "secretArgs": {"x": CANARY}}])
        },
    }
    volumes = [
        {
            "name": "v",
            "csi": {
                "driver": "secrets-store.csi.k8s.io",
                "volumeAttributes": {"secretProviderClass": "c", "x": CANARY},
            },
        }
    ]
    mounts = [{"name": "v", "mountPath": "/v"}]
    data = {"data": {"k": CANARY}, "stringData": {"k": CANARY}}
    vds = {"mount": "database", "path": "creds/x", "params": {"password": CANARY}, "destination": {"name": "s"}}
    end = {"terminated": {"exitCode": 1, "message": CANARY}}
    fails = {
        "phase": "Running",
        "containerStatuses": [{"name": "vault-agent", "restartCount": 9, "state": end, "lastState": end}],
    }
    stage = scene(
        injected_pod("kv/data/a", notes={"agent-inject-template-x": CANARY, "auth-config-secret-id": CANARY}),
        injected_pod("kv/data/a", meta={"name": "b", "uid": "b"}, status=fails),
        pod(
            "d",
            spec={
                "containers": [container(env=env, args=[CANARY], command=[CANARY], volumeMounts=mounts)],
                "volumes": volumes,
            },
        ),
        made("secretproviderclasses", "c", spec=spc),
        made("secrets", "s", **data),
        made("vaultdynamicsecrets", "s", spec=vds),
        pod("e", spec={"containers": [container(envFrom=[{"secretRef": {"name": "s"}}])]}),
        at=NOW,
    )
    text = everything(stage)
    assert {each.method for each in delivery.consumers(stage)} >= {"injector", "csi", "vso", "direct"}
    assert CANARY not in text


def test_nothing_that_the_recording_hides_comes_out():
    """The recording's own literals: what its pods carry in templates and variables."""
    text = everything(recorded.scene())
    assert "Data.data.value" not in text
    assert "VAULT_CONFIG" not in text
    assert "/home/vault" not in text


def many(count: int) -> list[Any]:
    """Return this many pods of the recording's kinds, with the objects that belong to them."""
    pairs = [(json.loads(line), line) for line in recorded.lines("objects.ndjson")]
    rest = [decode_object(recorded.resource_of(given), line) for given, line in pairs if given["kind"] != "Pod"]
    pods = [
        (json.dumps(given).encode(), given["metadata"]["uid"].encode()) for given, _ in pairs if given["kind"] == "Pod"
    ]
    copies = (
        line.replace(uid, uid + b"-" + str(n).encode()) for n in range(count // len(pods) + 1) for line, uid in pods
    )
    return [*rest, *(decode_object(RESOURCES["pods"], line) for line in islice(copies, count))]


def test_ten_thousand_pods_are_judged():
    objects = many(10_000)
    stage = Scene(objects, at=NOW)
    consumers = delivery.consumers(stage)
    troubles = delivery.troubles(stage)
    bounds = held(stage, consumers, recorded.versions())
    assert len(stage.pods) > 9_000
    assert min(len(consumers), len(bounds)) > 4_000
    assert len(troubles) == len(recorded.truth()["stuck"])


TEXT = st.text(max_size=12) | st.sampled_from(
    ["", "app", "vault-agent", "vault-agent-init", "s", "web", "kv/data/a", "true", T := "2026-11-21T10:00:00Z"]
)
NAMES = st.sampled_from(["a", "b", "default", "app", "s", "", "web"])
OWNERS = st.lists(
    st.builds(lambda kind, uid: {"kind": kind, "name": "x", "uid": uid, "controller": True}, TEXT, NAMES), max_size=2
)
NOTES = st.dictionaries(
    st.sampled_from(
        [
            f"vault.hashicorp.com/{each}"
            for each in (
                "agent-inject",
                "agent-inject-status",
                "role",
                "agent-inject-secret-a",
                "agent-inject-template-a",
                "agent-inject-containers",
            )
        ]
        + ["reloader.stakater.com/auto", "vso.secrets.hashicorp.com/restartedAt"]
    ),
    TEXT,
    max_size=4,
)
META = st.builds(
    lambda name, uid, owners, notes, stamp: {
        "name": name,
        "namespace": "n",
        "uid": uid,
        "ownerReferences": owners,
        "annotations": notes,
        "creationTimestamp": stamp,
    },
    NAMES, NAMES, OWNERS, NOTES, TEXT,
)  # fmt: skip
STATE = st.sampled_from(
    [
        {},
        {"running": {"startedAt": "odd"}},
        {"running": {"startedAt": T}},
        {"waiting": {"reason": "CrashLoopBackOff"}},
        {"terminated": {"exitCode": 1}},
        {"terminated": {"finishedAt": T}},
    ]
)
STATUS = st.builds(
    lambda name, state, last, n: {"name": name, "state": state, "lastState": last, "restartCount": n},
    TEXT,
    STATE,
    STATE,
    st.integers(-1, 99),
)
CONFIG = st.sampled_from(["", "%", "e30=", "W10=", "bnVsbA=="])
CONTAINER = st.builds(
    lambda name, config, secret, volume: {
        "name": name,
        "env": [
            {"name": "VAULT_CONFIG", "value": config},
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": secret}}},
        ],
        "volumeMounts": [{"name": volume, "mountPath": "/x"}],
    },
    TEXT, CONFIG, NAMES, NAMES | st.just("vault-secrets"),
)  # fmt: skip
VOLUME = st.builds(
    lambda name, secret: {
        "name": name,
        "secret": {"secretName": secret},
        "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": secret}},
    },
    NAMES, NAMES,
)  # fmt: skip
POD = st.builds(
    lambda meta, containers, inits, volumes, phase, statuses: {
        "metadata": meta,
        "spec": {"containers": containers, "initContainers": inits, "volumes": volumes},
        "status": {"phase": phase, "containerStatuses": statuses, "initContainerStatuses": statuses},
    },
    META, st.lists(CONTAINER, max_size=2), st.lists(CONTAINER, max_size=2), st.lists(VOLUME, max_size=2),
    st.sampled_from(["Pending", "Running", "", "odd"]), st.lists(STATUS, max_size=3),
)  # fmt: skip
SPECS: dict[str, Any] = {
    "vaultstaticsecrets": {
        "mount": TEXT,
        "path": TEXT,
        "type": TEXT,
        "vaultAuthRef": TEXT,
        "refreshAfter": TEXT,
        "destination": st.builds(lambda n: {"name": n}, NAMES),
    },
    "vaultdynamicsecrets": {
        "mount": TEXT,
        "path": TEXT,
        "renewalPercent": st.integers(-5, 500),
        "destination": st.builds(lambda n: {"name": n}, NAMES),
    },
    "vaultpkisecrets": {"mount": TEXT, "role": TEXT, "destination": st.builds(lambda n: {"name": n}, NAMES)},
    "vaultauths": {"method": TEXT, "mount": TEXT, "vaultConnectionRef": TEXT, "vaultAuthGlobalRef": st.just({})},
    "vaultauthglobals": {"defaultMount": TEXT},
    "externalsecrets": {
        "secretStoreRef": st.builds(lambda n: {"name": n}, NAMES),
        "refreshInterval": TEXT,
        "data": st.lists(st.builds(lambda k: {"remoteRef": {"key": k}}, TEXT), max_size=2),
    },
    "secretstores": {"provider": st.builds(lambda p, v: {"vault": {"path": p, "version": v}}, TEXT, TEXT)},
    "secretproviderclasses": {
        "provider": st.just("vault"),
        "parameters": st.builds(
            lambda t: {"objects": t}, TEXT | st.just('[{"objectName":"a","secretPath":"kv/data/a"}]')
        ),
    },
    "deployments": {"replicas": st.integers(-1, 3)},
}
OTHER = st.sampled_from(sorted(SPECS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.builds(
            lambda meta, spec: {"metadata": meta, "spec": spec}, META, st.fixed_dictionaries({}, optional=SPECS[name])
        ),
    )
)


@settings(max_examples=100, deadline=None)
@given(pods=st.lists(POD, max_size=4), others=st.lists(OTHER, max_size=6), at=st.sampled_from([None, NOW]))
def test_odd_objects_in_any_mixture_make_nothing_raise(pods, others, at):
    objects = [decode_object(RESOURCES["pods"], json.dumps(each).encode()) for each in pods]
    objects += [decode_object(RESOURCES[name], json.dumps(each).encode()) for name, each in others]
    assert isinstance(everything(Scene(objects, at)), str)


def test_an_event_without_an_object_is_about_nobody():
    lost = made("events", "e", involvedObject={}, reason="FailedCreate", message="x")
    known = event(pod(), "Pod", "FailedMount", "x")
    assert delivery.troubles([lost, known]) == []


@pytest.mark.parametrize("method", sorted(delivery.methods()))
def test_each_method_by_itself_bears_an_empty_scene(method):
    module = delivery.methods()[method]
    assert list(module.consumers(Scene([]))) == list(module.troubles(Scene([]))) == []
