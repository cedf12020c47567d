"""Asks a real Vault or OpenBao; the only place that knows hvac."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlsplit

import hvac
import requests
from hvac import exceptions as answers

from vault import roles
from vault.address import checked, refuse
from vault.errors import NotPermitted, NotThere, Refused, Sealed, TokenGone, Unavailable, Unreachable, VaultError
from vault.server import (
    Alias,
    AuditDevice,
    AuthRole,
    Entity,
    Group,
    Health,
    Lease,
    Mount,
    PolicyText,
    Reach,
    Token,
)

_NETWORK = "check the address, the network and the certificate"


class Client:
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
            allow_redirects=False,
        )  # fmt: skip
        if not token:
            self._hvac.token = None  # hvac takes one from the environment or the home folder
        self._host = urlsplit(self.address).hostname or ""
        self._resolved = False

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
            server_time=int(answer.get("server_time_utc") or 0),
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
            policies=_texts(answer.get("policies")),
            accessor=str(answer.get("accessor", "")),
            entity_id=str(answer.get("entity_id", "")),
            ttl=int(answer.get("ttl") or 0),
            renewable=bool(answer.get("renewable")),
            period=int(answer.get("period") or 0),
            orphan=bool(answer.get("orphan")),
        )

    def knock(self) -> str:
        """Make a harmless call that is audited: GET auth/token/lookup-self; its answer carries the request's id."""
        return str(self._ask("auth/token/lookup-self").get("request_id", ""))

    def renew(self) -> None:
        """Have the token live its period anew: POST auth/token/renew-self."""
        self._ask("auth/token/renew-self", body={})

    def capabilities(self, paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What the token may do at each path: POST sys/capabilities-self."""
        answer = _object(self._ask("sys/capabilities-self", body={"paths": list(paths)}).get("data"))
        return {path: _texts(answer.get(path)) or ("deny",) for path in paths}

    def reach(self) -> Reach:
        """Everything that the token may do: GET sys/internal/ui/resultant-acl (it leaves out rules with `+`)."""
        answer = _object(self._ask("sys/internal/ui/resultant-acl").get("data"))
        exact, beginnings = _object(answer.get("exact_paths")), _object(answer.get("glob_paths"))
        return Reach(bool(answer.get("root")), _rules(exact), _rules(beginnings))

    def entities(self, limit: int) -> list[Entity]:
        """The entities: LIST identity/entity/id tells names and aliases, a GET each the metadata of the first."""
        try:
            listed = _object(self._ask("identity/entity/id", {"list": "true"}).get("data"))
        except NotThere:
            return []  # a store without an entity answers 404
        known = _object(listed.get("key_info"))
        ids = [str(one) for one in listed.get("keys") or ()]
        shown = {one: _object(self._ask(f"identity/entity/id/{one}").get("data")) for one in ids[:limit]}
        return [_entity(one, shown.get(one) or _object(known.get(one))) for one in ids]

    def policies(self, limit: int) -> list[PolicyText]:
        """The ACL policies: LIST sys/policies/acl, a GET each; `root` has no text."""
        names = [one for one in self._names("sys/policies/acl") if one != "root"]
        return [_policy(one, self._shown("sys/policies/acl", one)) for one in names[:limit]]

    def roles(self, method: Mount, limit: int) -> list[AuthRole]:
        """The roles of one auth method: a LIST at the place of its kind, a GET each."""
        place = roles.place(method)
        if not place:
            raise NotThere(f"Keybook does not know auth methods of the kind {method.type}", method.path)
        return [roles.role(method, one, self._shown(place, one)) for one in self._names(place)[:limit]]

    def groups(self, limit: int) -> list[Group]:
        """The groups: LIST identity/group/id, a GET each."""
        return [_group(one, self._shown("identity/group/id", one)) for one in self._names("identity/group/id")[:limit]]

    def _names(self, place: str) -> list[str]:
        """What a LIST tells; the vault answers 404 where nothing is."""
        try:
            return list(_texts(_object(self._ask(place, {"list": "true"}).get("data")).get("keys")))
        except NotThere:
            return []

    def _shown(self, place: str, name: str) -> dict[str, Any]:
        """One of a list, empty if it went meanwhile."""
        try:
            return _object(self._ask(f"{place}/{quote(name)}").get("data"))
        except NotThere:
            return {}

    def audit_devices(self) -> list[AuditDevice]:
        """The audit devices: GET sys/audit, which needs sudo; of their options only the file's path and mode."""
        listed = _object(self._ask("sys/audit").get("data"))
        found = []
        for name, about in sorted(listed.items()):
            options = _object(_object(about).get("options"))
            path, mode = str(options.get("file_path") or options.get("path") or ""), str(options.get("mode") or "")
            found.append(AuditDevice(name.rstrip("/"), str(_object(about).get("type", "")), path, mode))
        return found

    def audit_hash(self, device: str, text: str) -> str:
        """How a device's HMAC shows a text: POST sys/audit-hash/<device>."""
        answer = _object(self._ask(f"sys/audit-hash/{device}", body={"input": text}).get("data"))
        return str(answer.get("hash", ""))

    def lease(self, lease_id: str) -> Lease | None:
        """One lease: POST sys/leases/lookup; of an id that it does not know, the vault says "invalid lease"."""
        try:
            answer = _object(self._ask("sys/leases/lookup", body={"lease_id": lease_id}).get("data"))
        except Refused as error:
            if "invalid lease" in _texts(getattr(error.__cause__, "errors", None)):
                return None
            raise
        ttl = answer.get("ttl")
        return Lease(lease_id, int(ttl or 0), _moment(answer.get("expire_time")), bool(answer.get("renewable")))

    def irrevocable(self) -> set[str]:
        """The leases that the vault gave up revoking: GET sys/leases?type=irrevocable, which needs sudo."""
        answer = _object(self._ask("sys/leases", {"type": "irrevocable", "limit": "none"}).get("data"))
        return {str(_object(one).get("lease_id", "")) for one in answer.get("leases") or ()}

    def _mounts(self, path: str, shown_as: str, prefix: str) -> list[Mount]:
        try:
            found = self._ask(path).get("data")
        except NotPermitted:
            found = _object(self._ask("sys/internal/ui/mounts").get("data")).get(shown_as)
        listed = _object(found).items()
        return sorted((_mount(prefix + name, _object(about)) for name, about in listed), key=lambda mount: mount.path)

    def _ask(
        self, path: str, params: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """One GET, or one POST of `body`; every way to fail becomes a sentence."""
        where = f"{self.address}, {path}"
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
        return NotPermitted("the token may not do this", where, f"allow it on `{path}` in the token's policy")


_SENTENCES: tuple[tuple[type[Exception], Callable[[str], VaultError]], ...] = (
    (answers.VaultDown, lambda where: Sealed("the vault is sealed or not initialised", where, "unseal it")),
    (
        answers.RateLimitExceeded,
        lambda where: Unavailable("the vault takes no more calls now", where, "ask less often"),
    ),
    (answers.InvalidPath, lambda where: NotThere("the vault has no such path", where, "check its version and mounts")),
    (answers.InvalidRequest, lambda where: Refused("the vault refused the question", where, "check its version")),
)


def _why(error: requests.exceptions.RequestException) -> str:
    """The kind of failure in words that name the mend; the exception's own text may hold addresses of a proxy."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS (SSLError)"
    if isinstance(error, requests.exceptions.Timeout):
        return "it did not answer in time (Timeout)"
    return type(error).__name__


def _no_vault(answer: Any, where: str) -> Unavailable:
    if 300 <= getattr(answer, "status_code", 200) < 400:
        mend = "give the address that it sends to (a standby sends to the active node); redirects are not followed"
        return Unavailable("what answered sends elsewhere", where, mend)
    return Unavailable("what answered is no vault: it sent no JSON", where, "check the address and any proxy")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _rules(found: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {path: _texts(_object(about).get("capabilities")) for path, about in found.items()}


def _moment(text: Any) -> datetime | None:
    """Read a time of the API, whose decimals are up to nine."""
    try:
        whole, _, decimals = str(text).removesuffix("Z").partition(".")
        return datetime.fromisoformat(f"{whole}.{decimals[:6]:0<6}").replace(tzinfo=UTC)
    except ValueError:
        return None


def _strings(value: Any) -> dict[str, str]:
    return {str(key): str(one) for key, one in _object(value).items()}


def _mount(path: str, about: dict[str, Any]) -> Mount:
    kind = str(about.get("type", ""))
    version = str(_object(about.get("options")).get("version") or "1")
    return Mount(path, kind, str(about.get("accessor", "")), _kv_version(kind, version))


def _kv_version(kind: str, version: str) -> int:
    return {"1": 1, "2": 2}.get(version, 0) if kind in ("kv", "generic") else 0


def _entity(id: str, about: dict[str, Any]) -> Entity:
    aliases = tuple(
        Alias(
            str(one.get("name", "")),
            str(one.get("mount_accessor", "")),
            str(one.get("mount_path", "")),
            _strings(one.get("metadata")),
            str(one.get("id", "")),
            _strings(one.get("custom_metadata")),
        )
        for one in map(_object, about.get("aliases") or ())
    )
    known = _texts(about.get("policies"))
    return Entity(
        id, str(about.get("name", "")), bool(about.get("disabled")), _strings(about.get("metadata")), aliases, known
    )  # fmt: skip


def _policy(name: str, about: dict[str, Any]) -> PolicyText:
    slashes, wildcards = (bool(about.get(f"allow_{one}_in_identity_templates")) for one in ("slashes", "wildcards"))
    return PolicyText(name, str(about.get("policy", "")), slashes, wildcards, str(about.get("expiration") or ""))


def _group(id: str, about: dict[str, Any]) -> Group:
    return Group(
        id,
        str(about.get("name", "")),
        str(about.get("type", "internal")),
        _texts(about.get("policies")),
        _texts(about.get("member_entity_ids")),
        _texts(about.get("member_group_ids")),
        _strings(about.get("metadata")),
    )
