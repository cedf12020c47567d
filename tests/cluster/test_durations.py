"""Durations are read as Go writes them, and odd ones are none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.consumption import credential_of
from cluster.durations import duration, in_words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15),
        ("1h0m0s", 3600),
        ("1.5h", 5400),
        ("2m30s", 150),
        ("250ms", 0.25),
        ("1d", 86400),
        ("30", 30),
        (" 5m ", 300),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("-5s", None),
        ("5 s", None),
        ("99999999h", None),
    ],
)
def test_go_durations(text, seconds):
    assert duration(text) == (timedelta(seconds=seconds) if seconds is not None else None)


@given(st.text(max_size=30))
def test_no_text_makes_it_fail(text):
    assert duration(text) is None or duration(text) >= timedelta(0)


@pytest.mark.parametrize(("seconds", "words"), [(20, "20 s"), (300, "5 min"), (7200, "2 h"), (90, "90 s"), (None, "")])
def test_they_are_said_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds) if seconds is not None else None) == words


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("kv/data/web/db", "kv"),
        ("database/creds/web", "dynamic"),
        ("database/static-creds/web", "static"),
        ("pki/issue/web", "pki"),
        ("pki/sign/web", "pki"),
        ("kv/web", ""),
        ("data/creds", ""),
        ("", ""),
    ],
)
def test_the_form_of_a_path_tells_what_it_gives(path, kind):
    assert credential_of(path) == kind
