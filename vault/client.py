"""Asks a real Vault or OpenBao what it holds, one question at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from vault import roles
from vault.answered import moment_of, object_of, strings_of, texts_of
from vault.errors import NotPermitted, NotThere, Refused
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
from vault.wire import Wire


class Client(Wire):
    """The questions of `vault.server.Server`, asked over the wire."""

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
        answer = object_of(self._ask("auth/token/lookup-self").get("data"))
        return Token(
            display_name=str(answer.get("display_name", "")),
            policies=texts_of(answer.get("policies")),
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
        answer = object_of(self._ask("sys/capabilities-self", body={"paths": list(paths)}).get("data"))
        return {path: texts_of(answer.get(path)) or ("deny",) for path in paths}

    def reach(self) -> Reach:
        """Everything that the token may do: GET sys/internal/ui/resultant-acl (it leaves out rules with `+`)."""
        answer = object_of(self._ask("sys/internal/ui/resultant-acl").get("data"))
        exact, beginnings = object_of(answer.get("exact_paths")), object_of(answer.get("glob_paths"))
        return Reach(bool(answer.get("root")), _rules(exact), _rules(beginnings))

    def entities(self, limit: int) -> list[Entity]:
        """The entities: LIST identity/entity/id tells names and aliases, a GET each the metadata of the first."""
        try:
            listed = object_of(self._ask("identity/entity/id", {"list": "true"}).get("data"))
        except NotThere:
            return []  # a store without an entity answers 404
        known = object_of(listed.get("key_info"))
        ids = [str(one) for one in listed.get("keys") or ()]
        shown = {one: object_of(self._ask(f"identity/entity/id/{one}").get("data")) for one in ids[:limit]}
        return [_entity(one, shown.get(one) or object_of(known.get(one))) for one in ids]

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
            return list(texts_of(object_of(self._ask(place, {"list": "true"}).get("data")).get("keys")))
        except NotThere:
            return []

    def _shown(self, place: str, name: str) -> dict[str, Any]:
        """One of a list, empty if it went meanwhile."""
        try:
            return object_of(self._ask(f"{place}/{quote(name)}").get("data"))
        except NotThere:
            return {}

    def audit_devices(self) -> list[AuditDevice]:
        """The audit devices: GET sys/audit, which needs sudo; of their options only the file's path and mode."""
        listed = object_of(self._ask("sys/audit").get("data"))
        found = []
        for name, about in sorted(listed.items()):
            options = object_of(object_of(about).get("options"))
            path, mode = str(options.get("file_path") or options.get("path") or ""), str(options.get("mode") or "")
            found.append(AuditDevice(name.rstrip("/"), str(object_of(about).get("type", "")), path, mode))
        return found

    def audit_hash(self, device: str, text: str) -> str:
        """How a device's HMAC shows a text: POST sys/audit-hash/<device>."""
        answer = object_of(self._ask(f"sys/audit-hash/{device}", body={"input": text}).get("data"))
        return str(answer.get("hash", ""))

    def lease(self, lease_id: str) -> Lease | None:
        """One lease: POST sys/leases/lookup; of an id that it does not know, the vault says "invalid lease"."""
        try:
            answer = object_of(self._ask("sys/leases/lookup", body={"lease_id": lease_id}).get("data"))
        except Refused as error:
            if "invalid lease" in error.said:
                return None
            raise
        ttl = answer.get("ttl")
        expires, issued = moment_of(answer.get("expire_time")), moment_of(answer.get("issue_time"))
        return Lease(lease_id, int(ttl or 0), expires, bool(answer.get("renewable")), issued)

    def irrevocable(self) -> set[str]:
        """The leases that the vault gave up revoking: GET sys/leases?type=irrevocable, which needs sudo."""
        answer = object_of(self._ask("sys/leases", {"type": "irrevocable", "limit": "none"}).get("data"))
        return {str(object_of(one).get("lease_id", "")) for one in answer.get("leases") or ()}

    def _mounts(self, path: str, shown_as: str, prefix: str) -> list[Mount]:
        try:
            found = self._ask(path).get("data")
        except NotPermitted:
            found = object_of(self._ask("sys/internal/ui/mounts").get("data")).get(shown_as)
        listed = object_of(found).items()
        return sorted((_mount(prefix + name, object_of(about)) for name, about in listed), key=lambda mount: mount.path)


def _rules(found: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {path: texts_of(object_of(about).get("capabilities")) for path, about in found.items()}


def _mount(path: str, about: dict[str, Any]) -> Mount:
    kind = str(about.get("type", ""))
    version = str(object_of(about.get("options")).get("version") or "1")
    return Mount(path, kind, str(about.get("accessor", "")), _kv_version(kind, version))


def _kv_version(kind: str, version: str) -> int:
    return {"1": 1, "2": 2}.get(version, 0) if kind in ("kv", "generic") else 0


def _entity(id: str, about: dict[str, Any]) -> Entity:
    aliases = tuple(
        Alias(
            str(one.get("name", "")),
            str(one.get("mount_accessor", "")),
            str(one.get("mount_path", "")),
            strings_of(one.get("metadata")),
            str(one.get("id", "")),
            strings_of(one.get("custom_metadata")),
        )
        for one in map(object_of, about.get("aliases") or ())
    )
    known = texts_of(about.get("policies"))
    return Entity(
        id, str(about.get("name", "")), bool(about.get("disabled")), strings_of(about.get("metadata")), aliases, known
    )  # fmt: skip


def _policy(name: str, about: dict[str, Any]) -> PolicyText:
    slashes, wildcards = (bool(about.get(f"allow_{one}_in_identity_templates")) for one in ("slashes", "wildcards"))
    return PolicyText(name, str(about.get("policy", "")), slashes, wildcards, str(about.get("expiration") or ""))


def _group(id: str, about: dict[str, Any]) -> Group:
    return Group(
        id,
        str(about.get("name", "")),
        str(about.get("type", "internal")),
        texts_of(about.get("policies")),
        texts_of(about.get("member_entity_ids")),
        texts_of(about.get("member_group_ids")),
        strings_of(about.get("metadata")),
    )
