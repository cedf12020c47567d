"""Which of the rules that fit a path counts, what it grants, and when the answer depends on who asks."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from vault import acl as asked
from vault.acl import Call, Policy
from vault.giving import calls, discloses
from vault.policy_text import rules
from vault.templates import Identity, Membership, Name, could_be

NOW = datetime(2027, 1, 1, tzinfo=UTC)
Acl, capabilities, may_read = (partial(one, at=NOW) for one in (asked.Acl, asked.capabilities, asked.may_read))
READ = Call("value", "secret/data/prod/x", ("read",))


def policy(name="p", /, namespace="", **written):
    """A policy from {pattern: capabilities with blanks between}."""
    text = "".join(
        f'path "{one}" {{ capabilities = [{", ".join(chr(34) + cap + chr(34) for cap in caps.split())}] }}\n'
        for one, caps in written["rules"].items()
    )
    return Policy(name, rules(text), namespace)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("secret/data/prod/x", "secret/data/prod/x*"),
        ("secret/data/prod/*", "secret/data/*"),
        ("secret/data/+/x", "secret/data/*"),
        ("secret/data/prod/*", "secret/data/+/x"),
        ("secret/+/prod/x", "secret/+/prod/*"),
        ("secret/+/prod/x", "secret/+/+/x"),
        ("secret/+/prod/*", "secret/+/pr*"),
    ],
)
def test_the_more_specific_pattern_counts_alone_even_where_the_other_denies(more, less):
    for first, second in (("read", "deny"), ("deny", "read")):
        both = [policy("one", rules={more: first}), policy("two", rules={less: second})]
        assert capabilities(both, "secret/data/prod/x") == {first}


def test_the_same_pattern_in_two_policies_is_united_and_a_deny_there_wins():
    both = [policy("one", rules={"a/*": "read"}), policy("two", rules={"a/*": "list update"})]
    assert capabilities(both, "a/b") == {"read", "list", "update"}
    assert Acl(both).grant("a/b").by("list") == ("two",)
    assert capabilities([*both, policy("three", rules={"a/*": "deny"})], "a/b") == {"deny"}


def test_a_plus_is_one_whole_segment_and_nothing_else():
    acl = Acl([policy(rules={"a/+/c": "read", "a/x+/d": "list"})])
    assert [sorted(acl.capabilities(one)) for one in ("a/b/c", "a//c", "a/b/b/c", "a/x+/d", "a/xy/d")] == [
        ["read"], ["read"], ["deny"], ["list"], ["deny"],
    ]  # fmt: skip


def test_of_patterns_alike_in_all_else_the_longer_one_counts():
    both = {"a/+/b/+/d*": "read", "a/+/+/ccc/d*": "list"}
    assert capabilities([policy(rules=both)], "a/x/b/ccc/d") == {"list"}


def test_a_list_also_looks_at_the_rule_without_the_slash_and_a_read_does_not():
    acl = Acl([policy(rules={"a/b": "read list"})])
    assert acl.capabilities("a/b/") == {"read", "list"}
    assert acl.grant("a/b/") is None and acl.grant("a/b/", listing=True) is not None


def test_a_rule_without_capabilities_hides_a_wider_one():
    assert capabilities([Policy("p", rules('path "a/*" { policy = "read" }\npath "a/b" { }'))], "a/b") == {"deny"}


def test_root_may_everything_in_its_namespace_and_below():
    acl = Acl([Policy("root", namespace="team/")])
    assert [acl.capabilities("x", one) for one in ("team/", "team/a/", "", "other/")] == [
        {"root"}, {"root"}, {"deny"}, {"deny"},
    ]  # fmt: skip


def test_a_policy_of_a_namespace_reaches_no_path_outside_of_it():
    acl = Acl([policy("p", "team/", rules={"*": "read"})])
    assert acl.capabilities("secret/x", "team/") == {"read"} and acl.capabilities("secret/x") == {"deny"}
    assert acl.capabilities("team/secret/x") == {"read"}


def test_a_rule_counts_until_its_expiration():
    timed = [Policy("p", rules('path "a" { capabilities = ["read"] expiration = "2030-01-01T00:00:00Z" }'))]
    assert capabilities(timed, "a", at=datetime(2029, 12, 31, tzinfo=UTC)) == {"read"}
    assert capabilities(timed, "a", at=datetime(2030, 1, 2, tzinfo=UTC)) == {"deny"}


TEMPLATE = policy("own", rules={"secret/data/{{identity.entity.name}}/*": "read"})
ANNA = Identity("e1", "anna", {"team": "a"}, [Name("acc", "i", "login")], [Membership("g1", "ops", {"k": "v"})])


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("identity.entity.id", "e1"),
        ("identity.entity.metadata.team", "a"),
        ("identity.entity.aliases.acc.name", "login"),
        ("identity.groups.names.ops.id", "g1"),
        ("identity.groups.ids.g1.metadata.k", "v"),
    ],
)
def test_a_template_is_filled_from_who_asks(asked, path):
    one = [policy(rules={f"x/{{{{ {asked} }}}}/y": "read"})]
    assert capabilities(one, f"x/{path}/y", identity=ANNA) == {"read"}
    assert capabilities(one, f"x/{path}/y") == {"deny"}


def test_a_value_with_a_slash_makes_the_vault_refuse_every_call_unless_the_policy_allows_it():
    bad = Identity("e1", "a/b")
    acl = Acl([TEMPLATE, policy("other", rules={"sys/x": "read"})], identity=bad)
    assert "identity.entity.name" in acl.trouble and acl.capabilities("sys/x") == {"deny"}
    free = Policy("own", TEMPLATE.rules, slashes=True)
    assert capabilities([free], "secret/data/a/b/c", identity=bad) == {"read"}


def test_without_knowing_who_asks_a_template_makes_the_answer_depend():
    answer = may_read([TEMPLATE], READ, anybody=True)
    assert (answer.may, answer.by, answer.depends_on) == ("depends", ("own",), ("identity.entity.name",))
    assert answer.pattern == "secret/data/{{identity.entity.name}}/*"
    assert may_read([TEMPLATE], READ).may == "no"
    assert may_read([TEMPLATE], READ, identity=Identity("e", "prod")).may == "yes"


def test_a_template_that_could_only_grant_the_same_changes_nothing():
    sure = [policy("sure", rules={"secret/data/*": "read"}), TEMPLATE]
    assert may_read(sure, READ, anybody=True).may == "yes"
    denying = policy("not", rules={"secret/data/{{identity.entity.name}}/x": "deny"})
    assert may_read([*sure, denying], READ, anybody=True).may == "depends"
    elsewhere = policy("not", rules={"secret/data/{{identity.entity.name}}/y": "deny"})
    assert may_read([*sure, elsewhere], READ, anybody=True).may == "yes"


def test_a_pattern_with_templates_is_filled_so_that_it_fits_or_not_at_all():
    assert could_be("a/{{x}}/b*", "a/q/bc") == "a/q/b*"
    assert could_be("a/{{x}}/+/c", "a/q/r/c") == "a/q/+/c"
    assert could_be("a/{{x}}", "a/b/c") is None and could_be("a/{{x}}", "a/b/c", slashes=True) == "a/b/c"


def test_what_a_read_needs_besides_is_said():
    text = """path "secret/data/prod/x" { capabilities = ["read"] max_wrapping_ttl = "1h"
              required_parameters = ["version"]
              expiration = "2999-01-01T00:00:00Z" mfa_methods = ["m"] control_group = { ttl = "1h" } }"""
    answer = may_read([Policy("p", rules(text))], READ)
    assert answer.may == "yes" and answer.conditions == (
        "only wrapped", "only after others approve", "only with a second factor",
        "only with the parameters version", "until 2999-01-01 00:00 UTC",
    )  # fmt: skip


def test_wrapping_limits_that_leave_no_length_allow_nothing():
    one = Policy("one", rules('path "secret/*" { capabilities = ["read"] max_wrapping_ttl = "1h" }'))
    two = Policy("two", rules('path "secret/*" { capabilities = ["read"] min_wrapping_ttl = "2h" }'))
    assert may_read([one, two], READ).may == "no" and may_read([one], READ).may == "yes"


@pytest.mark.parametrize(
    ("kind", "logical", "wanted"),
    [
        ("kv", "prod/x", {"m/data/prod/x read"}),
        ("database", "creds/ro", {"m/creds/ro read"}),
        ("database", "static-creds/app", {"m/static-creds/app read"}),
        ("aws", "creds/ro", {"m/creds/ro read", "m/creds/ro update"}),
        ("pki", "issue/web", {"m/issue/web update", "m/issuer/default/issue/web update"}),
        ("totp", "keys/app", {"m/code/app read"}),
        ("token", "create-orphan", {"m/create-orphan update sudo"}),
        ("kubernetes", "creds/ci", {"m/creds/ci update"}),
    ],
)
def test_each_kind_of_engine_gives_by_its_own_calls(kind, logical, wanted):
    found = {f"{one.path} {' '.join(one.needs)}" for one in calls(kind, 2, "m/", logical) if discloses(one)}
    assert found == wanted


def test_reading_key_names_metadata_or_the_list_is_told_apart_from_reading_the_value():
    told = [(one.gives, one.path) for one in calls("kv", 2, "secret/", "prod/x") if not discloses(one)]
    assert told == [
        ("key names", "secret/subkeys/prod/x"),
        ("metadata", "secret/metadata/prod/x"),
        ("list", "secret/metadata/prod/"),
    ]
