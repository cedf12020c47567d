"""No value gets past the mask of data objects: text, numbers, dates, key names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vault.masks import (
    DATE,
    HMAC,
    KEY,
    OTHER,
    TEXT,
    compact,
    data_objects,
    holds_a_canary,
    masked,
    mounts,
    operations,
    paths,
    sides,
)
from vault import data_masking, vocabulary
from vault.data_masking import mask_by
from vault.data_rules import BY_MOUNT, KV2, LIST, USER, rules_for
from vault.masking import mask_data
from vault.shapes import Memory, put_together, shape, shape_of, take_apart

# --- data objects -----------------------------------------------------------------------------------------------


def test_every_leaf_becomes_its_kind_and_length():
    data = {"a": "x" * 40, "b": 123456, "c": True, "d": None, "e": DATE, "f": HMAC, "g": 1.5e3, "h": []}
    assert masked(data, "x") == {
        "key 1, 1": "string, 40", "key 2, 1": "number, 6", "key 3, 1": "bool", "key 4, 1": None,
        "key 5, 1": "time, 22", "key 6, 1": HMAC, "key 7, 1": "number, 6", "key 8, 1": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    "almost",
    ["hmac-sha256:", HMAC[:-1], HMAC + "0", HMAC.upper(), HMAC.replace("a", "g"), " " + HMAC, "x" + HMAC, HMAC + "\n"],
)
def test_only_a_whole_hmac_is_an_hmac(almost):
    assert masked({"a": almost, "b": HMAC}, "x") == {"key 1, 1": f"string, {len(almost)}", "key 2, 1": HMAC}


def test_a_kv2_read_keeps_what_the_api_says_and_masks_what_a_user_wrote():
    read = {
        "data": {"bits": 256, "password": HMAC, "nested": {"pin": 4815}},
        "metadata": {"created_time": "2026-11-21T02:54:00.841874573Z", "custom_metadata": {"owner": HMAC},
                     "deletion_time": HMAC, "destroyed": False, "version": 12},
    }  # fmt: skip
    assert masked(read, kv_version=2) == {
        "data": {"key 1, 4": "number, 3", "key 2, 8": HMAC, "key 3, 6": {"key 1, 3": "number, 4"}},
        "metadata": {"created_time": "2026-11-21T02:54:00.841874573Z", "custom_metadata": {"key 1, 5": HMAC},
                     "deletion_time": HMAC, "destroyed": False, "version": 12},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "operation", "side", "data"),
    [
        ("secret/data/x", "update", "request", {"options": {"cas": 3}, "version": 2}),
        ("secret/data/x", "update", "response", {"created_time": "2026-11-21T02:54:00Z", "custom_metadata": None,
                                                 "deletion_time": HMAC, "destroyed": False, "version": 1}),
        ("secret/destroy/x", "update", "request", {"versions": [1, 2, 3]}),
        ("secret/metadata/x", "update", "request", {"max_versions": 5, "cas_required": True}),
        ("secret/metadata/x", "read", "response",
         {"cas_required": False, "current_version": 2, "oldest_version": 0, "max_versions": 0, "custom_metadata": None,
          "versions": {"1": {"created_time": "2026-11-21T02:54:00Z", "deletion_time": HMAC, "destroyed": True}}}),
        ("secret/config", "read", "response", {"cas_required": False, "max_versions": 0}),
        ("secret/data/x", "read", "response",
         {"http_content_type": HMAC, "http_raw_body": HMAC, "http_status_code": 404}),
        ("secret/data/x", "read", "response", {"error": HMAC}),
        ("secret/metadata/", "list", "response", {"keys": [HMAC, HMAC]}),
        ("secret/metadata/", "list", "response", {"keys": 90}),
    ],
)  # fmt: skip
def test_kv2_answers_without_a_users_words_are_the_very_same_object(path, operation, side, data):
    raw = compact(data)
    for _ in range(2):
        assert mask_data(raw, mount_type="kv", path=path, operation=operation, side=side, kv_version=2) is raw


@pytest.mark.parametrize(
    ("mount_type", "data"),
    [
        ("database", {"last_vault_rotation": "2026-11-21T02:54:00Z", "password": HMAC, "rotation_period": 86400,
                      "ttl": 86398, "username": HMAC}),
        ("pki", {"ca_chain": [HMAC], "certificate": HMAC, "expiration": 1795316042, "private_key": HMAC}),
        ("ns_token", {"accessor": HMAC, "creation_time": 1795229639, "expire_time": None, "orphan": True, "ttl": 0}),
        ("transit", {"keys": {"1": 1795229642, "12": {"creation_time": DATE, "public_key": HMAC}}}),
        ("transit", {"batch_results": [{"ciphertext": HMAC, "key_version": 1}]}),
        ("approle", {"secret_id": HMAC, "secret_id_accessor": HMAC, "secret_id_num_uses": 3, "secret_id_ttl": 0}),
        ("system", {"lease_id": HMAC, "increment": 600}),
        ("ssh", {"ip": HMAC, "key": HMAC, "key_type": HMAC, "port": 22, "username": HMAC}),
        ("totp", {"valid": True}),
        ("identity", {"disabled": True}),
        ("aws", {"secret_key": HMAC, "security_token": None}),
    ],
)  # fmt: skip
def test_numbers_dates_and_switches_of_the_api_stay(mount_type, data):
    assert masked(data, mount_type, path="m/x", operation="update") == data


def test_a_value_on_the_list_stays_only_if_it_is_a_number_a_date_or_a_switch():
    assert masked({"ttl": "my secret", "max_ttl": 10**30, "period": {"a": 1}, "expiration": [1, "x", [2]]}, "pki") == {
        "ttl": "string, 9", "max_ttl": "number, 31", "period": {"key 1, 1": "number, 1"},
        "expiration": [1, "string, 1", [2]],
    }  # fmt: skip


def test_a_key_that_the_api_does_not_have_is_masked_with_all_below():
    assert masked({"username": HMAC, KEY: {"ttl": 1}, "meta": {"ttl": 2}, "1": 3}, "database") == {
        "username": HMAC, "key 2, 11": {"key 1, 3": "number, 1"}, "meta": {"key 1, 3": "number, 1"},
        "key 4, 1": "number, 1",
    }  # fmt: skip


def test_a_list_of_names_keeps_their_number():
    assert masked({"keys": ["prod/", HMAC], "key_info": {"prod/": {"x": 1}}}, operation="list") == {
        "keys": ["string, 5", HMAC], "key_info": {"key 1, 5": {"key 1, 1": "number, 1"}},
    }  # fmt: skip


def test_data_at_a_kv1_mount_is_the_users_own_whatever_it_is_called():
    looks_like_2 = {"data": {"a": HMAC}, "metadata": {"version": 4815}}
    assert masked(looks_like_2, kv_version=1) == {
        "key 1, 4": {"key 1, 1": HMAC}, "key 2, 8": {"key 1, 7": "number, 4"},
    }  # fmt: skip
    assert masked({"version": 4815}, path="legacy/pins") == {"key 1, 7": "number, 4"}
    assert masked({"version": 4815, "pin": 1}, path="legacy/data/x") == {
        "key 1, 7": "number, 4",
        "key 2, 3": "number, 1",
    }


@pytest.mark.parametrize("side", ["request", "response"])
def test_data_at_a_kv_mount_of_unknown_version_is_the_users_own_though_its_path_looks_like_version_2(side):
    pins = {"version": 4815, "versions": [4815], "created_time": "2031-07-09T11:22:33.5Z", "destroyed": True}
    assert masked(pins, path="legacy/data/x", side=side) == {
        "key 1, 7": "number, 4", "key 2, 8": ["number, 4"], "key 3, 12": "time, 22", "key 4, 9": "bool",
    }  # fmt: skip


def test_an_unwrapped_answer_is_told_by_its_shape():
    def unwrapped(data):
        return masked(data, "system", path="sys/wrapping/unwrap", operation="update")

    read = {"data": {"pin": 4815}, "metadata": {"version": 3, "destroyed": False}}
    assert unwrapped(read) == {"data": {"key 1, 3": "number, 4"}, "metadata": {"version": 3, "destroyed": False}}
    secret_id = {"secret_id": HMAC, "secret_id_accessor": HMAC, "secret_id_num_uses": 3, "secret_id_ttl": 0}
    assert unwrapped(secret_id) == secret_id
    assert unwrapped({"ttl": 4815}) == {"key 1, 3": "number, 4"}
    assert unwrapped({"data": {"a": 1}, "metadata": {"pin": 4815}}) == {
        "key 1, 4": {"key 1, 1": "number, 1"}, "key 2, 8": {"key 1, 3": "number, 4"},
    }  # fmt: skip
    assert unwrapped({"data": 1, "metadata": 2}) == {"key 1, 4": "number, 1", "key 2, 8": "number, 1"}
    wrapped = mask_data(
        b'{"ttl":1}', mount_type="system", path="sys/wrapping/wrap", operation="update", side="response"
    )
    assert wrapped == b'{"key 1, 3":"number, 1"}'


def test_data_that_is_wrapped_is_the_users_own():
    assert masked({"ttl": 4815}, "system", "sys/wrapping/wrap", "update", "request") == {"key 1, 3": "number, 4"}
    assert masked({"token": HMAC}, "system", "sys/wrapping/unwrap", "update", "request") == {"token": HMAC}


def test_every_one_of_doubled_keys_is_masked():
    raw = b'{"ttl":1,"ttl":"secret","x":{"a":1},"x":{"b":"secret"}}'
    assert mask_data(raw, mount_type="pki", path="pki/x", operation="read", side="response") == (
        b'{"ttl":1,"ttl":"string, 6","key 3, 1":{"key 1, 1":"number, 1"},"key 4, 1":{"key 1, 1":"string, 6"}}'
    )


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"a":NaN}', b'{"a":"\xff"}', b'{"a":\0}', b'"' + TEXT.encode(), b"[" * 100_000,
     b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"a":"hmac-sha256:' + b"0" * 64],
)  # fmt: skip
def test_what_can_not_be_read_becomes_its_length(raw):
    for _ in range(2):
        assert mask_data(raw, mount_type="kv", path="x", operation="read", side="request") == (
            f'"unreadable, {len(raw)}"'.encode()
        )


@pytest.mark.parametrize("opening", [b'{"a":', b"[", b'{"ttl":', b'{"ttl":[', b'{"keys":{"1":', b'{"keys":['])
def test_what_nests_very_deep_is_cut_off(opening):
    close = {123: b"}", 91: b"]"}
    ends = b"".join(close[byte] for byte in reversed(opening) if byte in close)
    raw = opening * 90 + b'"' + TEXT.encode() + b'"' + ends * 90
    for mount_type in ("kv", "pki", "transit"):
        out = mask_data(raw, mount_type=mount_type, path="x/y", operation="update", side="request")
        assert b"nested" in out and TEXT.encode() not in out
        json.loads(out)


@pytest.mark.parametrize(
    ("value", "shown"), [("[1]", ["number, 1"]), ('"x"', "string, 1"), ("7", "number, 1"), ("null", None)]
)
def test_data_that_is_no_object_is_masked_too(value, shown):
    assert masked(value.encode(), "pki") == shown


def test_rules_depend_on_mount_path_operation_and_side():
    assert rules_for("kv", "secret/x", "read", "response", 2) is KV2
    assert rules_for("kv", "secret/data/x", "read", "response") is USER
    assert rules_for("kv", "secret/data/x", "read", "response", 1) is USER
    assert rules_for("kv", "secret/x", "read", "response") is USER
    assert rules_for("cubbyhole", "cubbyhole/x", "read", "response") is USER
    assert rules_for("", "x/y", "read", "request") is USER
    assert rules_for("ns_system", "sys/mounts", "read", "response") is BY_MOUNT["system"]
    assert rules_for("kv", "secret/metadata/", "scan", "response") is LIST
    assert rules_for("kv", "secret/metadata/", "list", "request", 2) is KV2
    assert rules_for("system", "sys/raw/x", "read", "response").keys == frozenset()


def test_no_word_of_the_vocabulary_holds_a_digit():
    words = vocabulary.KEYS | vocabulary.USER_OBJECTS | vocabulary.COMMON
    assert [word for word in words if any(letter.isdigit() for letter in word)] == []  # shapes don't tell digits apart
    assert [word for word in words if not word.isascii() or '"' in word] == []


@settings(max_examples=250, deadline=None)
@given(data_objects, mounts, paths, operations, sides, st.integers(0, 2))
def test_no_canary_in_any_data_survives(data, mount_type, path, operation, side, kv_version):
    out = mask_data(
        compact(data), mount_type=mount_type, path=path, operation=operation, side=side, kv_version=kv_version
    )
    assert not holds_a_canary(out)
    json.loads(out)


@settings(max_examples=250, deadline=None)
@given(data_objects, st.sampled_from([USER, KV2, LIST, *BY_MOUNT.values()]), st.randoms())
def test_what_is_remembered_of_a_shape_is_what_a_thorough_walk_says(data, rules, chance):
    raw = compact(data)
    digits = bytes.maketrans(b"0123456789", bytes(chance.choice(b"123456789") for _ in range(10)))
    twin = raw.replace(HMAC.encode(), OTHER.encode()).translate(digits)
    twin = twin.replace(b"hmac-sha" + b"256".translate(digits), b"hmac-sha256")
    for one in (raw, twin, raw, twin):
        assert mask_by(one, rules) == data_masking._thoroughly(one, rules)


def test_a_kept_number_between_two_masked_parts_is_not_remembered_for_others():
    first, second = compact({KEY: 1, "ttl": 0, "x": 2}), compact({KEY: 1, "ttl": 5, "x": 2})
    for raw in (first, second, first):
        assert mask_by(raw, BY_MOUNT["pki"]) == data_masking._thoroughly(raw, BY_MOUNT["pki"])


def test_memory_is_bounded_and_forgets_nothing_short_of_its_bound():
    memory = Memory(limit=1000, longest=50)
    memory.learn(b"x" * 51, 1)
    assert memory == {}
    for number in range(9):
        memory.learn(b"%d" % number, number)
    assert len(memory) == 9
    for number in range(1000):
        memory.learn(b"%d" % number, number)
    assert len(memory) < 12


def test_a_text_is_taken_apart_at_its_hmacs_and_put_together_again():
    raw = compact({"a": HMAC, "b": [OTHER, 12], "c": HMAC})
    literal, digits = take_apart(raw)
    assert (literal, len(digits)) == (b'{"a":\0","b":[\0",12],"c":\0"}', 3)
    assert put_together(literal, digits) == raw
    assert shape(literal) == b'{"a":\0","b":[\0",00],"c":\0"}'
    assert shape_of(raw) == shape(literal)
    assert take_apart(almost := compact({"a": HMAC[:-1]})) == (almost, [])
    assert take_apart(b"\0") is None and shape_of(b"\0") is None
