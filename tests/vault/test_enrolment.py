"""What is enrolled for the executor: names, coverage, the texts in deploy/vault, and each line for and against it.

The lines are tried on a real OpenBao, with tokens that the executor's own identity mints.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vault import enrolment, errors
from vault.acl import Policy
from vault.enrolment import NotEnrollable, Want
from vault.operating import Operator
from vault.policy_text import rules

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "deploy" / "vault"
ALL = [
    ("kv", "write", "secret", "prod/"),
    ("kv", "destroy", "secret", "prod/"),
    ("database_role", "rotate", "database", ""),
    ("database_root", "rotate", "database", ""),
    ("transit", "rotate", "transit", ""),
    ("lease", "revoke", "database", "creds/"),
    ("token", "revoke", "", ""),
    ("entity", "disable", "", ""),
]


@pytest.mark.parametrize(
    ("target", "verb", "mount", "prefix", "name"),
    [
        ("kv", "write", "secret", "", "keybook-op-kv-write-secret"),
        ("kv", "write", "/secret/", "/prod/", "keybook-op-kv-write-secret-prod"),
        ("kv", "write", "teams/a", "prod/", "keybook-op-kv-write-teams-a-prod"),
        ("database_role", "rotate", "database", "", "keybook-op-database-role-rotate-database"),
        ("lease", "revoke", "", "", "keybook-op-lease-revoke"),
        ("token", "revoke", "", "", "keybook-op-token-revoke"),
        ("entity", "disable", "", "", "keybook-op-entity-disable"),
    ],
)
def test_a_role_is_named_for_what_it_may(target, verb, mount, prefix, name):
    assert enrolment.enrolment(target, verb, mount, prefix).name == name


def test_no_two_places_have_the_same_name():
    places = [
        ("secret", "prod/"), ("secret", "prod"), ("secret", "prod*"), ("secret", "prod/a"), ("secret", "prod/a/"),
        ("secret", "prod-a/"), ("secret", "prod_a/"), ("secret-prod", ""), ("secret", "PROD/"), ("secret", ""),
        ("secret", "a/" * 60), ("secret", "a/" * 61),
    ]  # fmt: skip
    names = [enrolment.enrolment("kv", "write", *place).name for place in places]
    assert len(set(names)) == len(names)
    assert all(len(name) < 80 and name.replace("-", "").isalnum() for name in names)


@pytest.mark.parametrize("verb", ["read", "burn"])
def test_what_cannot_be_enrolled_is_refused_with_what_can(verb):
    with pytest.raises(NotEnrollable) as caught:
        enrolment.enrolment("kv", verb, "secret")
    assert "kv write" in str(caught.value)


@pytest.mark.parametrize("prefix", ['a"b', "a*b", "+/x", "{{identity.entity.id}}", "a\nb", "${x}"])
def test_signs_that_a_policy_reads_in_another_way_are_refused(prefix):
    with pytest.raises(NotEnrollable):
        enrolment.enrolment("kv", "write", "secret", prefix)


def test_keys_that_begin_alike_can_not_be_said_of_transit():
    with pytest.raises(NotEnrollable):
        enrolment.enrolment("transit", "rotate", "transit", "pay*")


@pytest.mark.parametrize("args", ALL, ids=lambda one: "-".join(one[:2]))
def test_each_policy_can_be_read_and_gives_no_value_away(args):
    one = enrolment.enrolment(*args)
    found = rules(one.policy())
    assert [rule.pattern for rule in found] == [rule.path for rule in one.rules]
    assert not [rule for rule in found if "/data/" in rule.pattern and "read" in rule.capabilities]
    assert not [rule for rule in found if "creds" in rule.pattern and "read" in rule.capabilities]
    assert not [rule for rule in found if "policies/acl" in rule.pattern]


# Coverage -----------------------------------------------------------------------------------------------------------


@dataclass
class Role:
    name: str
    policies: tuple[str, ...]


def enrolled(*these):
    roles = [Role(one.name, (one.name,)) for one in these]
    return roles, {one.name: Policy(one.name, rules(one.policy())) for one in these}


def test_a_secret_below_an_enrolled_folder_is_covered_and_one_beside_it_is_not():
    roles, policies = enrolled(enrolment.enrolment("kv", "write", "secret", "prod/"))
    found = enrolment.covers(roles, policies, Want("kv", "write", "secret", "prod/ledger/bank"), at=NOW)
    assert found and found.role == "keybook-op-kv-write-secret-prod" and found.apply is None
    beside = enrolment.covers(roles, policies, Want("kv", "write", "secret", "test/ledger/bank"), at=NOW)
    assert not beside and beside.apply.name == "keybook-op-kv-write-secret-test-ledger"
    assert "does not allow create and patch on secret/data/test/ledger/bank" in beside.why_not


def test_another_verb_is_not_covered():
    roles, policies = enrolled(enrolment.enrolment("kv", "write", "secret", "prod/"))
    found = enrolment.covers(roles, policies, Want("kv", "destroy", "secret", "prod/a"), at=NOW)
    assert not found and found.why_not == "nothing is enrolled for kv destroy"
    assert 'path "secret/destroy/prod/*"' in found.apply.policy()
    assert "bao policy write keybook-op-kv-destroy-secret-prod" in found.apply.commands()


@pytest.mark.parametrize("args", ALL, ids=lambda one: "-".join(one[:2]))
def test_each_enrolment_covers_a_thing_in_its_place(args):
    one = enrolment.enrolment(*args)
    target, verb, mount, prefix = args
    name = f"{prefix}x/y" if target in ("kv", "lease") else "x"
    want = Want(target, verb, mount, name)
    assert enrolment.covers(*enrolled(one), want, at=NOW).role == one.name
    proposed = enrolment.suggested(want)
    assert enrolment.covers(*enrolled(proposed), want, at=NOW).role == proposed.name


def test_a_policy_that_could_not_be_read_covers_nothing_and_is_named():
    roles, _ = enrolled(enrolment.enrolment("kv", "write", "secret", "prod/"))
    bad = {roles[0].name: "line 3, column 1: a policy holds rules"}
    found = enrolment.covers(roles, {}, Want("kv", "write", "secret", "prod/a"), at=NOW, unreadable=bad)
    assert not found and "could not be read: line 3" in found.why_not


def test_a_policy_that_needs_others_to_approve_in_the_vault_does_not_cover():
    one = enrolment.enrolment("kv", "write", "secret", "prod/")
    text = one.policy().replace('  required_parameters = ["options"]', "  control_group = { }")
    policies = {one.name: Policy(one.name, rules(text))}
    found = enrolment.covers([Role(one.name, (one.name,))], policies, Want("kv", "write", "secret", "prod/a"), at=NOW)
    assert not found and "only after others approve" in found.why_not


def test_a_role_of_another_name_does_not_count():
    one = enrolment.enrolment("kv", "write", "secret", "prod/")
    _, policies = enrolled(one)
    for name in ("own-role", "keybook-op-kv-writer", "keybook-op-kv"):
        assert not enrolment.covers(
            [Role(name, (one.name,))], policies, Want("kv", "write", "secret", "prod/a"), at=NOW
        )


def test_in_a_namespace_the_policies_of_that_namespace_count():
    one = enrolment.enrolment("kv", "write", "secret", "prod/")
    policies = {one.name: Policy(one.name, rules(one.policy()), "team-a/")}
    want, roles = Want("kv", "write", "secret", "prod/a"), [Role(one.name, (one.name,))]
    assert enrolment.covers(roles, policies, want, at=NOW, namespace="team-a/")
    assert not enrolment.covers(roles, policies, want, at=NOW)


# What is shipped ----------------------------------------------------------------------------------------------------


def shipped():
    texts = {f"{enrolment.enrolment(*args).name}.hcl": enrolment.enrolment(*args).policy() for args in ALL}
    return texts | {f"{enrolment.EXECUTOR}.hcl": enrolment.executor_policy()}


def test_the_shipped_policies_are_those_that_are_printed():
    for name, text in shipped().items():
        assert (SHIPPED / name).read_text() == text, f"write deploy/vault/{name} anew from Enrolment.policy()"
    assert {one.name for one in SHIPPED.glob("*.hcl")} == set(shipped())


# Each line, for and against -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root():
    if not os.environ.get("VAULT_ADDR"):
        pytest.skip("VAULT_ADDR names no OpenBao; bin/sandbox --vault sets it")
    return Operator(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])


@dataclass
class Ground:
    """An OpenBao where everything of `ALL` is enrolled below names of our own, and what the calls need exists."""

    root: Operator
    executor: Operator
    word: str
    enrolled: dict
    lease: str = ""
    other_lease: str = ""
    entity: str = ""
    accessor: str = ""

    def filled(self, text):
        values = {"w": self.word, "lease": self.lease, "other_lease": self.other_lease, "entity": self.entity}
        return text.format(**values, accessor=self.accessor) if isinstance(text, str) else text

    def may(self, key, calls):
        """Return those of the calls that a token of one enrolment may make, as the vault answers them."""
        with self.executor.minted(self.enrolled[key].name, {"keybook_change": "C-1"}, 60, len(calls)) as ours:
            return [call for call in calls if allowed(ours, call[0], self.filled(call[1]), self.body(call[2]))]

    def body(self, given):
        return given and {name: self.filled(value) for name, value in given.items()}


def allowed(ours, method, path, body):
    try:
        if method in ("GET", "LIST"):
            ours._ask(path, {"list": "true"} if method == "LIST" else None)
        elif method == "DELETE":
            answer = ours._hvac.adapter.request("DELETE", f"/v1/{path}", raise_exception=False)
            return getattr(answer, "status_code", 200) not in (401, 403)
        else:
            ours._change(path, body, merge=method == "PATCH")
    except (errors.NotPermitted, errors.TokenGone):
        return False
    except errors.VaultError:
        return True  # it was let through, and failed for what it asked
    return True


@pytest.fixture(scope="module")
def ground(root):
    word = secrets.token_hex(4)
    transit = f"transit-{word}"
    root._change(f"sys/mounts/{transit}", {"type": "transit"})
    root._change(f"{transit}/keys/one", {})
    places = {
        ("kv", "write"): ("secret", f"{word}/"), ("kv", "destroy"): ("secret", f"{word}/"),
        ("database_role", "rotate"): ("database", f"{word}-*"), ("database_root", "rotate"): ("database", f"{word}-*"),
        ("transit", "rotate"): (transit, ""), ("lease", "revoke"): ("database", "creds/payments-ro/"),
        ("token", "revoke"): ("", ""), ("entity", "disable"): ("", ""),
    }  # fmt: skip
    made = {}
    for (target, verb), place in places.items():
        one = enrolment.enrolment(target, verb, *place)
        root._change(f"sys/policies/acl/{one.name}", {"policy": one.policy()})
        root._change(f"auth/token/roles/{one.name}", one.role())
        made[target, verb] = one
    root._change("sys/policies/acl/keybook-executor", {"policy": enrolment.executor_policy()})
    own = {"policies": ["keybook-executor"], "no_default_policy": True, "no_parent": True, "ttl": "1h"}
    executor = root._with(root._change("auth/token/create", own)["auth"]["client_token"])
    found = Ground(root, executor, word, made)
    for name in (f"{word}/a", f"other-{word}"):
        root.kv_write("secret", name, {"user": "u", "password": "p"}, 0)
    found.lease = root._ask("database/creds/payments-ro")["lease_id"]
    found.other_lease = root._ask("database/creds/payments-rw")["lease_id"]
    root._change("identity/entity", {"name": word})
    found.entity = next(one.id for one in root.entities(0) if one.name == word)
    found.accessor = root._change("auth/token/create", {"ttl": "10m", "policies": ["default"]})["auth"]["accessor"]
    return found


CAS = {"data": {"password": "q"}, "options": {"cas": 99}}
KV, GONE = ("kv", "write"), ("kv", "destroy")
ROLE, DATABASE, TRANSIT = ("database_role", "rotate"), ("database_root", "rotate"), ("transit", "rotate")
LEASE, TOKEN, ENTITY = ("lease", "revoke"), ("token", "revoke"), ("entity", "disable")
FOR = [
    (KV, ("PATCH", "secret/data/{w}/a", CAS)),
    (KV, ("POST", "secret/data/{w}/new", CAS)),
    (KV, ("GET", "secret/metadata/{w}/a", None)),
    (KV, ("GET", "secret/subkeys/{w}/a", None)),
    (KV, ("POST", "sys/wrapping/unwrap", {"token": "s.none"})),
    (KV, ("GET", "sys/policies/password/none/generate", None)),
    (KV, ("POST", "sys/capabilities-self", {"paths": ["secret/data/{w}/a"]})),
    (GONE, ("POST", "secret/destroy/{w}/a", {"versions": [99]})),
    (GONE, ("GET", "secret/metadata/{w}/a", None)),
    (ROLE, ("POST", "database/rotate-role/{w}-a", {})),
    (ROLE, ("GET", "database/static-roles/{w}-a", None)),
    (DATABASE, ("POST", "database/rotate-root/{w}-a", {})),
    (DATABASE, ("GET", "database/config/{w}-a", None)),
    (TRANSIT, ("POST", "transit-{w}/keys/one/rotate", {})),
    (TRANSIT, ("GET", "transit-{w}/keys/one", None)),
    (LEASE, ("POST", "sys/leases/lookup", {"lease_id": "{lease}"})),
    (LEASE, ("LIST", "sys/leases/lookup/database/creds/payments-ro", None)),
    (LEASE, ("POST", "sys/leases/revoke/{lease}", {"sync": True})),
    (LEASE, ("POST", "sys/audit-hash/file", {"input": "a name"})),
    (TOKEN, ("POST", "auth/token/lookup-accessor", {"accessor": "{accessor}"})),
    (TOKEN, ("POST", "auth/token/revoke-accessor", {"accessor": "{accessor}"})),
    (ENTITY, ("GET", "identity/entity/id/{entity}", None)),
    (ENTITY, ("POST", "identity/entity/id/{entity}", {"disabled": False})),
]
AGAINST = [
    (KV, ("GET", "secret/data/{w}/a", None)),
    (KV, ("POST", "secret/data/{w}/a", CAS)),  # would replace every key
    (KV, ("PATCH", "secret/data/{w}/a", {"data": {"password": "q"}})),  # would need no version
    (KV, ("PATCH", "secret/data/other-{w}", CAS)),
    (KV, ("GET", "secret/metadata/other-{w}", None)),
    (KV, ("POST", "secret/metadata/{w}/a", {"max_versions": 1})),
    (KV, ("DELETE", "secret/metadata/{w}/a", None)),
    (KV, ("DELETE", "secret/data/{w}/a", None)),
    (KV, ("POST", "secret/delete/{w}/a", {"versions": [1]})),
    (KV, ("POST", "secret/destroy/{w}/a", {"versions": [1]})),
    (KV, ("POST", "secret/undelete/{w}/a", {"versions": [1]})),
    (KV, ("LIST", "secret/metadata/{w}", None)),
    (KV, ("POST", "sys/policies/password/none", {"policy": "x"})),
    (GONE, ("POST", "secret/destroy/other-{w}", {"versions": [1]})),
    (GONE, ("GET", "secret/data/{w}/a", None)),
    (GONE, ("DELETE", "secret/metadata/{w}/a", None)),
    (GONE, ("PATCH", "secret/data/{w}/a", CAS)),
    (ROLE, ("GET", "database/static-creds/{w}-a", None)),
    (ROLE, ("POST", "database/static-roles/{w}-a", {"username": "x"})),
    (ROLE, ("POST", "database/rotate-role/payments-report", {})),
    (ROLE, ("POST", "database/rotate-root/{w}-a", {})),
    (ROLE, ("GET", "database/creds/payments-ro", None)),
    (DATABASE, ("POST", "database/rotate-root/payments", {})),
    (DATABASE, ("POST", "database/config/{w}-a", {"plugin_name": "x"})),
    (DATABASE, ("POST", "database/reset/{w}-a", {})),
    (TRANSIT, ("POST", "transit-{w}/keys/one", {})),
    (TRANSIT, ("POST", "transit-{w}/keys/one/config", {"deletion_allowed": True})),
    (TRANSIT, ("DELETE", "transit-{w}/keys/one", None)),
    (TRANSIT, ("GET", "transit-{w}/export/encryption-key/one", None)),
    (TRANSIT, ("POST", "transit-{w}/decrypt/one", {"ciphertext": "vault:v1:x"})),
    (LEASE, ("POST", "sys/leases/lookup", {"lease_id": "{other_lease}"})),
    (LEASE, ("POST", "sys/leases/revoke/{other_lease}", {"sync": True})),
    (LEASE, ("POST", "sys/leases/revoke", {"lease_id": "{lease}"})),
    (LEASE, ("POST", "sys/leases/revoke-prefix/database/creds/payments-ro", {})),
    (LEASE, ("POST", "sys/leases/revoke-force/database/creds/payments-ro", {})),
    (LEASE, ("LIST", "sys/leases/lookup/database/creds/payments-rw", None)),
    (LEASE, ("POST", "sys/leases/renew", {"lease_id": "{lease}"})),
    (LEASE, ("GET", "sys/audit", None)),
    (TOKEN, ("POST", "sys/audit-hash/file", {"input": "a name"})),
    (TOKEN, ("LIST", "auth/token/accessors", None)),
    (TOKEN, ("POST", "auth/token/revoke-orphan", {"token": "x"})),
    (TOKEN, ("POST", "auth/token/create", {})),
    (ENTITY, ("POST", "identity/entity/id/{entity}", {"disabled": False, "policies": ["root"]})),
    (ENTITY, ("POST", "identity/entity/id/{entity}", {"name": "other"})),
    (ENTITY, ("DELETE", "identity/entity/id/{entity}", None)),
    (ENTITY, ("POST", "identity/entity", {"name": "other"})),
    (ENTITY, ("POST", "identity/entity-alias", {"name": "other"})),
]
EVERYWHERE = [
    ("POST", "sys/policies/acl/{w}", {"policy": "x"}),
    ("GET", "sys/policies/acl/root", None),
    ("POST", "auth/token/create", {}),
    ("POST", "auth/token/create/keybook-op-token-revoke", {"meta": {}, "num_uses": 1, "ttl": "1s"}),
    ("POST", "auth/token/renew-self", {}),
    ("GET", "auth/token/lookup-self", None),
    ("GET", "sys/mounts", None),
    ("GET", "secret/data/other-{w}", None),
]


KEYS = [KV, GONE, ROLE, DATABASE, TRANSIT, LEASE, TOKEN, ENTITY]


def of(key, table):
    return [call for one, call in table if one == key]


@pytest.mark.live
@pytest.mark.parametrize("key", KEYS, ids="-".join)
def test_each_line_gives_what_it_is_for(ground, key):
    assert ground.may(key, of(key, FOR)) == of(key, FOR)


@pytest.mark.live
@pytest.mark.parametrize("key", KEYS, ids="-".join)
def test_no_line_gives_anything_beside_it(ground, key):
    assert len(of(key, AGAINST)) >= 3 and ground.may(key, of(key, AGAINST)) == []


@pytest.mark.live
@pytest.mark.parametrize("key", KEYS, ids="-".join)
def test_no_enrolment_lets_anybody_climb(ground, key):
    assert ground.may(key, EVERYWHERE) == []


@pytest.mark.live
def test_a_token_makes_no_more_calls_than_it_was_given_and_no_role_gives_more_than_its_own(ground):
    one = ground.enrolled["kv", "write"]
    few = ground.executor.holding(ground.executor.mint(one.name, {}, 60, 2))
    assert [few.kv_state("secret", f"{ground.word}/a").current_version for _ in range(2)] == [1, 1]
    with pytest.raises(errors.TokenGone):
        few.kv_state("secret", f"{ground.word}/a")
    assert ground.executor.mint(one.name, {}, 60, 0).uses == ground.executor.mint(one.name, {}, 60, 10_000).uses == 100
    assert ground.executor.mint(one.name, {}, 86_400, 1).ttl <= enrolment.LIFE


@pytest.mark.live
@pytest.mark.parametrize(
    ("path", "body", "may"),
    [
        ("auth/token/create/{role}", {"meta": {"a": "b"}, "num_uses": 1, "ttl": "5s"}, True),
        ("auth/token/create/{role}", {"num_uses": 1, "ttl": "5s"}, False),
        ("auth/token/create/{role}", {"meta": {"a": "b"}, "ttl": "5s"}, False),
        ("auth/token/create/{role}", {"meta": {"a": "b"}, "num_uses": 1}, False),
        ("auth/token/create", {"meta": {"a": "b"}, "num_uses": 1, "ttl": "5s"}, False),
        ("auth/token/create-orphan", {"meta": {"a": "b"}, "num_uses": 1, "ttl": "5s"}, False),
        ("auth/token/create/other-role", {"meta": {"a": "b"}, "num_uses": 1, "ttl": "5s"}, False),
        ("auth/token/roles/keybook-op-own", {"allowed_policies": ["root"]}, False),
        ("sys/policies/acl/{role}", {"policy": 'path "*" { capabilities = ["read"] }'}, False),
        ("sys/leases/lookup", {"lease_id": "x"}, False),
        ("auth/token/revoke-accessor", {"accessor": "x"}, False),
        ("auth/token/lookup-accessor", {"accessor": "x"}, True),
        ("secret/data/{role}", CAS, False),
    ],
)
def test_the_executor_itself_can_mint_and_nothing_else(ground, path, body, may):
    path = path.format(role=ground.enrolled["kv", "write"].name)
    assert allowed(ground.executor, "POST", path, body) is may


@pytest.mark.live
def test_a_role_gives_no_policy_beside_its_own(ground):
    name = ground.enrolled["kv", "write"].name
    for wanted in (["root"], ["default"], ["keybook-executor"]):
        body = {"meta": {}, "num_uses": 1, "ttl": "5s", "policies": wanted}
        with pytest.raises(errors.Refused):
            ground.executor._change(f"auth/token/create/{name}", body)


@pytest.mark.live
def test_the_mirror_s_reading_of_a_policy_is_the_vault_s(ground):
    """`covers` says of each line what OpenBao's capabilities say."""
    for key, one in ground.enrolled.items():
        policies = [Policy(one.name, rules(one.policy()))]
        with ground.executor.minted(one.name, {}, 60, 3) as ours:
            want = Want(*key, one.place.mount, one.place.prefix.replace("*", "") + "x")
            calls = enrolment.calls(replace(want, name=want.name))
            told = ours.capabilities([call.path for call in calls])
        assert all(set(call.needs) <= set(told[call.path]) for call in calls), key
        assert not enrolment._missing(policies, want, NOW, "")
