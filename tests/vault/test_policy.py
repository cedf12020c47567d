"""The printed policy gives no secret's value, and a token that may more is found out."""

from __future__ import annotations

import pytest

from vault import policy
from vault.server import Mount, Reach

MOUNTS = [
    Mount("secret/", "kv", "kv_1", 2),
    Mount("legacy/", "kv", "kv_2", 1),
    Mount("database/", "database", "db_1"),
    Mount("transit/", "transit", "t_1"),
    Mount("own/", "some-plugin", "own_1"),
    Mount("sys/", "system", "system_1"),
    Mount("identity/", "identity", "identity_1"),
    Mount("cubbyhole/", "cubbyhole", "cubby_1"),
]


def rules(**_given) -> Reach:
    return Reach(False, _given.get("exact", {}), _given.get("beginnings", {}))


def test_the_policy_we_print_reaches_no_value():
    ours = {right.path: right.capabilities for right in policy.RIGHTS}
    assert policy.excess(rules(exact=ours), MOUNTS) == []
    assert "# Optional" in policy.hcl() and policy.hcl().count('path "') == len(policy.RIGHTS)


@pytest.mark.parametrize("rule", ["secret/", "secret/data/prod/", "", "legacy/prod/", "database/creds/", "own/x/"])
def test_a_beginning_under_which_values_lie_is_found(rule):
    found = policy.excess(rules(beginnings={rule: ("read",)}), MOUNTS)
    assert [(one.path, one.reads) for one in found] == [(rule + "*", True)]


@pytest.mark.parametrize("rule", ["secret/data/prod/x", "legacy/x", "transit/decrypt/app", "database/static-creds/a"])
def test_one_exact_path_to_a_value_is_found(rule):
    caps = ("update",) if rule.startswith("transit") else ("read",)
    assert [one.path for one in policy.excess(rules(exact={rule: caps}), MOUNTS)] == [rule]


@pytest.mark.parametrize("rule", ["sys/", "secret/metadata/", "identity/", "cubbyhole/", "database/roles/", "auth/"])
def test_what_gives_out_no_value_is_no_excess(rule):
    assert policy.excess(rules(beginnings={rule: ("read", "list")}), MOUNTS) == []


@pytest.mark.parametrize("rule", ["sys/policies/acl/", "auth/token/create", "auth/token/", "sys/"])
def test_a_right_to_give_oneself_rights_is_found(rule):
    found = policy.excess(rules(beginnings={rule: ("update",)}), MOUNTS)
    assert [(one.path, one.reads) for one in found] == [(rule + "*", False)]


def test_a_denied_path_and_a_list_are_no_excess():
    caps = {"secret/data/": ("deny",), "legacy/": ("list",)}
    assert policy.excess(rules(beginnings=caps), MOUNTS) == []


def test_root_may_everything():
    assert policy.excess(Reach(root=True), MOUNTS)[0].reads


def test_probes_ask_in_every_place_that_gives_out_values():
    found = policy.probes(MOUNTS)
    assert "secret/data/keybook-probe" in found and "legacy/keybook-probe" in found
    assert "transit/export/keybook-probe" in found
    assert not any(path.startswith(("sys/", "identity/", "cubbyhole/")) for path in found)


@pytest.mark.parametrize("commands", [policy.token_commands, policy.approle_commands])
def test_the_commands_make_no_root_and_no_default_policy(commands):
    text = commands("bao")
    assert "keybook.hcl" in text and "no_default_policy" in text.replace("-", "_") and "root" not in text
