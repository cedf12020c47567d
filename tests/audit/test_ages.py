"""How old secrets are by made-up logs: what can be rotated, and the last call that gave it another value."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit import ages
from tests.audit.lines import START, Call, log
from tests.audit.our_lines import WROTE, lines, read_first


@pytest.fixture
def take(past, tmp_path):
    """A function that imports some bytes as a device's log."""

    def take(data, name="file.log"):
        path = tmp_path / name
        path.write_bytes(data)
        return past.take(path, device="file")

    return take


def engine(number, mount, kind, path, operation="update"):
    """Return both lines of a call below a mount of some engine."""
    call = Call(number, seed=kind, at=START + timedelta(seconds=number))
    more = {
        "request__path": mount + path, "request__mount_point": mount, "request__mount_type": kind,
        "request__operation": operation,
    }  # fmt: skip
    return b"\n".join([call.request(**more), call.response(data={}, **more)]) + b"\n"


def test_a_kv_secret_is_as_old_as_its_last_write(take):
    take(log([read_first()]) + lines([WROTE]))
    (known,) = ages.rotatable("kv", "secret/prod/*")
    assert (known.vault, known.name, known.first) == ("demo", "secret/prod/ledger/key", START)
    found = ages.rotated("kv", "demo", known.name, START)
    assert (found.version, found.at) == (8, START + timedelta(seconds=2))
    assert ages.rotated("kv", "demo", known.name, START + timedelta(seconds=3)) is None
    assert ages.rotatable("kv", "secret/test/*") == ages.rotatable("kv", "secret/prod/*", "other") == []


def test_a_secret_that_is_only_read_was_never_seen_to_change(take):
    take(log([Call(1)]))
    (known,) = ages.rotatable("kv", "secret/*")
    assert ages.rotated("kv", "demo", known.name, START) is None


def test_a_static_role_and_a_transit_key_are_as_old_as_their_last_rotation(take):
    take(
        engine(1, "database/", "database", "static-creds/ledger", "read")
        + engine(2, "database/", "database", "rotate-role/ledger")
        + engine(3, "database/", "database", "creds/payments", "read")
        + engine(4, "transit/", "transit", "keys/ledger/rotate")
        + engine(5, "transit/", "transit", "encrypt/ledger")
        + engine(6, "transit/", "transit", "keys/ledger/config")
    )
    (role,) = ages.rotatable("database_role", "database/*")
    assert role.name == "database/static-creds/ledger"
    assert ages.rotated("database_role", "demo", role.name, START).at == START + timedelta(seconds=2)
    (key,) = ages.rotatable("transit", "transit/*")
    assert ages.rotated("transit", "demo", key.name, START).at == START + timedelta(seconds=4)


def test_of_what_the_record_shows_nothing_it_says_nothing(take):
    take(log([Call(1)]))
    assert ages.rotatable("database_root", "database/config/pg") == []
    assert ages.rotated("database_root", "demo", "database/config/pg", START) is None
    assert ages.rotatable("kv", "secret/100%_*") == [], "a name's own % and _ are no wild cards"
