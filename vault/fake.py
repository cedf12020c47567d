"""A vault in memory with the client's questions and the client's errors, for tests of whoever asks."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from vault.errors import NotPermitted, NotThere, Sealed, TokenGone, Unreachable
from vault.roles import place
from vault.server import AuditDevice, AuthRole, Entity, Group, Health, Lease, Mount, PolicyText, Reach, Token

Rules = dict[str, tuple[str, ...]]
DEFAULT: Rules = {
    "auth/token/lookup-self": ("read",),
    "auth/token/renew-self": ("update",),
    "sys/capabilities-self": ("update",),
    "sys/internal/ui/resultant-acl": ("read",),
    "sys/internal/ui/mounts": ("read",),
    "cubbyhole/*": ("create", "delete", "list", "read", "update"),
}


class FakeServer:
    """The state of a pretended server; a `FakeVault` asks it with one token.

    Set `away` (no answer) or `sealed`; `tokens` are the living ones; `policies` maps a policy's name to what it allows
    (a path that ends in `*` is a beginning), `texts` are what it shows of them; `given` are roles by their method's
    path, `circles` the groups; `knocks` are the request ids of the calls that were made to be seen; `leases` are those
    that are listed, and `given_up` those among them that can't be revoked.
    """

    def __init__(self) -> None:
        self.away = self.sealed = False
        self.version = "2.7.2"
        self.server_time = 0
        self.engines: list[Mount] = [
            Mount("cubbyhole/", "cubbyhole", "cubbyhole_1"),
            Mount("sys/", "system", "system_1"),
        ]
        self.methods: list[Mount] = [Mount("auth/token/", "token", "auth_token_1")]
        self.people: list[Entity] = []
        self.texts: list[PolicyText] = [PolicyText("default", 'path "auth/token/lookup-self" { policy = "read" }')]
        self.given: dict[str, list[AuthRole]] = {}
        self.circles: list[Group] = []
        self.devices: list[AuditDevice] = [AuditDevice("file", "file", "/var/log/openbao/audit.log")]
        self.policies: dict[str, Rules] = {"default": dict(DEFAULT)}
        self.tokens: dict[str, Token] = {"root": Token("root", ("root",), "accessor-of-root", "", 0, False)}
        self.knocks: list[str] = []
        self.leases: dict[str, Lease] = {}
        self.given_up: set[str] = set()


class FakeVault:
    """`vault.client.Client`, asking a `FakeServer`."""

    def __init__(self, server: FakeServer, token: str = "") -> None:
        self.address = "memory"
        self._server, self._token = server, token

    def health(self) -> Health:
        """How the server is."""
        self._reach("sys/health")
        up = not self._server.sealed
        return Health(
            True,
            not up,
            False,
            self._server.version,
            "cluster-1" if up else "",
            "fake" if up else "",
            self._server.server_time,
        )

    def mounts(self) -> list[Mount]:
        """The secrets engines, by path."""
        return self._visible(self._server.engines, "sys/mounts")

    def auth_methods(self) -> list[Mount]:
        """The auth methods, by path."""
        return self._visible(self._server.methods, "sys/auth")

    def whoami(self) -> Token:
        """The token itself."""
        return self._living("auth/token/lookup-self")

    def knock(self) -> str:
        """A call that is seen."""
        self._living("auth/token/lookup-self")
        self._server.knocks.append(str(uuid.uuid4()))
        return self._server.knocks[-1]

    def renew(self) -> None:
        """The token lives its period anew."""
        self._allowed("auth/token/renew-self", "update")
        known = self._server.tokens[self._token]
        self._server.tokens[self._token] = replace(known, ttl=known.period or known.ttl)

    def capabilities(self, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What the token may do at each path."""
        self._allowed("sys/capabilities-self", "update")
        return {path: self._capabilities(path) for path in paths}

    def reach(self) -> Reach:
        """Everything that the token may do, but for rules with `+`."""
        self._allowed("sys/internal/ui/resultant-acl", "read")
        rules = {path: caps for path, caps in self._rules().items() if "+" not in path}
        beginnings = {path[:-1]: caps for path, caps in rules.items() if path.endswith("*")}
        exact = {path: caps for path, caps in rules.items() if not path.endswith("*")}
        return Reach(root=True) if self._is_root() else Reach(False, exact, beginnings)

    def entities(self, limit: int) -> list[Entity]:
        """The entities, with metadata up to `limit`."""
        self._allowed("identity/entity/id", "list")
        for one in self._server.people[:limit]:
            self._allowed(f"identity/entity/id/{one.id}", "read")
        bare = [Entity(one.id, one.name, aliases=one.aliases) for one in self._server.people[limit:]]
        return self._server.people[:limit] + bare

    def policies(self, limit: int) -> list[PolicyText]:
        """The ACL policies, up to `limit`."""
        self._listed("sys/policies/acl", [one.name for one in self._server.texts[:limit]])
        return self._server.texts[:limit]

    def roles(self, method: Mount, limit: int) -> list[AuthRole]:
        """The roles of one auth method."""
        if not place(method):
            raise NotThere(f"Keybook does not know auth methods of the kind {method.type}", method.path)
        found = self._server.given.get(method.path, [])[:limit]
        self._listed(place(method), [one.name for one in found])
        return found

    def groups(self, limit: int) -> list[Group]:
        """The groups."""
        self._listed("identity/group/id", [one.id for one in self._server.circles[:limit]])
        return self._server.circles[:limit]

    def _listed(self, place: str, names: list[str]) -> None:
        self._allowed(f"{place}/", "list")
        for one in names:
            self._allowed(f"{place}/{one}", "read")

    def audit_devices(self) -> list[AuditDevice]:
        """The audit devices, by name."""
        self._allowed("sys/audit", "sudo")
        return self._server.devices

    def audit_hash(self, device: str, text: str) -> str:
        """A stand-in for the device's HMAC."""
        self._allowed(f"sys/audit-hash/{device}", "update")
        if device not in {one.name for one in self._server.devices}:
            raise NotThere("the vault has no such path", f"memory, sys/audit-hash/{device}", "check the device's name")
        return "hmac-sha256:" + sha256(f"{device}:{text}".encode()).hexdigest()

    def lease(self, lease_id: str) -> Lease | None:
        """One lease that is listed."""
        self._allowed("sys/leases/lookup", "update")
        return self._server.leases.get(lease_id)

    def irrevocable(self) -> set[str]:
        """Those that were given up."""
        self._allowed("sys/leases", "sudo")
        return set(self._server.given_up)

    def _visible(self, mounts: list[Mount], path: str) -> list[Mount]:
        self._living(path)
        if "read" in self._capabilities(path) or self._is_root():
            return sorted(mounts, key=lambda mount: mount.path)
        self._allowed("sys/internal/ui/mounts", "read")
        rules = tuple(self._rules())
        usable = [m for m in mounts if m.type != "system" and any(rule.startswith(m.path) for rule in rules)]
        return sorted(usable, key=lambda mount: mount.path)

    def _is_root(self) -> bool:
        return "root" in self._living("").policies

    def _rules(self) -> Rules:
        rules: Rules = {}
        for policy in self._living("").policies:
            rules |= self._server.policies.get(policy, {})
        return rules

    def _capabilities(self, path: str) -> tuple[str, ...]:
        if self._is_root():
            return ("root",)
        rules = self._rules()
        if path in rules:
            return rules[path]
        fitting = [rule for rule in rules if _fits(rule, path)]
        return rules[max(fitting, key=len)] if fitting else ("deny",)

    def _allowed(self, path: str, capability: str) -> None:
        self._living(path)
        if not {capability, "root"} & set(self._capabilities(path)):
            mend = f"allow it on `{path}` in the token's policy"
            raise NotPermitted("the token may not do this", f"memory, {path}", mend)

    def _living(self, path: str) -> Token:
        self._reach(path)
        if self._server.sealed:
            raise Sealed("the vault is sealed or not initialised", f"memory, {path}", "unseal it")
        if self._token not in self._server.tokens:
            mend = "issue a new one: it expired or was revoked"
            raise TokenGone("the vault does not know the token", f"memory, {path}", mend)
        return self._server.tokens[self._token]

    def _reach(self, path: str) -> None:
        if self._server.away:
            mend = "check the address, the network and the certificate"
            raise Unreachable("the vault gave no answer: ConnectionError", f"memory, {path}", mend)


def _fits(rule: str, path: str) -> bool:
    """Whether a rule of a policy covers a path: `*` at the end is any rest, `+` is one segment."""
    if rule.endswith("*") and "+" not in rule:
        return path.startswith(rule[:-1])
    wanted, given = rule.split("/"), path.split("/")
    return len(wanted) == len(given) and all(one in ("+", other) for one, other in zip(wanted, given, strict=True))
