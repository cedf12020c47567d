"""How a call ended, and what it disclosed."""

from __future__ import annotations

import pytest

from vault.reads import (
    Disclosure,
    Outcome,
    disclosure,
    http_status,
    is_login,
    kv_value_came,
    kv_version_read,
    kv_version_written,
    outcome,
    top_keys,
    unwrap_disclosure,
    unwrapped_token,
)

RAW_404 = b'{"http_content_type":"hmac-sha256:1","http_raw_body":"hmac-sha256:2","http_status_code":404}'
DENIED = "1 error occurred:\n\t* permission denied\n\n"
KV2 = b'{"data":{"x":"hmac"},"metadata":{"created_time":"2026-11-21T02:54:00Z","destroyed":false,"version":3}}'


def ended(**facts):
    return outcome(**{"operation": "read", "mount": "secret/", "rest": "data/x", "has_response": True, **facts})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"data": KV2}, Outcome.OK),
        ({}, Outcome.NOT_FOUND),
        ({"data": b"null"}, Outcome.NOT_FOUND),
        ({"data": RAW_404}, Outcome.NOT_FOUND),
        ({"operation": "list", "data": RAW_404}, Outcome.NOT_FOUND),
        ({"operation": "scan"}, Outcome.NOT_FOUND),
        ({"operation": "update"}, Outcome.OK),
        ({"operation": "delete"}, Outcome.OK),
        ({"data": RAW_404.replace(b"404", b"403")}, Outcome.DENIED),
        ({"data": RAW_404.replace(b"404", b"405")}, Outcome.ERROR),
        ({"operation": "update", "data": RAW_404.replace(b"404", b"204")}, Outcome.OK),
        ({"data": b'{"http_status_code":"odd"}'}, Outcome.OK),
        ({"response_error": DENIED, "data": b'{"error":"hmac"}'}, Outcome.DENIED),
        ({"request_error": "permission denied", "response_error": DENIED}, Outcome.DENIED),
        ({"response_error": "service account name not authorized"}, Outcome.DENIED),
        ({"response_error": "1 error occurred:\n\t* invalid request\n\n"}, Outcome.ERROR),
        ({"has_response": False}, Outcome.NO_RESPONSE),
        ({"has_response": False, "request_error": "permission denied"}, Outcome.DENIED),
        ({"has_response": False, "request_error": "wrapping token is not valid or does not exist"}, Outcome.ERROR),
        ({"wrapped": True}, Outcome.OK),
        ({"data": b'{"error":"hmac"}'}, Outcome.OK),  # a KV v1 secret whose only key is `error`
        ({"mount": "auth/x/", "rest": "role/y", "operation": "update", "data": b'{"error":"hmac"}'}, Outcome.ERROR),
        ({"mount": "auth/x/", "rest": "role/y", "data": b'{"error":"hmac","x":1}'}, Outcome.OK),
        ({"mount": "auth/x/", "rest": "login", "operation": "update", "has_auth": True}, Outcome.OK),
        ({"mount": "auth/x/", "rest": "login", "operation": "update"}, Outcome.ERROR),
        ({"mount": "auth/x/", "rest": "login/bob", "operation": "update", "data": b'{"error":"h"}'}, Outcome.ERROR),
        ({"mount": "auth/x/", "rest": "login/bob", "operation": "create", "response_error": "permission denied"},
         Outcome.DENIED),
    ],
)  # fmt: skip
def test_the_outcome_is_read_from_errors_and_from_what_is_missing(facts, expected):
    assert ended(**facts) is expected


def test_only_a_login_below_auth_is_a_login():
    assert is_login("auth/kubernetes/", "login", "update")
    assert is_login("auth/userpass/", "login/ann", "create")
    assert not is_login("auth/userpass/", "users/login", "update")
    assert not is_login("auth/kubernetes/", "login", "read")
    assert not is_login("secret/", "login", "update")


def told(mount_type, rest, operation="read", data=b'{"x":"hmac"}', **facts):
    facts.setdefault("outcome", Outcome.OK)
    return disclosure(operation=operation, mount_type=mount_type, rest=rest, data=data, **facts)


@pytest.mark.parametrize(
    ("mount_type", "rest", "operation", "expected"),
    [
        ("kv", "prod/x", "read", Disclosure.VALUE),
        ("generic", "metadata/x", "read", Disclosure.VALUE),
        ("cubbyhole", "x", "read", Disclosure.VALUE),
        ("ns_cubbyhole", "x", "read", Disclosure.VALUE),
        ("cubbyhole", "x", "update", Disclosure.NONE),
        ("database", "creds/rw", "read", Disclosure.CREDENTIAL),
        ("database", "static-creds/batch", "read", Disclosure.VALUE),
        ("database", "roles/rw", "read", Disclosure.NONE),
        ("database", "creds", "read", Disclosure.NONE),
        ("aws", "sts/deploy", "update", Disclosure.CREDENTIAL),
        ("ldap", "static-cred/svc", "read", Disclosure.VALUE),
        ("ssh", "creds/otp", "update", Disclosure.CREDENTIAL),
        ("ssh", "sign/host", "update", Disclosure.NONE),
        ("kubernetes", "creds/deployer", "update", Disclosure.CREDENTIAL),
        ("transit", "decrypt/app", "update", Disclosure.PLAINTEXT),
        ("transit", "export/encryption-key/app", "read", Disclosure.KEY),
        ("transit", "backup/app", "read", Disclosure.KEY),
        ("transit", "datakey/plaintext/app", "update", Disclosure.KEY),
        ("transit", "datakey/wrapped/app", "update", Disclosure.NONE),
        ("transit", "encrypt/app", "update", Disclosure.NONE),
        ("transit", "sign/app", "update", Disclosure.NONE),
        ("totp", "code/mail", "read", Disclosure.PLAINTEXT),
        ("totp", "keys/mail", "read", Disclosure.NONE),
        ("system", "wrapping/unwrap", "update", Disclosure.VALUE),
        ("system", "wrapping/lookup", "update", Disclosure.NONE),
        ("system", "raw/core/x", "read", Disclosure.VALUE),
        ("system", "mounts", "read", Disclosure.NONE),
        ("identity", "oidc/token/web", "read", Disclosure.CREDENTIAL),
        ("identity", "oidc/role/web", "read", Disclosure.NONE),
        ("identity", "entity/id/1", "read", Disclosure.NONE),
        ("something-new", "creds/x", "read", Disclosure.CREDENTIAL),
        ("something-new", "x/y", "read", Disclosure.NONE),
        ("approle", "role/r/role-id", "read", Disclosure.NONE),
    ],
)
def test_what_a_call_disclosed_is_told_by_its_mount_and_path(mount_type, rest, operation, expected):
    assert told(mount_type, rest, operation) is expected


def test_a_private_key_in_the_answer_makes_it_a_key():
    issued = b'{"certificate":"hmac","private_key":"hmac"}'
    assert told("pki", "issue/web", "update", issued) is Disclosure.KEY
    assert told("pki", "root/generate/exported", "update", issued) is Disclosure.KEY
    assert told("pki", "sign/web", "update", b'{"certificate":"hmac"}') is Disclosure.NONE


def test_a_new_totp_key_is_disclosed_only_if_it_is_exported():
    assert told("totp", "keys/mail", "create", b'{"barcode":"hmac","url":"hmac"}') is Disclosure.KEY


def test_a_secret_id_is_a_credential():
    made = b'{"secret_id":"hmac","secret_id_accessor":"hmac"}'
    assert told("approle", "role/r/secret-id", "update", made) is Disclosure.CREDENTIAL
    assert told("approle", "role/r/custom-secret-id", "create", made) is Disclosure.CREDENTIAL
    assert told("approle", "role/r/secret-id", "update", b'{"keys":[]}') is Disclosure.NONE


@pytest.mark.parametrize("rest", ["create", "create-orphan", "create/deploy"])
def test_a_token_that_was_made_is_a_credential(rest):
    assert told("token", rest, "update", b"", has_auth=True) is Disclosure.CREDENTIAL
    assert told("token", rest, "update", b"") is Disclosure.NONE


def test_a_login_or_a_renewal_is_no_read():
    assert told("kubernetes", "login", "update", b"", has_auth=True) is Disclosure.NONE
    assert told("token", "renew-self", "update", b"", has_auth=True) is Disclosure.NONE


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_only_a_call_that_ended_well_disclosed_something(outcome):
    assert told("kv", "data/x", data=KV2, outcome=outcome) is Disclosure.NONE


@pytest.mark.parametrize(("mount_type", "rest"), [("kv", "data/x"), ("database", "creds/x"), ("totp", "code/x")])
def test_a_wrapped_answer_disclosed_nothing_yet(mount_type, rest):
    assert told(mount_type, rest, data=b"", wrapped=True) is Disclosure.NONE


@pytest.mark.parametrize("operation", ["list", "scan", "delete", "patch", "help", "revoke", ""])
def test_other_operations_disclose_nothing(operation):
    assert told("kv", "data/x", operation, KV2) is Disclosure.NONE


@pytest.mark.parametrize(
    ("data", "version", "rest", "came"),
    [
        (KV2, 2, "data/x", True),
        (KV2, 0, "data/x", True),
        (b'{"data":{},"metadata":{"version":1}}', 2, "data/x", True),
        (b'{"data":null,"metadata":{"deletion_time":"2026-11-21T02:54:00Z","version":1}}', 2, "data/x", False),
        (b'{"metadata":{"version":1},"data":{"x":1}}', 2, "data/x", True),
        (b'{"metadata":{"version":1}}', 2, "data/x", False),
        (b"[]", 2, "data/x", False),
        (RAW_404, 2, "data/x", False),
        (b"", 2, "data/x", False),
        (b"null", 1, "x", False),
        (b'{"x":"hmac"}', 1, "data/x", True),
        (b'{"versions":{}}', 2, "metadata/x", False),
        (b'{"versions":{}}', 0, "metadata/x", False),
        (b'{"subkeys":{}}', 0, "subkeys/x", False),
        (b'{"max_versions":0}', 0, "config", False),
        (b'{"value":"hmac"}', 0, "prod/x", True),
    ],
)
def test_a_kv_read_counts_when_a_value_came(data, version, rest, came):
    assert kv_value_came(data, version, rest) is came


def test_a_kv_write_is_no_read():
    assert told("kv", "data/x", "update", b'{"version":2}', kv_version=2) is Disclosure.NONE


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (KV2, 3),
        (KV2.replace(b'"version":3', b'"version":1234567890'), 1234567890),
        (b'{"data":{"version":9},"metadata":{"version":4,"created_time":"x"}}', 4),
        (b'{"data":{"version":9},"metadata":{}}', None),
        (b'{"data":{"x":1}}', None),
        (b'{"x":{"version":5}}', None),
        (b'{"data":{"version":7}}', None),
        (b'{"metadata":{"version":"odd"}}', None),
        (b"", None),
    ],
)
def test_the_version_that_was_read_stands_in_the_answer(data, version):
    assert kv_version_read(data) == version


def test_the_version_that_was_written_stands_in_the_answer():
    assert kv_version_written(b'{"created_time":"x","version":8}') == 8
    assert kv_version_written(b'{"x":1}') is None
    assert kv_version_written(b"[") is None


def test_an_unwrap_gives_away_what_was_wrapped():
    def unwrapped(mount_type, rest, operation="read", **facts):
        facts.setdefault("data", b'{"x":"hmac"}')
        return unwrap_disclosure(operation=operation, mount_type=mount_type, rest=rest, **facts)

    assert unwrapped("kv", "data/x", data=KV2, kv_version=2) is Disclosure.VALUE
    assert unwrapped("database", "creds/x") is Disclosure.CREDENTIAL
    made = b'{"secret_id":"hmac"}'
    assert unwrapped("approle", "role/r/secret-id", "update", data=made) is Disclosure.CREDENTIAL
    assert unwrapped("token", "create", "update", has_auth=True) is Disclosure.CREDENTIAL
    assert unwrapped("kubernetes", "login", "update", has_auth=True) is Disclosure.CREDENTIAL
    assert unwrapped("something-new", "whatever") is Disclosure.VALUE


def test_the_token_that_was_unwrapped_stands_in_the_body_or_is_the_callers_own():
    assert unwrapped_token(b'{"token":"hmac-sha256:ab"}', "hmac-sha256:cd") == "hmac-sha256:ab"
    assert unwrapped_token(b"", "hmac-sha256:cd") == "hmac-sha256:cd"
    assert unwrapped_token(b'{"token":7}', "hmac-sha256:cd") == "hmac-sha256:cd"
    assert unwrapped_token(b'{"token":""}', "hmac-sha256:cd") == "hmac-sha256:cd"
    assert unwrapped_token(b"[", "hmac-sha256:cd") == "hmac-sha256:cd"


def test_keys_and_status_of_anything_but_an_object_are_empty():
    assert top_keys(b'{"a":1,"b":{"c":2}}') == {"a", "b"}
    assert top_keys(b"[1]") == top_keys(b"{") == frozenset()
    assert http_status(RAW_404) == 404
    assert http_status(b"{}") == http_status(b"[") == 0


def test_numbers_that_are_stored_never_change():
    assert {outcome.label: int(outcome) for outcome in Outcome} == {
        "ok": 1, "denied": 2, "error": 3, "not_found": 4, "no_response": 5,
    }  # fmt: skip
    assert {one.label: int(one) for one in Disclosure} == {
        "none": 0, "value": 1, "credential": 2, "key": 3, "plaintext": 4,
    }  # fmt: skip
