"""A pretended vault with the token that the printed policy gives."""

from __future__ import annotations

import pytest

from vault import policy
from vault.fake import FakeServer, FakeVault
from vault.server import Alias, Entity, Mount, Token


class World:
    """A vault with two KV mounts and two people, and a token named `keybook` with the printed policy."""

    def __init__(self):
        self.server = FakeServer()
        self.server.engines += [Mount("secret/", "kv", "kv_1", 2), Mount("legacy/", "kv", "kv_2", 1)]
        self.server.methods.append(Mount("auth/userpass/", "userpass", "userpass_1"))
        alias = Alias("alice", "userpass_1", "auth/userpass/", {"from": "hr"})
        self.server.people = [
            Entity("id-1", "alice", False, {"team": "blue"}, (alias,)),
            Entity("id-2", "bob", True),
        ]
        self.server.policies["keybook"] = {right.path: right.capabilities for right in policy.RIGHTS}
        self.server.tokens["keybook"] = Token(
            "token-keybook", ("keybook",), "accessor", "", 86400 * 30, True, 2764800, True
        )

    def ask(self, token="keybook"):
        return FakeVault(self.server, token)

    def forbid(self, path):
        del self.server.policies["keybook"][path]

    def allow(self, path, *capabilities):
        self.server.policies["keybook"][path] = capabilities


@pytest.fixture
def world():
    return World()
