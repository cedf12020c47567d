"""What is being typed at a place of a query that may not be whole yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.query_cursor import Typing, at, fields
from tests.audit.queries import texts


@pytest.mark.parametrize(
    "text, typing",
    [  # the cursor stands at the bar
        ("|", Typing("field", "", "", 0, 0)),
        ("out|", Typing("field", "", "out", 0, 3)),
        ("o|ut", Typing("field", "", "o", 0, 3)),
        ("o|utcome:ok", Typing("field", "", "o", 0, 7)),
        ("-ou|", Typing("field", "", "ou", 1, 3)),
        ("(kind:human OR ou|)", Typing("field", "", "ou", 15, 17)),
        ("kind:human |", Typing("field", "", "", 11, 11)),
        ("outcome:|", Typing("value", "outcome", "", 8, 8)),
        ("outcome:de|", Typing("value", "outcome", "de", 8, 10)),
        ("outcome:de|nied bank", Typing("value", "outcome", "de", 8, 14)),
        ("-outcome:ok,de|", Typing("value", "outcome", "de", 12, 14)),
        ("outcome:o|k,denied", Typing("value", "outcome", "o", 8, 10)),
        ('path:"a, b|', Typing("value", "path", "a, b", 5, 10)),
        ('path:"a","b|" x', Typing("value", "path", "b", 9, 12)),
        ('path:"a b"|', Typing("value", "path", "a b", 5, 10)),
        ("secret:prod*|", Typing("value", "secret", "prod", 7, 12)),
        ("version>=|", Typing("value", "version", "", 9, 9)),
        ("version:>=1|", Typing("value", "version", "1", 10, 11)),
        ('"ban|k', Typing("", "", "", 0, 5)),
        ("secret/pr|", Typing("field", "", "secret/pr", 0, 9)),
    ],
)
def test_at_the_cursor_stands(text, typing):
    assert at(text.replace("|", "", 1), text.index("|")) == typing


@given(
    st.lists(texts | st.sampled_from(["outcome:", " ", "-", '"', "(", ","]), max_size=8).map("".join),
    st.integers(-2, 60),
)
def test_any_place_of_any_text_is_answered_with_a_stretch_of_that_text(text, cursor):
    typing = at(text, cursor)
    assert 0 <= typing.start <= typing.end <= len(text)
    assert typing.what in ("field", "value", "")


def test_fields_that_begin_so_come_before_those_that_contain_it():
    assert [one.name for one in fields("vers")] == ["version"]
    assert [one.name for one in fields("D")][:2] == ["disclosed", "duration"]
    assert "id" in [one.name for one in fields("d")] and len(fields("")) == 15
