"""The query language as text: what parses, what is refused and where, and that a tree's text is that tree again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.query_language import EVERYTHING, FIELDS, LONGEST, QueryError, parse, show
from audit.query_tree import Compare, Every, Match, Not, Some, Value, Word, toggled, values_of, without_field
from tests.audit.queries import texts, trees


@given(trees())
@example(Compare("duration", ">", 2**31 - 1))  # ten digits of microseconds
def test_a_trees_text_parses_to_the_tree(tree):
    assert parse(show(tree)) == tree


PARTS = ['"', "(", ")", "-", ":", "*", ",", "\\", " OR ", " NOT ", "outcome:", "\0", "\ud800", *FIELDS]
parts = st.lists(texts | st.sampled_from([*PARTS, *(f"{name}>=" for name in FIELDS)]), max_size=12)


@given(st.text(max_size=60) | parts.map("".join))
def test_any_text_is_a_query_or_is_refused_with_a_place_inside_it(text):
    try:
        tree = parse(text)
    except QueryError as error:
        assert 1 <= error.position <= len(text) + 1 and error.length >= 1
        assert str(error) == error.message and (not error.nearest or error.nearest in error.message)
    else:
        assert parse(show(tree)) == tree


@pytest.mark.parametrize(
    "text, tree",
    [
        ("", EVERYTHING),
        ("  ", EVERYTHING),
        ("outcome:denied", Match("outcome", (Value("denied"),))),
        ("outcome:denied,error", Match("outcome", (Value("denied"), Value("error")))),
        ("-outcome:ok", Not(Match("outcome", (Value("ok"),)))),
        ("NOT outcome:ok", Not(Match("outcome", (Value("ok"),)))),
        ("secret:secret/prod/*", Match("secret", (Value("secret/prod/", begins=True),))),
        ('path:"a b"*', Match("path", (Value("a b", begins=True),))),
        (r'path:"a\"b\\c*"', Match("path", (Value('a"b\\c*'),))),
        ('namespace:""', Match("namespace", (Value(""),))),
        ("principal:repo:acme/shop:ref:a", Match("principal", (Value("repo:acme/shop:ref:a"),))),
        ("address:2001:db8::1", Match("address", (Value("2001:db8::1"),))),
        ("version>=3", Compare("version", ">=", 3)),
        ("version:>=3", Compare("version", ">=", 3)),
        ("version:3,4", Match("version", (Value("3"), Value("4")))),
        ("duration>0.25", Compare("duration", ">", 250_000)),
        ("duration<=40us", Compare("duration", "<=", 40)),
        ("time<2026-11-01", Compare("time", "<", datetime(2026, 11, 1, tzinfo=UTC))),
        ("time>=2026-11-01T10:00+02:00", Compare("time", ">=", datetime(2026, 11, 1, 8, tzinfo=UTC))),
        ("bank", Word(Value("bank"))),
        ("bank sftp", Every((Word(Value("bank")), Word(Value("sftp"))))),
        ("bank AND sftp", Every((Word(Value("bank")), Word(Value("sftp"))))),
        ("a b OR c", Some((Every((Word(Value("a")), Word(Value("b")))), Word(Value("c"))))),
        ("a (b OR c)", Every((Word(Value("a")), Some((Word(Value("b")), Word(Value("c"))))))),
        ("-(a b)", Not(Every((Word(Value("a")), Word(Value("b")))))),
        ('"OR"', Word(Value("OR"))),
        ("or", Word(Value("or"))),
        ("10:30", Word(Value("10:30"))),
    ],
)  # fmt: skip
def test_a_query_means(text, tree):
    assert parse(text) == tree


@pytest.mark.parametrize(
    "text, position, length, nearest, says",
    [
        ("secret:secret/prod/* outcme:ok", 22, 6, "outcome", 'No field "outcme" at position 22. Nearest: outcome'),
        ("zzz:1", 1, 3, "", 'No field "zzz" at position 1. Put the text in quotes'),
        ("outcome:denid", 9, 5, "denied", 'outcome has no value "denid" at position 9. Nearest: denied. It has ok'),
        ("kind:human,root,persn", 17, 5, "", 'kind has no value "persn" at position 17.'),
        ("(outcome:ok", 1, 1, "", 'The "(" at position 1 is never closed.'),
        ("outcome:ok)", 11, 1, "", 'The ")" at position 11 closes nothing.'),
        ("()", 2, 1, "", "A term must stand at position 2."),
        ('path:"a', 6, 1, "", "The quote at position 6 is never closed."),
        ('path:"a\\"', 6, 1, "", "The quote at position 6 is never closed."),
        ("path:", 6, 1, "", "A value of path must stand at position 6"),
        ("path:a,", 8, 1, "", "A value of path must stand at position 8"),
        ("path:a*b", 7, 1, "", "The star at position 7 must end its value."),
        ("a,b", 2, 1, "", "A space must stand at position 2."),
        ("a OR", 3, 2, "", "A term must follow the OR at position 3."),
        ("OR a", 1, 2, "", "A term must stand before the OR at position 1."),
        ("a - b", 3, 1, "", 'A term must stand right behind the "-" at position 3.'),
        ("outcome=ok", 8, 1, "outcome:", 'Write outcome: instead of the "=" at position 8.'),
        ("secret>3", 7, 1, "", 'secret has no order for the ">" at position 7.'),
        ("time:2026-11-01", 5, 1, "", "time is compared: at position 5 write time>=2026-11-01T10:00Z"),
        ("time>=yesterday", 7, 9, "", 'time takes a time such as 2026-11-01T10:00Z, not "yesterday" at position 7.'),
        ("version:three", 9, 5, "", "version takes a whole number up to 2147483647 such as 3"),
        ("version>=3*", 11, 1, "", "The star at position 11 can't be compared with."),
        ("id:99999999999999999999", 4, 20, "", "id takes a whole number"),
        ("request:1", 9, 1, "", "request takes an id such as"),
        ("duration>1h", 10, 2, "", "duration takes a length of time"),
        ("a\0", 2, 1, "", "No text holds the character at position 2."),
        ("a" * (LONGEST + 1), LONGEST + 1, 1, "", "The query has 4,001 characters; 4,000 is the most."),
        ("(" * 21 + "a" + ")" * 21, 21, 1, "", "More than 20 brackets and negations"),
        ("outcome:ok " * 101, 1_101, 1, "", "More than 100 terms, from position 1101 on."),
        ("a " * 21, 41, 1, "", "More than 20 words without a field, from position 41 on."),
        ("path:" + "a," * 300 + "a", 606, 1, "", "More than 300 values, from position 606 on."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text, position, length, nearest, says):
    with pytest.raises(QueryError) as caught:
        parse(text)
    error = caught.value
    assert (error.position, error.length, error.nearest) == (position, length, nearest)
    assert error.message.startswith(says)


@given(trees(), st.sampled_from(["outcome", "secret"]), st.booleans())
def test_a_value_clicked_on_is_asked_for_and_a_second_click_takes_it_away(tree, name, negative):
    value = Value("denied")
    on = toggled(without_field(tree, name), name, value, negative)
    assert values_of(on, name, negative) == [value] and values_of(on, name, not negative) == []
    other = toggled(on, name, value, not negative)
    assert values_of(other, name, negative) == [] and values_of(other, name, not negative) == [value]
    assert toggled(on, name, value, negative) == without_field(tree, name)


@pytest.mark.parametrize(
    "text, name, value, negative, becomes",
    [
        ("outcome:ok bank", "outcome", "denied", False, "outcome:ok,denied bank"),
        ("-outcome:ok,denied bank", "outcome", "ok", False, "-outcome:denied bank outcome:ok"),
        ("outcome:ok OR bank", "outcome", "ok", True, "(outcome:ok OR bank) -outcome:ok"),
        ("outcome:ok version>=3", "outcome", "ok", False, "version>=3"),
        ("", "secret", "a b*", False, 'secret:"a b*"'),
    ],
)
def test_a_click_keeps_the_rest_of_the_query(text, name, value, negative, becomes):
    assert show(toggled(parse(text), name, Value(value), negative)) == becomes


# -- its document ------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "query-language.md").read_text()


def test_every_field_is_in_the_document_with_what_its_values_are():
    rows = re.findall(r"(?m)^\| `([a-z]+)` \| ([a-z ]+) \|", PAGE)
    assert rows == [(name, field.sort.value) for name, field in FIELDS.items()]


def test_the_documents_examples_parse_and_its_errors_are_those_that_are_told():
    blocks = re.findall(r"(?m)^ {4}(\S.*)$", PAGE)
    syntax = PAGE.partition("## Syntax")[2].partition("## Fields")[0]
    examples = [one for row in re.findall(r"(?m)^\| (`.*?`) \|", syntax) for one in re.findall(r"`([^`]+)`", row)]
    for text in blocks + examples:
        assert parse(show(parse(text))) == parse(text)
    assert len(blocks) == 4 and len(examples) > 14
    wrong = re.findall(r"(?m)^\| `(.+)` \| (.+) \|$", PAGE.partition("## What is wrong")[2].partition("## Limits")[0])
    assert len(wrong) == 4
    for text, message in wrong:
        with pytest.raises(QueryError) as caught:
            parse(text)
        assert caught.value.message == message
