"""Asks a real Vault or OpenBao; the only place that knows hvac."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hvac
import requests
from hvac import exceptions as answers

from vault.errors import NotPermitted, NotThere, Refused, Sealed, TokenGone, Unavailable, Unreachable, VaultError
from vault.server import Health, Mount, Token


class Client:
    """One server, one namespace, one token; `timeout` in seconds, `verify` a CA file or False."""

    def __init__(
        self, address: str, token: str = "", *, namespace: str = "", timeout: float = 10, verify: str | bool = True
    ) -> None:
        self.address = address
        self._hvac = hvac.Client(
            url=address, token=token or None, namespace=namespace or None, timeout=timeout, verify=verify
        )
        if not token:
            self._hvac.token = None  # hvac takes one from the environment or the home folder

    def health(self) -> Health:
        """How the server is; needs no token and works on a sealed server (GET sys/health, every state as 200)."""
        states = {"standbyok": "true", "perfstandbyok": "true", "sealedcode": "200", "uninitcode": "200"}
        answer = self._ask("sys/health", states)
        return Health(
            initialized=bool(answer.get("initialized")),
            sealed=bool(answer.get("sealed")),
            standby=bool(answer.get("standby")),
            version=str(answer.get("version", "")),
            cluster_id=str(answer.get("cluster_id", "")),
            cluster_name=str(answer.get("cluster_name", "")),
        )

    def mounts(self) -> list[Mount]:
        """The secrets engines: GET sys/mounts, and what the UI may see where that is not allowed."""
        return self._mounts("sys/mounts", "secret", "")

    def auth_methods(self) -> list[Mount]:
        """The auth methods: GET sys/auth, and what the UI may see where that is not allowed."""
        return self._mounts("sys/auth", "auth", "auth/")

    def whoami(self) -> Token:
        """The token itself: GET auth/token/lookup-self."""
        answer = _object(self._ask("auth/token/lookup-self").get("data"))
        return Token(
            display_name=str(answer.get("display_name", "")),
            policies=tuple(str(policy) for policy in answer.get("policies") or ()),
            accessor=str(answer.get("accessor", "")),
            entity_id=str(answer.get("entity_id", "")),
            ttl=int(answer.get("ttl") or 0),
            renewable=bool(answer.get("renewable")),
        )

    def _mounts(self, path: str, shown_as: str, prefix: str) -> list[Mount]:
        try:
            found = self._ask(path).get("data")
        except NotPermitted:
            found = _object(self._ask("sys/internal/ui/mounts").get("data")).get(shown_as)
        listed = _object(found).items()
        return sorted((_mount(prefix + name, _object(about)) for name, about in listed), key=lambda mount: mount.path)

    def _ask(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        """One GET; every way to fail becomes a sentence."""
        where = f"{self.address}, {path}"
        try:
            answer = self._hvac.adapter.get(f"/v1/{path}", params=params)
        except requests.exceptions.RequestException as error:
            mend = "check the address, the network and the certificate"
            raise Unreachable(f"the vault gave no answer: {type(error).__name__}", where, mend) from error
        except answers.VaultError as error:
            raise self._sentence(error, path, where) from error
        if not isinstance(answer, dict):
            raise Unavailable("what answered is no vault: it sent no JSON", where, "check the address and any proxy")
        return answer

    def _sentence(self, error: answers.VaultError, path: str, where: str) -> VaultError:
        if isinstance(error, answers.Forbidden | answers.Unauthorized):
            return self._refusal(path, where)
        for kind, sentence in _SENTENCES:
            if isinstance(error, kind):
                return sentence(where)
        return Unavailable("the vault answered with an error of its own", where, "see its server log, then try again")

    def _refusal(self, path: str, where: str) -> VaultError:
        """A dead token and a missing right are both 403; only the token's look at itself tells them apart."""
        gone = TokenGone("the vault does not know the token", where, "issue a new one: it expired or was revoked")
        if path == "auth/token/lookup-self":
            return gone
        try:
            self.whoami()
        except TokenGone:
            return gone
        return NotPermitted("the token may not do this", where, f"allow `read` on `{path}` in its policy")


_SENTENCES: tuple[tuple[type[Exception], Callable[[str], VaultError]], ...] = (
    (answers.VaultDown, lambda where: Sealed("the vault is sealed or not initialised", where, "unseal it")),
    (
        answers.RateLimitExceeded,
        lambda where: Unavailable("the vault takes no more calls now", where, "ask less often"),
    ),
    (answers.InvalidPath, lambda where: NotThere("the vault has no such path", where, "check its version and mounts")),
    (answers.InvalidRequest, lambda where: Refused("the vault refused the question", where, "check its version")),
)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mount(path: str, about: dict[str, Any]) -> Mount:
    kind = str(about.get("type", ""))
    version = str(_object(about.get("options")).get("version") or "1")
    return Mount(path, kind, str(about.get("accessor", "")), _kv_version(kind, version))


def _kv_version(kind: str, version: str) -> int:
    return {"1": 1, "2": 2}.get(version, 0) if kind in ("kv", "generic") else 0
