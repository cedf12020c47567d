"""What a look found is kept: what is new, what changed, what has gone."""

from __future__ import annotations

import pytest

from inventory import asking, sync
from inventory.look import look
from inventory.models import Alias, Connection, Entity, Mount
from vault.server import Entity as Seen
from vault.server import Mount as SeenMount

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection():
    return Connection.objects.create(vault="prod", address="https://vault.example")


def test_mounts_entities_aliases_and_lines_are_kept(world, connection):
    sync.keep(connection, look(world.ask()))
    connection.refresh_from_db()
    assert connection.version == "2.7.2" and connection.looked_at and connection.token_until
    assert Mount.objects.get(path="secret/").kv_version == 2
    assert Mount.objects.get(path="auth/userpass/").accessor == "userpass_1"
    alice = Entity.objects.get(name="alice")
    assert alice.metadata == {"team": "blue"} and Entity.objects.get(name="bob").disabled
    assert [(one.name, one.mount_path, one.metadata) for one in alice.aliases.all()] == [
        ("alice", "auth/userpass/", {"from": "hr"})
    ]
    assert connection.lines.count() > 10 and all(line.ok for line in connection.lines.all())


def test_looking_twice_changes_nothing_but_the_time(world, connection):
    sync.keep(connection, look(world.ask()))
    before = [list(model.objects.order_by("pk").values_list("pk", flat=True)) for model in (Mount, Entity)]
    sync.keep(connection, look(world.ask()))
    assert [list(model.objects.order_by("pk").values_list("pk", flat=True)) for model in (Mount, Entity)] == before
    assert Alias.objects.count() == 1


def test_what_the_vault_no_longer_shows_is_marked_gone_and_kept(world, connection):
    sync.keep(connection, look(world.ask()))
    world.server.engines = [one for one in world.server.engines if one.path != "legacy/"]
    world.server.people = [world.server.people[0]]
    sync.keep(connection, look(world.ask()))
    assert Mount.objects.get(path="legacy/").gone_at and not Mount.objects.get(path="secret/").gone_at
    assert Entity.objects.get(name="bob").gone_at and not Entity.objects.get(name="alice").gone_at


def test_a_remount_is_another_mount(world, connection):
    sync.keep(connection, look(world.ask()))
    world.server.engines = [SeenMount("secret/", "kv", "kv_9", 1)]
    sync.keep(connection, look(world.ask()))
    found = Mount.objects.filter(path="secret/").order_by("pk")
    assert [(one.accessor, one.kv_version, bool(one.gone_at)) for one in found] == [
        ("kv_1", 2, True),
        ("kv_9", 1, False),
    ]


def test_who_may_not_be_listed_is_not_taken_for_gone(world, connection):
    sync.keep(connection, look(world.ask()))
    world.forbid("identity/entity/id")
    world.forbid("identity/entity/id/+")
    sync.keep(connection, look(world.ask()))
    assert Entity.objects.filter(gone_at=None).count() == 2


def test_an_entity_that_comes_back_is_no_longer_gone(world, connection):
    people = world.server.people
    for world.server.people in (people, [Seen("id-3", "carol")], people):
        sync.keep(connection, look(world.ask()))
    assert set(Entity.objects.filter(gone_at=None).values_list("name", flat=True)) == {"alice", "bob"}


def test_a_token_is_read_from_the_file_of_its_vault(tmp_path, connection):
    (tmp_path / "prod").write_text("s.readonly\n")
    at = connection.address
    setting = f"dev={tmp_path}/dev@{at}, prod={tmp_path}/prod@{at}/"
    assert asking.token_of(connection, setting) == "s.readonly"
    team = Connection(vault="prod", namespace="team", address=at)
    assert asking.token_of(team, setting + f",prod/team={tmp_path}/prod@{at}") == "s.readonly"
    assert asking.token_of(Connection(vault="other", address=at), setting) == ""


@pytest.mark.parametrize("beside", ["", "@https://vault.example:8201", "@http://vault.example:8200", "@https://"])
def test_a_token_goes_to_no_address_but_the_one_beside_its_file(tmp_path, beside):
    (tmp_path / "prod").write_text("s.readonly\n")
    for namespace in ("", "made-up"):
        written = Connection(vault="prod", namespace=namespace, address="https://vault.example:8200")
        with pytest.raises(asking.UnusableToken, match="the token was sent nowhere") as caught:
            asking.token_of(written, f"prod={tmp_path}/prod{beside}")
        assert "s.readonly" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "two words", "a\nb", "\x00\x01", "\N{SNOWMAN}"])
def test_a_file_without_a_token_is_told_and_not_shown(tmp_path, text):
    (tmp_path / "token").write_text(text)
    with pytest.raises(asking.UnusableToken) as caught:
        asking.read_token(str(tmp_path / "token"))
    assert "holds no token" in str(caught.value) and "words" not in str(caught.value)


def test_a_token_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(asking.UnusableToken, match="No such file"):
        asking.read_token(str(tmp_path / "none"))
