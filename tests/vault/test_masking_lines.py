"""No value gets past the mask of whole lines: tokens, names of failed logins, headers, fields that nobody knows."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vault.masks import (
    HMAC,
    KEY,
    NUMBER,
    TEXT,
    TOKEN,
    compact,
    data_objects,
    holds_a_canary,
    mounts,
    operations,
    paths,
)
from vault.masking import auth_is_safe, headers_are_safe, mask_line

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
