"""The text of a policy is read as the vault reads it, and what it refuses is refused with the place."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from tests.vault import policies as made
from vault.hcl import UnreadableText
from vault.policy_print import printed
from vault.policy_text import Rule, rules

FULL = """
# what the team may do
path "secret/data/+/app*" {
  capabilities = ["create", "read"]  // two
  allowed_parameters = { "Version" = [], "x" = ["1", 2] }
  denied_parameters { "*" = [] }
  required_parameters = ["version"]
  min_wrapping_ttl = "90s"
  max_wrapping_ttl = "1h30m"
  pagination_limit = 10
  mfa_methods = ["totp"]
  expiration = "2030-01-31T12:00:00+01:00"
  control_group = { ttl = "1h" }
  comment = "why"
}
path "sys/*" { policy = "write" }
"""


def test_every_field_of_a_rule_is_kept():
    first, second = rules(FULL)
    assert first == Rule(
        "secret/data/+/app*", frozenset(("create", "read")), 3, {"version": (), "x": ("1", "2")}, {"*": ()},
        ("version",), 90, 5400, 10, "", ("totp",), True, datetime(2030, 1, 31, 11, tzinfo=UTC),
    )  # fmt: skip
    assert second.capabilities == {"create", "read", "update", "delete", "list"}


def test_json_says_the_same_as_hcl():
    text = '{"path": {"a/*": {"capabilities": ["read"], "max_wrapping_ttl": 60}, "b": {"policy": "read"}}}'
    assert [(one.pattern, one.capabilities, one.max_wrap) for one in rules(text)] == [
        ("a/*", frozenset(("read",)), 60),
        ("b", frozenset(("read", "list")), 0),
    ]


def test_a_field_of_a_newer_server_is_kept_by_name_and_does_not_make_the_policy_unreadable():
    assert rules('path "a" { capabilities = ["read"] only_on = "monday" }')[0].unknown == ("only_on",)


def test_deny_puts_everything_else_out():
    assert rules('path "a" { capabilities = ["read", "deny", "root"] }')[0].capabilities == {"deny"}


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ('path "a" {\n  capabilities = ["read"\n}', (3, 1), "comma"),
        ('path "a" {\n  capabilities = ["raed"]\n}', (2, 19), "raed"),
        ('\n\n  rule "a" {}', (3, 3), "rule"),
        ('path "a" {\n', (2, 1), "not closed"),
        ('path "a\n" {}', (1, 6), "does not end"),
        ("path 'a' {}", (1, 6), "no meaning"),
        ('path "{{identity" {}', (1, 6), "template"),
        ('path "a/+*" {}', (1, 6), "+*"),
        ('path "\\q" {}', (1, 7), "escape"),
        ("/* x", (1, 1), "does not end"),
        ('{"path": {"a": {"capabilities": [}}}}', (1, 34), "list"),
        ('path "a" { capabilities = ["read"] expiration = "soon" }', (1, 49), "expiration"),
    ],
)
def test_what_can_not_be_read_is_a_sentence_with_line_and_column(text, place, word):
    with pytest.raises(UnreadableText, match=f"line {place[0]}, column {place[1]}: ") as error:
        rules(text)
    assert word in str(error.value)


def test_no_text_whatever_ends_in_anything_but_rules_or_that_sentence():
    chance = random.Random(5)
    for _ in range(3_000):
        text = made.text(chance, [made.path(chance) for _ in range(3)], ("identity.entity.name",))
        for _ in range(chance.randint(0, 3)):
            place = chance.randrange(len(text) + 1)
            text = (
                text[:place]
                + chance.choice(("", '"', "{", "}", "]", ",", "\\", "\0", "é", "<<E\n"))
                + text[place + 1 :]
            )
        try:
            assert all(isinstance(one, Rule) for one in rules(text))
        except UnreadableText as error:
            assert error.line >= 1 and error.column >= 1


def test_a_text_of_thousands_of_braces_does_not_exhaust_the_stack():
    for text in ('path "a" {' + "x {" * 50_000, "{" + '"a": {' * 50_000, 'path "a" { x = ' + "[" * 50_000):
        with pytest.raises(UnreadableText, match="too deep"):
            rules(text)


def test_the_print_of_rules_reads_as_the_same_rules_without_the_values_of_parameters():
    text = (
        FULL
        + r'path "a\xff\000$\x7bb}\"\\" { capabilities = ["read"] denied_parameters = { "pin" = ["hunter2"] } x = 1'
    )
    text += ' max_wrapping_ttl = "768h" }'
    shown = printed(rules(text))
    again = rules(shown)
    assert "hunter2" not in shown and "\0" not in shown and "what the team" not in shown
    assert [(one.pattern, one.capabilities, one.required, one.expires, one.max_wrap, one.unknown) for one in again] == [
        (one.pattern, one.capabilities, one.required, one.expires, one.max_wrap, one.unknown) for one in rules(text)
    ]
    assert again[-1].denied == {"pin": ("<1 value>",)} and again[0].control_group
