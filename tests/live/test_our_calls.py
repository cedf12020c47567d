"""What a real OpenBao writes of our operation tokens, read from its log: our calls, and one that somebody forged."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import leasing
from config.witness import AuditLog
from sandbox.bao_http import Bao
from tests.audit.past import Past
from vault.errors import NotPermitted
from vault.operating import Operator

pytestmark = pytest.mark.live
WITNESS = AuditLog()
EXECUTOR = 'path "auth/token/create/keybook-op-*" { capabilities = ["create", "update"] }'
WRITE = """path "secret/data/ours/*" { capabilities = ["create", "update", "patch"] }
path "secret/metadata/ours/*" { capabilities = ["read"] }
path "secret/destroy/ours/*" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }"""
LEASE = """path "sys/leases/revoke/database/creds/*" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }"""


class Stage:
    """The ambient OpenBao, an executor with two token roles, and what its log holds since the test began."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
        self.log = Path(os.environ["KEYBOOK_AUDIT_LOG"])
        for name, policy in (("keybook-executor", EXECUTOR), ("keybook-op-write", WRITE), ("keybook-op-lease", LEASE)):
            self.root.must("PUT", f"sys/policies/acl/{name}", {"policy": policy})
            if name != "keybook-executor":
                role = {"allowed_policies": [name], "orphan": True, "token_no_default_policy": True}
                self.root.must("POST", f"auth/token/roles/{name}", role)
        made = self.root.must("POST", "auth/token/create-orphan", {"policies": ["keybook-executor"], "ttl": "10m"})
        self.executor = Operator(self.root.url, made.body["auth"]["client_token"], plain_http=True)
        self.start = self.log.stat().st_size
        self.root.must("GET", "sys/mounts")  # before it nothing is known of the part that is imported
        self.began = datetime.now(UTC)

    def ingest(self, past: Past) -> None:
        """Import what was written since."""
        some = self.folder / f"since-{secrets.token_hex(4)}.log"
        some.write_bytes(self.log.read_bytes()[self.start :])
        past.take(some, vault="live")
        leasing.catch_up()


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def claims(change, step="1"):
    return {"keybook_change": change, "keybook_step": step, "keybook_plan": "ab" * 32, "keybook_head": "cd" * 32}


def named():
    return f"C-{secrets.randbelow(10**9)}"


def test_what_an_operation_token_did_is_found_by_its_change_with_the_mint_of_its_token(stage, past):
    change, path = named(), f"ours/{secrets.token_hex(6)}"
    with stage.executor.minted("keybook-op-write", claims(change), 60, 5) as ours:
        assert ours.kv_write("secret", path, {"password": "one"}, 0) == 1
        assert ours.kv_write("secret", path, {"password": "two"}, 1) == 2
        ours.kv_destroy("secret", path, [1])
    stage.root.must("POST", f"secret/data/{path}", {"data": {"password": "drift"}})
    stage.ingest(past)
    mint, *calls = WITNESS.calls(change)
    assert (mint.kind, mint.role, mint.outcome, mint.step) == ("mint", "keybook-op-write", "ok", "1")
    assert "keybook-executor" in mint.policies or mint.policies == ["keybook-op-write"]
    done = [(one.operation, one.path.split("/")[1], one.version, list(one.versions), one.outcome) for one in calls]
    assert done[-4:] == [
        ("create", "data", 1, [], "ok"), ("patch", "data", 2, [], "ok"), ("update", "destroy", 0, [1], "ok"),
        ("update", "token", 0, [], "ok"),
    ]  # fmt: skip
    assert {(one.minted, one.role, one.plan, one.head) for one in calls} == {
        (mint.event, "keybook-op-write", "ab" * 32, "cd" * 32)
    }
    key = ("live", "", "secret", path)
    told = [(one.did, one.version, one.change) for one in WITNESS.written(*key, stage.began)]
    assert [one for one in told if one[1] or one[0] == "destroy"] == [
        ("write", 1, change), ("write", 2, change), ("destroy", 0, change), ("write", 3, ""),
    ]  # fmt: skip
    assert WITNESS.versions(*key) == 3
    assert WITNESS.reach("live", stage.began).covers(stage.began)


def test_a_lease_and_a_token_that_we_revoked_are_named(stage, past):
    change = named()
    lease = stage.root.must("GET", "database/creds/payments-ro").body["lease_id"]
    app = stage.root.must("POST", "auth/token/create-orphan", {"policies": ["default"], "ttl": "5m"}).body["auth"]
    theirs = stage.root.seen_as(token=app["client_token"])
    theirs.must("GET", "auth/token/lookup-self")
    with stage.executor.minted("keybook-op-lease", claims(change, "2"), 60, 5) as ours:
        ours.revoke_lease(lease)
        ours.revoke_accessor(app["accessor"])
    assert theirs.call("GET", "auth/token/lookup-self").status == 403
    stage.ingest(past)
    calls = {one.path.removesuffix(lease): one for one in WITNESS.calls(change) if one.kind == "call"}
    revoked, token = calls["sys/leases/revoke/"], calls["auth/token/revoke-accessor"]
    assert (revoked.lease, revoked.outcome, revoked.step) == (lease, "ok", "2")
    assert token.abouts
    (end,) = WITNESS.ends("live", [lease])
    assert (end.event, end.how, end.gone) == (revoked.event, "id", None)
    after = WITNESS.token_use("live", token.abouts, token.at)
    assert (after.answered, after.refused) == (0, 1)


def test_a_token_that_somebody_else_made_with_our_claims_is_told_by_its_mint(stage, past):
    change, path = named(), f"ours/{secrets.token_hex(6)}"
    with stage.executor.minted("keybook-op-write", claims(change), 60, 5) as ours:
        ours.kv_write("secret", path, {"password": "one"}, 0)
    wanted = {"meta": claims(change), "policies": ["keybook-op-write"], "ttl": "60s"}
    made = stage.root.must("POST", "auth/token/create", wanted).body["auth"]
    forged = Operator(stage.root.url, made["client_token"], plain_http=True)
    forged.kv_write("secret", path, {"password": "two"}, 1)
    stage.ingest(past)
    calls = WITNESS.calls(change)
    mints = {one.event: one for one in calls if one.kind == "mint"}
    writes = [one for one in calls if one.version]
    assert [one.version for one in writes] == [1, 2]
    ours_mint, their_mint = (mints[one.minted] for one in writes)
    assert (ours_mint.role, ours_mint.principal_kind, writes[0].role) == (
        "keybook-op-write", "token", "keybook-op-write",
    )  # fmt: skip
    assert (their_mint.role, their_mint.principal_kind, writes[1].role, writes[1].minted_by) == ("", "root", "", "root")


def test_what_the_executor_was_refused_is_told_so(stage, past):
    change, path = named(), f"elsewhere/{secrets.token_hex(6)}"
    with stage.executor.minted("keybook-op-write", claims(change), 60, 5) as ours, pytest.raises(NotPermitted):
        ours.kv_write("secret", path, {"password": "one"}, 0)
    stage.ingest(past)
    outcomes = {one.outcome for one in WITNESS.calls(change) if one.path == f"secret/data/{path}"}
    assert outcomes == {"denied"}
    assert WITNESS.written("live", "", "secret", path, stage.began) == []
