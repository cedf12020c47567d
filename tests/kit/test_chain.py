"""The hash chain's bytes: one form for each list of fields, and a document as PostgreSQL prints it."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from kit.chain import digest, json_text

FIELDS = st.lists(st.none() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])), max_size=5)


def test_the_bytes_are_netstrings():
    assert digest("form.1", ["é", 7, None, ""]) == sha256(b"6:form.1,2:\xc3\xa9,1:7,-,0:,").hexdigest()


@given(FIELDS, FIELDS)
def test_different_fields_have_different_hashes(one, other):
    def as_texts(fields):
        return [None if field is None else str(field) for field in fields]

    assert (digest("f", one) == digest("f", other)) == (as_texts(one) == as_texts(other))


def test_nothing_is_not_the_empty_text_nor_a_dash():
    assert len({digest("f", [value]) for value in (None, "", "-", "-,")}) == 4


def test_a_document_has_its_short_names_first():
    assert json_text({"bb": 1, "a": [True, None], "c": {"zz": "\x01é", "y": 2}}) == (
        '{"a": [true, null], "c": {"y": 2, "zz": "\\u0001é"}, "bb": 1}'
    )
