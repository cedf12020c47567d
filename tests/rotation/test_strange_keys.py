"""A key that a secret has not: a new value under a misspelt name replaces none, and is refused before approval."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rotation.kv import NAMED, Place
from rotation.steps import write_kv
from vault.errors import NotPermitted

PLACE = Place("secret", "prod/ledger/bank-sftp")


def checked(keys, there, current=3):
    """Return what the look before approval says, of a secret that has these keys."""

    class Vault:
        def kv_state(self, mount, path):
            return SimpleNamespace(current_version=current)

        def kv_subkeys(self, mount, path):
            if isinstance(there, Exception):
                raise there
            return there

    @contextmanager
    def vault(*_):
        yield Vault()

    world = SimpleNamespace(vault="demo", doors=SimpleNamespace(vault=vault))
    return write_kv.check(write_kv.Args(PLACE, "role", keys), world)


def test_a_misspelt_key_stops_the_change_before_anybody_approves_it_and_the_names_that_are_there_are_told():
    (trouble,) = checked(("pasword", "user"), ("password", "user")).troubles
    assert trouble == (
        "secret/prod/ledger/bank-sftp has no key pasword; it has password, user. Its old value would stay: ask again "
        "with names that are there."
    )
    many = tuple(f"k{number}" for number in range(NAMED + 2))
    assert "k7 and 2 more." in checked(("pasword",), many).troubles[0]


@pytest.mark.parametrize("there", [("password", "user"), (), NotPermitted("no", "there", "ask")])
def test_keys_that_are_there_or_that_the_vault_does_not_tell_stop_nothing(there):
    found = checked(("password",), there)
    assert found.troubles == () and found.facts == {"current_version": 3}
