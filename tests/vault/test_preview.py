"""A preview of a broken line shows what it is like, and none of its values."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.preview import Head, preview, safe_head

HMAC = "hmac-sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"type":"request","auth":{"client_token":"', '{"type":"request","auth":{"client_token":"string, 0'),
        (b'{"password":"hunter2","hunter2":true}', '{"password":"string, 7","string, 7":<bool>}'),
        (b'{"ttl": 4815, "x": null}', '{"ttl": <number, 4>, "string, 1": null}'),
        (f'{{"token":"{HMAC}"}}'.encode(), f'{{"token":"{HMAC}"}}'),
        (f'{{"token":"{HMAC[:-1]}"}}'.encode(), '{"token":"string, 75"}'),
        (b"\0\0\0{", "<NUL, 3>{"),
        (b"hello, world", "<bytes, 5>, <bytes, 5>"),
        (b"nullify truest", "<bytes, 7> <bytes, 6>"),
        (b'"a\nb"', '"string, 1 <bytes, 1>"string, 0'),
        (b"\xff\xfe\x00", "<bytes, 2><NUL, 1>"),
        (b"-12.5e3]", "<number, 7>]"),
        (b'"a\\"b"', '"string, 4"'),
        (b"", ""),
    ],
)
def test_punctuation_known_words_and_hmacs_stay(raw, shown):
    assert preview(raw) == shown


@pytest.mark.parametrize("size", [100, 10_000, 10_000_000])
def test_a_preview_is_bounded_and_says_how_much_is_left_out(size):
    text = preview(b'{"a":1},' * (size // 8), limit=200)
    assert len(text) < 250
    assert size <= 100 or "bytes more" in text
    assert preview(b'"' + b"x" * size) == f'"string, {min(size, 65_535)}' + (
        f"… {size - 65_535} bytes more" if size > 65_535 else ""
    )


ascii_words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=6, max_size=12).map(lambda word: "kanarie" + word)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), ascii_words, st.integers(10**7, 10**12), st.randoms())
def test_no_canary_survives_in_garbage(garbage, word, number, chance):
    pieces = [garbage[:150], word.encode(), b'"', str(number).encode(), b'"', garbage[150:], b"\\", word.encode()]
    chance.shuffle(pieces)
    text = preview(b" ".join(pieces))
    assert "kanarie" not in text and str(number) not in text


def test_no_value_of_a_torn_line_survives_at_any_cut(lines):
    chance = random.Random(7)
    for raw in chance.sample([line for line in lines if len(line) < 4000], 40):
        spoilt = raw.replace(b'"data":{', b'"data":{"kanarie":"kanarie-x","n":4815162342,"d":"2031-07-09T11:22:33Z",')
        spoilt = spoilt.replace(b'"path":"', b'"path":"auth/userpass/login/kanarie')
        for _ in range(20):
            start, end = sorted(chance.sample(range(len(spoilt)), 2))
            text = preview(spoilt[start:end])
            assert "kanarie" not in text and "4815162342" not in text and "2031" not in text


def test_the_head_of_a_torn_line_tells_time_type_and_id(lines):
    raw = lines[10]
    head = safe_head(raw[:1000])
    assert head.time == "2026-11-21T02:54:00.294466249Z"
    assert head.type == "response"
    assert len(head.request_id) == 36 and head.request_id.encode() in raw


@pytest.mark.parametrize(
    "raw",
    [b"", b'{"time":"kanarie","type":"kanarie","request":{"id":"kanarie"}}', b'{"time":"2026-11-21T02:54',
     b'"type":"hmac-sha256:00"', b'{"type":"requested"}'],
)  # fmt: skip
def test_a_head_holds_nothing_of_another_form(raw):
    assert safe_head(raw) == Head("", "", "")


def test_newer_types_are_told():
    assert safe_head(b'{"type":"kmip-request"').type == "kmip-request"
