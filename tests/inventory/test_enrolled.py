"""What is enrolled for the executor, as the mirror of a vault shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inventory import sync
from inventory.enrolled import enrolled
from inventory.look import look
from inventory.models import Connection
from vault.enrolment import Want, enrolment
from vault.server import AuthRole, PolicyText

pytestmark = pytest.mark.django_db
WRITE = enrolment("kv", "write", "secret", "prod/")


@pytest.fixture
def asked(world):
    connection = Connection.objects.create(vault="v", address="https://vault.example")

    def ask(name="prod/a"):
        sync.keep(connection, look(world.ask()))
        return enrolled(connection, Want("kv", "write", "secret", name), datetime.now(UTC))

    return ask


def apply(world, one, text=None):
    world.server.texts.append(PolicyText(one.name, text or one.policy()))
    role = AuthRole("auth/token/", "token", one.name, (one.name,))
    world.server.given.setdefault("auth/token/", []).append(role)


def test_what_a_person_applied_as_printed_is_covered(world, asked):
    assert not asked()
    apply(world, WRITE)
    assert asked().role == WRITE.name and not asked("test/a")


def test_what_was_taken_back_is_not(world, asked):
    apply(world, WRITE)
    assert asked()
    world.server.given["auth/token/"].clear()
    found = asked()
    assert not found and found.apply == WRITE and found.why_not == "nothing is enrolled for kv write"


def test_a_policy_that_was_cut_down_is_told_with_what_it_lacks(world, asked):
    apply(world, WRITE, WRITE.policy().replace('"create", "patch"', '"create"'))
    assert "does not allow create and patch on secret/data/prod/a" in asked().why_not


def test_a_policy_that_could_not_be_read_is_named(world, asked):
    apply(world, WRITE, WRITE.policy().replace('"patch"', '"ptach"'))
    assert f"the policy {WRITE.name} of {WRITE.name} could not be read" in asked().why_not


def test_a_verb_in_a_namespace_is_looked_for_there(world):
    connection = Connection.objects.create(vault="v", namespace="team-a", address="https://vault.example")
    apply(world, WRITE)
    sync.keep(connection, look(world.ask()))
    assert enrolled(connection, Want("kv", "write", "secret", "prod/a"), datetime.now(UTC)).role == WRITE.name
