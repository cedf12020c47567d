"""One contract for the client and its fake: the same questions, the same answers, the same errors."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import uuid
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from vault import errors
from vault.client import Client
from vault.fake import FakeServer, FakeVault
from vault.server import Alias, Entity, Lease, Mount, Server, Token


class FakeWorld:
    """A pretended server that a test can furnish."""

    def __init__(self):
        self.server = FakeServer()

    def ask(self, token="root") -> Server:
        return FakeVault(self.server, token)

    def ask_nobody(self) -> Server:
        away = FakeServer()
        away.away = True
        return FakeVault(away, "root")

    def mount(self, path, version):
        self.server.engines.append(Mount(path, "kv", "kv_" + path.strip("/"), version))

    def token(self, name):
        self.server.tokens["made"] = Token(f"token-{name}", ("default",), "accessor-made", "", 600, True)
        return "made"

    def allow(self, name, rules):
        self.server.policies[name] = {path: tuple(caps) for path, caps in rules.items()}
        self.server.tokens[name] = Token(f"token-{name}", (name,), "accessor-" + name, "", 600, True, 600, True)
        return name

    def entity(self, name, alias, metadata):
        method = self.server.methods[0]
        known = Alias(alias, method.accessor, method.path)
        self.server.people.append(Entity(f"id-of-{name}", name, False, metadata, (known,)))

    def revoke(self, token):
        del self.server.tokens[token]

    def leased(self):
        known = Lease("database/creds/ro/abc", 3600, datetime.now(UTC) + timedelta(hours=1), True)
        self.server.leases[known.id] = known
        return known.id

    def end(self, lease):
        del self.server.leases[lease]


class LiveWorld:
    """The OpenBao named by VAULT_ADDR, asked with VAULT_TOKEN, which must be root."""

    def __init__(self):
        import hvac

        self.address, self.root = os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"]
        self.hvac = hvac.Client(self.address, self.root)
        self.mounted, self.policies, self.people = [], [], []

    def ask(self, token=None) -> Server:
        return Client(self.address, token or self.root)

    def ask_nobody(self) -> Server:
        return Client("http://127.0.0.1:1", "any")  # nothing listens on port 1

    def mount(self, path, version):
        self.hvac.sys.enable_secrets_engine("kv", path=path, options={"version": str(version)})
        self.mounted.append(path)

    def token(self, name):
        made = self.hvac.auth.token.create(policies=["default"], display_name=name, ttl="10m")
        return made["auth"]["client_token"]

    def allow(self, name, rules):
        text = "".join(f'path "{path}" {{ capabilities = {json.dumps(caps)} }}\n' for path, caps in rules.items())
        self.hvac.sys.create_or_update_policy(name, text)
        self.policies.append(name)
        made = self.hvac.auth.token.create(policies=[name], no_default_policy=True, no_parent=True, period="10m")
        return made["auth"]["client_token"]

    def entity(self, name, alias, metadata):
        token = self.hvac.sys.list_auth_methods()["data"]["token/"]["accessor"]
        made = self.hvac.secrets.identity.create_or_update_entity(name, metadata=metadata)["data"]["id"]
        self.people.append(made)
        self.hvac.secrets.identity.create_or_update_entity_alias(alias, made, token)

    def revoke(self, token):
        self.hvac.auth.token.revoke(token)

    def leased(self):
        return self.hvac.read("database/creds/payments-ro")["lease_id"]

    def end(self, lease):
        self.hvac.sys.revoke_lease(lease)

    def close(self):
        for path in self.mounted:
            self.hvac.sys.disable_secrets_engine(path)
        for name in self.policies:
            self.hvac.sys.delete_policy(name)
        for one in self.people:
            self.hvac.secrets.identity.delete_entity(one)


@pytest.fixture(params=["fake", pytest.param("live", marks=pytest.mark.live)])
def world(request):
    if request.param == "fake":
        yield FakeWorld()
        return
    if not os.environ.get("VAULT_ADDR"):
        pytest.skip("VAULT_ADDR names no OpenBao; bin/sandbox --vault sets it")
    live = LiveWorld()
    yield live
    live.close()


@pytest.fixture
def path():
    return f"contract-{secrets.token_hex(4)}/"


def test_a_server_tells_its_health_without_a_token(world):
    health = world.ask("").health()
    assert health.initialized and not health.sealed and not health.standby
    assert health.version.split(".")[0].isdigit()
    assert health.cluster_id


def test_mounts_tell_the_version_of_each_kv(world, path):
    world.mount("one-" + path, 1)
    world.mount("two-" + path, 2)
    mounts = {mount.path: mount for mount in world.ask().mounts()}
    assert (mounts["one-" + path].kv_version, mounts["two-" + path].kv_version) == (1, 2)
    assert mounts["one-" + path].type == "kv" and mounts["one-" + path].accessor
    assert mounts["sys/"].kv_version == 0
    assert list(mounts) == sorted(mounts)


def test_auth_methods_carry_the_path_that_the_log_shows(world):
    methods = {method.path: method for method in world.ask().auth_methods()}
    assert methods["auth/token/"].type == "token"
    assert all(path.startswith("auth/") and path.endswith("/") for path in methods)


def test_a_token_that_may_not_list_mounts_sees_what_it_can_use(world, path):
    world.mount(path, 2)
    poor = world.ask(world.token("poor"))
    shown = {mount.path for mount in poor.mounts()}
    assert "cubbyhole/" in shown and path not in shown
    assert {method.path for method in poor.auth_methods()} == {"auth/token/"}


def test_a_token_tells_who_it_is(world):
    token = world.ask(world.token("reader")).whoami()
    assert token.display_name == "token-reader"
    assert token.policies == ("default",)
    assert token.accessor and token.renewable and 0 < token.ttl <= 600


def test_a_root_token_does_not_expire(world):
    token = world.ask().whoami()
    assert token.policies == ("root",) and token.ttl == 0 and not token.renewable


def test_a_periodic_orphan_tells_that_it_is_one(world, path):
    token = world.ask(world.allow(path[:-1], {"auth/token/lookup-self": ["read"]})).whoami()
    assert (token.period, token.orphan) == (600, True)
    root = world.ask().whoami()
    assert root.period == 0


def test_a_knock_is_a_call_that_the_log_can_be_searched_for(world):
    one, two = world.ask().knock(), world.ask().knock()
    assert one != two
    assert [str(uuid.UUID(each)) for each in (one, two)] == [one, two]


def test_a_token_tells_what_it_may_do_at_each_path(world, path):
    rules = {"sys/capabilities-self": ["update"], "sys/mounts": ["read"], "some/+/thing": ["list", "read"]}
    asked = world.ask(world.allow(path[:-1], rules))
    assert asked.capabilities(["sys/mounts", "sys/auth", "some/old/thing"]) == {
        "sys/mounts": ("read",), "sys/auth": ("deny",), "some/old/thing": ("list", "read"),
    }  # fmt: skip
    assert world.ask().capabilities(["sys/auth"]) == {"sys/auth": ("root",)}


def test_a_token_lists_its_rules_but_not_those_with_a_plus(world, path):
    acl = "sys/internal/ui/resultant-acl"
    rules = {acl: ["read"], "secret/data/prod/*": ["read"], "some/+/thing": ["read"]}
    reach = world.ask(world.allow(path[:-1], rules)).reach()
    assert (reach.root, dict(reach.exact), dict(reach.beginnings)) == (
        False, {acl: ("read",)}, {"secret/data/prod/": ("read",)},
    )  # fmt: skip
    assert world.ask().reach().root


def test_entities_come_with_their_aliases_and_metadata_up_to_a_limit(world, path):
    world.entity("a-" + path[:-1], "alias-of-" + path[:-1], {"team": "blue"})
    found = {one.name: one for one in world.ask().entities(1000)}
    one = found["a-" + path[:-1]]
    assert dict(one.metadata) == {"team": "blue"} and one.id and not one.disabled
    assert [(alias.name, alias.mount_path) for alias in one.aliases] == [("alias-of-" + path[:-1], "auth/token/")]
    bare = {one.name: one for one in world.ask().entities(0)}["a-" + path[:-1]]
    assert bare.id == one.id and not bare.metadata


def test_audit_devices_are_told_with_sudo_only(world, path):
    devices = {one.name: one for one in world.ask().audit_devices()}
    assert devices["file"].type == "file" and devices["file"].file_path.endswith("audit.log")
    poor = world.ask(world.allow(path[:-1], {"sys/audit": ["read"], "auth/token/lookup-self": ["read"]}))
    with pytest.raises(errors.NotPermitted) as caught:
        poor.audit_devices()
    assert "sys/audit" in str(caught.value)


def test_a_device_hashes_the_same_text_alike(world):
    one, two, other = (world.ask().audit_hash("file", text) for text in ("x", "x", "y"))
    assert one == two != other
    assert one.startswith("hmac-sha256:") and len(one) == 76


def test_a_lease_is_found_with_its_end_until_it_is_revoked(world):
    lease = world.leased()
    found = world.ask().lease(lease)
    assert found.id == lease and found.renewable and 0 < found.ttl <= 3600
    assert abs(found.expires - datetime.now(UTC) - timedelta(seconds=found.ttl)) < timedelta(seconds=5)
    world.end(lease)
    assert world.ask().lease(lease) is None and world.ask().lease("database/creds/payments-ro/never-was") is None


def test_no_lease_was_given_up(world):
    assert world.ask().irrevocable() == set()


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("entities", (10,)),
        ("audit_devices", ()),
        ("capabilities", (["sys/auth"],)),
        ("audit_hash", ("file", "x")),
        ("lease", ("a/b",)),
        ("irrevocable", ()),
    ],
)
def test_a_missing_right_is_told_from_a_dead_token(world, path, question, given):
    token = world.allow(path[:-1], {"auth/token/lookup-self": ["read"]})
    with pytest.raises(errors.NotPermitted) as caught:
        getattr(world.ask(token), question)(*given)
    assert "policy" in caught.value.mend and token not in str(caught.value)


@pytest.mark.parametrize("question", ["mounts", "auth_methods", "whoami", "knock", "reach"])
def test_a_revoked_token_is_gone_for_good(world, question):
    token = world.token("short-lived")
    world.revoke(token)
    with pytest.raises(errors.TokenGone) as caught:
        getattr(world.ask(token), question)()
    assert caught.value.permanent
    assert "issue a new one" in str(caught.value)
    assert token not in str(caught.value)


def test_a_server_that_is_away_may_come_back(world):
    with pytest.raises(errors.Unreachable) as caught:
        world.ask_nobody().health()
    assert not caught.value.permanent
    assert caught.value.where and caught.value.mend in str(caught.value)


def test_a_sealed_fake_answers_only_for_its_health():
    world = FakeWorld()
    world.server.sealed = True
    assert world.ask().health().sealed
    with pytest.raises(errors.Sealed) as caught:
        world.ask().mounts()
    assert not caught.value.permanent


class Answers(BaseHTTPRequestHandler):
    """Whatever the test wants a server to say."""

    def do_GET(self):
        status, body = self.server.say
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def a_server_that_says(status, body):
    server = HTTPServer(("127.0.0.1", 0), Answers)
    server.say = status, body
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Client(f"http://127.0.0.1:{server.server_port}", "any")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "error", "permanent"),
    [
        (503, b'{"errors":["Vault is sealed"]}', errors.Sealed, False),
        (429, b'{"errors":["request path: rate limit quota exceeded"]}', errors.Unavailable, False),
        (500, b'{"errors":["internal error"]}', errors.Unavailable, False),
        (404, b'{"errors":[]}', errors.NotThere, True),
        (400, b'{"errors":["unsupported path"]}', errors.Refused, True),
        (403, b'{"errors":["permission denied"]}', errors.TokenGone, True),
        (200, b"<html>a proxy's page</html>", errors.Unavailable, False),
    ],
)  # fmt: skip
def test_every_answer_becomes_a_sentence(status, body, error, permanent):
    with a_server_that_says(status, body) as client, pytest.raises(error) as caught:
        client.mounts()
    assert caught.value.permanent is permanent
    assert caught.value.what in str(caught.value) and "sys/mounts" in caught.value.where and caught.value.mend


def test_an_answer_of_another_shape_is_read_as_empty():
    with a_server_that_says(200, b'{"data":{"x/":7,"kv/":{"type":"kv","options":null}}}') as client:
        assert client.mounts() == [Mount("kv/", "kv", "", 1), Mount("x/", "", "", 0)]


def test_a_redirect_is_not_followed():
    with a_server_that_says(307, b"") as client, pytest.raises(errors.Unavailable) as caught:
        client.mounts()
    assert "redirects are not followed" in str(caught.value)


def test_a_name_that_leads_to_a_cloud_s_metadata_is_not_called(monkeypatch):
    found = [(2, 1, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(errors.UnusableAddress) as caught:
        Client("https://vault.example").health()
    assert "169.254.169.254" in str(caught.value)


def test_hvac_lends_no_token_from_the_environment(monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "somebody-elses")
    assert Client("http://127.0.0.1:1")._hvac.token is None


def test_policies_come_with_their_text_and_without_root(world, path):
    name = path[:-1]
    world.allow(name, {"some/path": ["read"]})
    found = {one.name: one for one in world.ask().policies(1000)}
    assert "default" in found and "root" not in found
    if isinstance(world, LiveWorld):
        assert 'path "some/path"' in found[name].text and not found[name].slashes
    assert len(world.ask().policies(1)) == 1


def test_roles_of_a_kind_that_is_not_known_are_not_there(world):
    with pytest.raises(errors.NotThere):
        world.ask().roles(Mount("auth/own/", "own-plugin", "o_1"), 10)


def test_a_method_without_roles_and_a_vault_without_groups_answer_with_none(world):
    assert world.ask().roles(Mount("auth/token/", "token", "t_1"), 0) == []
    assert world.ask().groups(0) == []


@pytest.mark.parametrize(("question", "given"), [("policies", (10,)), ("groups", (10,))])
def test_without_the_right_policies_and_groups_are_refused(world, path, question, given):
    token = world.allow(path[:-1], {"auth/token/lookup-self": ["read"]})
    with pytest.raises(errors.NotPermitted):
        getattr(world.ask(token), question)(*given)
