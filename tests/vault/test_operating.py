"""The executor's calls on a real OpenBao: what each does, and that every cut of the connection is told truthfully."""

from __future__ import annotations

import json
import logging
import os
import random
import secrets
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.receiver.service import until
from tests.vault import cutting
from vault import errors
from vault.operating import Operator
from vault.verdicts import verdict

pytestmark = pytest.mark.live
CANARY = "canary-7c1f9d"


@pytest.fixture(scope="module")
def root() -> Operator:
    if not os.environ.get("VAULT_ADDR"):
        pytest.skip("VAULT_ADDR names no OpenBao; bin/sandbox --vault sets it")
    return Operator(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])


@pytest.fixture
def place() -> str:
    return f"operating/{secrets.token_hex(6)}"


@pytest.fixture
def role(root):
    """Return a token role that gives a policy for two calls of some path."""
    name = f"keybook-op-{secrets.token_hex(4)}"
    text = 'path "secret/metadata/operating/*" { capabilities = ["read"] }\n'
    text += 'path "auth/token/revoke-self" { capabilities = ["update"] }\n'
    root._change(f"sys/policies/acl/{name}", {"policy": text})
    wanted = {"allowed_policies": [name], "orphan": True, "renewable": False, "token_no_default_policy": True}
    root._change(f"auth/token/roles/{name}", wanted)
    return name


def test_a_first_version_is_written_and_later_ones_keep_the_other_keys(root, place):
    assert root.kv_state("secret", place).current_version == 0
    assert root.kv_write("secret/", place, {"user": "u", "password": CANARY}, 0) == 1
    assert root.kv_write("secret/", place, {"password": CANARY + "2"}, 1) == 2
    assert root.kv_subkeys("secret/", place) == ("password", "user")
    state = root.kv_state("secret/", place)
    assert state.current_version == 2 and sorted(state.versions) == [1, 2] and not state.cas_required
    assert abs(state.versions[2].created - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("cas", [0, 1, 3, 99])
def test_another_version_than_the_newest_is_refused_and_nothing_is_written(root, place, cas):
    root.kv_write("secret", place, {"a": CANARY}, 0)
    root.kv_write("secret", place, {"a": CANARY}, 1)
    with pytest.raises(errors.Refused) as caught:
        root.kv_write("secret", place, {"a": CANARY}, cas)
    assert CANARY not in str(caught.value) and root.kv_state("secret", place).current_version == 2


def test_over_a_deleted_version_nothing_is_written(root, place):
    root.kv_write("secret", place, {"a": "x"}, 0)
    root._change(f"secret/delete/{place}", {"versions": [1]})
    with pytest.raises(errors.NotThere):
        root.kv_write("secret", place, {"a": "y"}, 1)
    state = root.kv_state("secret", place)
    assert state.current_version == 1 and state.versions[1].deleted and not state.versions[1].destroyed


def test_a_destroyed_version_shows_so_and_the_newest_stays(root, place):
    root.kv_write("secret", place, {"a": "x"}, 0)
    root.kv_write("secret", place, {"a": "y"}, 1)
    root.kv_destroy("secret", place, [1])
    root.kv_destroy("secret", place, [1])
    state = root.kv_state("secret", place)
    assert state.versions[1].destroyed and not state.versions[2].destroyed


def test_names_with_odd_letters_are_one_path(root, place):
    odd = f"{place}/a b?c#d%e/ü"
    assert root.kv_write("secret", odd, {"a": "x"}, 0) == 1
    assert root.kv_state("secret", odd).current_version == 1 and root.kv_state("secret", place).current_version == 0


def test_a_minted_token_carries_its_metadata_is_used_up_and_shown_nowhere(root, role, place):
    token = root.mint(role, {"keybook_change": "C-215", "keybook_step": "2"}, 60, 2)
    assert token.token not in repr(token) and token.token not in str(token)
    assert (token.uses, token.ttl) == (2, 60)
    known = root.lookup_accessor(token.accessor)
    assert known.role == role and known.policies == (role,) and known.orphan and known.uses == 2
    assert dict(known.metadata) == {"keybook_change": "C-215", "keybook_step": "2"}
    ours = root.holding(token)
    assert [ours.kv_state("secret", place).current_version for _ in range(2)] == [0, 0]
    with pytest.raises(errors.TokenGone):
        ours.kv_state("secret", place)
    until(lambda: root.lookup_accessor(token.accessor) is None)  # the server ends it a moment after its last use


def test_a_minted_token_is_revoked_at_the_end_even_when_the_work_fails(root, role, place, audit_lines):
    with pytest.raises(ZeroDivisionError), root.minted(role, {"keybook_change": place}, 60, 5) as ours:
        ours.kv_state("secret", place)
        raise ZeroDivisionError
    lines = audit_lines(place)
    assert [line["request"]["path"] for line in lines] == [f"secret/metadata/{place}", "auth/token/revoke-self"]
    assert {line["auth"]["metadata"]["keybook_change"] for line in lines} == {place}


@pytest.fixture
def audit_lines():
    def of(change):
        log = Path(os.environ["KEYBOOK_AUDIT_LOG"]).read_bytes().splitlines()
        lines = [json.loads(line) for line in log if change.encode() in line]
        ours = [one for one in lines if (one["auth"].get("metadata") or {}).get("keybook_change") == change]
        return [one for one in ours if one["type"] == "response"]

    return of


def test_a_token_may_do_no_more_than_its_role(root, role, place):
    with root.minted(role, {}, 60, 5) as ours:
        with pytest.raises(errors.NotPermitted):
            ours.kv_write("secret", place, {"a": CANARY}, 0)
        with pytest.raises(errors.NotPermitted):
            ours.mint(role, {}, 60, 5)


def test_a_role_that_is_not_enrolled_mints_nothing(root):
    with pytest.raises(errors.Refused) as caught:
        root.mint("keybook-op-nobody-has-this", {}, 60, 1)
    assert "unknown role" in str(caught.value)


def test_a_transit_key_gets_a_newer_version(root, place):
    mount = f"transit-{secrets.token_hex(4)}"
    root._change(f"sys/mounts/{mount}", {"type": "transit"})
    root._change(f"{mount}/keys/k", {})
    before = root.transit_key(mount, "k")
    root.transit_rotate(mount, "k")
    after = root.transit_key(mount, "k")
    assert (before.latest_version, after.latest_version) == (1, 2)
    assert abs(after.rotated - datetime.now(UTC)) < timedelta(minutes=1)
    assert root.transit_key(mount, "other") is None
    with pytest.raises(errors.Refused):
        root.transit_rotate(mount, "other")


def test_rotating_what_is_not_there_is_surely_not_done(root):
    assert root.static_role("database", "nobody") is None and root.database("database", "nobody") is None
    with pytest.raises(errors.NotThere):
        root.rotate_role("database", "nobody")
    with pytest.raises(errors.NotThere):
        root.rotate_root("database", "nobody")


def test_a_lease_is_listed_revoked_and_gone(root):
    made = root._ask("database/creds/payments-ro")["lease_id"]
    assert made in set(root.leases_below("database/creds/payments-ro"))
    assert made in set(root.leases_below("database"))
    assert root.lease(made) is not None
    root.revoke_lease(made)
    root.revoke_lease(made)
    assert root.lease(made) is None and made not in set(root.leases_below("database/creds/payments-ro/"))
    assert list(root.leases_below("database/creds/never")) == []


def test_a_token_ends_by_its_accessor(root, role):
    token = root.mint(role, {}, 60, 0)
    root.revoke_accessor(token.accessor)
    root.revoke_accessor(token.accessor)
    assert root.lookup_accessor(token.accessor) is None


def test_an_entity_is_disabled_and_enabled_and_keeps_what_it_had(root, place):
    name = place.replace("/", "-")
    root._change("identity/entity", {"name": name, "metadata": {"team": "blue"}, "policies": ["default"]})
    one = next(one for one in root.entities(1000) if one.name == name)
    root.disable_entity(one.id)
    assert root.entity(one.id).disabled
    root.enable_entity(one.id)
    again = next(other for other in root.entities(1000) if other.name == name)
    assert not root.entity(one.id).disabled and again == one
    assert root.entity("no-such-id") is None
    with pytest.raises(errors.Refused):
        root.disable_entity("no-such-id")


@pytest.fixture
def wrap(root):
    def made(path="sys/wrapping/wrap", **values):
        headers = {"X-Vault-Wrap-TTL": "60s"}
        return root._hvac.adapter.post(f"/v1/{path}", json=values, headers=headers)["wrap_info"]["token"]

    return made


def test_a_wrapped_value_is_looked_at_and_opened_once(root, wrap):
    token = wrap(password=CANARY)
    found = root.wrapped(token)
    assert (found.creation_path, found.ttl) == ("sys/wrapping/wrap", 60)
    assert root.unwrap(token) == {"password": CANARY}
    with pytest.raises(errors.Spent) as caught:
        root.unwrap(token)
    assert token not in str(caught.value) and "replace that first" in str(caught.value)


def test_what_was_wrapped_by_another_call_is_not_opened(root, wrap):
    token = wrap("auth/token/create", ttl="60s")
    with pytest.raises(errors.Refused) as caught:
        root.unwrap(token)
    assert "auth/token/create" in str(caught.value)
    assert root.wrapped(token).creation_path == "auth/token/create"


def test_a_password_policy_makes_a_value(root, place):
    name = place.replace("/", "-")
    root._change(f"sys/policies/password/{name}", {"policy": 'length = 24\nrule "charset" { charset = "abc" }'})
    one, two = root.generate(name), root.generate(name)
    assert one != two and set(one) <= set("abc") and len(one) == 24
    with pytest.raises(errors.NotThere):
        root.generate("no-such-policy")


# Cuts ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(root):
    made = cutting.Cutting(root.address)
    yield made
    made.close()


def asked_through(proxy, timeout=5.0) -> Operator:
    return Operator(proxy.url, os.environ["VAULT_TOKEN"], timeout=timeout)


@pytest.mark.parametrize(
    ("way", "error", "written"),
    [
        (cutting.REFUSED, errors.Unreachable, False),
        (cutting.BEFORE, errors.Unknown, False),
        (cutting.TORN, errors.Unknown, False),
        (cutting.UNHEARD, errors.Unknown, True),
        (cutting.HALF_HEARD, errors.Unknown, True),
    ],
)
def test_a_cut_is_told_as_what_it_is(root, proxy, place, way, error, written):
    root.kv_write("secret", place, {"a": "x"}, 0)
    proxy.way = way
    with pytest.raises(errors.VaultError) as caught:
        asked_through(proxy).kv_write("secret", place, {"a": CANARY}, 1)
    assert type(caught.value) is error
    assert root.kv_state("secret", place).current_version == (2 if written else 1)


def test_an_answer_that_does_not_come_in_time_is_unknown(root, proxy, place):
    root.kv_write("secret", place, {"a": "x"}, 0)
    proxy.way = cutting.SILENT
    with pytest.raises(errors.Unknown):
        asked_through(proxy, timeout=0.3).kv_write("secret", place, {"a": "y"}, 1)


def test_a_server_that_speaks_no_tls_was_sent_nothing(root):
    with pytest.raises(errors.Unreachable):
        Operator(root.address.replace("http:", "https:"), "any").revoke_self()


def test_what_was_never_resolved_was_not_done():
    with pytest.raises(errors.Unreachable):
        Operator("https://no-such-name.invalid", "any").revoke_self()


def rotate(root, proxy, place, before):
    """Write version before + 1 as the machine does: call, and where nobody can tell, look and perhaps call again."""
    for way in (proxy.way, cutting.PASSED, cutting.PASSED):
        proxy.way = way
        try:
            return asked_through(proxy).kv_write("secret", place, {"a": secrets.token_hex(4)}, before)
        except errors.Unknown:
            if (now := root.kv_state("secret", place).current_version) != before:
                return now
        except errors.Refused:
            return root.kv_state("secret", place).current_version  # the call that was cut has come late
        except errors.Unreachable:
            assert root.kv_state("secret", place).current_version == before
    raise AssertionError("three calls, and still nobody can tell")


def trials(root, proxy, place, number, seed):
    dice = random.Random(seed)
    root.kv_write("secret", place, {"a": "x"}, 0)
    root._change(f"secret/metadata/{place}", {"max_versions": 1000})
    told = []
    for before in range(1, number + 1):
        proxy.way, proxy.after = dice.choice(cutting.WAYS), dice.randrange(400)
        told.append(rotate(root, proxy, place, before))
        assert root.kv_state("secret", place).current_version == told[-1] == before + 1
    return told


def test_wherever_the_connection_is_cut_the_end_is_what_the_vault_holds(root, proxy, place):
    assert trials(root, proxy, place, 12, seed=3)[-1] == 13


@pytest.mark.long
def test_in_300_cuts_the_end_is_what_the_vault_holds(root, proxy, place):
    assert trials(root, proxy, place, 300, seed=random.randrange(10**9))[-1] == 301


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (500, ("internal error",), errors.Unknown),
        (502, (), errors.Unknown),
        (503, (), errors.Unknown),
        (503, ("1 error occurred: Vault is sealed",), errors.Unknown),
        (503, ("Vault is sealed",), errors.Sealed),
        (504, (), errors.Unknown),
        (500, ("local node not active but active cluster node not found",), errors.Unavailable),
        (400, ("check-and-set parameter did not match the current version",), errors.Refused),
        (403, ("permission denied",), errors.TokenGone),
        (403, ("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",), errors.TokenGone),
        (403, ("1 error occurred:\n\t* permission denied\n\n",), errors.NotPermitted),
        (404, (), errors.NotThere),
        (405, (), errors.Refused),
        (412, (), errors.Refused),
        (429, (), errors.Unavailable),
        (307, (), errors.Unavailable),
        (200, (), errors.Unknown),
    ],
)
def test_only_an_answer_that_says_so_means_not_done(status, said, error):
    assert type(verdict(status, said, "here")) is error


def test_a_400_of_a_doubtful_call_is_unknown():
    failed = ("failed to revoke entry: failed to revoke: dial tcp 127.0.0.1:5432: connect: connection refused",)
    assert type(verdict(400, failed, "here", doubtful=True)) is errors.Unknown
    assert type(verdict(400, ("no static role found for role name",), "here", doubtful=True)) is errors.NotThere


def test_no_error_of_a_write_holds_its_value(root, proxy, place, caplog):
    root.kv_write("secret", place, {"a": "x"}, 0)
    with caplog.at_level(logging.DEBUG):
        for way, cas in ((cutting.UNHEARD, 1), (cutting.REFUSED, 2), (cutting.PASSED, 1)):
            proxy.way = way
            with pytest.raises(errors.VaultError) as caught:
                asked_through(proxy).kv_write("secret", place, {"a": CANARY}, cas)
            told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
            assert CANARY not in told and caught.value.__context__ is None
    assert CANARY not in caplog.text
