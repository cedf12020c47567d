"""A vault in memory with the client's questions and the client's errors, for tests of whoever asks."""

from __future__ import annotations

from vault.errors import Sealed, TokenGone, Unreachable
from vault.server import Health, Mount, Token


class FakeServer:
    """The state of a pretended server; a `FakeVault` asks it with one token.

    Set `away` (no answer) or `sealed`; `tokens` are the living ones. A token with a policy of `may_list` lists every
    mount; any other sees the mounts that its policies can use, by the beginnings in `usable`.
    """

    def __init__(self) -> None:
        self.away = self.sealed = False
        self.version = "2.7.2"
        self.engines: list[Mount] = [
            Mount("cubbyhole/", "cubbyhole", "cubbyhole_1"),
            Mount("sys/", "system", "system_1"),
        ]
        self.methods: list[Mount] = [Mount("auth/token/", "token", "auth_token_1")]
        self.tokens: dict[str, Token] = {"root": Token("root", ("root",), "accessor-of-root", "", 0, False)}
        self.may_list: set[str] = {"root"}
        self.usable: dict[str, tuple[str, ...]] = {"default": ("cubbyhole/", "identity/", "sys/", "auth/token/")}


class FakeVault:
    """`vault.client.Client`, asking a `FakeServer`."""

    def __init__(self, server: FakeServer, token: str = "") -> None:
        self.address = "memory"
        self._server, self._token = server, token

    def health(self) -> Health:
        """How the server is."""
        self._reach("sys/health")
        up = not self._server.sealed
        return Health(True, not up, False, self._server.version, "cluster-1" if up else "", "fake" if up else "")

    def mounts(self) -> list[Mount]:
        """The secrets engines, by path."""
        return self._visible(self._server.engines, "sys/mounts")

    def auth_methods(self) -> list[Mount]:
        """The auth methods, by path."""
        return self._visible(self._server.methods, "sys/auth")

    def whoami(self) -> Token:
        """The token itself."""
        return self._living("auth/token/lookup-self")

    def _visible(self, mounts: list[Mount], path: str) -> list[Mount]:
        token = self._living(path)
        if self._server.may_list.intersection(token.policies):
            return sorted(mounts, key=lambda mount: mount.path)
        usable = tuple(start for policy in token.policies for start in self._server.usable.get(policy, ()))
        return sorted((mount for mount in mounts if mount.path.startswith(usable)), key=lambda mount: mount.path)

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
