"""What our own identities did, as vaults' logs show it: kept once, with whoever made the token, whatever it claims."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit import our_calls
from audit.our_models import OurCall, OurSight
from tests.audit.lines import START, Call, hmac, log
from tests.audit.our_lines import CLAIMS, MINT, OPERATION, WRITE, WROTE, lines, read_first, work


@pytest.fixture
def take(past, tmp_path):
    """A function that imports some bytes as a device's log."""

    def take(data, device="file", name=None):
        path = tmp_path / (name or f"{device}.log")
        path.write_bytes(data)
        return past.take(path, device=device)

    return take


def test_a_call_of_an_operation_token_is_kept_with_what_it_claims_and_who_made_it(take):
    take(lines())
    mint, wrote = our_calls.calls_of("C-215")
    assert (mint.kind, mint.role, mint.outcome, mint.minted) == ("mint", "keybook-op-kv-write", "ok", None)
    assert (mint.principal, mint.principal_kind, mint.step) == ("keybook/operations", "service_account", "3")
    assert (wrote.kind, wrote.operation, wrote.path) == ("call", "patch", "secret/data/prod/ledger/key")
    assert (wrote.secret, wrote.version, wrote.outcome) == ("secret/prod/ledger/key", 8, "ok")
    assert (wrote.plan, wrote.head, wrote.policies) == ("ab" * 32, "cd" * 32, ["keybook-op-kv-write"])
    assert (wrote.minted, wrote.minted_by, wrote.role) == (mint.event, "keybook/operations", "keybook-op-kv-write")
    assert (wrote.at, wrote.vault, wrote.address) == (START + timedelta(seconds=2), "demo", "10.0.0.1")
    assert wrote.request_id == WROTE[0].id


def test_calls_of_others_are_not_kept(take):
    take(log([Call(n) for n in range(5)]))
    assert not OurCall.objects.exists()


def test_the_same_log_again_and_another_devices_log_change_nothing_but_the_sights(take):
    take(lines())
    before = our_calls.calls_of("C-215")
    take(lines(), name="copy.log")
    assert our_calls.calls_of("C-215") == before
    take(lines(device="http"), device="http")
    after = our_calls.calls_of("C-215")
    assert [one.event for one in after] == [one.event for one in before]
    assert OurSight.objects.count() == 2 * OurCall.objects.count()
    assert len(after[1].accessors) == 2


def test_a_mint_that_one_device_showed_first_is_found_for_a_call_that_another_did(take):
    take(lines([MINT]))
    take(lines([MINT, WROTE], device="http"), device="http")
    mint, wrote = our_calls.calls_of("C-215")
    assert wrote.minted == mint.event


def test_a_late_response_tells_the_outcome_and_the_call_comes_again(take):
    call, more = WROTE
    asked, answered = call.pair(**more)
    other = log([Call(n, at=START + timedelta(seconds=20 + n)) for n in range(3)])
    take(log([read_first()]) + asked + b"\n" + other)
    (first,) = our_calls.calls_of("C-215")
    assert (first.outcome, first.version) == ("no_response", 0)
    assert first.happened
    take(answered + b"\n", name="late.log")
    (late,) = our_calls.calls_since(first.seq, 10)
    assert (late.event, late.outcome, late.version) == (first.event, "ok", 8)
    assert our_calls.calls_since(late.seq, 10) == []


def test_what_was_refused_is_told_so(take):
    refused = work(3, caller=OPERATION, path="sys/leases/revoke", error="1 error occurred:\n\t* permission denied\n\n")
    take(lines([MINT, refused]))
    assert [one.outcome for one in our_calls.calls_of("C-215")] == ["ok", "denied"]
    assert not our_calls.calls_of("C-215")[1].happened


def test_a_forged_token_is_found_and_its_maker_told(take):
    root = ("root token", ["root"], None, "root")
    forged = ("forged token", ["admin"], CLAIMS, "token")
    made = work(10, caller=root, path="auth/token/create", given=forged)
    used = work(11, caller=forged, path="secret/data/prod/ledger/key", answer=WRITE | {"version": 9})
    take(lines([MINT, WROTE, made, used]))
    mint, wrote, maker, call = our_calls.calls_of("C-215")
    assert (maker.kind, maker.role, maker.principal_kind) == ("mint", "", "root")
    assert (call.minted, call.minted_by, call.role, call.policies) == (maker.event, "root", "", [])
    assert wrote.minted == mint.event


def test_a_token_that_claims_nothing_is_still_known_by_its_policies_and_by_its_role(take):
    bare = ("bare token", ["keybook-op-lease"], None, "token")
    made = work(
        20, caller=("root token", ["root"], None, "root"), path="auth/token/create/keybook-op-lease", given=bare
    )
    used = work(21, caller=bare, path="sys/leases/revoke/database/creds/app/abc")
    take(lines([made, used]))
    mint, call = our_calls.calls_since(0, 10)
    assert (mint.change, mint.role, mint.minted_by, mint.principal) == ("", "keybook-op-lease", "", "root")
    assert (call.change, call.role, call.lease) == ("", "keybook-op-lease", "database/creds/app/abc")


def test_hostile_claims_are_bounded_and_lose_their_tokens(take):
    claims = {
        "keybook_change": "C-1\0<script>" + "x" * 5_000,
        "keybook_step": "hvs.CAESIJlbmV2ZXJzZWVuMTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnM",
        "keybook_plan": {"deep": ["er"]}, "keybook_head": 7,
    }  # fmt: skip
    hostile = ("hostile token", ["x" * 2_000, "keybook-op-" + "y" * 2_000], claims, "token")
    take(lines([work(30, caller=hostile, path="secret/data/prod/ledger/key", answer=WRITE)]))
    (row,) = OurCall.objects.all()
    assert row.change.startswith("C-1\N{SYMBOL FOR NULL}<script>")
    assert max(len(text.encode()) for text in (row.change, row.step, *row.policies)) <= 200
    assert (row.plan, row.head) == ("", "")
    assert "CAESI" not in row.step
    assert len(row.policies) == 1


def test_what_a_destroy_names_and_whom_a_revocation_is_about_is_kept(take):
    destroy = work(40, caller=OPERATION, path="secret/destroy/prod/ledger/key", asked={"versions": [6, 7]})
    about = hmac("file", "accessor of app")
    revoke = work(41, caller=OPERATION, path="auth/token/revoke-accessor", asked={"accessor": about})
    take(lines([destroy, revoke]))
    gone, token = our_calls.calls_of("C-215")
    assert (gone.versions, gone.secret, gone.version) == ([6, 7], "secret/prod/ledger/key", 0)
    assert token.abouts == [about]
