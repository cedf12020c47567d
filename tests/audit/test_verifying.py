"""Leases are verified by a vault's lookups, slowly, and only where its token may ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from audit import leasing, verifying
from audit.lease_models import Lease, LeaseHash
from audit.looking import look_at_vaults
from audit.models import Device
from inventory.leases import State
from inventory.models import Connection
from tests.audit.forgetting import forget_connections
from vault import policy
from vault.fake import FakeServer, FakeVault
from vault.server import Lease as Listed
from vault.server import Token

END = datetime(2026, 11, 21, 2, 54, 40, tzinfo=UTC)  # some seconds after the last line of the recording


@pytest.fixture
def world(past, recorded, tmp_path, monkeypatch):
    """The recorded log's vault, connected, with a token that has the printed policy."""

    class World:
        server = FakeServer()
        now = END
        connection = Connection.objects.create(vault="demo", address="https://vault.example")
        hashes: list[str] = []

        def ask(self, _, token):
            return FakeVault(self.server, token)

        def verify(self, **given):
            return verifying.verify(self.ask, clock=lambda: self.now, **{"seconds": 60, **given})

        def allow(self, but=()):
            rules = {right.path: right.capabilities for right in policy.RIGHTS if right.path not in but}
            self.server.policies["keybook"] = rules

        def states(self):
            return {one.lease_id: State(one.state) for one in Lease.objects.all()}

    world = World()
    world.allow()
    world.server.tokens["s.demo"] = Token("keybook", ("keybook",), "a", "", 1000, True, 86400 * 30, True)
    (tmp_path / "demo.token").write_text("s.demo\n")
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", f"demo={tmp_path}/demo.token@https://vault.example")
    monkeypatch.setattr(verifying, "PER_SECOND", 100_000.0)
    log = tmp_path / "audit.log"
    log.write_bytes(recorded("audit.log"))
    past.take(log)
    leasing.catch_up()
    Device.objects.update(last_time=END)  # as if the vault had gone on writing
    yield world
    forget_connections()


def listed(truth, *, but=()):
    """What the vault would have listed at the end of the recording."""
    ends = END + timedelta(minutes=10)
    alive = [id for id, lease in truth["leases"].items() if lease["alive_at_end"] and id not in but]
    return {id: Listed(id, 600, ends) for id in alive}


def test_lookups_and_hashes_tell_how_every_lease_ended(world, truth):
    world.server.leases, hashed = listed(truth), known_by_renewal()
    done = world.verify()
    assert (done.hashed, done.looked, done.refused) == (37 - hashed, 37, [])
    told = world.states()
    assert {id for id, state in told.items() if state is State.LIVE} == world.server.leases.keys()
    ended = {id for id, lease in truth["leases"].items() if lease["ended_how"] == "expired"}
    assert {id for id, state in told.items() if state is State.EXPIRED} == ended
    assert {
        id for id, state in told.items() if state is State.REVOKED
    } == told.keys() - world.server.leases.keys() - ended


def known_by_renewal():
    return Lease.objects.exclude(renewals=0).count()


def test_what_was_asked_is_not_asked_again_before_it_is_due(world, truth):
    world.server.leases = listed(truth)
    world.verify()
    again = world.verify()
    assert (again.hashed, again.looked) == (0, 0)
    world.now = END + timedelta(minutes=16)
    world.server.leases = {}
    later = world.verify()
    assert later.looked == 22
    assert State.LIVE not in world.states().values()


def test_gone_before_the_log_was_read_that_far_is_told_why_once_it_is(world, truth):
    world.server.leases = listed(truth)
    world.now = END + timedelta(minutes=5)  # no line of the log is that late
    world.verify()
    gone = Lease.objects.filter(state=State.GONE)
    assert {one.lease_id for one in gone} == {
        id for id, lease in truth["leases"].items() if lease["ended_how"] == "expired"
    }
    assert all(one.look_at is not None for one in gone)
    Device.objects.update(last_time=END + timedelta(minutes=6))
    gone.update(look_at=datetime.now(UTC))
    leasing.catch_up()
    assert not gone.exists() and Lease.objects.filter(state=State.EXPIRED).count() == 4


def test_a_lease_past_its_end_that_is_listed_still_fails_to_be_revoked_or_was_given_up(world, truth):
    first, second = list(listed(truth))[:2]
    world.server.leases = listed(truth) | {first: Listed(first, -5, END), second: Listed(second, -9, END)}
    world.verify()
    assert (world.states()[first], world.states()[second]) == (State.QUEUED, State.QUEUED)
    world.server.given_up = {second}
    world.now = END + timedelta(minutes=1)
    assert world.verify().looked == 2
    assert (world.states()[first], world.states()[second]) == (State.QUEUED, State.IRREVOCABLE)


def test_without_the_right_to_look_up_nothing_is_verified_and_the_vault_is_not_bothered(world):
    world.allow(but=["sys/leases/lookup"])
    assert "sys/leases/lookup" in world.verify().refused[0]
    look_at_vaults(world.ask)
    assert world.verify().refused == []
    assert not Lease.objects.filter(verified_at__isnull=False).exists()
    assert LeaseHash.objects.count() == 37


def test_without_the_right_to_hash_leases_are_verified_all_the_same(world, truth):
    world.allow(but=["sys/audit-hash/+"])
    world.server.leases = listed(truth)
    assert world.verify().looked == 37
    assert LeaseHash.objects.count() == known_by_renewal()


def test_a_device_that_the_vault_does_not_know_is_said(world):
    world.server.devices = []
    assert any("demo/file" in one for one in world.verify().refused)


def test_a_vault_that_is_away_is_asked_when_it_is_back(world, truth):
    world.server.away = True
    assert world.verify().looked == 0
    world.server.away = False
    world.server.leases = listed(truth)
    assert world.verify().looked == 37


def test_a_process_without_the_token_asks_nothing(world, monkeypatch):
    monkeypatch.setattr(settings.KEYBOOK, "vault_token_files", "")
    assert world.verify() == verifying.Asked()


def test_questions_come_no_faster_than_they_may(world, truth, monkeypatch):
    monkeypatch.setattr(verifying, "PER_SECOND", 50.0)
    world.server.leases = listed(truth)
    done = world.verify(seconds=0.2)
    assert 1 <= done.hashed + done.looked <= 11
