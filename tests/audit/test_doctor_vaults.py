"""For each line of doctor about a connected vault: its subject is broken, and the line and its mend are seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.checks import vaults
from inventory import sync
from inventory.look import look
from inventory.models import Connection
from tests.audit.doctor_lines import NOW, bad, line, vault, well
from vault import policy
from vault.server import Token

__all__ = ["vault", "well"]


def test_a_vault_that_is_away(vault):
    vault.server.away = True
    assert "gave no answer" in bad("vault prod: vault", vault.ask).detail
    assert "gave no answer" in bad("vault prod: vault", vault.ask_bare).detail


def test_a_sealed_vault(vault):
    vault.server.sealed = True
    assert bad("vault prod: vault", vault.ask).mend == "Unseal it."


def test_a_token_that_is_gone(vault):
    vault.server.tokens.clear()
    assert "Issue a new one" in bad("vault prod: token", vault.ask).mend


def test_a_token_that_soon_ends(vault):
    vault.server.tokens["keybook"] = Token("t", ("keybook",), "a", "", 3600, False)
    assert "60 minutes" in bad("vault prod: token", vault.ask).detail


@pytest.mark.parametrize("right", [one for one in policy.RIGHTS if one.needed and "lookup-self" not in one.path])
def test_a_right_that_is_missing(vault, right):
    del vault.server.policies["keybook"][right.path]
    assert right.hcl() in bad(f"vault prod: {right.path} (", vault.ask).mend


def test_a_token_that_may_too_much(vault):
    vault.server.policies["keybook"]["*"] = ("read",)
    vault.server.engines.append(type(vault.server.engines[0])("secret/", "kv", "kv_1", 2))
    assert "does not need that" in bad("vault prod: no more rights", vault.ask).detail


def test_a_clock_that_differs(vault):
    vault.server.server_time = int(NOW.timestamp()) + 3600
    assert "ahead of ours" in bad("vault prod: clock", vault.ask).detail


def test_without_a_token_the_last_look_is_told(vault):
    assert "no look with a token" in bad("vault prod: rights", vault.ask_bare).detail
    sync.keep(vault.connection, look(vault.ask(None)[0]))
    assert "every right was there" in line("vault prod: rights", vault.ask_bare).detail
    del vault.server.policies["keybook"]["sys/auth"]
    sync.keep(vault.connection, look(vault.ask(None)[0]))
    assert "at the last look" in bad("vault prod: sys/auth", vault.ask_bare).detail


def test_a_token_that_has_ended_since_the_last_look_is_told(vault):
    sync.keep(vault.connection, look(vault.ask(None)[0]))
    Connection.objects.update(token_until=NOW - timedelta(hours=1))
    assert "it has ended" in bad("vault prod: token", vault.ask_bare).detail


def test_a_token_file_that_can_t_be_read(vault):
    def ask(_):
        raise vaults.CannotAsk("/run/prod.token: No such file")

    assert "KEYBOOK_VAULT_TOKEN_FILES" in bad("vault prod: token", ask).mend
