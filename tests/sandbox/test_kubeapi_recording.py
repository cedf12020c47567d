"""Recorded objects and watches come out of the simulated Kubernetes API as they went in, at any speed."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import time
from pathlib import Path

import pytest

from sandbox.kube_recording import load, play

DATA = Path(__file__).resolve().parents[1] / "data" / "cluster"
OBJECTS, PODS = DATA / "objects.ndjson.gz", DATA / "pods.watch.ndjson.gz"


def recorded(path: Path) -> list[dict]:
    with gzip.open(path) as file:
        return [json.loads(line) for line in file]


def plain(found: dict) -> dict:
    """Return an object without its version, which is a new one here."""
    metadata = {name: value for name, value in found["metadata"].items() if name != "resourceVersion"}
    return {
        **{name: value for name, value in found.items() if name not in ("kind", "apiVersion")},
        "metadata": metadata,
    }


def test_recorded_objects_are_listed_as_they_were(kube, speak):
    counts = load(kube.store, OBJECTS)
    lines = recorded(OBJECTS)
    assert sum(counts.values()) == len(lines)
    assert not [name for name in counts if name.startswith("not served")]
    sets = {line["metadata"]["uid"]: plain(line) for line in lines if line["kind"] == "ReplicaSet"}
    found = speak.listed("/apis/apps/v1/replicasets")["items"]
    assert {item["metadata"]["uid"]: plain(item) for item in found} == sets


def test_secrets_that_were_recorded_as_metadata_hold_no_data(kube, speak):
    load(kube.store, OBJECTS)
    secrets = speak.listed("/api/v1/secrets")["items"]
    assert len(secrets) == 9
    assert all(set(secret) == {"metadata", "type"} for secret in secrets)


def test_kinds_can_be_left_out_and_those_not_served_are_counted(kube, tmp_path):
    file = tmp_path / "some.ndjson"
    rows = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {}, "status": {}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}},
        {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}},
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert load(kube.store, file, without=("Pod",)) == {"ConfigMap": 1, "not served: Gadget": 1}


def test_a_recorded_watch_is_seen_by_a_watch_event_by_event(kube, speak):
    load(kube.store, OBJECTS, without=("Pod",))
    version, lines = speak.version("/api/v1/pods"), recorded(PODS)
    threading.Thread(target=play, args=(kube.store, PODS)).start()
    events = list(itertools.islice(speak.watch("/api/v1/pods", seconds=20, resourceVersion=version), len(lines)))
    assert [(e["type"], e["object"]["metadata"]["uid"]) for e in events] == [
        (line["type"], line["object"]["metadata"]["uid"]) for line in lines
    ]
    assert all(plain(e["object"]) == plain(line["object"]) for e, line in zip(events, lines, strict=True))


def test_the_pods_that_are_left_are_those_that_were_left(kube, speak):
    assert play(kube.store, PODS) == len(recorded(PODS))
    left = {line["metadata"]["uid"] for line in recorded(OBJECTS) if line["kind"] == "Pod"}
    assert {item["metadata"]["uid"] for item in speak.listed("/api/v1/pods")["items"]} == left


@pytest.mark.parametrize("speed", [50.0, 100.0])
def test_the_speed_of_a_play_is_kept(kube, tmp_path, speed):
    lines, file = recorded(PODS), tmp_path / "short.ndjson"
    some = [{**lines[0], "at": f"2026-11-21T04:35:{second:02}.000000Z"} for second in (10, 20, 30)]
    file.write_text("\n".join(map(json.dumps, some)))
    began = time.monotonic()
    assert play(kube.store, file, speed=speed) == 3
    assert time.monotonic() - began >= 20 / speed


def test_a_play_can_be_stopped_in_the_middle(kube):
    lines = recorded(PODS)
    assert play(kube.store, PODS, stop=lambda line: line["at"] >= lines[100]["at"]) == 100
