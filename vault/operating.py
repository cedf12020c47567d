"""What the executor does in a Vault or OpenBao: it mints tokens of one operation, rotates, revokes, and looks.

Every call that changes something has three outcomes. It returns, and it is done. It raises `errors.Unknown`, and it may
be done: look. It raises any other `errors.VaultError`, and it is surely not done. No question reads a secret's value.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

from vault.answered import moment_of, object_of, strings_of, texts_of
from vault.client import Client
from vault.errors import NotThere, Refused, Spent, Unknown, VaultError
from vault.operated import (
    WRAPPED_BY_HAND,
    Database,
    EntityState,
    KvState,
    OperationToken,
    StaticRole,
    TokenState,
    TransitKey,
    VersionState,
    Wrapped,
)
from vault.verdicts import denied


class Operator(Client):
    """The executor's calls, with its own token or with that of one operation."""

    def holding(self, token: OperationToken) -> Self:
        """Return the same server asked with the token of an operation."""
        return self._with(token.token)

    # Tokens of one operation ------------------------------------------------------------------------------------

    def mint(self, role: str, metadata: Mapping[str, str], ttl_seconds: int, uses: int) -> OperationToken:
        """Make a token of an enrolled role for so many calls; `metadata` stands in clear in every audit line of it.

        After `Unknown` mint another: what nobody holds ends by itself. Raises `Refused` for a role that is no role.
        """
        wanted = {"meta": dict(metadata), "ttl": f"{ttl_seconds}s", "num_uses": uses}
        answer = object_of(self._change(f"auth/token/create/{quote(role, safe='')}", wanted).get("auth"))
        return self._token(answer, f"the role {role}")

    @contextlib.contextmanager
    def minted(self, role: str, metadata: Mapping[str, str], ttl_seconds: int, uses: int) -> Iterator[Self]:
        """Mint a token for `uses` calls, give what asks with it, and revoke it at the end, whatever happens inside."""
        token = self.mint(role, metadata, ttl_seconds, uses + 1)
        ours = self.holding(token)
        try:
            yield ours
        finally:
            with contextlib.suppress(VaultError):  # one without a use left is gone, and every other ends by its time
                ours.revoke_self()

    def log_in(self, mount: str, given: Mapping[str, str]) -> OperationToken:
        """Log in at an auth method with what it takes; after `Unknown` log in again, the token that was lost ends."""
        answer = object_of(self._change(f"auth/{quote(mount)}/login", given, quiet=True).get("auth"))
        return self._token(answer, f"auth/{mount}/login")

    def revoke_self(self) -> None:
        """End the token that asks."""
        self._change("auth/token/revoke-self")

    # KV v2 ------------------------------------------------------------------------------------------------------

    def kv_state(self, mount: str, path: str) -> KvState:
        """Return a secret's versions from its metadata: GET <mount>/metadata/<path>."""
        try:
            answer = object_of(self._ask(_below(mount, "metadata", path)).get("data"))
        except NotThere:
            return KvState()
        listed = object_of(answer.get("versions"))
        versions = {int(number): _version(object_of(about)) for number, about in listed.items() if number.isdecimal()}
        return KvState(
            int(answer.get("current_version") or 0),
            versions,
            bool(answer.get("cas_required")),
            int(answer.get("max_versions") or 0),
        )

    def kv_subkeys(self, mount: str, path: str) -> tuple[str, ...]:
        """Return the names of a secret's keys, without values: GET <mount>/subkeys/<path>; none if it is not there."""
        try:
            answer = object_of(self._ask(_below(mount, "subkeys", path), {"depth": "1"}).get("data"))
        except NotThere:
            return ()
        return tuple(sorted(object_of(answer.get("subkeys"))))

    def kv_write(self, mount: str, path: str, data: Mapping[str, str], cas: int) -> int:
        """Write keys over those of version `cas`, and leave the others; returns the new version's number.

        Always a PATCH; where nothing was ever written (`cas` 0) a POST. Raises `Refused` if the newest version is not
        `cas`, `NotThere` if it is deleted or destroyed.
        """
        place, wanted = _below(mount, "data", path), {"data": dict(data), "options": {"cas": cas}}
        try:
            answer = self._change(place, wanted, merge=True, quiet=True)
        except NotThere:
            if cas:
                raise
            answer = self._change(place, wanted, quiet=True)
        version = object_of(answer.get("data")).get("version")
        if not isinstance(version, int):
            raise Unknown("the vault's answer names no version", f"{self.address}, {place}", "look at its versions")
        return version

    def kv_destroy(self, mount: str, path: str, versions: Sequence[int]) -> None:
        """Destroy versions for good: POST <mount>/destroy/<path>; the vault says yes to missing ones too."""
        self._change(_below(mount, "destroy", path), {"versions": list(versions)})

    # Engines that make their own values ---------------------------------------------------------------------------

    def static_role(self, mount: str, name: str) -> StaticRole | None:
        """Return a static role without its password: GET <mount>/static-roles/<name>; None if there is none."""
        answer = self._found(_below(mount, "static-roles", name))
        if answer is None:
            return None
        return StaticRole(
            name,
            str(answer.get("db_name", "")),
            str(answer.get("username", "")),
            moment_of(answer.get("last_vault_rotation")),
            int(answer.get("rotation_period") or 0),
        )

    def database(self, mount: str, name: str) -> Database | None:
        """Return a database's connection: GET <mount>/config/<name>; None if there is none."""
        answer = self._found(_below(mount, "config", name))
        if answer is None:
            return None
        username = str(object_of(answer.get("connection_details")).get("username", ""))
        return Database(name, str(answer.get("plugin_name", "")), username, texts_of(answer.get("allowed_roles")))

    def rotate_role(self, mount: str, name: str) -> None:
        """Have the vault change a static role's password: POST <mount>/rotate-role/<name>."""
        self._change(_below(mount, "rotate-role", name), doubtful=True)

    def rotate_root(self, mount: str, name: str) -> None:
        """Have the vault change its own password at a database, for good: POST <mount>/rotate-root/<name>."""
        self._change(_below(mount, "rotate-root", name), doubtful=True)

    def transit_key(self, mount: str, name: str) -> TransitKey | None:
        """Return a transit key's versions: GET <mount>/keys/<name>; None if there is none."""
        answer = self._found(_below(mount, "keys", name))
        if answer is None:
            return None
        latest = int(answer.get("latest_version") or 0)
        made = object_of(answer.get("keys")).get(str(latest))
        return TransitKey(name, latest, _key_time(made), int(answer.get("min_decryption_version") or 0))

    def transit_rotate(self, mount: str, name: str) -> None:
        """Add a version to a transit key: POST <mount>/keys/<name>/rotate."""
        self._change(f"{_below(mount, 'keys', name)}/rotate")

    # Leases, tokens, entities -------------------------------------------------------------------------------------

    def leases_below(self, prefix: str) -> Iterator[str]:
        """Yield the ids of the leases below a prefix such as `database/creds/ro/`: LIST needs sudo on each folder."""
        folders = [prefix.rstrip("/") + "/"]
        while folders:
            folder = folders.pop()
            for name in self._names(f"sys/leases/lookup/{quote(folder)}"):
                if name.endswith("/"):
                    folders.append(folder + name)
                else:
                    yield folder + name

    def revoke_lease(self, lease_id: str) -> None:
        """Revoke a lease and wait until that is done; its id stands in the path, so the audit log shows it in clear.

        The vault says yes to an id that it does not know too, so look before and after.
        """
        self._change(f"sys/leases/revoke/{quote(lease_id)}", {"sync": True}, doubtful=True)

    def lookup_accessor(self, accessor: str) -> TokenState | None:
        """Return a token by its accessor; None when it has ended or never was."""
        try:
            answer = object_of(self._ask("auth/token/lookup-accessor", body={"accessor": accessor}).get("data"))
        except Refused as error:
            if any("invalid accessor" in one for one in error.said):
                return None
            raise
        return _token_state(accessor, answer)

    def revoke_accessor(self, accessor: str) -> None:
        """Revoke a token by its accessor; its leases follow a little later, but not while their engine is down."""
        self._change("auth/token/revoke-accessor", {"accessor": accessor}, doubtful=True)

    def entity(self, id: str) -> EntityState | None:
        """Return an entity; None if there is none."""
        answer = self._found(f"identity/entity/id/{quote(id, safe='')}")
        if answer is None:
            return None
        aliases = tuple(str(object_of(one).get("id", "")) for one in answer.get("aliases") or ())
        return EntityState(id, str(answer.get("name", "")), bool(answer.get("disabled")), aliases)

    def disable_entity(self, id: str) -> None:
        """Have every token of an entity refused, and no other made; its leases live on."""
        self._change(f"identity/entity/id/{quote(id, safe='')}", {"disabled": True})

    def enable_entity(self, id: str) -> None:
        """Let an entity in again; its tokens that live work again."""
        self._change(f"identity/entity/id/{quote(id, safe='')}", {"disabled": False})

    # Values, which pass through and are kept nowhere ----------------------------------------------------------------

    def wrapped(self, token: str) -> Wrapped:
        """Look at a wrapping token without opening it; raises `Spent` if it wraps nothing any more."""
        try:
            answer = object_of(self._ask("sys/wrapping/lookup", body={"token": token}).get("data"))
        except Refused as error:
            raise self._spent() from error
        return Wrapped(
            str(answer.get("creation_path", "")),
            moment_of(answer.get("creation_time")),
            int(answer.get("creation_ttl") or 0),
        )

    def unwrap(self, token: str, *, made_at: str = WRAPPED_BY_HAND) -> dict[str, Any]:
        """Open a wrapping token, which can be done once, and return what it holds.

        Raises `Spent` if somebody has opened it or its time is over, and `Refused` if it was not made at `made_at`:
        such a token wraps something else than it was given for. After `Unknown` its content is lost.
        """
        found = self.wrapped(token)
        if found.creation_path != made_at:
            raise Refused(
                f"the wrapping token was made at {found.creation_path}, not at {made_at}", self.address,
                "it was not opened; have it revoked, and ask who made it",
            )  # fmt: skip
        return self._opened({"token": token})

    def unwrap_held(self) -> dict[str, Any]:
        """Open the wrapping token that asks here itself: no other token is needed. Raises as `unwrap`."""
        return self._opened({})

    def _opened(self, body: Mapping[str, str]) -> dict[str, Any]:
        try:
            answer = self._change("sys/wrapping/unwrap", body, quiet=True)
        except Refused as error:
            if any("wrapping token" in one for one in error.said):
                raise self._spent() from error
            raise
        return object_of(answer.get("data"))

    def generate(self, policy: str) -> str:
        """Have the vault make a password by one of its password policies; raises `NotThere` if there is none."""
        answer = object_of(self._ask(f"sys/policies/password/{quote(policy, safe='')}/generate").get("data"))
        return str(answer.get("password", ""))

    def _token(self, answer: dict[str, Any], where: str) -> OperationToken:
        token, accessor = str(answer.get("client_token", "")), str(answer.get("accessor", ""))
        if not token:
            raise Unknown("the vault's answer holds no token", f"{self.address}, {where}", "ask again")
        return OperationToken(token, accessor, int(answer.get("num_uses") or 0), int(answer.get("lease_duration") or 0))

    def _spent(self) -> Spent:
        return Spent(
            "the wrapping token wraps nothing any more: somebody opened it, or its time is over", self.address,
            "if nobody of yours did, what was in it is known to somebody: replace that first, then wrap anew",
        )  # fmt: skip

    def _found(self, path: str) -> dict[str, Any] | None:
        try:
            return object_of(self._ask(path).get("data"))
        except NotThere:
            return None

    def _refusal(self, path: str, where: str, said: tuple[str, ...]) -> VaultError:
        return denied(said, where)


def _below(mount: str, kind: str, name: str) -> str:
    return f"{quote(mount.strip('/'))}/{kind}/{quote(name.strip('/'))}"


def _version(about: dict[str, Any]) -> VersionState:
    deleted = about.get("deletion_time")
    return VersionState(
        moment_of(about.get("created_time")), moment_of(deleted) if deleted else None, bool(about.get("destroyed"))
    )


def _key_time(made: Any) -> datetime | None:
    """Read when a key's version was made: seconds for most kinds, an object for those with a public key."""
    if isinstance(made, int):
        return datetime.fromtimestamp(made, UTC)
    return moment_of(object_of(made).get("creation_time"))


def _token_state(accessor: str, answer: dict[str, Any]) -> TokenState:
    return TokenState(
        accessor,
        str(answer.get("display_name", "")),
        str(answer.get("entity_id", "")),
        str(answer.get("role", "")),
        str(answer.get("path", "")),
        texts_of(answer.get("policies")),
        strings_of(answer.get("meta")),
        int(answer.get("ttl") or 0),
        int(answer.get("num_uses") or 0),
        bool(answer.get("orphan")),
        moment_of(answer.get("expire_time")),
    )
