"""Who may read, from the mirror alone: what is not known is said, and never taken for nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory import sync
from inventory.look import look
from inventory.may_read import UnknownMount, what_may_read, who_may_read
from inventory.models import Connection
from vault.server import Alias, AuthRole, Entity, Group, Mount, PolicyText

pytestmark = pytest.mark.django_db
READ = 'path "secret/data/prod/*" { capabilities = ["read"] }'


@pytest.fixture
def told(world):
    """A function that looks, keeps, and returns {name: may} of the readers of one secret's value."""
    world.server.texts += [
        PolicyText("prod", READ),
        PolicyText("broken", 'path "secret/*" { capabilities = ["raed"] }'),
    ]
    connection = Connection.objects.create(vault="v", address="https://vault.example")

    def ask(path="prod/x"):
        sync.keep(connection, look(world.ask()))
        found = who_may_read("v", "", "secret/", path)
        return found, {
            one.holder.name: way.may for one in found.readers for way in one.ways if way.call.gives == "value"
        }

    return ask


def user(world, name, *policies):
    world.server.given.setdefault("auth/userpass/", []).append(AuthRole("auth/userpass/", "userpass", name, policies))


def test_a_policy_that_could_not_be_read_makes_the_answer_unknown_and_is_named(world, told):
    user(world, "ann", "prod"), user(world, "ben", "broken"), user(world, "cat")
    found, readers = told()
    assert readers == {"ann": "yes", "ben": "unknown"}
    assert found.known.unseen == ["policy broken: line 1, column 35: raed: no such capability"]


def test_a_policy_that_is_over_grants_nothing_more(world, told):
    over = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    world.server.texts.append(PolicyText("old", READ, expires=over))
    user(world, "ann", "old")
    assert told()[1] == {}


def test_a_disabled_entity_and_one_that_went_are_no_readers(world, told):
    world.server.people = [
        Entity("e-1", "ann", False, policies=("prod",)), Entity("e-2", "ben", True, policies=("prod",)),
        Entity("e-3", "cat", policies=("prod",)),
    ]  # fmt: skip
    assert set(told()[1]) == {"ann", "cat"}
    world.server.people.pop()
    assert set(told()[1]) == {"ann"}


def test_members_of_a_group_in_a_group_get_the_policies_of_both_and_a_ring_of_groups_does_no_harm(world, told):
    world.server.people = [Entity("e-1", "ann")]
    inner = Group("g-1", "inner", entities=("e-1",), groups=("g-2",))
    world.server.circles = [inner, Group("g-2", "outer", policies=("prod",), groups=("g-1",))]
    assert set(told()[1]) == {"ann", "inner", "outer"}


def test_the_holder_of_root_may_read_everything(world, told):
    world.server.people = [Entity("e-1", "ann", policies=("root",))]
    found, readers = told()
    assert readers == {"ann": "yes"} and found.readers[0].ways[0].answer.by == ("root",)


def test_a_token_role_may_give_any_of_its_policies_also_by_a_glob(world, told):
    binds = {"allowed_policies_glob": ("pr*",)}
    world.server.given["auth/token/"] = [AuthRole("auth/token/", "token", "ci", binds=binds)]
    assert told()[1] == {"ci": "yes"}


def account(world):
    world.server.methods.append(Mount("auth/kubernetes/", "kubernetes", "k_1"))
    world.server.texts.append(
        PolicyText(
            "own",
            'path "secret/data/{{identity.entity.aliases.k_1.metadata.service_account_name}}" { policy = "read" }',
        )
    )
    binds = {"bound_service_account_names": ("api*",), "bound_service_account_namespaces": ("shop",)}
    role = AuthRole("auth/kubernetes/", "kubernetes", "api", ("own",), binds=binds)
    world.server.given["auth/kubernetes/"] = [role]


def test_a_role_with_a_template_depends_on_who_comes_and_a_known_account_does_not(world, told):
    account(world)
    metadata = {"service_account_name": "api", "service_account_namespace": "shop"}
    world.server.people = [Entity("e-1", "x", aliases=(Alias("uid", "k_1", "auth/kubernetes/", metadata),))]
    found, readers = told("api")
    assert readers == {"api": "depends", "shop/api": "yes"}
    assert told("other")[1] == {"api": "depends"}
    way = next(one for one in found.readers if one.holder.kind == "role").ways[0]
    assert way.answer.depends_on == ("identity.entity.aliases.k_1.metadata.service_account_name",)


def test_an_account_that_never_came_in_is_known_by_the_roles_that_bind_it(world, told):
    account(world)
    told()
    found = what_may_read(
        "v", "service_account", "shop/api-new", [("", "secret/", "api-new"), ("", "secret/", "prod/x")]
    )
    assert [secret for secret, _ in found.secrets] == ["secret/api-new", "secret/prod/x"][:1]
    assert found.secrets[0][1][0].ways[0].may == "depends"
    assert what_may_read("v", "service_account", "shop/web", [("", "secret/", "api")]).holders == []


def test_no_more_secrets_are_asked_about_than_the_limit(world, told, monkeypatch):
    monkeypatch.setattr("inventory.may_read.MOST", 2)
    user(world, "ann", "prod")
    told()
    found = what_may_read("v", "human", "ann", ((("", "secret/", f"prod/{one}")) for one in range(9)))
    assert len(found.secrets) == 2 and found.more


def test_a_vault_that_was_never_looked_at_or_is_not_connected_is_told():
    Connection.objects.create(vault="v", address="https://vault.example")
    never = who_may_read("v", "", "secret/", "x", kind="kv", kv_version=2).known
    assert never.as_of is None and never.unseen == ["v: policies were never read"]
    nowhere = who_may_read("w", "", "secret/", "x", kind="kv", kv_version=2).known
    assert nowhere.as_of is None and nowhere.unseen == ["w is not connected for this namespace"]


def test_a_mount_that_the_mirror_does_not_know_is_a_sentence(told):
    told()
    with pytest.raises(UnknownMount, match="no mount team/secret/"):
        who_may_read("v", "team/", "secret/", "x")
