"""The strictest of all approval policies that fit counts: another policy never makes anything easier."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotation.ballot import Group, No, Proof, Risk
from rotation.rules import STRENGTH, Rule, choose, choose_all, document, read, rule_digest

often = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

KV = "kv:secret/prod/ledger"


@pytest.mark.parametrize(
    ("targets", "risk", "fits"),
    [
        (("*",), Risk.ROUTINE, True),
        (("kv:secret/prod/*",), Risk.HIGH, True),
        (("kv:secret/dev/*", "database_root:*"), Risk.ROUTINE, False),
        (("KV:*",), Risk.ROUTINE, False),
        (("*",), Risk.HIGHEST, False),
    ],
)
def test_a_rule_is_about_what_its_globs_name_from_its_class_on(targets, risk, fits):
    assert Rule("one", targets=targets, risk=risk).fits(KV, Risk.HIGH) is fits


def test_what_no_rule_is_about_is_refused():
    for rules in ([], [Rule("other", targets=("restart:*",))]):
        refusal = choose(rules, KV, Risk.ROUTINE)
        assert isinstance(refusal, No) and refusal.way == "no_rule" and KV in refusal.sentence


def test_a_rule_that_denies_wins():
    refusal = choose([Rule("all"), Rule("never", effect="deny", targets=("kv:secret/prod/*",))], KV, Risk.ROUTINE)
    assert refusal.way == "denied" and "“never”" in refusal.sentence


def test_the_strictest_of_each_part_counts():
    first = Rule("first", approvers=2, proof=Proof.API_TOKEN, hours=4, people=frozenset({1, 2, 3}))
    second = Rule("second", proof=Proof.PASSKEY, people=frozenset({2, 3, 4}), roles=frozenset({"administrator"}))
    found = choose([second, first], KV, Risk.ROUTINE)
    assert (found.approvers, found.proof, found.hours) == (2, Proof.PASSKEY, 4)
    assert (found.people, found.roles, found.name) == ({2, 3}, {"administrator"}, "first + second")


@pytest.mark.parametrize(
    "other",
    [
        {"people": frozenset({1})}, {"roles": frozenset({"operator"})}, {"groups": frozenset({Group("idp", "a")})},
    ],
)  # fmt: skip
def test_rules_that_nobody_can_satisfy_together_are_told_apart_from_none(other):
    limits = {"people": frozenset({2}), "roles": frozenset({"approver"}), "groups": frozenset({Group("idp", "b")})}
    refusal = choose([Rule("one", **limits), Rule("two", **other)], KV, Risk.ROUTINE)
    assert refusal.way == "no_approver" and "“one”, “two”" in refusal.sentence


def test_a_third_rule_does_not_heal_what_two_exclude():
    rules = [Rule(name, people=frozenset({key})) for key, name in enumerate("ab")] + [Rule("c")]
    assert choose(rules, KV, Risk.ROUTINE).way == "no_approver"
    assert choose([*rules, Rule("d", people=frozenset({0}))], KV, Risk.ROUTINE).way == "no_approver"


def test_the_highest_class_asks_for_a_passkey_whatever_a_policy_says():
    easy = Rule("easy", proof=Proof.API_TOKEN)
    assert choose([easy], KV, Risk.HIGHEST).proof == Proof.PASSKEY
    assert choose([easy], KV, Risk.HIGH).proof == Proof.API_TOKEN
    assert easy.takes(Proof.API_TOKEN) and not choose([easy], KV, Risk.HIGHEST).takes(Proof.STEP_UP)


def test_a_rule_of_no_approvers_lets_nothing_through():
    assert choose([Rule("none", approvers=0)], KV, Risk.ROUTINE).way == "no_approver"


RULES = st.builds(
    Rule,
    name=st.sampled_from("abcdef"),
    approvers=st.integers(1, 3),
    roles=st.frozensets(st.sampled_from(["approver", "administrator"]), min_size=1),
    people=st.frozensets(st.integers(1, 3)),
    proof=st.sampled_from(Proof),
    hours=st.integers(1, 48),
)


@often
@given(st.lists(RULES, min_size=1, max_size=4), RULES, st.sampled_from(Risk))
def test_another_rule_never_makes_it_easier(rules, other, risk):
    before, after = choose(rules, KV, risk), choose([*rules, other], KV, risk)
    if isinstance(before, No):
        assert isinstance(after, No)
    elif isinstance(after, Rule):
        assert after.approvers >= before.approvers and after.hours <= before.hours
        assert STRENGTH[after.proof] >= STRENGTH[before.proof] and after.roles <= before.roles
        assert not before.people or (after.people and after.people <= before.people)


@often
@given(RULES)
def test_a_rule_that_was_kept_is_read_as_it_was(rule):
    whole = replace(rule, groups=frozenset({Group("idp", "g", "name")}))
    assert read(document(whole)) == whole and rule_digest(read(document(whole))) == rule_digest(whole)
    assert whole.lasts == timedelta(hours=whole.hours)


def test_a_plan_of_several_parts_needs_the_strictest_of_all_and_a_rule_that_denies_one_denies_the_whole():
    usual = Rule("everything", hours=24)
    graver = Rule("grave", targets=("kv:secret/prod/*",), approvers=2, hours=8)
    never = Rule("never", targets=("entity:root*",), effect="deny")
    playbook, kv = ("playbook:secret/prod/key", Risk.ROUTINE), ("kv:secret/prod/key", Risk.HIGH)
    assert choose_all([usual, graver, never], [playbook]).approvers == 1
    both = choose_all([usual, graver, never], [playbook, kv, kv])
    assert (both.name, both.approvers, both.hours) == ("everything + grave", 2, 8)
    denied = choose_all([usual, graver, never], [playbook, kv, ("entity:rooted", Risk.HIGH)])
    assert (denied.way, "“never” forbids entity:rooted" in denied.sentence) == ("denied", True)
    alone = Rule("playbooks", targets=("playbook:*",))
    missing = choose_all([alone, never], [playbook, kv])
    assert (missing.way, "No approval policy is about kv:secret/prod/key" in missing.sentence) == ("no_rule", True)


def test_the_highest_part_of_a_plan_decides_what_proof_is_the_least():
    some = [Rule("everything", proof=Proof.API_TOKEN)]
    assert choose_all(some, [("playbook:x", Risk.ROUTINE)]).proof == Proof.API_TOKEN
    assert choose_all(some, [("playbook:x", Risk.ROUTINE), ("kv:x", Risk.HIGHEST)]).proof == Proof.PASSKEY
