"""The recorded logs, line by line: every issue, renewal and revocation of a lease is read, and nothing else is one."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest
import zstandard

from tests.vault.conftest import DATA
from vault.audit_line import Line, decode, is_response
from vault.lease_calls import Verb, call_of, lease_namespace


def unpacked(name):
    with (DATA / f"{name}.zst").open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


@pytest.fixture(scope="module", params=[("audit.log", "truth.json"), ("cluster-audit.log", "cluster-truth.json")])
def recording(request):
    """The calls of one recorded log, and what happened."""
    log, truth = request.param
    lines = [decode(raw)[0] for raw in unpacked(log).splitlines()]
    calls = [call for line in lines if is_response(line) and (call := call_of(line))]
    return calls, json.loads(unpacked(truth))


def test_every_lease_is_issued_once(recording):
    calls, truth = recording
    assert Counter(call.lease for call in calls if call.verb is Verb.ISSUE) == Counter(list(truth["leases"]))


def test_every_renewal_that_worked_names_its_lease_in_plain(recording):
    calls, truth = recording
    renewed = Counter(call.lease for call in calls if call.verb is Verb.RENEW and call.ok)
    assert renewed == Counter(
        {id: len(lease["renewals"]) for id, lease in truth["leases"].items() if lease["renewals"]}
    )


def test_every_revocation_is_read_with_its_outcome():
    lines = [decode(raw)[0] for raw in unpacked("audit.log").splitlines()]
    calls = [call for line in lines if is_response(line) and (call := call_of(line))]
    asked = Counter((call.verb, call.ok, call.prefix) for call in calls if call.verb in (Verb.PREFIX, Verb.FORCE))
    truth = json.loads(unpacked("truth.json"))
    assert asked == {
        (Verb.PREFIX, False, "database/creds/payments-rw"): 1,
        (Verb.FORCE, True, "database/creds/payments-rw"): 1,
    }
    by_id = [call for call in calls if call.verb is Verb.REVOKE]
    revoked = {id for id, lease in truth["leases"].items() if "revoke by" in (lease["ended_how"] or "")}
    hashed = {lease["lease_id_hmac"]: id for id, lease in truth["leases"].items()}
    assert {call.lease or hashed[call.hmac] for call in by_id if call.ok} == revoked
    assert {bool(call.lease) for call in by_id if call.ok} == {True, False}  # in the address, and in the body
    assert [call.ok for call in by_id].count(False) == 1
    tokens = [call.token for call in calls if call.verb is Verb.REVOKE_TOKEN]
    revoked = {
        token["accessor_hmac"] for one in truth["identities"].values() for token in one["tokens"] if token["revoked"]
    }
    assert {token.accessor for token in tokens} == revoked


def line(path, *, data=None, auth=None, answer=None, error="", operation="update"):
    raw = {
        "time": "2026-11-21T03:00:00.5Z",
        "type": "response",
        "auth": {"client_token": "hmac-sha256:caller", "accessor": "hmac-sha256:its-accessor", **(auth or {})},
        "request": {"id": "1", "operation": operation, "path": path, "data": data or {}, "namespace": {"id": "root"}},
        "response": answer if answer is not None else {},
        "error": error,
    }
    return msgspec.json.decode(msgspec.json.encode(raw), type=Line)


@pytest.mark.parametrize("begin", ["sys/leases/", "sys/"])
@pytest.mark.parametrize(
    ("path", "verb", "lease", "prefix"),
    [
        ("revoke/database/creds/ro/abc", Verb.REVOKE, "database/creds/ro/abc", ""),
        ("renew/database/creds/ro/abc", Verb.RENEW, "database/creds/ro/abc", ""),
        ("revoke-prefix/database/creds", Verb.PREFIX, "", "database/creds"),
        ("revoke-force/database/creds/", Verb.FORCE, "", "database/creds/"),
    ],
)
def test_an_id_in_the_address_of_a_call_is_plain_in_the_old_form_and_in_the_new(begin, path, verb, lease, prefix):
    call = call_of(line(begin + path))
    assert (call.verb, call.lease, call.prefix, call.ok) == (verb, lease, prefix, True)


def test_a_call_that_failed_or_got_no_answer_did_not_work():
    assert call_of(line("sys/leases/revoke/a/b", error="1 error occurred")).ok is False
    silent = line("sys/leases/revoke/a/b")
    silent.response = None
    assert call_of(silent).ok is False


def test_a_token_that_revokes_itself_is_its_caller_s():
    call = call_of(line("auth/token/revoke-self"))
    assert (call.verb, call.token.accessor) == (Verb.REVOKE_TOKEN, "hmac-sha256:its-accessor")


def test_a_renewed_token_lives_from_its_renewal_on():
    auth = {"client_token": "hmac-sha256:caller", "token_ttl": 60, "token_issue_time": "2026-11-21T02:00:00Z"}
    call = call_of(line("auth/token/renew-self", answer={"auth": auth}))
    assert call.token.ends == datetime(2026, 11, 21, 3, 1, 0, 500_000, tzinfo=UTC)


def test_the_end_of_the_token_that_takes_a_lease_counts_from_its_issue():
    auth = {"token_ttl": 60, "token_issue_time": "2026-11-21T02:59:30Z"}
    call = call_of(
        line("database/creds/ro", auth=auth, answer={"secret": {"lease_id": "database/creds/ro/x"}}, operation="read")
    )
    assert (call.verb, call.by.ends) == (Verb.ISSUE, datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC))


def test_a_new_token_has_a_parent_unless_it_is_an_orphan():
    made = {"auth": {"client_token": "hmac-sha256:child", "accessor": "hmac-sha256:c"}}
    call = call_of(line("auth/token/create", answer=made))
    assert (call.verb, call.by.token, call.token.token) == (Verb.MAKE_TOKEN, "hmac-sha256:caller", "hmac-sha256:child")
    assert call_of(line("auth/token/create", data={"no_parent": "bool"}, answer=made)) is None
    assert call_of(line("auth/token/create-orphan", answer=made)) is None


@pytest.mark.parametrize(
    "one",
    [
        line("secret/data/prod/db", operation="read"),
        line("kv1/db", operation="read", answer={"secret": {}}),
        line("sys/leases/lookup", data={"lease_id": "hmac-sha256:x"}),
        line("sys/leases/lookup/database/", operation="list"),
        line("sys/leases/revoke", data={"lease_id": "string, 45"}),
        line("auth/token/lookup-self", operation="read"),
        line("auth/token/revoke-accessor", data={"accessor": ""}),
        line("sys/mounts", operation="read"),
    ],
)
def test_whatever_else_is_called_is_no_call_about_leases(one):
    assert call_of(one) is None


def test_a_tenant_s_lease_names_its_namespace_at_its_end():
    assert lease_namespace("database/creds/etl-ro/nkAf.HMF10N") == "HMF10N"
    assert lease_namespace("database/creds/my.role/nkAf") == ""
