"""Who may read a secret, as the mirror answers, is who logs in to a real OpenBao and reads it."""

from __future__ import annotations

import os

import pytest

from inventory import sync
from inventory.look import look
from inventory.may_read import what_may_read, who_may_read
from inventory.models import Connection
from sandbox.bao_http import Bao
from sandbox.kube_access import REVIEWER
from sandbox.kubeapi import KubeApi
from vault import policy
from vault.client import Client

pytestmark = [pytest.mark.live, pytest.mark.django_db]
SECRETS = ("prod/one", "prod/bank", "bob/notes", "payments/key", "shop/key", "else/where")
ACCOUNTS = (("payments", "ledger"), ("payments", "api"), ("shop", "web"))
USERS = {"alice": ["mr-prod"], "bob": ["mr-own"], "carol": [], "dave": ["mr-deny"], "erin": ["mr-segment"]}


def allow(path, *capabilities):
    return f'path "{path}" {{ capabilities = [{", ".join(chr(34) + one + chr(34) for one in capabilities)}] }}\n'


class World:
    """A vault with policies that overlap and deny, users, nested groups, service accounts, AppRoles, a token role."""

    def __init__(self, bao, cluster):
        self.bao, self.cluster = bao, cluster
        for path in SECRETS:
            bao.must("POST", f"secret/data/{path}", {"data": {"x": "y"}})
        self.method("kubernetes"), self.method("userpass"), self.method("approle")
        config = {"kubernetes_host": cluster.url, "disable_local_ca_jwt": True, "kubernetes_ca_cert": "none"}
        config["token_reviewer_jwt"] = cluster.access.enter("openbao", "openbao", REVIEWER)
        bao.must("POST", "auth/kubernetes/config", config)
        self.policies()
        for name, given in USERS.items():
            bao.must("POST", f"auth/userpass/users/{name}", {"password": "not-real", "token_policies": given})
        self.role("ledger", ["ledger"], ["payments"], ["mr-account"])
        self.role("any", ["*"], ["pay*"], ["mr-prod", "mr-deny"])
        self.role("web", ["web"], ["shop"], ["mr-account", "mr-prod"])
        for name, given in (("batch", ["mr-prod", "mr-deny"]), ("free", ["mr-own"]), ("none", [])):
            bao.must("POST", f"auth/approle/role/{name}", {"token_policies": given})
        bao.must("POST", "auth/token/roles/maker", {"allowed_policies": ["mr-prod", "mr-deny"]})
        self.tokens = dict(self.logins())
        self.groups()

    def method(self, kind):
        if f"{kind}/" not in self.bao.must("GET", "sys/auth").data:
            self.bao.must("POST", f"sys/auth/{kind}", {"type": kind})

    def policies(self):
        accessor = self.bao.must("GET", "sys/auth").data["kubernetes/"]["accessor"]
        space = f"{{{{identity.entity.aliases.{accessor}.metadata.service_account_namespace}}}}"
        texts = {
            "mr-prod": allow("secret/data/prod/*", "read") + allow("team/secret/data/*", "read"),
            "mr-deny": allow("secret/data/prod/bank", "deny"),
            "mr-own": allow("secret/data/{{identity.entity.name}}/*", "read"),
            "mr-account": allow(f"secret/data/{space}/*", "read"),
            "mr-segment": allow("secret/+/prod/+", "read", "list") + allow("secret/+/+/bank", "deny"),
        }
        for name, text in texts.items():
            self.bao.must("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def role(self, name, accounts, spaces, given):
        binds = {"bound_service_account_names": accounts, "bound_service_account_namespaces": spaces}
        self.bao.must("POST", f"auth/kubernetes/role/{name}", binds | {"token_policies": given})

    def logins(self):
        """Yield {(kind, name, via): token} for everybody who can come in."""
        for name in USERS:
            login = self.bao.must("POST", f"auth/userpass/login/{name}", {"password": "not-real"})
            yield ("user", name, f"auth/userpass/users/{name}"), login
        for space, name in ACCOUNTS:
            self.cluster.access.enter(space, name)
            jwt = self.cluster.tokens.issue(space, name)
            for role in ("ledger", "any", "web"):
                login = self.bao.call("POST", "auth/kubernetes/login", {"role": role, "jwt": jwt})
                if login.status == 200:
                    yield ("service_account", f"{space}/{name}", f"auth/kubernetes/role/{role}"), login
        for name in ("batch", "free", "none"):
            where = f"auth/approle/role/{name}"
            ids = {"role_id": self.bao.must("GET", f"{where}/role-id").data["role_id"]}
            ids["secret_id"] = self.bao.must("POST", f"{where}/secret-id", {}).data["secret_id"]
            yield ("role", name, where), self.bao.must("POST", "auth/approle/login", ids)

    def groups(self):
        """carol is in ops, dave in night, which is in ops; bob's entity gets his name."""
        entity = {key[1]: login.body["auth"]["entity_id"] for key, login in self.tokens.items() if key[0] == "user"}
        self.bao.must("POST", f"identity/entity/id/{entity['bob']}", {"name": "bob"})
        night = self.bao.must("POST", "identity/group", {"name": "mr-night", "member_entity_ids": [entity["dave"]]})
        self.bao.must("POST", "identity/group", {
            "name": "mr-ops", "policies": ["mr-prod"], "member_entity_ids": [entity["carol"]],
            "member_group_ids": [night.data["id"]],
        })  # fmt: skip

    def reads(self, key, path, **headers):
        token = self.tokens[key].body["auth"]["client_token"]
        answer = self.bao.seen_as(token=token).call("GET", f"secret/data/{path}", **headers)
        assert answer.status in (200, 403), answer
        return answer.status == 200

    def mirror(self, rights=policy.RIGHTS):
        """Look with a token that has the printed policy, or less of it."""
        text = "".join(right.hcl() + "\n" for right in rights)
        self.bao.must("PUT", "sys/policies/acl/mr-keybook", {"policy": text})
        wanted = {"policies": ["mr-keybook"], "no_default_policy": True}
        token = self.bao.must("POST", "auth/token/create", wanted).body["auth"]["client_token"]
        Connection.objects.filter(vault="real").delete()
        connection = Connection.objects.create(vault="real", address=self.bao.url)
        sync.keep(connection, look(Client(self.bao.url, token)))


@pytest.fixture(scope="module")
def world():
    with KubeApi() as cluster:
        yield World(Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"]), cluster)


def told(path, namespace="", **kind):
    """{(kind, name, via): may} of those whom the answer lets at the value."""
    found = who_may_read("real", namespace, "secret/", path, **kind)
    assert found.known.as_of is not None and found.secret.endswith(path)
    return {
        (one.holder.kind, one.holder.name, one.holder.via): way.may
        for one in found.readers
        for way in one.ways
        if way.call.gives == "value"
    }


def test_the_answer_is_what_logging_in_and_reading_does(world):
    world.mirror()
    granted = 0
    for path in SECRETS:
        answer = told(path)
        for key in world.tokens:
            may, does = answer.get(key, "no"), world.reads(key, path)
            granted += does
            if may == "depends":
                assert key == ("role", "free", "auth/approle/role/free")
                continue
            assert (may == "yes") == does, (path, key, may, does)
    assert 12 < granted < len(SECRETS) * len(world.tokens) - 12


def test_policies_of_the_namespace_above_reach_down(world):
    world.bao.call("POST", "sys/namespaces/team", {})
    world.bao.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, X_Vault_Namespace="team/")
    for _ in range(200):
        if world.bao.call("POST", "secret/data/x", {"data": {"a": "b"}}, X_Vault_Namespace="team/").status == 200:
            break
    world.mirror()
    answer = told("x", "team/", kind="kv", kv_version=2)
    for key in world.tokens:
        assert (answer.get(key) == "yes") == world.reads(key, "x", X_Vault_Namespace="team/"), key


def test_each_answer_names_the_rule_and_the_policy(world):
    world.mirror()
    found = who_may_read("real", "", "secret/", "prod/bank")
    alice = next(one for one in found.readers if (one.holder.kind, one.holder.name) == ("user", "alice"))
    assert [(way.call.gives, way.answer.pattern, way.answer.by) for way in alice.ways] == [
        ("value", "secret/data/prod/*", ("mr-prod",))
    ]
    assert ("", "mr-prod") in [one[:2] for one in found.policies]
    night = next(one for one in found.readers if one.holder.name == "mr-night")
    assert night.holder.kind == "group" and night.holder.bound
    made = [one for one in found.readers if one.holder.kind == "token_role"]  # the executor's roles give no value
    assert [one.holder.name for one in made if any(way.call.gives == "value" for way in one.ways)] == ["maker"]


def test_what_somebody_may_read_is_the_same_the_other_way_round(world):
    world.mirror()
    keys = [("", "secret/", path) for path in SECRETS]
    for space, name in ACCOUNTS:
        found = what_may_read("real", "service_account", f"{space}/{name}", keys)
        ways = [key for key in world.tokens if key[1] == f"{space}/{name}"]
        does = {f"secret/{path}" for path in SECRETS if any(world.reads(key, path) for key in ways)}
        assert {secret for secret, _ in found.secrets} == does and not found.more


def test_what_the_token_may_not_see_is_named_and_not_taken_for_nobody(world):
    world.mirror([right for right in policy.RIGHTS if right.path not in ("auth/+/users/+", "identity/group/id/+")])
    found = who_may_read("real", "", "secret/", "prod/one")
    assert {"auth/userpass/users (no right)", "identity/group/id (no right)"} <= set(found.known.unseen)
    assert not [one for one in found.readers if one.holder.kind == "user"]
