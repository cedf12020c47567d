"""Carries one call to a Vault or OpenBao and its answer back, or a sentence; the only place that knows hvac."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

import hvac
import requests
from hvac import exceptions as answers
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from vault.address import checked, refuse
from vault.answered import object_of, texts_of
from vault.errors import (
    NotPermitted,
    NotThere,
    Refused,
    Sealed,
    TokenGone,
    Unavailable,
    Unknown,
    Unreachable,
    VaultError,
)
from vault.verdicts import elsewhere, verdict

_NETWORK = "check the address, the network and the certificate"
_MERGE = {"Content-Type": "application/merge-patch+json"}
_NOT_SENT = "no connection was made, so nothing was sent"


class Wire:
    """One server, one namespace, one token; `timeout` in seconds, `verify` a CA file or True for the system's.

    Raises `UnusableAddress` at once for an address that may not be called. Redirects are not followed: what answers
    must be the vault itself.
    """

    def __init__(
        self, address: str, token: str = "", *, namespace: str = "", timeout: float = 10, verify: str | bool = True,
        plain_http: bool = False,
    ) -> None:  # fmt: skip
        self.address = checked(address, plain_http=plain_http)
        self._hvac = hvac.Client(
            url=self.address, token=token or None, namespace=namespace or None, timeout=timeout, verify=verify,
            allow_redirects=False, session=_session(),
        )  # fmt: skip
        if not token:
            self._hvac.token = None  # hvac takes one from the environment or the home folder
        self._host = urlsplit(self.address).hostname or ""
        self._resolved = False
        self._again: dict[str, Any] = {
            "namespace": namespace, "timeout": timeout, "verify": verify, "plain_http": plain_http
        }  # fmt: skip

    def _with(self, token: str) -> Self:
        """Return the same with another token."""
        return type(self)(self.address, token, **self._again)

    def _ask(
        self, path: str, params: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """One GET, or one POST of `body`; every way to fail becomes a sentence."""
        where = f"{self.address}, {path}"
        _as_written(path, where)
        try:
            self._resolve(where)
            if body is None:
                answer = self._hvac.adapter.get(f"/v1/{path}", params=params)
            else:
                answer = self._hvac.adapter.post(f"/v1/{path}", json=body)
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"the vault gave no answer: {_why(error)}", where, _NETWORK) from error
        except answers.VaultError as error:
            raise self._sentence(error, path, where) from error
        if not isinstance(answer, dict):
            raise _no_vault(answer, where)
        return answer

    def _change(
        self, path: str, body: Mapping[str, Any] | None = None, *, merge: bool = False, quiet: bool = False,
        doubtful: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """One POST (or with `merge` a PATCH) that changes something; returns the answer, empty where there is none.

        Three outcomes: it returns, and it is done. It raises `Unknown`, and it may be done. It raises any other
        `VaultError`, and it is surely not done. `doubtful` tells that of this call even a 400 means nothing sure, and
        `quiet` that the server's words may hold a secret value.
        """
        where = f"{self.address}, {path}"
        _as_written(path, where)
        self._resolve(where)
        answer = self._sent("PATCH" if merge else "POST", path, body, where)
        if isinstance(answer, dict):
            return answer
        if answer.status_code in (202, 204):
            return {}
        said = _said(answer)
        raise verdict(answer.status_code, said, where, words=not quiet, doubtful=doubtful)

    def _sent(self, method: str, path: str, body: Mapping[str, Any] | None, where: str) -> Any:
        """Send one call; the exception of the library holds the body, so none of it hangs on what is raised."""
        headers = dict(_MERGE) if method == "PATCH" else {}
        trouble: VaultError
        try:
            return self._hvac.adapter.request(
                method, f"/v1/{path}", headers=headers, json=dict(body or {}), raise_exception=False
            )
        except requests.exceptions.RequestException as error:
            why = _why(error)
            if _before_sending(error):
                trouble = Unreachable(f"the vault was not reached: {why}", where, _NETWORK)
            else:
                trouble = Unknown(f"the vault's answer did not come: {why}", where, "look whether it was done")
        raise trouble

    def _resolve(self, where: str) -> None:
        """Refuse a name that leads where no vault can be; asked once for each client."""
        if self._resolved:
            return
        try:
            found = {str(row[4][0]) for row in socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            raise Unreachable("the vault's name has no address", where, "check the name and the DNS") from error
        for one in found:
            refuse(ip_address(one.partition("%")[0]), self._host)
        self._resolved = True

    def _sentence(self, error: answers.VaultError, path: str, where: str) -> VaultError:
        said = texts_of(getattr(error, "errors", None))
        if isinstance(error, answers.Forbidden | answers.Unauthorized):
            return self._refusal(path, where, said)
        for kind, sentence in _SENTENCES:
            if isinstance(error, kind):
                found = sentence(where)
                found.said = said
                return found
        return Unavailable("the vault answered with an error of its own", where, "see its server log, then try again")

    def _refusal(self, path: str, where: str, said: tuple[str, ...]) -> VaultError:
        """A dead token and a missing right are both 403; only the token's look at itself tells them apart surely."""
        gone = TokenGone("the vault does not know the token", where, "issue a new one: it expired or was revoked", said)
        if path == "auth/token/lookup-self":
            return gone
        try:
            self._ask("auth/token/lookup-self")
        except TokenGone:
            return gone
        return NotPermitted("the token may not do this", where, f"allow it on `{path}` in the token's policy", said)


def _as_written(path: str, where: str) -> None:
    """Refuse a path that the library would shorten before it is sent: what is asked must be what was meant."""
    if {".", ".."} & set(path.split("/")):
        raise Refused("the path would lead elsewhere than it says", where, "leave out . and .. between slashes")


_SENTENCES: tuple[tuple[type[Exception], Callable[[str], VaultError]], ...] = (
    (answers.VaultDown, lambda where: Sealed("the vault is sealed or not initialised", where, "unseal it")),
    (
        answers.RateLimitExceeded,
        lambda where: Unavailable("the vault takes no more calls now", where, "ask less often"),
    ),
    (answers.InvalidPath, lambda where: NotThere("the vault has no such path", where, "check its version and mounts")),
    (answers.InvalidRequest, lambda where: Refused("the vault refused the question", where, "check its version")),
)


class _Http(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            error.add_note(_NOT_SENT)
            raise


class _Https(HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            error.add_note(_NOT_SENT)
            raise


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Marking(HTTPAdapter):
    """Speaks over connections that mark a failure to connect: no kind of exception tells it from a later one surely."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def _session() -> requests.Session:
    session = requests.Session()
    session.mount("http://", _Marking())
    session.mount("https://", _Marking())
    return session


def _before_sending(error: BaseException) -> bool:
    """Whether an exception, or any that it came from, was marked."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        if _NOT_SENT in getattr(one, "__notes__", ()):
            return True
        seen.add(id(one))
        left += [one.__cause__, one.__context__]
    return False


def _why(error: requests.exceptions.RequestException) -> str:
    """The kind of failure in words that name the mend; the exception's own text may hold addresses of a proxy."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS (SSLError)"
    if isinstance(error, requests.exceptions.Timeout):
        return "it did not answer in time (Timeout)"
    return type(error).__name__


def _said(answer: requests.Response) -> tuple[str, ...]:
    try:
        return texts_of(object_of(answer.json()).get("errors"))
    except ValueError:
        return ()


def _no_vault(answer: Any, where: str) -> Unavailable:
    if 300 <= getattr(answer, "status_code", 200) < 400:
        return elsewhere(where)
    return Unavailable("what answered is no vault: it sent no JSON", where, "check the address and any proxy")
