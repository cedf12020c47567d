"""No value gets past the masks: text, numbers, dates, key names, tokens, names of failed logins."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vault import data_masking, vocabulary
from vault.data_masking import mask_by
from vault.data_rules import BY_MOUNT, KV2, LIST, USER, rules_for
from vault.masking import auth_is_safe, headers_are_safe, mask_data, mask_line
from vault.shapes import Memory, put_together, shape, shape_of, take_apart

HMAC = "hmac-sha256:" + "0123456789abcdef" * 4
OTHER = "hmac-sha256:" + "fedcba9876543210" * 4
TOKEN = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY"
TEXT, KEY, NUMBER, DATE = "kanarie-Text", "kanarie-Key", "4815162342", "2031-07-09T11:22:33.5Z"
CANARIES = (TEXT, KEY, NUMBER, DATE, "kanarie")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def masked(data, mount_type="kv", path="secret/data/prod/x", operation="read", side="response", **more):
    """One data object through the mask, as Python values."""
    raw = data if isinstance(data, bytes) else compact(data)
    return json.loads(mask_data(raw, mount_type=mount_type, path=path, operation=operation, side=side, **more))


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


# --- any data at any mount ---------------------------------------------------------------------------------------

keys = st.sampled_from([KEY, "data", "metadata", "value", "password", "options", "1", "x y", "é", HMAC])
leaves = st.sampled_from([HMAC, OTHER, None, True, [], {}]) | st.sampled_from([TEXT, int(NUMBER), DATE, TOKEN, [KEY]])
objects = st.recursive(
    leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=4), max_leaves=12
)
data_objects = st.dictionaries(keys, objects, max_size=4)
mounts = st.sampled_from([*BY_MOUNT, "kv", "cubbyhole", "ns_cubbyhole", "generic", "", "odd"])
paths = st.sampled_from(["secret/data/x", "secret/metadata/x", "legacy/x", "sys/wrapping/unwrap", "sys/wrapping/wrap"])
operations = st.sampled_from(["read", "update", "list", "help", "scan", "patch", "delete", "odd"])
sides = st.sampled_from(["request", "response"])


def holds_a_canary(out):
    return [canary for canary in (*CANARIES, TOKEN) if canary.encode() in out]


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


# --- whole lines -------------------------------------------------------------------------------------------------


def line_of(entry, **kwargs):
    return mask_line(compact(entry), **kwargs)


def as_stored(entry, **kwargs):
    return json.loads(line_of(entry, **kwargs).line)


def test_a_recorded_line_keeps_all_that_is_open_in_it(lines):
    for raw in lines[::7]:
        before, after = json.loads(raw), as_stored(json.loads(raw))
        for part in (before, after):
            part["request"].pop("data", None)
            part.get("response", {}).pop("data", None)
            part.get("response", {}).pop("warnings", None)
        failed = "/login/" in before["request"]["path"] and not before.get("response", {}).get("auth")
        if before["type"] == "response" and failed:
            assert before["request"].pop("path").startswith(after["request"].pop("path").split("<")[0])
        before.pop("error", None), after.pop("error", None)
        assert after == before


def test_a_line_without_anything_to_mask_is_the_same_bytes(lines):
    same = sum(mask_line(raw).line == raw for raw in lines if b'"data"' not in raw)
    assert same == sum(b'"data"' not in raw and b"\\u00" not in raw and b"bao_root" not in raw for raw in lines)


def test_nothing_is_found_in_a_clean_log_and_plain_accessors_in_one_that_writes_them(lines, recorded):
    assert {finding for raw in lines for finding in mask_line(raw).findings} == set()
    found = [mask_line(raw) for raw in recorded("audit-http.log").splitlines()[:300]]
    assert {finding for one in found for finding in one.findings} == {"plain accessor"}
    assert b'"accessor":"piegMFMyju8tU0VMRW5z87kO"' in found[5].line


@pytest.mark.parametrize("field", ["auth__client_token", "request__client_token", "response__wrap_info"])
@pytest.mark.parametrize("token", [TOKEN, "s.1234567890", "dev-root", TEXT, int(NUMBER), ["kanarie"], {"kanarie": 1}])
def test_a_token_that_is_no_hmac_is_masked_and_reported_whatever_its_form(entry, field, token):
    stored = line_of(entry(**{field: {"token": token} if field.endswith("info") else token}))
    assert stored.findings == {"plain token"}
    assert str(token).encode() not in stored.line and b"kanarie" not in stored.line


@pytest.mark.parametrize("field", ["request__path", "auth__display_name", "error", "request__remote_address"])
@pytest.mark.parametrize(
    "token",
    [TOKEN, "hvb." + "A" * 120, "hvr." + "a1_-" * 10, "s.Abcdefghijklmnopqrstuvwx", "b." + "A" * 90,
     "s.Abcdefghijklmnopqrstuvwx.FMJftB"],
)  # fmt: skip
def test_a_token_in_an_open_field_is_masked_and_reported(entry, field, token):
    stored = line_of(entry(**{field: f"auth/token/lookup/{token}"}))
    assert stored.findings == {"plain token"}
    assert token.encode() not in stored.line and f"<token, {len(token)}>".encode() in stored.line


def test_a_token_among_the_data_is_masked_and_reported(entry):
    stored = line_of(entry(request__data={"token": TOKEN}))
    assert stored.findings == {"plain token"} and TOKEN.encode() not in stored.line


@pytest.mark.parametrize("accessor", ["piegMFMyju8tU0VMRW5z87kO", "piegMFMyju8tU0VMRW5z87kO.FMJftB",
                                      "3bbdae46-87b1-42e8-b2de-fbc689b44b2d"])  # fmt: skip
def test_a_plain_accessor_is_kept_and_reported(entry, accessor):
    stored = line_of(entry(auth__accessor=accessor))
    assert stored.findings == {"plain accessor"} and accessor.encode() in stored.line


@pytest.mark.parametrize("accessor", ["kanarie", TOKEN, 4815162342, ["kanarie"]])
def test_what_is_no_accessor_is_not_kept_in_its_field(entry, accessor):
    stored = line_of(entry(auth__accessor=accessor))
    assert stored.findings == {"plain token"} and not holds_a_canary(stored.line)


def test_empty_tokens_and_accessors_are_nothing(entry):
    assert line_of(entry(auth__accessor="", auth__client_token="", request__client_token=None)).findings == set()


def test_the_name_of_a_failed_login_is_masked(entry):
    failed = entry(request__path=f"auth/userpass/login/{TEXT}", error="invalid credentials")
    assert as_stored(failed)["request"]["path"] == "auth/userpass/login/<name, 12>"
    asked = entry("request", request__path=f"auth/corp/ldap/login/{TEXT}/x")
    assert as_stored(asked, failed_login=True)["request"]["path"] == "auth/corp/ldap/login/<name, 14>"
    uri = entry("request", request__request_uri=f"auth/userpass/login/{TEXT}?pw={TEXT}")
    assert as_stored(uri, failed_login=True)["request"]["request_uri"].startswith("auth/userpass/login/<name, ")


def test_the_name_of_a_login_that_went_well_stays(entry):
    path = "auth/userpass/login/alice"
    assert as_stored(entry("request", request__path=path))["request"]["path"] == path
    answered = entry(request__path=path, response__auth={"client_token": HMAC, "metadata": {"username": "alice"}})
    assert as_stored(answered)["request"]["path"] == path
    wrapped = entry(request__path=path, response__wrap_info={"token": HMAC, "ttl": 60})
    assert as_stored(wrapped)["request"]["path"] == path
    assert as_stored(entry(request__path="auth/kubernetes/login"))["request"]["path"] == "auth/kubernetes/login"


def test_errors_and_warnings_lose_what_they_quote(entry):
    stored = as_stored(entry(error=f'role "{TEXT}" not found', response__warnings=[f"ignored `{TEXT}`", 7, None]))
    assert stored["error"] == 'role "string, 12" not found'
    assert stored["response"]["warnings"] == ["ignored `string, 12`", "number, 1", None]
    assert as_stored(entry(response__warnings=f"'{TEXT}'"))["response"]["warnings"] == "'string, 12'"
    assert as_stored(entry(error={TEXT: TEXT}))["error"] == {"key 1, 12": "string, 12"}


def test_headers_keep_what_is_no_credential(entry):
    headers = {
        "user-agent": ["x/1.0"], "x-request-id": [HMAC], "authorization": [TEXT, HMAC], "X-Vault-Token": TEXT,
        "cookie": [{"a": TEXT}, [TEXT], 7], "referer": [f"https://ann:{TEXT}@acme.example/a?b={TEXT}"],
        "x-custom": ["Bearer " + TOKEN],
    }  # fmt: skip
    stored = line_of(entry(request__headers=headers, response__headers=[TEXT]))
    shown = json.loads(stored.line)["request"]["headers"]
    assert shown["user-agent"] == ["x/1.0"] and shown["x-request-id"] == [HMAC]
    assert shown["authorization"] == ["string, 12", HMAC]
    assert shown["referer"] == ["https://***@acme.example/a?<string, 14>"]
    assert not holds_a_canary(stored.line)
    assert stored.findings == {"plain token"}


def test_unknown_fields_are_kept_by_name_and_masked_by_value(entry):
    made = entry(supplemental_audit_data={TEXT: [TEXT, 4815162342, HMAC]}, auth__authorization_details=[{"a": TEXT}])
    made["request"][KEY] = TEXT
    stored = line_of(made)
    shown = json.loads(stored.line)
    assert shown["supplemental_audit_data"] == {"key 1, 12": ["string, 12", "number, 10", HMAC]}
    assert shown["auth"]["authorization_details"] == [{"key 1, 1": "string, 12"}]
    assert shown["request"]["key, 11"] == "string, 12"
    assert stored.findings == {"unknown field"}


@pytest.mark.parametrize("part", ["auth", "request", "response", "time", "type", "error", "forwarded_from"])
@pytest.mark.parametrize("odd", [TEXT, [TEXT], {KEY: TEXT}, int(NUMBER)])
def test_a_part_of_an_unexpected_kind_is_masked(entry, part, odd):
    out = line_of(entry(**{part: odd})).line
    if part not in ("error", "forwarded_from") or not isinstance(odd, str | int):
        assert not holds_a_canary(out)
    json.loads(out)


@pytest.mark.parametrize("field", ["secret", "namespace", "wrap_info"])
def test_a_struct_of_an_unexpected_kind_is_masked(entry, field):
    above = "request" if field == "namespace" else "response"
    assert not holds_a_canary(line_of(entry(**{f"{above}__{field}": [TEXT]})).line)
    good = {"lease_id": "a/b"} if field == "secret" else {"path": "a/"} if field == "namespace" else {"ttl": 1}
    assert as_stored(entry(**{f"{above}__{field}": good}))[above][field] == good


def test_open_fields_hold_nothing_but_what_they_should(entry):
    metadata = {"a": "b", "n": 1, "t": True, "x": None, "l": ["c", {"d": "e"}]}
    assert as_stored(entry(auth__metadata=metadata))["auth"]["metadata"] == metadata
    deep = {"a": None}
    for _ in range(80):
        deep = {"a": deep}
    deep = {"a": deep, "b": TEXT}
    out = line_of(entry(auth__metadata=deep)).line
    assert b"nested" in out
    assert not holds_a_canary(line_of(entry(request__path={KEY: TEXT}, request__id=[TEXT])).line)


def test_a_doubled_field_makes_every_data_a_users_own():
    raw = (
        b'{"type":"request","auth":{},"request":{"mount_type":"kv","path":"secret/x","data":{"ttl":4815162342},'
        b'"data":{"a":"kanarie"},"mount_type":"pki"}}'
    )
    stored = mask_line(raw)
    assert "duplicate keys" in stored.findings and not holds_a_canary(stored.line)
    assert stored.line.count(b'"data"') == 2


def test_what_is_no_object_is_shown_as_a_preview():
    for raw in (b"", b"[1]", b'"kanarie"', b'{"a":"kanarie', b"\xff\xfe", b'{"type":"request","auth":{"a":NaN}}'):
        stored = mask_line(raw)
        assert stored.findings == {"unreadable"}
        assert list(json.loads(stored.line)) == ["unreadable"] and not holds_a_canary(stored.line)


def test_half_a_surrogate_pair_does_not_stop_the_mask(entry):
    raw = compact(entry()).replace(b'"display_name":"x"', b'"display_name":"\\ud800"')
    assert mask_line(raw).line.decode()


def test_text_of_every_script_stays_readable(entry):
    assert "clé-privée & <ключ>".encode() in line_of(entry(request__path="secret/data/clé-privée & <ключ>")).line


def shuffled(value, chance):
    if isinstance(value, dict):
        items = [(key, shuffled(below, chance)) for key, below in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(one, chance) for one in value] if isinstance(value, list) else value


def written(entry, chance):
    """The entry as some other writer would have written it: order, white space, escapes, doubled data."""
    text = json.dumps(shuffled(entry, chance), indent=chance.choice((None, 1)), ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.3:
        text = text.replace('"data"', '"d\\u0061ta"')
    if chance.random() < 0.3:
        text = text.replace('"request": {', f'"request": {{"data": {{"{KEY}": {NUMBER}}}, ', 1)
    if chance.random() < 0.2:
        text = text.replace('"type"', f'"type": "{TEXT}", "type"', 1)
    return text.encode()


@settings(max_examples=250, deadline=None)
@given(data_objects, data_objects, mounts, paths, operations, st.sampled_from(["request", "response"]), st.randoms())
@example({KEY: TEXT}, {KEY: int(NUMBER)}, "kv", "secret/data/x", "read", "response", random.Random(1))
def test_no_canary_in_any_line_survives(asked, answered, mount_type, path, operation, type, chance):
    made = {
        "time": "2026-11-21T02:54:00Z", "type": type, "auth": {"client_token": HMAC, "policies": ["default"]},
        "request": {"id": "1", "operation": operation, "mount_type": mount_type, "path": path, "data": asked},
        "response": {"data": answered, "mount_type": mount_type, "warnings": [f'"{TEXT}"']},
        "error": f'bad value "{TEXT}" at https://ann:{KEY}@db/',
    }  # fmt: skip
    out = mask_line(written(made, chance)).line
    assert not holds_a_canary(out)
    json.loads(out)


# --- parts that may be stored as they stand ------------------------------------------------------------------------


def test_recorded_auths_and_headers_are_safe(lines, recorded):
    for raw in [*lines[::11], *recorded("audit-http.log").splitlines()[::11]]:
        entry = json.loads(raw)
        assert auth_is_safe(compact(entry["auth"]))
        assert headers_are_safe(compact(entry["request"].get("headers", {})))


@pytest.mark.parametrize(
    "auth",
    [b"", b"[]", b"null", b'{"client_token":"hvs.x"}', b'{"authorization_details":[1]}', b'{"policies":{},"x":1}',
     b'{"client_token":"' + HMAC.encode() + b'","client_token":"root"}', b'{"metadata":{"a":1,"a":2}}',
     b'{"display_name":"' + TOKEN.encode() + b'"}', b'{"num_uses":[1]}', b'{"client_token":"\xff"}', b'{"a":\0}'],
)  # fmt: skip
def test_an_auth_with_anything_odd_in_it_is_not_safe(auth):
    for _ in range(2):
        assert auth_is_safe(auth) is (auth == b"null")


def test_an_auth_with_a_plain_accessor_is_safe():
    assert auth_is_safe(b'{"accessor":"piegMFMyju8tU0VMRW5z87kO"}')


def test_headers_with_credentials_are_not_safe():
    assert headers_are_safe(compact({"user-agent": ["x"], "x-request-id": [HMAC]}))
    assert headers_are_safe(compact({"authorization": [HMAC]}))
    assert not headers_are_safe(compact({"authorization": ["x"]}))
    assert not headers_are_safe(compact({"x": [TOKEN]}))
    assert not headers_are_safe(b'{"x":["a"],"x":["b"]}')
    assert not headers_are_safe(b"{")
