"""The role of the web process in PostgreSQL: enough for people to get in, and no right over the past of the trail."""

from __future__ import annotations

import re

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import tokens
from accounts.models import ApiToken, TrailEntry
from audit.models import ReceiverToken, Source
from config import roles
from tests.accounts.conftest import Browser, verbs


@pytest.fixture
def as_web(db):
    """Be the web process's role until the test's transaction ends."""
    roles.make()
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT {roles.WEB} TO CURRENT_USER WITH SET TRUE")
        cursor.execute(f"SET LOCAL ROLE {roles.WEB}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def test_people_sign_in_and_are_run_with_the_rights_of_the_web_process(cat, eve, as_web):
    window = Browser()
    window.enter("eve", "wrong")
    window.enter("eve")
    window.add_app()
    window.post("/people/new/", {"name": "bob", "role": "reader"})
    for action in ("role", "link", "disable", "enable"):
        window.post(f"/people/{cat.pk}/change/", {"action": action, "role": "operator"})
    assert window.get("/trail/").status_code == 200
    window.post("/sign-out/")
    assert verbs() == [
        "accounts.sign_in.refused", "accounts.user.signed_in", "accounts.totp.added", "accounts.user.created",
        "accounts.link.made", "accounts.role.changed", "accounts.link.made", "accounts.user.disabled",
        "accounts.user.enabled", "accounts.user.signed_out",
    ]  # fmt: skip


def test_sources_are_added_changed_and_stopped_with_the_rights_of_the_web_process(eve, as_web, settings):
    settings.KEYBOOK.log_roots = "/var/log"
    window = Browser()
    window.enter("eve")
    window.add_app()
    for given in (
        {"action": "receiver", "vault": "prod", "device": "http"},
        {"action": "receiver", "vault": "prod", "device": "http"},
        {"action": "file", "vault": "prod", "device": "file", "path": "/var/log/audit.log"},
        {"action": "vault", "vault": "prod", "address": "https://vault.example"},
    ):
        assert window.post("/settings/sources/change/", given).status_code in (200, 302)
    window.post("/settings/sources/change/", {"action": "revoke", "key": str(ReceiverToken.objects.first().pk)})
    window.post("/settings/sources/change/", {"action": "stop", "key": str(Source.objects.get(kind="file").pk)})
    assert verbs()[-7:] == [
        "audit.receiver.added", "audit.receiver_token.made", "audit.receiver_token.made", "audit.source.added",
        "audit.vault.asked", "audit.receiver_token.revoked", "audit.source.stopped",
    ]  # fmt: skip


def test_tokens_are_made_used_refused_and_revoked_with_the_rights_of_the_web_process(cat, eve, as_web):
    window = Browser()
    window.enter("eve")
    window.add_app()
    window.post(f"/people/{cat.pk}/change/", {"action": "area-add", "prefix": "secret"})
    given = {"name": "x", "scopes": ["events:read"], "days": "7", "networks": "203.0.113.0/24", "prefixes": "secret"}
    token = re.search(r"kbk_[\w-]+", window.post("/account/tokens/new/", given).content.decode())[0]
    assert tokens.find(token, "203.0.113.9").owner == eve
    with pytest.raises(tokens.Refused):
        tokens.find(token, "192.0.2.1")
    row = ApiToken.objects.get()
    assert row.used and row.refused
    window.post(f"/account/tokens/{row.pk}/revoke/")
    assert verbs()[-4:] == [
        "accounts.areas.changed", "accounts.token.made", "accounts.token.refused", "accounts.token.revoked",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_apitoken SET expires = now() + interval '9 years'",
        "UPDATE accounts_apitoken SET scopes = '{trail:read}'",
        "UPDATE accounts_apitoken SET networks = '{}'",
        "UPDATE accounts_apitoken SET owner_id = 1",
        "DELETE FROM accounts_apitoken",
        "DELETE FROM accounts_tokenarea",
        "UPDATE accounts_tokenarea SET prefix = ''",
    ],
)
def test_the_web_process_has_no_right_to_widen_a_token_that_was_made(db, as_web, statement):
    refused = pytest.raises(DatabaseError, match="permission denied")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_trailentry SET verb = 'x'",
        "DELETE FROM accounts_trailentry",
        "INSERT INTO accounts_trailentry (id) SELECT max(id) + 1 FROM accounts_trailentry",
        "TRUNCATE accounts_trailentry",
        "ALTER TABLE accounts_trailentry DISABLE TRIGGER ALL",
        "DROP TRIGGER accounts_trail_unchanged ON accounts_trailentry",
    ],
)
def test_the_web_process_has_no_right_over_the_past_of_the_trail(cat, as_web, statement):
    Browser().enter("cat")
    refused = pytest.raises(DatabaseError, match=r"permission denied|must be owner")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert TrailEntry.objects.count() == 1
