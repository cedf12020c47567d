"""Label and field selectors of the simulated Kubernetes API: text into a test of an object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kube_resources import Kind
from sandbox.kube_status import Refusal

Object = dict[str, Any]
Test = Callable[[Object], bool]
LABEL = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<gone>[\w./-]+)|(?P<key>[\w./-]+)"
    r"(?:\s*(?P<sign>==|=|!=)\s*(?P<value>[\w.-]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?)\s*"
)
FIELD = re.compile(r"([\w.\[\]/-]+)(==|=|!=)((?:[^,\\]|\\.)*)")
SELECTABLE = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "replicasets": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
    "jobs": ("status.successful",),
    "nodes": ("spec.unschedulable",),
}


def everything(_: Object) -> bool:
    """Accept any object: no selector was given."""
    return True


def selector(kind: Kind, labels: str, fields: str) -> Test:
    """Return the test of both selectors. Raises Refusal (400) when one can't be read."""
    tests = [test for test in (label_test(labels), field_test(kind, fields)) if test is not everything]
    if not tests:
        return everything
    return lambda found: all(test(found) for test in tests)


def _one_label(match: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    if match["absent"]:
        gone = match["gone"]
        return lambda labels: gone not in labels
    key = match["key"]
    if match["set"]:
        values = {value.strip() for value in match["values"].split(",")}
        if match["set"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match["sign"]:
        value, equal = match["value"], match["sign"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    return lambda labels: key in labels


def label_test(text: str) -> Test:
    """Read a label selector such as `app=web,tier in (a, b),!old`."""
    if not text.strip():
        return everything
    tests, place = [], 0
    while True:
        match = LABEL.match(text, place)
        if not match or (match.end() < len(text) and text[match.end()] != ","):
            raise Refusal(400, f"unable to parse requirement: found '{text[place:]}', expected: identifier")
        tests.append(_one_label(match))
        place = match.end() + 1
        if match.end() >= len(text):
            break

    def fits(found: Object) -> bool:
        labels = found["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return fits


def value_at(found: Object, path: str) -> str:
    """Return the value at a dotted path as field selectors compare it: text, empty when it is absent."""
    value: Any = found
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _one_field(kind: Kind, path: str, sign: str, value: str) -> Test:
    allowed = () if kind.custom else SELECTABLE.get(kind.plural, ())
    if path not in ("metadata.name", "metadata.namespace", *allowed):
        raise Refusal(400, f"field label not supported: {path}")
    wanted = re.sub(r"\\(.)", r"\1", value)
    place = "source.component" if path == "source" else path
    return lambda found: (value_at(found, place) == wanted) == (sign != "!=")


def field_test(kind: Kind, text: str) -> Test:
    """Read a field selector such as `metadata.name=x,status.phase!=Running`."""
    if not text.strip():
        return everything
    tests, place = [], 0
    while place < len(text):
        match = FIELD.match(text, place)
        if not match:
            raise Refusal(400, f"invalid selector: '{text}'; can't understand '{text[place:]}'")
        tests.append(_one_field(kind, *match.groups()))
        place = match.end() + 1
    return lambda found: all(test(found) for test in tests)
