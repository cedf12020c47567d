"""What we work out of policies is what a real OpenBao answers to `sys/capabilities`, for policies made at random."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from sandbox.bao_http import Bao
from tests.vault import policies as made
from vault.acl import Acl, Policy
from vault.hcl import UnreadableText
from vault.policy_text import rules
from vault.templates import Identity, Membership, Name

pytestmark = pytest.mark.live
PATHS = 12
TEAM = {"X_Vault_Namespace": "team/"}


@pytest.fixture(scope="module")
def bao():
    return Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])


@pytest.fixture(scope="module")
def identity(bao):
    """An entity with aliases, metadata and groups, and a token role that makes tokens of it."""
    bao.must("POST", "sys/namespaces/team", {})
    auth = bao.must("GET", "sys/auth").data
    if "userpass/" not in auth:
        bao.must("POST", "sys/auth/userpass", {"type": "userpass"})
        auth = bao.must("GET", "sys/auth").data
    metadata = {"team": "ab", "path": "a/b", "star": "a*"}
    bao.must("POST", "identity/entity/name/anna", {"metadata": metadata})
    entity = bao.must("GET", "identity/entity/name/anna").data["id"]
    for where in ("userpass/", "token/"):
        alias = {"name": "a", "canonical_id": entity, "custom_metadata": {"team": "data"}}
        bao.must("POST", "identity/entity-alias", alias | {"mount_accessor": auth[where]["accessor"]})
    bao.must("POST", "identity/group/name/near", {"member_entity_ids": [entity]})
    near = bao.must("GET", "identity/group/name/near").data["id"]
    bao.must("POST", "identity/group/name/far", {"member_group_ids": [near], "metadata": {"team": "b"}})
    far = bao.must("GET", "identity/group/name/far").data["id"]
    role = {"allowed_entity_aliases": ["a"], "allowed_policies_glob": ["*"], "token_no_default_policy": True}
    bao.must("POST", "auth/token/roles/anna", role)
    aliases = bao.must("GET", f"identity/entity/id/{entity}").data["aliases"]
    names = [Name(one["mount_accessor"], one["id"], one["name"], {}, one["custom_metadata"] or {}) for one in aliases]
    return Identity(entity, "anna", metadata, names, [Membership(near, "near"), Membership(far, "far", {"team": "b"})])


def read(bao, name, headers):
    """A policy as the mirror reads it."""
    data = bao.must("GET", f"sys/policies/acl/{name}", **headers).data
    slashes, wildcards = (bool(data[f"allow_{one}_in_identity_templates"]) for one in ("slashes", "wildcards"))
    return Policy(data["name"], rules(data["policy"]), headers.get("X_Vault_Namespace", ""), slashes, wildcards)


@dataclass
class Tally:
    """What came out: pairs that were compared, those that differ, those that grant, tokens that may do nothing."""

    pairs: int = 0
    granting: int = 0
    unusable: int = 0
    different: list = field(default_factory=list)


class Round:
    """One set of random policies in one namespace, a token of them, and the paths to ask for."""

    def __init__(self, bao, chance, identity):
        self.bao, self.chance = bao, chance
        self.home = TEAM if chance.random() < 0.25 else {}
        self.identity = identity if chance.random() < 0.5 and not self.home else None
        replaced = (("ACCESSOR", identity.aliases[0].accessor), ("NEAR", identity.groups[0].id))
        self.asked = [one.replace(*replaced[0]).replace(*replaced[1]) for one in made.ASKED]
        self.values = ["anna", "ab", "a", "near", "far", "b", "data", identity.id, "a/b", "a*"]
        self.base = [made.path(chance) for _ in range(4)]

    def write(self):
        chance, names = self.chance, [f"random-{number}" for number in range(self.chance.randint(1, 4))]
        for name in names:
            tenant = chance.random() < 0.2 and not self.home
            base = [f"team/{one}" if tenant and chance.random() < 0.7 else one for one in self.base]
            while not self.put(name, made.text(chance, base, tuple(self.asked) if chance.random() < 0.5 else ())):
                pass
        names += ["default"] if chance.random() < 0.2 else []
        return names, [read(self.bao, name, self.home) for name in names]

    def put(self, name, text):
        """Write a policy; a text that the vault refuses is one that we can't read either."""
        free = {f"allow_{kind}_in_identity_templates": self.chance.random() < 0.3 for kind in ("slashes", "wildcards")}
        answer = self.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": text, **free}, **self.home)
        if answer.status >= 400:
            with pytest.raises(UnreadableText):
                rules(text)
        return answer.status < 300

    def token(self, names):
        wanted = {"policies": names, "no_default_policy": True, "ttl": "5m"}
        if self.identity is None:
            return self.bao.must("POST", "auth/token/create", wanted, **self.home).body["auth"]
        return self.bao.must("POST", "auth/token/create/anna", wanted | {"entity_alias": "a"}).body["auth"]

    def paths(self):
        chance, found = self.chance, []
        for _ in range(PATHS):
            parts = (chance.choice(self.base) if chance.random() < 0.8 else made.path(chance)).split("/")
            parts = [chance.choice([*made.SEGMENTS, *self.values]) if chance.random() < 0.25 else one for one in parts]
            ends = chance.choice(("", "", "", "/", "x", "/a"))
            found.append(chance.choice(("", "", "", "team/")) + "/".join(parts) + ends)
        return [one for one in dict.fromkeys(found) if one]

    def compare(self, tally):
        """Ask by token from one namespace or the other, or by accessor from the token's own."""
        names, ours = self.write()
        auth, paths, acl = self.token(names), self.paths(), Acl(ours, identity=self.identity, at=datetime.now(UTC))
        by = self.chance.choice((("", "token", "client_token"), ("-accessor", "accessor", "accessor")))
        where = self.home if by[0] else self.chance.choice((self.home, TEAM))
        body = {by[1]: auth[by[2]], "paths": paths}
        answer = self.bao.call("POST", f"sys/capabilities{by[0]}", body, **where)
        if answer.status != 200 or acl.trouble:
            self.refused(answer, acl, auth)
            tally.unusable += 1
            return
        for path in paths:
            mine = sorted(acl.capabilities(path, where.get("X_Vault_Namespace", "")))
            tally.pairs += 1
            tally.granting += mine != ["deny"]
            if mine != answer.data.get(path):
                tally.different.append((path, mine, answer.data.get(path), where, ours))

    def refused(self, answer, acl, auth):
        """A template that would be filled with a value that may not stand in a path: the vault refuses every call."""
        own = self.bao.seen_as(token=auth["client_token"]).call("GET", "auth/token/lookup-self", **self.home)
        assert own.status in (400, 403), (own, acl.trouble)
        assert acl.trouble and "forbidden value" in str(answer.body), (acl.trouble, answer)


@pytest.mark.parametrize("sets", [40, pytest.param(1_000, marks=pytest.mark.long)])
def test_capabilities_are_those_of_the_vault_for_random_policies_and_paths(bao, identity, sets):
    seed = int(os.environ.get("KEYBOOK_SEED") or random.SystemRandom().randrange(10**6))
    chance, tally = random.Random(seed), Tally()
    for _ in range(sets):
        Round(bao, chance, identity).compare(tally)
    print(f"seed {seed}: {sets} policy sets, {tally.unusable} of them unusable, {tally.pairs} pairs, "
          f"{tally.granting} grant something, {len(tally.different)} differ")  # fmt: skip
    assert not tally.different, (seed, len(tally.different), tally.pairs, tally.different[0])
    assert tally.pairs > 8 * sets and tally.granting > tally.pairs // 5


RULE = 'path "a" { capabilities = ["read"] }'
TEXTS = [
    'path "a/+/b/+/d*" { capabilities = ["read"] }\npath "a/+/+/ccc/d*" { capabilities = ["list"] }',
    RULE,
    f"# c\n// d\n/* e\n*/{RULE}",
    '"path" "a" { "capabilities" = ["read",] }',
    'path "a" { capabilities = [] }',
    'path { capabilities = ["read"] }',
    'path "a" "b" { capabilities = ["read"] }',
    'name = "x"\n' + RULE,
    RULE + "\nname =",
    'path "a" { capabilities = ["read"], comment = <<E\n } { "\nE\n}',
    'path "a" { capabilities = ["read"] comment = <<-EOF\n x\n EOF\n}',
    'path "a" { capabilities = ["read"] comment = <<-EOF\n x\nEOF\n}',
    'path "a" { capabilities = [,"read",,"list"] }',
    'path "a" { capabilities = ["read"] capabilities = ["list"] }',
    'path "a" { policy = "read" policy = "deny" }',
    'path "a" { policy = "" capabilities = ["list"] }',
    'path "a\\x2fb\\u00e9\\141" { capabilities = ["read"] }',
    'path "a${"x"}" { capabilities = ["read"] }',
    'path "a" { capabilities = ["deny", "no-such"] }',
    "path.x = 1",
    'path "a" { capabilities = ["no-such", "deny"] }',
    'path "a" { capabilities = ["read"] expiration = "4102444800" }',
    'path "a" { capabilities = ["read"] expiration = 4102444800 }',
    'path "a" { capabilities = ["read"] expiration = "soon" }',
    'path "a" { capabilities = ["read"] min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }',
    "{}",
    "{",
    "[]",
    "x",
    '"path" "a"',
    'path "a" { capabilities = ["deny"] min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }',
    'path "a" { capabilities = "read" }',
    'path "a" { capabilities = ["read"] ',
    'path "a" = { capabilities = ["read"] }',
    'path = { "a" = { capabilities = ["read"] } }',
    'path "a" { capabilities = ["read" "list"] }',
    'path "a" { capabilities = [read] }',
    'path "a" { capabilities = ["Read"] }',
    'path "a/+*" { capabilities = ["read"] }',
    'path "a{{" { capabilities = ["read"] }',
    'path "a}}{{b}}" { capabilities = ["read"] }',
    'path "a" { capabilities = ["read"] max_wrapping_ttl = "1 hour" }',
    'path "a" { capabilities = ["read"] pagination_limit = 5 }',
    'path "a" { capabilities = ["read"] pagination_limit = "5" }',
    'path "a" { capabilities = ["read"] required_parameters = ["x"] }',
    'path "a" { capabilities = ["read"] allowed_parameters = { "x" = ["1", 2, true, 1.5] } }',
    "path 'a' { }",
    'path "a" { } }',
    'path "a" { capabilities = ["read"] allowed_parameters { x = [] } denied_parameters { "*" = [] } }',
    'path "a\n" {}',
    'path "a" { capabilities = ["read"] allowed_parameters = { x = 1 } }',
    'path "a" { capabilities = ["read"] / }',
    "path true {}",
    'path "a" { capabilities = ["read"] control_group = { ttl = "1h" factor "x" { controlled_capabilities = ["read"]'
    ' identity { group_names = ["g"] approvals = 1 } } } }',
    '{"path": {"a": {"capabilities": ["read"]}, "b": {}}}',
    '{"path": [{"a": {"capabilities": ["read"]}}, {"b": {"capabilities": ["list"]}}]}',
    '{"path": {"a": {"capabilities": ["read"]}} trailing',
    '{"path": {"a": {"capabilities": ["read"]',
    '{"path": {"a": {"capabilities": "read"}}}',
    '{"path": {"a": [{"capabilities": ["read"]}]}}',
    '{"path": {"a\\/b": {"capabilities": ["read"]}}}',
    '{"path": {"a": {"capabilities": [["read"]]}}}',
    '{"path": {"a": {"capabilities": null}}}',
    '{"path": {"a": {"policy": null}}}',
    '{"path": {"a": {"policy": "write"},}}',
    '{"path": {}}',
    '{"path": {"\\u00e9\\u65e5": {"capabilities": ["read"]}}}',
    "{'path': {}}",
    '{"path" {"a": {}}}',
    ' \n{"name": "x", "path": {"a": {"policy": "read"}}}',
    '{"path": {"a": {"capabilities": ["read"], "allowed_parameters": {"x": []}}}}',
    '{"path": {"a": {"capabilities": [true, "read"]}}}',
]


def test_a_text_is_read_where_the_vault_takes_it_and_refused_where_it_does_not(bao):
    taken, wrong = 0, []
    for text in TEXTS:
        answer = bao.call("PUT", "sys/policies/acl/written", {"policy": text})
        try:
            ours = rules(text)
        except UnreadableText as error:
            assert error.line and error.column
            ours = None
        if (ours is None) != (answer.status >= 400):
            wrong.append((text, ours, answer))
            continue
        taken += ours is not None
        if ours is not None:
            token = bao.must("POST", "auth/token/create", {"policies": ["written"], "no_default_policy": True})
            paths = ["a", "b", "path", "a/b", "a/x/b/ccc/d", "aé", "a/béa", "é日", 'a${"x"}', "team/a"]
            told = bao.must("POST", "sys/capabilities", {"token": token.body["auth"]["client_token"], "paths": paths})
            acl = Acl([Policy("written", ours)], at=datetime.now(UTC))
            wrong += [(text, one, acl.capabilities(one), told.data[one]) for one in paths
                      if sorted(acl.capabilities(one)) != told.data[one]]  # fmt: skip
    assert not wrong, wrong
    assert 25 < taken < len(TEXTS) - 20
