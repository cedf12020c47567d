"""An API server's audit record tells which Secret was read, by whom, how it ended, and never what stood in it."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings

from cluster import audit_calls, audit_line, audit_masking
from cluster.audit_calls import Place, Sort
from cluster.audit_line import NotARecord
from tests.cluster.records import POD, RECEIVED, STAGED, object_of, record, written

DATA = Path(__file__).parents[1] / "data" / "cluster"


def lines(name):
    return gzip.decompress((DATA / f"{name}.gz").read_bytes()).splitlines()


def read(**changes):
    return audit_line.decode(record(**changes))


def kept(raw):
    """A record as it is stored, read again."""
    return audit_line.decode(audit_masking.stored(audit_line.decode(raw)).line)


def test_the_recorded_reads_are_told_as_they_happened():
    truth = json.loads(b"".join(lines("truth.json")))["native_reads"]
    wanted = {
        one["audit_id"]: (
            one["namespace"] or "*", one["name"] or "*", one["verb"], one["impersonated"] or one["user"],
            {200: "ok", 403: "denied", 404: "not_found"}[one["status"]], one["source"], one["pod"],
        )
        for one in truth
    }  # fmt: skip
    told = {}
    for raw in lines("kube-audit.log"):
        one = kept(raw)
        if audit_calls.sort_of(one) is not Sort.SECRET or one.audit_id not in wanted or not one.answers:
            continue
        who, place = audit_calls.caller_of(one), audit_calls.place_of(one)
        name = f"system:serviceaccount:{who.name.replace('/', ':')}" if who.kind == "service_account" else who.name
        pod = who.pod.uid if who.pod else ""
        told[one.audit_id] = (*place, one.verb, name, audit_calls.outcome_of(one), one.source_ips[-1], pod)
        disclosed = next(each["values_disclosed"] for each in truth if each["audit_id"] == one.audit_id)
        if "limit=500" not in one.request_uri or place.namespace != "*":  # a list of metadata alone looks the same
            assert audit_calls.gave_secret(one) == disclosed
    assert told == wanted


def test_every_recorded_line_is_a_record_and_its_kept_form_holds_nothing_new():
    sorts = Counter()
    for raw in lines("kube-audit.log"):
        one = audit_line.decode(raw)
        sorts[audit_calls.sort_of(one)] += 1
        form = audit_masking.stored(one)
        assert not form.findings
        before, after = json.loads(raw), json.loads(form.line)
        assert set(after) <= set(before)
        for same in ("auditID", "stage", "verb", "user", "objectRef", "sourceIPs", "stageTimestamp"):
            assert after.get(same) == before.get(same)
        assert after.get("annotations", {}) == before.get("annotations", {})
    assert sorts == {Sort.SECRET: 217, Sort.TOKEN: 135, Sort.OTHER: 813}


@pytest.mark.parametrize(
    ("changes", "kind", "name"),
    [
        ({"user": {"username": "system:serviceaccount:shop:app"}}, "service_account", "shop/app"),
        ({"user": {"username": "system:serviceaccount:shop"}}, "system", "system:serviceaccount:shop"),
        ({"user": {"username": "system:node:n1", "groups": ["system:nodes"]}}, "node", "n1"),
        ({"user": {"username": "system:node:n1", "groups": ["developers"]}}, "system", "system:node:n1"),
        ({"user": {"username": "system:kube-controller-manager"}}, "system", "system:kube-controller-manager"),
        ({"user": {"username": "mira", "groups": ["system:masters"]}}, "human", "mira"),
        ({"user": {"username": "repo:acme/shop:ref:refs/heads/main"}}, "ci", "repo:acme/shop:ref:refs/heads/main"),
        ({"user": {"username": "system:anonymous", "groups": ["system:unauthenticated"]}}, "anonymous", "anonymous"),
        ({"user": {}}, "anonymous", "anonymous"),
    ],
)  # fmt: skip
def test_a_caller_has_a_kind_and_a_name(changes, kind, name):
    assert audit_calls.caller_of(read(**changes))[:3] == (kind, name, "")


def test_an_impersonation_names_the_effective_user_and_the_real_one():
    who = audit_calls.caller_of(read(user={"username": "bruno"}, impersonatedUser={"username": "chidi"}))
    assert who == ("human", "chidi", "bruno", None)


def test_whoever_acts_as_a_kubelet_is_not_shown_among_the_kubelets():
    as_node = {"username": "system:node:n1", "groups": ["system:nodes"]}
    who = audit_calls.caller_of(read(user={"username": "bruno"}, impersonatedUser=as_node))
    assert who == ("human", "system:node:n1", "bruno", None)


def test_a_pod_is_that_of_the_real_callers_own_token():
    account = {"username": "system:serviceaccount:shop:app", "extra": POD}
    assert audit_calls.caller_of(read(user=account)).pod == ("shop", "app-0", "uid-of-app-0", "worker-1", "JTI=1")
    assert audit_calls.caller_of(read(user=account, impersonatedUser={"username": "x"})).pod.name == "app-0"
    assert audit_calls.caller_of(read(user={"username": "mira", "extra": POD})).pod is None
    forged = {"username": "system:serviceaccount:shop:app", "extra": POD}
    assert audit_calls.caller_of(read(user={"username": "mira"}, impersonatedUser=forged)).pod is None


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, Place("shop", "db")),
        ({"verb": "list", "objectRef": {"name": ""}}, Place("shop", "*")),
        ({"verb": "watch", "objectRef": {"name": "", "namespace": ""}}, Place("*", "*")),
        ({"verb": "list"}, Place("shop", "db")),
        ({"verb": "list", "objectRef": {"namespace": ""}}, Place("*", "db")),
        ({"verb": "create", "objectRef": {"name": ""}}, None),
        ({"verb": "deletecollection", "objectRef": {"name": ""}}, Place("shop", "*")),
    ],
)
def test_a_call_names_one_secret_or_all(changes, place):
    assert audit_calls.place_of(read(**changes)) == place
    assert audit_calls.place_of(kept(record(**changes))) == place


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("fieldSelector=metadata.name%3Ddb", "db"),
        ("fieldSelector=metadata.name%3D%3Ddb&limit=1", "db"),
        ("fieldSelector=metadata.name!%3Ddb", "*"),
        ("fieldSelector=metadata.name%3Ddb,type%3DOpaque", "*"),
        ("fieldSelector=metadata.name%3Da&fieldSelector=metadata.name%3Db", "*"),
        ("labelSelector=metadata.name%3Ddb", "*"),
        ("fieldSelector=metadata.name%3D*", "*"),
    ],
)
def test_a_selector_narrows_only_where_it_can_be_read_in_one_way(query, name):
    changes = {"verb": "list", "requestURI": f"/api/v1/namespaces/shop/secrets?{query}", "objectRef": {"name": ""}}
    assert audit_calls.place_of(read(**changes)).name == name
    assert audit_calls.place_of(kept(record(**changes))).name == name


@pytest.mark.parametrize(
    ("changes", "outcome", "gave"),
    [
        ({}, "ok", True),
        ({"verb": "list"}, "ok", True),
        ({"verb": "watch", "stage": "ResponseStarted"}, "ok", True),
        ({"verb": "patch"}, "ok", True),
        ({"verb": "update"}, "ok", True),
        ({"verb": "create", "responseStatus": {"code": 201}}, "ok", True),
        ({"verb": "delete", "responseStatus": {"code": 200, "status": "Success"}}, "ok", False),
        ({"verb": "delete"}, "ok", True),
        ({"verb": "deletecollection"}, "ok", True),
        ({"responseStatus": {"code": 403}}, "denied", False),
        ({"responseStatus": {"code": 401}, "stage": "ResponseStarted"}, "denied", False),
        ({"responseStatus": {"code": 404}}, "not_found", False),
        ({"responseStatus": {"code": 409}}, "error", False),
        ({"responseStatus": {"code": 500}, "stage": "Panic"}, "error", False),
        ({"responseStatus": {"code": 200}, "stage": "Panic"}, "error", False),
        ({"responseStatus": None}, "error", False),
        ({"responseStatus": None, "stage": "RequestReceived"}, "no_response", False),
        ({"objectRef": {"resource": "configmaps"}}, "ok", False),
        ({"objectRef": {"apiGroup": "example.com"}}, "ok", False),
    ],
)
def test_a_read_is_an_answer_that_held_the_object(changes, outcome, gave):
    one = kept(record(**changes))
    assert (audit_calls.outcome_of(one), audit_calls.gave_secret(one)) == (outcome, gave)


def test_what_else_is_kept():
    def sort(resource, verb="create", **ref):
        return audit_calls.sort_of(read(verb=verb, objectRef={"resource": resource, **ref}))

    assert sort("pods", subresource="exec") is Sort.EXEC
    assert sort("pods", "get", subresource="attach") is Sort.EXEC
    assert sort("serviceaccounts", subresource="token") is Sort.TOKEN
    assert {sort("pods"), sort("serviceaccounts"), sort("tokenreviews"), sort("secrets", subresource="x")} == {
        Sort.OTHER
    }
    assert audit_calls.sort_of(read(objectRef=None)) is Sort.OTHER


def test_a_webhooks_list_gives_its_records_as_they_stand():
    one, other = record(kind=None, apiVersion=None), record()
    body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + one + b", " + other + b"]}"
    assert audit_line.items(body) == [one, other]
    assert audit_line.decode(one).verb == "get"
    assert audit_line.items(b'{"kind":"EventList","items":null}') == []
    for other_body in (b"[]", b"{}", b'{"kind":"Event"}', b'{"kind":"EventList","items":[', b"\xff", b"[" * 100_000):
        assert audit_line.items(other_body) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x", b"{}", b"[]", b"null", b'{"kind":"Event"}', record(stage="Else"), record(auditID=""),
        record(kind="Pod"), record(apiVersion="v1"), record()[:-1], record() + b"}", record(user="x"),
        record(annotations={"a": 1}), record().replace(b"shop", b"\xff"), b"[" * 100_000,
        b'{"time":"2026-03-14T09:00:00Z","type":"request","auth":{},"request":{"id":"1"}}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused_without_a_byte_of_it(raw):
    with pytest.raises(NotARecord) as caught:
        audit_line.decode(raw)
    assert "shop" not in str(caught.value)


@pytest.mark.parametrize("time", ["", "yesterday", "2026-03-14", "2026-03-14T09:00:00", "20260314T090000Z", "9" * 400])
def test_a_time_that_cannot_be_read_is_refused(time):
    with pytest.raises(NotARecord, match=r"\d+ characters"):
        audit_line.microseconds(time)


def test_times_are_microseconds_and_all_stages_tell_when_the_request_came():
    assert audit_line.microseconds("1970-01-01T00:00:01.5Z") == 1_500_000
    assert audit_line.microseconds("1970-01-01T01:00:00.123456789+01:00") == 123_456
    one = read()
    assert (audit_line.received(one), audit_line.staged(one)) == tuple(map(audit_line.microseconds, (RECEIVED, STAGED)))
    assert audit_line.received(read(requestReceivedTimestamp=None)) == audit_line.staged(one)


@pytest.mark.parametrize("key", ["a client's own", "x" * 64, "y" * 300, "sha256:" + "0" * 64, "é", "\ud800", "1" * 36])
def test_an_id_that_a_client_chose_stands_for_the_same_bytes_once_stored(key):
    if key != "\ud800":
        one = kept(record(auditID=key))
        assert audit_line.key_of(one.audit_id) == audit_line.key_of(kept(record(auditID=key)).audit_id)
    assert len(audit_line.key_of(key)) == 16


def test_a_uuid_is_its_own_key():
    assert audit_line.key_of("5ec4100e-dd0e-4886-b789-b301afba0035").hex() == "5ec4100edd0e4886b789b301afba0035"


@settings(max_examples=300, deadline=None)
@given(object_of())
def test_no_leaf_of_an_object_is_stored_and_whoever_logs_them_is_told(value):
    raw = record(responseObject=value, level="RequestResponse")
    form = audit_masking.stored(audit_line.decode(raw))
    assert b"canary" not in form.line
    assert b"Y2FuYXJ5" not in form.line
    assert b"7382916504" not in form.line
    assert audit_masking.SECRET_VALUE in form.findings


def test_what_is_stored_is_stored_the_same_again():
    raw = record(responseObject={"data": {"x": "Y2FuYXJ5"}}, requestObject=[1])
    first = audit_masking.stored(audit_line.decode(raw))
    second = audit_masking.stored(audit_line.decode(first.line))
    assert (second.line, second.findings) == (first.line, frozenset())
    assert json.loads(first.line)["responseObject"] == "<dropped, 25 bytes>"


@pytest.mark.parametrize("harmless", [None, {}, {"kind": "Status", "status": "Failure"}, {"kind": "DeleteOptions"}])
def test_an_object_without_values_is_no_finding(harmless):
    assert not audit_masking.stored(read(responseObject=harmless)).findings


def test_free_text_and_command_lines_do_not_come_along():
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    raw = record(
        requestURI=f"/api/v1/namespaces/shop/pods/app-0/exec?command=mysql&command=-pcanary&x={token}&stdin=true",
        verb="create", userAgent="canary <x>", objectRef={"resource": "pods", "subresource": "exec"},
        responseStatus={"code": 422, "message": 'data[x]: Invalid value: "canary"', "reason": "canary!"},
        annotations={"patch.webhook.admission.k8s.io/round_0_index_0": "canary", "example.com/canary": "canary"},
        user={"username": "mira", "extra": {"example.com/scopes": ["canary"]}}, somethingNew={"x": "canary"},
    )  # fmt: skip
    form = audit_masking.stored(audit_line.decode(raw))
    assert b"canary" not in form.line
    assert token.encode() not in form.line
    assert b"stdin=true" in form.line


def test_a_token_in_a_name_is_masked_and_told():
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    form = audit_masking.stored(read(objectRef={"name": token}, requestURI=f"/api/v1/namespaces/shop/secrets/{token}"))
    assert token.encode() not in form.line
    assert form.findings == {audit_masking.PLAIN_TOKEN}


def test_the_right_that_granted_a_call_is_kept():
    reason = 'RBAC: allowed by RoleBinding "oncall/shop" of Role "secret-reader" to User "mira"'
    form = audit_masking.stored(read(annotations={"authorization.k8s.io/reason": reason}))
    assert json.loads(form.line)["annotations"] == {"authorization.k8s.io/reason": reason}


def test_a_denial_keeps_the_servers_own_sentence_and_no_other():
    told = (
        'secrets "db" is forbidden: User "mira" cannot get resource "secrets" in API group "" in the namespace "shop"'
    )
    assert told in kept(record(responseStatus={"code": 403, "message": told})).response_status.message
    other = kept(record(responseStatus={"code": 403, "message": told + ": canary"}))
    assert other.response_status.message == f"<string, {len(told) + 8}>"


def test_names_of_any_length_are_bounded():
    one = kept(record(objectRef={"name": "a" * 5_000}))
    assert len(one.object_ref.name) < 1_200
    assert json.loads(written({"a": 1})) == {"a": 1}


@pytest.mark.parametrize("text", ["eyJaaaaaa" * 100_000 + ".", "hvs." + "a." * 400_000, "eyJ" + "a." * 400_000])
def test_a_name_that_is_nearly_a_token_a_hundred_thousand_times_costs_no_more_than_another(text):
    began = time.process_time()
    stored = kept(record(user={"username": text}, requestURI=f"/api/v1/namespaces/shop/secrets/{text}"))
    assert time.process_time() - began < 2  # a search through all of it takes minutes
    assert len(stored.user.username) < 1_200


def test_a_token_behind_a_long_one_is_not_moved_into_what_is_kept():
    long, second = f"eyJ{'a' * 2_000}.{'b' * 2_970}.", f"hvs.{'c4n4ry' * 20}"
    assert "c4n4ry" not in kept(record(user={"username": f"{long} {second}"})).user.username
