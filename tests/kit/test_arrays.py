"""What a list becomes on its way to PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.ingest import connect
from kit.arrays import binaries, numbers, texts

_TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))


@pytest.fixture(scope="module")
def postgres(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), connect() as connection:
        yield connection


def _back(postgres: psycopg.Connection, kind: str, literal: str) -> list:
    return postgres.execute(f"SELECT %s::{kind}[]", [literal]).fetchone()[0]


@given(values=st.lists(_TEXT | st.sampled_from(['"', "\\", "a,b", "{}", "NULL", "", " ", '\\"', "\n"])))
@settings(max_examples=200, deadline=None)
def test_texts_come_back_as_they_were(postgres, values):
    assert _back(postgres, "text", texts(values)) == values


@given(values=st.lists(st.binary()))
@settings(max_examples=100, deadline=None)
def test_bytes_come_back_as_they_were(postgres, values):
    assert _back(postgres, "bytea", binaries(values)) == values


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1)))
@settings(max_examples=100, deadline=None)
def test_numbers_come_back_as_they_were(postgres, values):
    assert _back(postgres, "bigint", numbers(values)) == values
