"""Lines that no vault writes, but that somebody who can write to the log might: nothing stops, nothing leaks."""

from __future__ import annotations

import pytest
import zstandard

from tests.audit.lines import Call, hmac, written

BARE = {"auth": {"token_type": "default"}}


def _stored(past) -> bytes:
    unpack = zstandard.ZstdDecompressor().decompress
    bodies = [unpack(bytes(body)) for (body,) in past.rows("SELECT body FROM audit_block")]
    return b"\n".join(bodies)


@pytest.mark.parametrize("version", [2**31, 999_999_999_999_999_999, 10**30, -(2**40)])
def test_a_version_that_no_column_holds_is_left_in_its_line(past, tmp_path, version):
    data = {"data": {"a": hmac("file", "x")}, "metadata": {"version": version}}
    file = tmp_path / "audit.log"
    file.write_bytes(Call(1).request() + b"\n" + Call(1).response(data=data) + b"\n")
    assert past.take(file).events == 1
    assert past.rows("SELECT version, disclosed FROM audit_event") == [(0, 1)]


@pytest.mark.parametrize(
    "spelt", [str.upper, lambda key: key.replace("-", "") + "    ", lambda key: key[:4] + "-" + key[4:8] + key[9:]]
)
def test_ids_that_differ_in_spelling_are_two_events_and_stop_nothing(past, tmp_path, spelt):
    one = Call(1)
    other = one.response().replace(one.id.encode(), spelt(one.id).encode())
    file = tmp_path / "audit.log"
    file.write_bytes(b"\n".join([*one.lines(), other]) + b"\n")
    assert past.take(file).events == 2
    assert past.take(file).events == 0


@pytest.mark.parametrize("operation", ["update", "read", "delete", "help"])
@pytest.mark.parametrize(
    "path", ["auth/corp/ldap/login/", "auth/userpass/login/", "auth/userpass//login/", "auth/userpass/Login/"]
)
def test_what_was_typed_as_the_name_of_a_failed_login_is_stored_nowhere(past, tmp_path, operation, path):
    typed = "Typed-Passw0rd!"
    asked = {"id": Call(1).id, "operation": operation, "path": path + typed, "remote_address": "10.0.0.9"}
    entry = {"time": "2026-03-14T09:00:00.5Z", "type": "request", **BARE, "request": asked}
    answer = {**entry, "type": "response", "response": {}, "error": "invalid credentials"}
    file = tmp_path / "audit.log"
    file.write_bytes(written(entry) + b"\n" + written(answer) + b"\n")
    assert past.take(file).events == 1
    assert typed.encode() not in _stored(past)
    assert not [path for (path,) in past.rows("SELECT path FROM audit_path") if typed in path]


def test_a_token_in_a_name_is_stored_nowhere(past, tmp_path):
    token = "hvs." + "A" * 28
    line = Call(1).response().replace(b'"remote_address":"10.0.0.1"', f'"remote_address":"{token}"'.encode())
    line = line.replace(b"kubernetes-shop-app-0", f"token-{token}".encode())
    file = tmp_path / "audit.log"
    file.write_bytes(Call(1).request() + b"\n" + line + b"\n")
    assert past.take(file).events == 1
    names = past.rows("SELECT name FROM audit_principal UNION ALL SELECT address FROM audit_address")
    assert token.encode() not in _stored(past)
    assert not [name for (name,) in names if token in name]
