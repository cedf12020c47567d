"""Policies, roles and groups are kept as a look saw them: changed, gone, back again, unreadable, or not seen at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inventory import sync
from inventory.look import look
from inventory.models import AuthRole, Connection, Entity, Group, Policy, Unseen
from vault.server import AuthRole as Role
from vault.server import Entity as Person
from vault.server import Group as Circle
from vault.server import Mount, PolicyText

pytestmark = pytest.mark.django_db
READ = 'path "secret/data/*" { capabilities = ["read"] allowed_parameters = { "pin" = ["hunter2"] } } # psst'


@pytest.fixture
def connection():
    return Connection.objects.create(vault="prod", address="https://vault.example")


@pytest.fixture
def keep(world, connection):
    """Look with the printed policy, and keep what was found."""

    def once(**options):
        sync.keep(connection, look(world.ask(), **options))
        connection.refresh_from_db()
        return {one.name: one for one in Policy.objects.all()}

    world.server.texts.append(PolicyText("ops", READ, slashes=True))
    return once


def test_a_policy_is_kept_without_comments_and_values_and_with_the_digest_of_its_text(keep, connection):
    ops = keep()["ops"]
    assert "hunter2" not in ops.text and "psst" not in ops.text and 'path "secret/data/*"' in ops.text
    assert len(ops.sha256) == 64 and ops.slashes and not ops.unreadable
    assert connection.access_at is not None


def test_a_policy_that_can_not_be_read_is_kept_with_the_reason_and_no_text(keep, world):
    world.server.texts.append(PolicyText("odd", 'path "x" {\n  capabilities = ["raed"] }'))
    odd = keep()["odd"]
    assert odd.text == "" and odd.unreadable == "line 2, column 19: raed: no such capability"


def test_what_changes_is_dated_what_goes_is_marked_and_what_comes_back_is_there_again(keep, world):
    before = keep()["ops"]
    assert keep()["ops"].changed_at == before.changed_at
    world.server.texts[-1] = PolicyText("ops", 'path "x" { policy = "deny" }')
    changed = keep()["ops"]
    assert changed.changed_at > before.changed_at and changed.seen_first == before.seen_first
    ops = world.server.texts.pop()
    assert keep()["ops"].gone_at is not None
    world.server.texts.append(ops)
    assert keep()["ops"].gone_at is None


def test_roles_groups_and_the_policies_of_entities_are_kept(keep, world):
    world.server.methods.append(Mount("auth/kubernetes/", "kubernetes", "k_1"))
    binds = {"bound_service_account_names": ("api",)}
    world.server.given["auth/kubernetes/"] = [Role("auth/kubernetes/", "kubernetes", "api", ("ops",), True, binds)]
    world.server.circles = [Circle("g-1", "admins", policies=("ops",), entities=("id-1",))]
    world.server.people[0] = Person("id-1", "alice", policies=("ops",))
    keep()
    role = AuthRole.objects.get()
    assert (role.policies, role.no_default, role.binds) == (["ops"], True, {"bound_service_account_names": ["api"]})
    assert Group.objects.get().entities == ["id-1"] and Entity.objects.get(name="alice").policies == ["ops"]


def test_roles_go_with_their_method(keep, world):
    world.server.given["auth/userpass/"] = [Role("auth/userpass/", "userpass", "bob", ("ops",))]
    keep()
    world.server.methods.pop()
    keep()
    assert AuthRole.objects.get().gone_at is not None


@pytest.mark.parametrize(
    ("right", "path"),
    [
        ("sys/policies/acl/*", "sys/policies/acl"),
        ("identity/group/id/+", "identity/group/id"),
        ("auth/+/users/+", "auth/userpass/users"),
        ("auth/+/roles/+", "auth/token/roles"),
    ],
)
def test_without_a_right_what_was_known_stays_and_what_is_not_seen_is_named(keep, world, right, path):
    world.server.given["auth/userpass/"] = [Role("auth/userpass/", "userpass", "bob", ("ops",))]
    world.server.circles = [Circle("g-1", "admins")]
    keep()
    assert not Unseen.objects.exists()
    world.forbid(right)
    keep()
    assert [(one.path, one.why) for one in Unseen.objects.all()] == [(path, "no right")]
    gone = [model.objects.filter(gone_at__isnull=False).count() for model in (Policy, AuthRole, Group)]
    assert gone == [0, 0, 0]


def test_a_kind_of_auth_method_that_is_not_known_is_named(keep, world):
    world.server.methods.append(Mount("auth/own/", "own-plugin", "o_1"))
    keep()
    assert Unseen.objects.get().why == "Keybook does not know auth methods of the kind own-plugin"


def test_a_quick_look_reads_none_of_it_and_changes_none_of_it(keep, connection):
    keep()
    before = connection.access_at
    keep(deep=False)
    assert connection.access_at == before and not Unseen.objects.exists()
    assert before <= datetime.now(UTC)
