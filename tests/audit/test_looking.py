"""A worker with a vault's token looks when a page asks and now and then; one without leaves the wish standing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from audit.looking import EVERY, look_at_vaults
from audit.models import Mount
from inventory.models import Connection, Entity
from tests.audit.forgetting import forget_connections
from vault import policy
from vault.errors import UnusableAddress
from vault.fake import FakeServer, FakeVault
from vault.server import Mount as Told
from vault.server import Token


@pytest.fixture
def world(past, tmp_path, monkeypatch):
    """A vault, and a worker that has its token in a file."""

    class World:
        server = FakeServer()
        connection = Connection.objects.create(
            vault="prod", address="https://vault.example", wanted_at=datetime.now(UTC)
        )

        def look(self):
            return look_at_vaults(lambda _, token: FakeVault(self.server, token))

        def lines(self):
            return {line.name: line for line in self.connection.lines.all()}

    world = World()
    world.server.engines.append(Told("secret/", "kv", "kv_1", 2))
    world.server.policies["keybook"] = {right.path: right.capabilities for right in policy.RIGHTS}
    world.server.tokens["s.prod"] = Token("keybook", ("keybook",), "a", "", 1000, True, 86400 * 30, True)
    (tmp_path / "prod.token").write_text("s.prod\n")
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", f"prod={tmp_path}/prod.token@https://vault.example")
    yield world
    forget_connections()


def test_a_wanted_look_is_taken_and_ingestion_learns_the_mounts(world):
    assert world.look() == 1
    world.connection.refresh_from_db()
    assert world.connection.wanted_at is None and world.connection.version == "2.7.2"
    assert world.lines()["vault"].ok and Mount.objects.get(path="secret/").kv_version == 2
    assert not Entity.objects.exists()


def test_the_token_is_kept_alive(world):
    world.look()
    assert world.server.tokens["s.prod"].ttl == 86400 * 30


def test_a_token_that_may_not_be_renewed_is_told(world):
    del world.server.policies["keybook"]["auth/token/renew-self"]
    world.look()
    assert not world.lines()["renewal"].ok and "auth/token/renew-self" in world.lines()["renewal"].mend


def test_a_look_is_taken_again_when_it_is_old_and_not_before(world):
    assert [world.look(), world.look()] == [1, 0]
    Connection.objects.update(looked_at=datetime.now(UTC) - EVERY - timedelta(seconds=1))
    assert world.look() == 1


def test_without_a_token_the_wish_stays_for_a_worker_that_has_one(world, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", "")
    assert world.look() == 0
    world.connection.refresh_from_db()
    assert world.connection.wanted_at is not None and world.lines() == {}


def test_a_token_file_that_is_not_there_is_told(world, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", "prod=/nowhere@https://vault.example")
    world.look()
    assert "No such file" in world.lines()["token"].detail


def test_a_token_is_not_sent_to_the_address_that_a_page_wrote_over_the_vaults_own(world):
    Connection.objects.update(address="https://evil.example")
    asked = []
    assert look_at_vaults(lambda connection, token: asked.append(token)) == 1 and asked == []
    line = world.lines()["token"]
    assert "was sent nowhere" in line.detail and "prod.token@https://evil.example" in line.detail


def test_a_vault_that_is_away_keeps_what_was_known_of_it(world):
    world.look()
    world.server.away = True
    Connection.objects.update(wanted_at=datetime.now(UTC))
    world.look()
    world.connection.refresh_from_db()
    assert "gave no answer" in world.lines()["vault"].detail and world.connection.version == "2.7.2"
    assert world.connection.mounts.filter(path="secret/", gone_at=None).exists()


def test_an_address_that_may_not_be_called_is_told(world):
    def refuse(*_):
        raise UnusableAddress("plain http to another machine", "vault.example", "use https")

    assert look_at_vaults(refuse) == 1
    assert "plain http" in world.lines()["address"].detail
