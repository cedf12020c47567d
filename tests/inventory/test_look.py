"""A look at a vault names each right that is missing, with the policy line, and a token that may too much."""

from __future__ import annotations

import time

import pytest

from inventory.look import look, reachable
from vault import policy
from vault.server import Mount, Token


def check(found, name):
    return next(one for one in found.checks if name in one.name)


def test_with_the_printed_policy_every_right_is_well(world):
    found = look(world.ask())
    assert [one for one in found.checks if not one.ok or one.mend] == []
    assert found.usable and len(found.checks) == 3 + len(policy.RIGHTS)
    assert {mount.path: mount.kv_version for mount in found.mounts}["secret/"] == 2
    assert [one.name for one in found.entities] == ["alice", "bob"]


@pytest.mark.parametrize("right", [right for right in policy.RIGHTS if right.path != "auth/token/lookup-self"])
def test_each_missing_right_is_named_with_the_line_to_add(world, right):
    world.forbid(right.path)
    found = look(world.ask())
    assert found.usable
    line = check(found, f"{right.path} (")
    assert line.detail.startswith("missing ") and right.hcl() in line.mend
    assert line.ok == bool(right.without)  # an optional one is no fault, but what is lost is said
    assert right.without in line.detail
    assert [one.name for one in found.checks if one.mend] == [line.name]


def test_a_right_that_the_vault_names_and_refuses_all_the_same_is_missing(world, monkeypatch):
    asked = world.ask()
    monkeypatch.setattr(asked, "capabilities", lambda paths: dict.fromkeys(paths, ("root",)))
    world.forbid("identity/entity/id")
    assert check(look(asked), "identity/entity/id (").detail.startswith("missing list")


def test_a_root_token_is_told(world):
    found = look(world.ask("root"))
    assert found.excess and not found.checks[-1].ok
    assert "root token" in found.checks[-1].detail and "Keybook does not need that" in found.checks[-1].detail


@pytest.mark.parametrize("rule", ["secret/*", "secret/data/prod/*", "secret/data/one", "legacy/*", "*"])
def test_a_token_that_may_read_secret_values_is_told(world, rule):
    world.allow(rule, "read")
    found = look(world.ask())
    assert f"may read secret values ({rule})" in found.checks[-1].detail and not found.checks[-1].ok


def test_a_rule_with_a_plus_is_found_by_probing(world):
    world.allow("secret/data/+", "read")
    assert "may read secret values" in look(world.ask()).checks[-1].detail


def test_without_the_list_of_rules_the_mounts_are_probed(world):
    world.forbid("sys/internal/ui/resultant-acl")
    assert look(world.ask()).checks[-1].ok
    world.allow("secret/data/*", "read")
    assert "may read secret values" in look(world.ask()).checks[-1].detail


def test_a_dead_token_makes_the_vault_unusable(world):
    world.server.tokens.clear()
    found = look(world.ask())
    assert not found.usable and found.checks[-1].name == "token"
    assert "issue a new one" in found.checks[-1].mend.lower()


def test_a_vault_that_is_away_or_sealed_is_told(world):
    world.server.away = True
    assert not look(world.ask()).usable
    assert "gave no answer" in reachable(world.ask())[-1].detail
    world.server.away, world.server.sealed = False, True
    assert look(world.ask()).checks[-1].mend == "Unseal it."


def test_a_token_that_soon_ends_is_told(world):
    world.server.tokens["keybook"] = Token("t", ("keybook",), "a", "", 3600, True)
    found = look(world.ask())
    assert not check(found, "token").ok and "60 minutes" in check(found, "token").detail
    assert "-period" in check(found, "token").mend


@pytest.mark.parametrize(("away", "ok"), [(0, True), (-30, True), (600, False), (-600, False)])
def test_a_clock_that_differs_is_told(world, away, ok):
    world.server.server_time = int(time.time()) + away
    line = check(look(world.ask()), "clock")
    assert line.ok is ok and bool(line.mend) is not ok


def test_of_very_many_entities_only_the_first_are_described(world, monkeypatch):
    monkeypatch.setattr("inventory.look.ENTITIES", 1)
    found = look(world.ask())
    assert "not of 1 more" in check(found, "identity/entity/id/+").detail
    assert [bool(one.metadata) for one in found.entities] == [True, False]


def test_a_vault_without_an_audit_device_is_told(world):
    world.server.devices = []
    world.server.engines.append(Mount("x/", "kv", "kv_3", 2))
    assert "no audit device" in check(look(world.ask()), "sys/audit (").detail
