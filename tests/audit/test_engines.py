"""A secret is shown under the secrets engine that serves it, also when the log names it before it tells the engine."""

from __future__ import annotations

import pytest

from tests.audit.lines import Call, hmac

REFUSED = "1 error occurred:\n\t* permission denied\n\n"
PLACES = "SELECT path, engine FROM audit_secret ORDER BY path"


def asked(mount, path):
    return {"request__path": f"{mount}{path}", "request__mount_point": mount, "request__mount_type": "kv"}


def refused(number, mount, path):
    call = Call(number)
    return [call.request(**asked(mount, path)), call.response(data={}, error=REFUSED, **asked(mount, path))]


def read(number, mount, path, data=None):
    call = Call(number)
    return [call.request(**asked(mount, path)), call.response(data=data, **asked(mount, path))]


@pytest.fixture
def told(past, tmp_path):
    """Import calls one file after the other, and say under which engine each secret stands."""

    def tell(*calls):
        for number, lines in enumerate(calls):
            file = tmp_path / f"{number}.log"
            file.write_bytes(b"".join(line + b"\n" for line in lines))
            past.take(file)
        return dict(past.rows(PLACES))

    return tell


def test_a_secret_of_kv_v1_that_was_only_refused_so_far_is_none_of_v2(told):
    assert told(refused(1, "legacy/", "billing/shared")) == {"billing/shared": "KV v1"}


def test_a_call_with_a_word_of_v2_tells_the_version_before_any_answer(told):
    assert told(refused(1, "secret/", "data/prod/key")) == {"prod/key": "KV v2"}


def test_what_was_named_before_an_answer_told_the_version_is_corrected_by_it(told):
    before = refused(1, "legacy/", "data/prod/key")  # on a mount of version 1 a folder may be called `data`
    assert told(before)["prod/key"] == "KV v2"
    after = told(before, read(2, "legacy/", "billing", data={"password": hmac("file", "x")}))
    assert after == {"prod/key": "KV v1", "billing": "KV v1"}


def test_another_mount_is_left_as_it_is(told):
    found = told([*refused(1, "secret/", "data/a"), *read(2, "legacy/", "b", data={"password": hmac("file", "x")})])
    assert found == {"a": "KV v2", "b": "KV v1"}
