"""Bytes of the API server become slim objects: no value stays, and nothing odd takes the others along."""

from __future__ import annotations

import base64
import gc
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.decoding import Broken, Unreadable, decode_event, decode_object, decode_page, decode_status, encode_object
from cluster.objects import Pod
from cluster.resources import RESOURCES, SHAPES
from tests.cluster import recorded
from tests.cluster.made import CANARY, agent_config, made, pod

PODS, SECRETS = RESOURCES["pods"], RESOURCES["secrets"]
GOOD = {"metadata": {"name": "good", "uid": "u1"}, "spec": {"containers": [{"name": "app"}]}}


def page(*items, **meta) -> bytes:
    return json.dumps({"metadata": meta, "items": items}).encode()


def text_of(found) -> str:
    return msgspec.json.encode(found).decode()


def test_a_page_gives_its_items_its_version_and_where_to_go_on():
    found = decode_page(PODS, page(GOOD, resourceVersion="42", **{"continue": "next"}, remainingItemCount=7))
    assert [each.metadata.name for each in found.items] == ["good"]
    assert (found.resource_version, found.continue_, found.remaining) == ("42", "next", 7)


def test_the_last_page_says_neither_where_to_go_on_nor_how_many_remain():
    found = decode_page(PODS, page(resourceVersion="42"))
    assert (found.items, found.continue_, found.remaining) == ([], "", None)


def test_a_list_without_items_is_empty():
    assert decode_page(PODS, b'{"metadata":{"resourceVersion":"1"},"items":null}').items == []


def test_an_odd_object_is_given_as_broken_and_leaves_the_others_alone():
    odd = {"metadata": {"name": "odd", "namespace": "shop", "uid": "u2", "resourceVersion": "9"}, "spec": "no object"}
    good, broken, other = decode_page(PODS, page(GOOD, odd, GOOD)).items
    assert isinstance(good, Pod)
    assert isinstance(other, Pod)
    assert (broken.name, broken.namespace, broken.uid, broken.resource_version) == ("odd", "shop", "u2", "9")
    assert "$.spec" in broken.why


def test_an_object_that_is_none_is_broken_without_a_name():
    found = decode_page(PODS, page(7, "x", None, [], {"metadata": 3})).items
    assert [type(each) for each in found] == [Broken] * 5
    assert {each.name for each in found} == {""}


def test_the_reason_for_which_an_object_is_broken_does_not_quote_it():
    odd = {"metadata": {"name": "odd", "uid": "u"}, "spec": {"hostNetwork": CANARY, "nodeName": [CANARY]}}
    assert CANARY not in text_of(decode_object(PODS, json.dumps(odd).encode()))


def test_null_is_as_if_it_were_not_there():
    raw = {
        "metadata": {"name": "p", "labels": None},
        "spec": {"volumes": None, "containers": [{"name": "a", "env": None}]},
    }
    found = decode_object(PODS, json.dumps({**raw, "status": None}).encode())
    assert isinstance(found, Pod)
    assert found.spec.containers[0].env == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"items": 3}', b"not json", b'{"items":[', b"\xff\xfe"])
def test_what_is_no_list_is_said_to_be_unreadable(raw):
    with pytest.raises(Unreadable, match="list of pods"):
        decode_page(PODS, raw)


def test_endless_nesting_is_unreadable_and_kills_nothing():
    deep = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
    assert isinstance(decode_object(PODS, deep), Broken)
    with pytest.raises(Unreadable):
        decode_page(PODS, deep)
    assert decode_event(PODS, deep).type == "ERROR"


def test_the_collector_is_as_it_was_before_a_page_even_after_a_bad_one():
    for was_on in (True, False):
        (gc.enable if was_on else gc.disable)()
        try:
            decode_page(PODS, page(GOOD))
            with pytest.raises(Unreadable):
                decode_page(PODS, b"no")
            assert gc.isenabled() is was_on
        finally:
            gc.enable()


def test_a_name_of_nul_characters_can_be_stored():
    found = decode_page(PODS, page({"metadata": {"name": "a\0b", "uid": "u"}})).items[0]
    assert "\0" not in found.metadata.name


@pytest.mark.parametrize("odd", [rb"\ud800", rb"\udc00x", rb"\udbff\u0041", b"\xff", rb"\\ud800"])
def test_what_is_no_unicode_is_replaced_and_the_page_is_read(odd):
    raw = b'{"items":[{"metadata":{"name":"' + odd + rb'","uid":"\ud83d\ude00"}},{"metadata":{"name":"good"}}]}'
    found = decode_page(PODS, raw).items
    assert [type(each) for each in found] == [Pod, Pod]
    assert found[0].metadata.uid == "\N{GRINNING FACE}"
    assert decode_event(PODS, b'{"type":"ADDED","object":{"metadata":{"name":"' + odd + b'"}}}').object.metadata.name


def test_ten_thousand_pods_are_read():
    pods = [json.loads(line)["object"] for line in recorded.lines("pods.watch.ndjson")]
    many = page(*(pods * 20)[:10_000], resourceVersion="1")
    found = decode_page(PODS, many)
    assert len(found.items) == 10_000
    assert not any(isinstance(each, Broken) for each in found.items)


class TestValues:
    def test_the_data_of_a_secret_are_not_read(self):
        data = {"password": base64.b64encode(CANARY.encode()).decode()}
        found = made("secrets", "s", data=data, stringData={"password": CANARY})
        assert data["password"] not in text_of(found)
        assert CANARY not in text_of(found)

    def test_the_data_of_a_config_map_are_not_read(self):
        assert CANARY not in text_of(made("configmaps", "c", data={"x": CANARY}, binaryData={"y": CANARY}))

    def test_last_applied_configuration_is_dropped_on_every_kind(self):
        note = {"kubectl.kubernetes.io/last-applied-configuration": CANARY}
        for name in RESOURCES:
            found = made(name, "x", meta={"annotations": note})
            assert CANARY not in text_of(found), name

    def test_unknown_annotations_are_dropped(self):
        found = pod(meta={"annotations": {"example.com/password": CANARY, "password": CANARY}})
        assert found.metadata.annotations == {}

    def test_of_a_literal_variable_only_its_name_and_class_stay(self):
        env = [{"name": "PASSWORD", "value": CANARY}, {"name": "VAULT_TOKEN", "value": CANARY}, {"name": "EMPTY"}]
        found = pod(spec={"containers": [{"name": "app", "env": env}]}).spec.containers[0].env
        assert [(each.name, each.value, each.origin) for each in found] == [
            ("PASSWORD", "", "literal"),
            ("VAULT_TOKEN", "", "literal"),
            ("EMPTY", "", "empty"),
        ]

    def test_a_reference_stays_as_a_name_and_a_key(self):
        env = [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]
        found = pod(spec={"containers": [{"name": "app", "env": env}]}).spec.containers[0].env
        assert [each.origin for each in found] == ["secret", "configmap", "field"]
        assert (found[0].value_from.secret_key_ref.name, found[0].value_from.secret_key_ref.optional) == ("s", True)

    def test_an_address_stays_without_user_password_and_query(self):
        env = [{"name": "VAULT_ADDR", "value": f"https://u:{CANARY}@vault.example:8200/v1?t={CANARY}"}]
        found = pod(spec={"containers": [{"name": "app", "env": env}]}).spec.containers[0].env[0]
        assert found.value == "https://vault.example:8200"

    def test_arguments_and_commands_are_dropped_but_for_known_switches(self):
        args = [f"--password={CANARY}", "--enable-secret-rotation=true", CANARY]
        found = pod(spec={"containers": [{"name": "app", "args": args, "command": [CANARY]}]})
        assert found.spec.containers[0].args == ["--enable-secret-rotation=true"]
        assert CANARY not in text_of(found)

    def test_the_last_words_of_a_container_are_dropped(self):
        end = {"terminated": {"exitCode": 1, "reason": "Error", "message": CANARY}}
        statuses = [{"name": "app", "state": end, "lastState": end}]
        assert CANARY not in text_of(pod(status={"containerStatuses": statuses}))

    def test_of_an_agents_configuration_no_template_and_no_credential_stays(self):
        config = agent_config("kv/data/x")
        config["auto_auth"]["method"]["config"]["secret_id"] = CANARY
        text = base64.b64encode(json.dumps(config).encode()).decode()
        found = pod(spec={"containers": [{"name": "vault-agent", "env": [{"name": "VAULT_CONFIG", "value": text}]}]})
        variable = found.spec.containers[0].env[0]
        assert variable.agent.templates[0].paths == ["kv/data/x"]
        assert variable.value == ""
        assert CANARY not in text_of(found)
        assert text not in text_of(found)

    def test_no_literal_of_any_kind_stays_anywhere_in_any_kind(self):
        """Whatever a field is called: text in places that hold values does not come through."""
        spec = {
            "params": {"password": CANARY},
            "data": [{"secretKey": "k", "remoteRef": {"key": "a"}, "value": CANARY}],
            "parameters": {
                "objects": json.dumps([{"objectName": "o", "secretArgs": {"p": CANARY}}]),
                "password": CANARY,
            },
            "headers": {"X-Vault-Token": CANARY},
            "provider": {"vault": {"server": f"https://x:{CANARY}@v", "headers": {"t": CANARY}}},
            "address": f"https://x:{CANARY}@v",
        }
        for name in RESOURCES:
            found = decode_object(RESOURCES[name], json.dumps({"metadata": {"name": "x"}, "spec": spec}).encode())
            assert CANARY not in text_of(found), name


class TestManagedFields:
    WRITTEN = [
        {"manager": "kubectl", "time": "2026-11-21T10:00:05Z", "fieldsV1": {"f:data": {".": {}, "f:password": {}}}},
        {"manager": "vso", "time": "2026-11-21T11:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {"f:data": {}}}}},
        {"manager": "csi", "time": "2026-11-21T09:00:00Z", "fieldsV1": {"f:data": {}, "f:status": {}}},
    ]

    def test_they_say_when_the_data_were_written_last_and_nothing_else(self):
        meta = made("secrets", "s", meta={"managedFields": self.WRITTEN}).metadata
        assert meta.data_written().isoformat() == "2026-11-21T10:00:05+00:00"
        assert meta.status_written().isoformat() == "2026-11-21T09:00:00+00:00"
        assert "f:password" not in text_of(meta)

    def test_without_them_nothing_is_said(self):
        assert made("secrets", "s").metadata.data_written() is None

    def test_they_keep_no_bytes_of_the_page_alive(self):
        each = made("secrets", "s", meta={"managedFields": self.WRITTEN}).metadata.managed_fields[0]
        assert bytes(each.fields.data) == b""


class TestWatch:
    def line(self, kind, thing) -> bytes:
        return json.dumps({"type": kind, "object": thing}).encode()

    @pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
    def test_an_event_gives_its_object_and_its_version(self, kind):
        thing = {**GOOD, "metadata": {"name": "p", "uid": "u", "resourceVersion": "12"}}
        found = decode_event(PODS, self.line(kind, thing))
        assert (found.type, found.object.metadata.name, found.resource_version) == (kind, "p", "12")
        assert found.failure is None

    def test_an_odd_object_has_its_version_all_the_same(self):
        thing = {"metadata": {"name": "p", "uid": "u", "resourceVersion": "12", "labels": 3}, "spec": []}
        found = decode_event(PODS, self.line("MODIFIED", thing))
        assert isinstance(found.object, Broken)
        assert (found.object.uid, found.resource_version) == ("u", "12")

    def test_a_bookmark_has_a_version_and_no_object(self):
        thing = {"metadata": {"resourceVersion": "99", "annotations": {"k8s.io/initial-events-end": "true"}}}
        found = decode_event(PODS, self.line("BOOKMARK", thing))
        assert (found.object, found.resource_version, found.initial_end) == (None, "99", True)
        assert not decode_event(PODS, self.line("BOOKMARK", {"metadata": {"resourceVersion": "99"}})).initial_end

    def test_an_error_says_what_failed(self):
        thing = {"code": 410, "reason": "Expired", "message": "too old", "details": {"retryAfterSeconds": 3}}
        found = decode_event(PODS, self.line("ERROR", thing))
        assert (found.failure.code, found.failure.reason, found.failure.retry_after) == (410, "Expired", 3)

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"type":"ADDED"}', b'{"type":"ODD","object":{}}'])
    def test_a_line_that_is_none_is_an_error_of_code_0(self, raw):
        found = decode_event(PODS, raw)
        assert (found.type, found.failure.code, found.failure.reason) == ("ERROR", 0, "Unreadable")

    def test_an_expired_token_brings_a_new_one(self):
        body = b'{"kind":"Status","code":410,"reason":"Expired","message":null,"metadata":{"continue":"again"}}'
        assert decode_status(body).continue_ == "again"

    def test_a_body_that_is_no_status_is_said_to_be_unreadable(self):
        assert decode_status(b"404 page not found").reason == "Unreadable"


class TestResources:
    def test_each_has_a_shape_and_its_own_name(self):
        assert set(RESOURCES) == set(SHAPES)
        assert len({(each.group, each.plural) for each in RESOURCES.values()}) == len(RESOURCES)

    def test_paths_are_those_of_the_api(self):
        assert PODS.path == "/api/v1/pods"
        assert RESOURCES["deployments"].path == "/apis/apps/v1/deployments"
        generator = RESOURCES["vaultdynamicsecrets.generators.external-secrets.io"]
        assert generator.path == "/apis/generators.external-secrets.io/v1alpha1/vaultdynamicsecrets"
        assert RESOURCES["externalsecrets"].path_in("v1beta1") == "/apis/external-secrets.io/v1beta1/externalsecrets"

    def test_values_are_never_asked_for(self):
        assert SECRETS.metadata_only
        assert RESOURCES["configmaps"].metadata_only

    def test_everything_recorded_is_read(self):
        for line in recorded.lines("objects.ndjson"):
            found = decode_object(recorded.resource_of(json.loads(line)), line)
            assert not isinstance(found, Broken), found


def test_what_was_kept_of_an_object_can_be_stored_and_is_the_same_when_it_is_read_again():
    written = [{"manager": "m", "time": "2026-11-21T10:00:05Z", "fieldsV1": {"f:data": {}, "f:status": {}}}]
    objects = [("secrets", made("secrets", "s", meta={"managedFields": written}))]
    for line in recorded.lines("objects.ndjson"):
        resource = recorded.resource_of(json.loads(line))
        objects.append((resource.name, decode_object(resource, line)))
    for name, found in objects:
        assert decode_object(RESOURCES[name], encode_object(found)) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["name", "uid", "namespace", "labels", "annotations", "ownerReferences", "managedFields", "resourceVersion"]
PARTS = ["spec", "status", "webhooks", "rules", "subjects", "endpoints", "involvedObject", "secrets", "message"]
OBJECTS = st.fixed_dictionaries(
    {"metadata": st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8)},
    optional=dict.fromkeys(PARTS, JSON),
)


@settings(max_examples=200, deadline=None)
@given(things=st.lists(OBJECTS | JSON, max_size=5), name=st.sampled_from(sorted(RESOURCES)))
def test_whatever_stands_in_a_page_each_item_comes_out_as_an_object_or_as_broken(things, name):
    raw = json.dumps({"metadata": {"resourceVersion": "1"}, "items": things}).encode()
    found = decode_page(RESOURCES[name], raw)
    assert len(found.items) == len(things)
    assert all(isinstance(each, Broken | SHAPES[name]) for each in found.items)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_whatever_a_line_is_it_becomes_an_event(raw):
    assert decode_event(PODS, raw).type in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
